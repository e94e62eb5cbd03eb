"""A small trainable detector and small separable pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from harness.api import FAKE, REAL, DetectorSpec, Recipe, ScoreSpec, TorchDetector
from harness.data.adapters import sample_order
from harness.data.hashing import file_sha256
from harness.data.sample import Manifest, Sample
from harness.data.source import FileSource
from harness.training.data import ImageSet
from harness.training.loop import Descent, Keepers
from harness.training.outcome import Trained, seeded_build
from harness.training.progress import Curves, Progress
from harness.training.recipe import ResolvedRecipe
from harness.training.request import Machine, Training
from harness.training.savepoint import Savepoint

CPU = Machine(device=torch.device("cpu"), progress="none")
SIDE = 20
RECIPE = Recipe(
    epochs=3,
    batch_size=8,
    lr=0.02,
    lr_gamma=0.5,
    lr_step=2,
    train_preprocess="random_crop(16)|hflip(0.5)",
    val_preprocess="native",
    source="a test",
)


class TinyNetwork(nn.Module):
    """Convolution with batch norm, average, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.fc(features)


class TinyDetector(TorchDetector):
    """Its loss draws from the generator, as LFM's does, and globally, as dropout does."""

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.rand(images.shape, generator=generator) * 0.02
        noise = nn.functional.dropout(noise, 0.5)
        return super().loss(images + noise, labels, generator)


class PlainNetwork(nn.Module):
    """Without batch norm: what images give does not depend on who goes with them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = torch.relu(self.conv(x)).mean((2, 3))
        return self.fc(features)


class PlainDetector(TorchDetector):
    """Its loss is a mean over images and draws nothing."""

    def __init__(self, _: nn.Module) -> None:
        super().__init__(PlainNetwork())


class BrokenDetector(TorchDetector):
    """Its loss is not a number from the third step on."""

    steps = 0

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        self.steps += 1
        loss = super().loss(images, labels, generator)
        return loss * float("nan") if self.steps == 3 else loss


def spec(detector: type[TorchDetector] = TinyDetector) -> DetectorSpec:
    return DetectorSpec(
        name="tiny",
        title="Tiny",
        family="test",
        build=lambda: detector(TinyNetwork()),
        score=ScoreSpec(kind="logit", threshold=0.0),
        geometry={"*": "native"},
        recipe=RECIPE,
    )


def training(train: Manifest, val: Manifest, **changes: Any) -> Training:
    """A training of :func:`spec` by its published recipe, or with other fields."""
    made = spec(changes.pop("detector", TinyDetector))
    recipe = changes.pop("recipe", RECIPE)
    wanted = {
        "spec": made,
        "variant": "",
        "recipe": ResolvedRecipe(published=RECIPE, used=recipe, changes=()),
        "seed": 0,
        "trained_on": "a test",
        "train": train,
        "val": val,
    }
    return Training(**{**wanted, **changes})


def descend(
    training: Training,
    machine: Machine = CPU,
    savepoint: Savepoint | None = None,
    keepers: Keepers | None = None,
) -> Trained:
    """The loop alone, without a run folder unless the savepoint has one."""
    detector = seeded_build(training.spec, training.options, training.seed)
    train, val = (
        ImageSet(manifest, training.spec, workers=machine.workers)
        for manifest in (training.train, training.val)
    )
    silent = Keepers(
        progress=Progress(), savepoint=savepoint or Savepoint(None, {}), curves=Curves()
    )
    return Descent(training, detector, machine).run(train, val, keepers or silent)


def equal(first: Trained, second: Trained) -> bool:
    """Whether all weights are the same to the bit."""
    return all(torch.equal(value, second.state[name]) for name, value in first.state.items())


def picture(label: int, seed: int, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) uint8: smooth for a real; a fake has a faint grid added to it."""
    rng = np.random.default_rng([label, seed])
    base = rng.integers(90, 110, 3) + np.linspace(0, 40, side)[:, None, None] * np.ones(
        (1, side, 1)
    )
    if label == FAKE:
        base = base + 25.0 * (np.indices((side, side)).sum(0) % 2)[:, :, None]
    return np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8)


def write_class_folders(folder: Path, count: int, *, first: int = 0, side: int = SIDE) -> Path:
    """``0_real`` and ``1_fake`` with ``count`` pictures each."""
    for label, name in ((REAL, "0_real"), (FAKE, "1_fake")):
        (folder / name).mkdir(parents=True)
        for seed in range(first, first + count):
            Image.fromarray(picture(label, seed, side)).save(folder / name / f"{seed:03d}.png")
    return folder


def manifest(folder: Path, name: str = "test/train") -> Manifest:
    """The manifest of such a folder."""
    samples = [
        Sample(
            id=f"{path.parent.name}/{path.name}",
            label=label,
            source=FileSource(str(path)),
            sha256=file_sha256(path),
        )
        for label, sub in ((REAL, "0_real"), (FAKE, "1_fake"))
        for path in (folder / sub).iterdir()
    ]
    return Manifest(name, tuple(sorted(samples, key=sample_order)))
