"""Every trainable detector goes on from a saved state to the bit, whatever state it holds."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.api import DetectorSpec
from harness.registry import detectors as registry
from harness.training import session
from harness.training.loop import Keepers
from harness.training.progress import Curves, Progress
from harness.training.recipe import ResolvedRecipe, is_fit
from harness.training.request import Training
from harness.training.savepoint import Savepoint
from tests.training import tiny

LARGE = {
    "aligned",
    "bihpf",
    "cnndetection",
    "drct",
    "f3net",
    "f3net-dfb",
    "fredect",
    "frepgan",
    "gandetection",
    "selfblended",
}


def cases() -> list[Any]:
    found = []
    for spec in registry.detectors().values():
        if spec.recipe is None or is_fit(spec.recipe) or spec.needs_pretrained:
            continue
        marks = [pytest.mark.slow] if spec.name in LARGE else []
        for variant in spec.variants or ("",):
            found.append(
                pytest.param(spec, variant, id=f"{spec.name}-{variant}".strip("-"), marks=marks)
            )
    return found


def side_of(spec: DetectorSpec) -> int:
    """A small side that it takes."""
    sides = (32, 48, 64, 96, 128, 224, 256)
    return next(side for side in sides if not spec.input_rule.problem(side, side))


class Interrupting:
    """Progress during which somebody presses Ctrl-C: after the second step."""

    steps = 0

    def advance(self, images: int, shown: dict[str, float]) -> None:
        self.steps += 1
        if self.steps == 2:
            signal.raise_signal(signal.SIGINT)

    def skip(self, images: int) -> None:
        raise AssertionError("nothing was done before")


@pytest.mark.parametrize(("spec", "variant"), cases())
def test_three_steps_are_two_and_one_after_a_stop(
    spec: DetectorSpec, variant: str, tmp_path: Path
) -> None:
    registry.require_extras(spec)
    assert spec.recipe is not None
    side = side_of(spec)
    tiny.write_class_folders(tmp_path / "train", 6, side=side)
    tiny.write_class_folders(tmp_path / "val", 1, first=50, side=side)
    recipe = replace(
        spec.recipe,
        epochs=1,
        batch_size=4,
        start="",
        train_preprocess="native",
        val_preprocess="native",
        warmup=0,
    )
    training = Training(
        spec=spec,
        variant=variant,
        recipe=ResolvedRecipe(published=recipe, used=recipe, changes=()),
        seed=1,
        trained_on="a test",
        train=tiny.manifest(tmp_path / "train"),
        val=tiny.manifest(tmp_path / "val"),
    )
    whole = tiny.descend(training)
    point = Savepoint(tmp_path / "run", session.identity(training))
    stopping = Keepers(progress=Interrupting(), savepoint=point, curves=Curves())
    with pytest.raises(KeyboardInterrupt):
        tiny.descend(training, keepers=stopping)
    resumed = tiny.descend(training, keepers=replace(stopping, progress=Progress()))
    assert resumed.state.keys() == whole.state.keys()
    for name, value in whole.state.items():
        assert torch.equal(resumed.state[name], value), name
    assert resumed.epochs == whole.epochs
