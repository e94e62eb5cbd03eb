"""What of a test subset was in the training data."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.sample import Sample
from harness.results.records import WeightsRef
from harness.seen import seen_in_training
from harness.training.run_folder import IMAGES
from harness.weights import LoadedWeights

SAMPLES = [
    Sample(id="a", label=0, path=Path("a.png"), sha256="aa", generator="photo"),
    Sample(id="b", label=1, path=Path("b.png"), sha256="bb", generator="progan"),
    Sample(id="c", label=1, path=Path("c.png"), sha256="cc", generator="biggan"),
]


def loaded(folder: Path, generators: object, images: list[str]) -> LoadedWeights:
    lines = "".join(f"x{i}\t0\t{digest}\n" for i, digest in enumerate(images))
    (folder / IMAGES).write_text(lines)
    recipe = {} if generators is None else {"generators": generators}
    ref = WeightsRef(label="run/seed0", recipe=recipe)
    return LoadedWeights(state={}, ref=ref, path=folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("generators", "images", "expected"),
    [
        (["photo", "progan"], ["zz"], "generator progan"),  # reals are nobody's fakes
        (["stylegan"], ["aa", "cc"], "2 images"),
        (["biggan", "progan"], ["aa"], "generator biggan, generator progan, 1 images"),
        (["stylegan"], [], ""),
        (None, ["aa"], ""),  # not trained here: nothing is known
    ],
)
def test_seen(tmp_path: Path, generators: object, images: list[str], expected: str) -> None:
    assert seen_in_training(loaded(tmp_path, generators, images), SAMPLES) == expected


def test_weights_of_nothing_have_seen_nothing() -> None:
    assert seen_in_training(LoadedWeights(state={}, ref=WeightsRef()), SAMPLES) == ""
