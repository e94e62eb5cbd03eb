"""The rule for the embedded data, detector by detector."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import InputRule
from harness.data.operations import OPS
from harness.registry import detectors as registry
from harness.training.mini_rule import GEOMETRY, MINI, augmentation
from harness.training.recipe import is_fit, published_recipe, resolve
from harness.training.schedule import learning_rate
from tests.training import tiny

LFM = registry.detector("lfm")
CROP = "random_crop(96)|hflip(0.5)"
RESIZED = "resize(256)|gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|random_crop(224)|hflip(0.5)"

# Detector: training text, validation text on mini.
EXPECTED = {
    "lfm": (CROP, "native"),
    "npr": (CROP, "native"),
    "ladeda": (CROP, "native"),
    "gap": (CROP, "native"),
    "gap-rgb": (CROP, "native"),
    "freqnet": (CROP, "native"),
    "bihpf": (CROP, "native"),
    "frepgan": (CROP, "native"),
    "f3net": (CROP, "native"),
    "ferretnet": (CROP, "native"),
    "f3net-dfb": ("random_crop(96)", "native"),
    "patchfor": (CROP, "native"),
    "selfblended": (CROP, "native"),
    "cnndetection": (f"gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|{CROP}", "native"),
    "aligned": ("gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|hflip(0.5)|random_crop(96)", "native"),
    "safe": (
        f"{CROP}|rotate(180)|color_jitter(0.5,0.5,0.5)|mask_patches(0.5,16,0.75)",
        "native",
    ),
    "drct": ("jpeg(0.5,30,100)|hflip(0.5)|random_crop(96)", "native"),
    # What follows cannot take 96x96 or 128x128 and keeps the published geometry there.
    "frank-net": ("center_crop(128)", "native"),
    "gandetection": ("native", "native"),
    "fredect": ("resize(256)|center_crop(224)", "resize(256)|center_crop(224)"),
    "lgrad": ("resize(256,256)", "resize(256,256)"),
    "fatformer": (
        "resize(256,256)|random_crop(224)|hflip(0.5)",
        "resize(256,256)|center_crop(224)",
    ),
    "rine": (
        "gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|pad_for_crop(224)|random_crop(224)|hflip(0.5)",
        "center_crop(224)",
    ),
    "drct-clip": (
        "jpeg(0.5,30,100)|hflip(0.5)|pad_for_crop(224)|random_crop(224)",
        "center_crop_floor(224)",
    ),
    "effort-univfd": (
        "tile(256)|random_crop(224)|hflip(0.5)",
        "tile(256)|center_crop(224)",
    ),
    "dda": (
        "jpeg(0.15,55,100)|hflip(0.5)|pad_for_crop(336)|random_crop(336)",
        "center_crop(336)",
    ),
    "d3": (RESIZED, "resize(224,224)"),
    "ojha": (RESIZED, "resize(256)|center_crop(224)"),
}
NETWORKS = [
    name
    for name, spec in registry.detectors().items()
    if spec.recipe is not None and not is_fit(spec.recipe)
]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_detector_in_numbers(name: str) -> None:
    spec = registry.detector(name)
    published, used = published_recipe(spec), resolve(spec, scaling=MINI, overrides={}).used
    assert (used.train_preprocess, used.val_preprocess) == EXPECTED[name]
    assert (used.epochs, used.patience, used.keep) == (16, 0, "last")
    assert used.batch_size == min(published.batch_size, 32)
    assert used.lr == pytest.approx(min(5 * published.lr, 1e-3))
    assert used.start == (published.start if spec.needs_pretrained else "")
    if published.schedule == "cosine":
        assert (used.schedule, used.warmup) == ("cosine", published.warmup)
    else:
        assert (used.schedule, used.lr_step, used.lr_gamma, used.warmup) == ("step", 12, 0.1, 0)
    same = ("optimiser", "betas", "eps", "weight_decay", "decay_vectors", "balanced", "source")
    assert [getattr(used, field) for field in same] == [getattr(published, field) for field in same]


def test_every_operation_is_either_geometry_or_augmentation() -> None:
    kept = {"hflip", "gaussian_blur", "jpeg", "rotate", "color_jitter", "mask_patches"}
    assert not GEOMETRY & kept
    assert set(OPS) == GEOMETRY | kept, "say in GEOMETRY whether the new operation belongs there"


@pytest.mark.parametrize(
    ("published", "scaled"),
    [
        ("native", "random_crop(96)"),
        ("hflip(0.5)", CROP),
        ("resize(8)|jpeg(1,1,2)|random_crop(8)|random_crop(4)", "jpeg(1,1,2)|random_crop(96)"),
        (" resize(8) | hflip(0.5) | random_crop(8) ", "hflip(0.5)|random_crop(96)"),
    ],
)
def test_the_crop_stands_where_the_published_one_stood(published: str, scaled: str) -> None:
    assert augmentation(published) == scaled


@given(
    epochs=st.integers(1, 400),
    lr=st.floats(1e-6, 1e-1),
    lr_step=st.integers(1, 100),
    batch_size=st.integers(1, 512),
)
def test_rates_and_batches(epochs: int, lr: float, lr_step: int, batch_size: int) -> None:
    published = replace(
        published_recipe(LFM), epochs=epochs, lr=lr, lr_step=lr_step, batch_size=batch_size
    )
    scaled = MINI.apply(replace(LFM, recipe=published))
    rates = [learning_rate(scaled, epoch) for epoch in range(scaled.epochs)]
    high = min(5 * lr, 1e-3)
    assert rates == pytest.approx([high] * 12 + [0.1 * high] * 4, rel=1e-12)
    assert scaled.batch_size == min(batch_size, 32)


def test_a_detector_of_one_size_keeps_its_published_geometry() -> None:
    text = "resize(224,224)"
    recipe = replace(tiny.RECIPE, train_preprocess=text, val_preprocess=text)
    only_224 = InputRule(check=lambda h, w: "" if (h, w) == (224, 224) else "224x224 only")
    scaled = MINI.apply(replace(tiny.spec(), recipe=recipe, input_rule=only_224))
    assert (scaled.train_preprocess, scaled.val_preprocess) == (text, text)
    assert scaled.epochs == 16


def test_only_a_method_that_needs_it_starts_from_a_published_network() -> None:
    recipe = replace(tiny.RECIPE, start="imagenet")
    assert MINI.apply(replace(tiny.spec(), recipe=recipe)).start == ""
    assert MINI.apply(replace(tiny.spec(), recipe=recipe, needs_pretrained=True)).start
