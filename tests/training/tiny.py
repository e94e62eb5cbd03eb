"""A small trainable detector and small separable pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from harness.api import FAKE, REAL, DetectorSpec, Recipe, ScoreSpec, TorchDetector
from harness.data.adapters import sample_order
from harness.data.sample import Manifest, Sample

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
    """Its loss draws noise from the generator, as LFM's does."""

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.rand(images.shape, generator=generator) * 0.02
        return super().loss(images + noise, labels, generator)


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
    """The manifest of such a folder; the hash of an image is only as unique as a test needs."""
    samples = [
        Sample(id=f"{path.parent.name}/{path.name}", label=label, path=path, sha256=path.name)
        for label, sub in ((REAL, "0_real"), (FAKE, "1_fake"))
        for path in (folder / sub).iterdir()
    ]
    return Manifest(name, tuple(sorted(samples, key=sample_order)))
