"""Small detectors that are trained in seconds on the embedded suite's training images."""

from __future__ import annotations

import copy
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from harness.api import DetectorSpec, ScoreSpec, TorchDetector, Weights
from harness.checkpoints.files import LoadedWeights, sha256_of
from harness.results.records import WeightsRef
from harness.suites import mini

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Convolutions(nn.Module):
    """Four convolutions with batch norm, their mean, dropout and a linear layer.

    What goes in is the picture and, stronger, what its pixels differ by from their neighbourhood.

    Args:
        cells: the neighbourhood is the first pixel of a 2x2 cell, else the mean of 3x3 pixels.
        scale: of the logit: a large one makes float32 sigmoids tie.
    """

    def __init__(self, *, cells: bool = False, scale: float = 1.0) -> None:
        super().__init__()
        self.cells, self.scale = cells, scale
        sides = (3, 12, 16, 24, 32)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            )
            for before, after in itertools.pairwise(sides)
        )
        self.dropout = nn.Dropout(0.3)
        self.fc1 = nn.Linear(sides[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1) logits."""
        height, width = x.shape[2:]
        if self.cells:
            around = x[..., ::2, ::2].repeat_interleave(2, -2).repeat_interleave(2, -1)
            around = around[..., :height, :width]
        else:
            around = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        x = 0.3 * x + 3 * (x - around)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.fc1(self.dropout(x.mean((2, 3)))) * self.scale
        return logits


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A small detector.

    Args:
        name: of its spec.
        cells, scale: see :class:`Convolutions`.
        statistics: mean and standard deviation of its normalisation.
        geometry: its published preprocess text.
        crop: the side of the central square that is taken, 0 = all.
        resize: the side that pictures are brought to first by Pillow, 0 = as they are.
        published_ap: what "AP" means of it.
        epochs: of training.
    """

    name: str
    cells: bool
    scale: float
    statistics: Statistics
    geometry: str
    crop: int = 0
    resize: int = 0
    published_ap: str
    epochs: int


KINDS = (
    Kind(
        name="bench-smooth", cells=False, scale=12.0, statistics=IMAGENET, geometry="native",
        published_ap="ap_sigmoid32", epochs=8,
    ),
    Kind(
        name="bench-resized", cells=True, scale=3.0, statistics=IMAGENET,
        geometry="resize(144,144)", resize=144, published_ap="ap_sigmoid32", epochs=8,
    ),
    Kind(
        name="bench-cells", cells=True, scale=1.0, statistics=HALF,
        geometry="center_crop(112)", crop=112, published_ap="ap", epochs=8,
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Small:
    """A trained small detector: by hand, and as the harness has it.

    Args:
        kind: which.
        network: in evaluation mode.
        spec: what the harness knows of it.
        loaded: its weights.
        others: label -> another checkpoint of it.
    """

    kind: Kind
    network: Convolutions
    spec: DetectorSpec
    loaded: LoadedWeights
    others: dict[str, Convolutions]


def built(kind: Kind) -> Convolutions:
    """The untrained network."""
    return Convolutions(cells=kind.cells, scale=kind.scale)


def spec_of(kind: Kind, files: Mapping[str, Path]) -> DetectorSpec:
    """Its spec, as a file of ``baselines`` would have it."""
    mean, std = kind.statistics

    def build() -> TorchDetector:
        return TorchDetector(built(kind), mean=mean, std=std)

    return DetectorSpec(
        name=kind.name,
        title=kind.name,
        family="control",
        build=build,
        score=ScoreSpec(kind="logit", threshold=0.0, published_ap=kind.published_ap),  # type: ignore[arg-type]
        geometry={"*": kind.geometry},
        weights=tuple(
            Weights(
                name=label,
                filename=path.name,
                url="",
                sha256=sha256_of(path),
                size=path.stat().st_size,
                licence="of this repository",
                trained_on="mini",
            )
            for label, path in files.items()
        ),
        citation="none: it is here to be wrong in known ways",
    )


@cache
def training_images(side: int = 0) -> tuple[Tensor, Tensor]:
    """(N, 3, 128, 128) in [0, 1] and (N,) labels: the embedded suite's training split, and as more
    fakes its photographs at half their size and back; all brought to a side, 0 = as they are."""
    samples = mini.train_samples()
    pictures = [Image.open(io.BytesIO(each.source.read())).convert("RGB") for each in samples]
    labels = [float(each.label) for each in samples]
    for number, picture in enumerate(pictures[: labels.index(1.0)]):
        way = (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)[number % 2]
        pictures.append(picture.resize((64, 64), way).resize((128, 128), way))
        labels.append(1.0)
    if side:
        pictures = [each.resize((side, side), Image.Resampling.BILINEAR) for each in pictures]
    arrays = np.stack([np.array(each) for each in pictures])
    return torch.from_numpy(arrays).movedim(-1, 1).float() / 255, torch.tensor(labels)


def trained(kind: Kind, seed: int) -> dict[str, Convolutions]:
    """The network after all passes over the training images, and as it was a fourth earlier."""
    images, labels = training_images(kind.resize)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in kind.statistics)
    images = (images - mean) / std
    even = (1 - labels).sum() / labels.sum()  # both classes weigh the same
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = built(kind).train()
        optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, kind.epochs)
        for epoch in range(kind.epochs):
            if epoch == kind.epochs * 3 // 4:
                earlier = copy.deepcopy(network).eval()
            for rows in torch.split(torch.randperm(len(images)), 33):
                loss = nn.functional.binary_cross_entropy_with_logits(
                    network(images[rows]).flatten() / kind.scale, labels[rows], pos_weight=even
                )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            falling.step()
    return {"released": network.eval(), "earlier": earlier}


def small(kind: Kind, folder: Path, seed: int = 0) -> Small:
    """Trains it, and another checkpoint of it, into files of a folder."""
    networks = trained(kind, seed)
    files = {label: folder / f"{kind.name}-{label}.pth" for label in networks}
    for label, each in networks.items():
        torch.save(each.state_dict(), files[label])
    spec = spec_of(kind, files)
    loaded = LoadedWeights(
        state=dict(networks["released"].state_dict()),
        ref=WeightsRef(label="released", sha256=sha256_of(files["released"]), verified=True),
        path=files["released"],
    )
    return Small(
        kind=kind, network=networks.pop("released"), spec=spec, loaded=loaded, others=networks
    )
