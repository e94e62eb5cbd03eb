"""LFM's network: parity with the authors' numbers, strict loading, loss, sizes."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from harness.data.preprocess import to_tensor
from harness.registry import detectors as registry
from lfm.detector import VARIANTS, build
from lfm.network import POOLINGS, cell_residual, final_side
from lfm.pooling import random_k
from tests.goldens.rules import fill
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)

SPEC = registry.detector("lfm")


def test_residual_equals_the_frozen_convolutions_bit_for_bit() -> None:
    network = build().network
    images = torch.randn(2, 3, 10, 14)
    down_up = network.upsample_conv(network.downsample_conv(images))
    assert torch.equal(cell_residual(images), images - down_up)


def test_other_residual_kernels_are_refused() -> None:
    detector = build()
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    state["upsample_conv.weight"][0, 0, 0, 0] = 2
    with pytest.raises(RuntimeError, match="upsample_conv"):
        detector.load_state_dict(state)


@pytest.mark.parametrize(("side", "expected"), [(256, 30), (128, 14), (48, 4), (24, 1), (22, 0)])
def test_final_side_is_what_the_network_gives(side: int, expected: int) -> None:
    assert final_side(side) == expected
    if expected:
        network = build().network.eval()
        assert network.cells(torch.rand(1, 3, side, side)).shape[-1] == expected


SIZES = [
    (48, 48, True),
    (46, 46, False),
    (24, 200, True),
    (32, 256, True),
    (22, 400, False),
    (49, 48, False),
]


@pytest.mark.parametrize(("height", "width", "fine"), SIZES)
def test_sizes_as_stated(height: int, width: int, fine: bool) -> None:
    assert (SPEC.input_rule.problem(height, width) == "") is fine
    if fine:
        detector = build()
        detector.module.eval()
        assert detector.score(torch.rand(1, 3, height, width)).shape == (1,)


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_the_main_bce_plus_the_weighted_auxiliary_one(variant: str) -> None:
    detector = build(**VARIANTS[variant])
    detector.module.train()
    images, labels = torch.rand(4, 3, 48, 48), torch.tensor([0.0, 1.0, 0.0, 1.0])
    torch.manual_seed(0)
    loss = detector.loss(images, labels, torch.Generator().manual_seed(3))
    logits, auxiliary = detector.network.training_logits(
        detector.module.normalise(images), torch.Generator().manual_seed(3)
    )
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(logits.flatten(), labels)
    if variant == "algorithm1":
        assert auxiliary is not None
        expected = expected + 0.02 * bce(auxiliary.flatten(), labels)
    else:
        assert auxiliary is None
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_auxiliary_weight_is_configurable() -> None:
    images, labels = torch.rand(2, 3, 48, 48), torch.tensor([0.0, 1.0])
    losses = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        detector = build(**{**VARIANTS["algorithm1"], "auxiliary_weight": weight})
        detector.module.train()
        losses.append(detector.loss(images, labels, torch.Generator().manual_seed(0)).item())
    assert losses[1] > losses[0] + 0.3  # an untrained BCE adds about ln 2


def test_the_auxiliary_logit_is_the_same_classifier_on_undropped_random_values() -> None:
    detector = build(**VARIANTS["algorithm1"])
    network = detector.network.train()
    images = torch.rand(2, 3, 64, 64)
    generator = torch.Generator().manual_seed(5)
    auxiliary = network.training_logits(images, generator)[1]
    generator.manual_seed(5)
    maps = network.cells(images)
    network.pool(maps, generator)  # RBLD draws before random-K does
    expected = network.fc1(random_k(maps, 16, generator).flatten(1))
    assert auxiliary is not None
    assert torch.equal(auxiliary, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_evaluation_is_deterministic_and_draws_nothing(variant: str) -> None:
    detector = build(**VARIANTS[variant])
    detector.module.eval()
    images = torch.rand(2, 3, 64, 64)
    before = torch.random.get_rng_state()
    assert torch.equal(detector.score(images), detector.score(images))
    assert torch.equal(before, torch.random.get_rng_state())


RBLD = {
    "off": {"p_min": 0.0, "p_max": 0.0},
    "released": {"p_min": 0.1, "p_max": 0.1, "rescale": True},
    "algorithm1": {"p_min": 0.1, "p_max": 0.3, "rescale": False},
}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_combination_of_the_ablation_is_built_trains_and_scores(pooling: str) -> None:
    images, labels = torch.rand(2, 3, 80, 80), torch.tensor([0.0, 1.0])
    generator = torch.Generator()
    for rbld, rks, k, residual in product(RBLD, (False, True), (1, 4, 16, 64), (True, False)):
        options = {"pooling": pooling, **RBLD[rbld], "rks": rks, "k": k, "residual": residual}
        options |= {"order": "ascending", "auxiliary_weight": 0.02}
        detector = build(**json.loads(json.dumps(options)))
        detector.module.train()
        detector.loss(images, labels, generator.manual_seed(0)).backward()
        trained = [p for p in detector.network.parameters() if p.requires_grad]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in trained), options
        detector.module.eval()
        with torch.no_grad():
            assert detector.embed(images).shape == (2, 64 * (k if pooling == "topk" else 1))
            assert torch.equal(detector.score(images), detector.score(images))


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pooling must be one of .*'median'"):
        build(pooling="median")


@pytest.mark.parametrize(("name", "residual"), [("gap", True), ("gap-rgb", False)])
def test_the_gap_detectors_are_the_ablations_networks(name: str, residual: bool) -> None:
    torch.manual_seed(0)
    baseline = registry.detector(name).build()
    torch.manual_seed(0)
    row = build(pooling="gap", p_min=0.0, p_max=0.0, residual=residual, order="ascending")
    assert baseline.network.options.pooling == row.network.options.pooling == "gap"
    images, labels = torch.rand(2, 3, 64, 64), torch.tensor([0.0, 1.0])
    for detector in (baseline, row):
        detector.module.train()
    losses = [d.loss(images, labels, torch.Generator().manual_seed(0)) for d in (baseline, row)]
    assert torch.equal(*losses)
    assert list(baseline.state_dict()) == list(row.state_dict())


def test_variants_differ_in_order_only_when_evaluated() -> None:
    torch.manual_seed(0)
    released, paper = build(**VARIANTS["released"]), build(**VARIANTS["algorithm1"])
    paper.load_state_dict(released.state_dict())
    released.module.eval(), paper.module.eval()
    images = torch.rand(1, 3, 64, 64)
    one, two = (d.embed(images).reshape(64, 16) for d in (released, paper))
    assert torch.equal(one.flip(-1), two)


def test_keys_are_the_published_ones() -> None:
    assert keys_of(build().state_dict()) == keys("lfm")
    assert sum(p.numel() for p in build().network.parameters()) == 725_641


def test_goldens_with_rule_weights() -> None:
    gold = golden("lfm")
    detector = fill(build(), keep=("downsample_conv.weight", "upsample_conv.weight"))
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(checked_stages(detector.network, images, gold), gold["logits"])
        close(detector.network(images[:, :, :128, :192]), gold["logits_crop128x192"])
        maps = detector.network.cells(images)
        close(detector.network.pool(maps).flatten(1), gold["pooled"])


def test_goldens_with_the_released_weights(released_weights: Path) -> None:
    gold = golden("lfm")
    detector = build(**VARIANTS["released"])
    detector.load_state_dict(torch.load(released_weights, weights_only=True, map_location="cpu"))
    detector.module.eval()
    with torch.no_grad():
        close(detector.network(torch.from_numpy(gold["input"])), gold["real_logits_synth"], 1e-4)
        close(detector.score(photos())[:, None], gold["real_logits_photos"][:2], 1e-4)


def photos() -> torch.Tensor:
    """The first two of the goldens' photographs, which scikit-learn ships: (2, 3, 256, 256)."""
    shrunk = [
        Image.fromarray(p).resize((256, 256), Image.Resampling.BILINEAR)
        for p in load_sample_images().images
    ]
    return torch.stack([to_tensor(np.array(photo)) for photo in shrunk])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("lfm", SPEC, "diffusion")
