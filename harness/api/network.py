"""A detector that is one torch network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from harness.api.capabilities import ExactMap

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Statistic = float | Sequence[float]
"""Of all channels, or of each."""


def five_crops(images: Tensor, side: int) -> list[Tensor]:
    """The four corners, row by row, and the middle as torchvision has it.

    Args:
        images: (N, 3, H, W), neither side shorter than ``side``.
        side: of a crop, pixels.

    Returns:
        Five of (N, 3, side, side).
    """
    down, right = images.shape[2] - side, images.shape[3] - side
    places = ((0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2)))
    return [images[:, :, top : top + side, left : left + side] for top, left in places]


class Normalised(nn.Module):
    """A network behind its own input normalisation: [0, 1] RGB in, the network's output out.

    Attributes:
        statistics: mean and deviation as they were given, which a network without numbers (on
            torch's device ``meta``) knows too.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Statistic, std: Statistic) -> None:
        super().__init__()
        self.network = network
        self.statistics = (mean, std)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> what the network sees."""
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the network's output."""
        output: Tensor = self.network(self.normalise(images))
        return output


def one_logit(logits: Tensor) -> Tensor:
    """(N, 1) or (N,) logits as (N,); of two classes, fake minus real, whose sigmoid is P(fake)."""
    if logits.dim() == 2 and logits.shape[1] == 2:
        return logits[:, 1] - logits[:, 0]
    return logits.flatten()


class TorchDetector:
    """A detector that is one torch network, normalisation inside.

    Args:
        network: maps normalised (N, 3, H, W) to logits: (N, 1), (N,), or (N, 2) of real and fake.
        mean, std: channel statistics of the normalisation.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Statistic = IMAGENET_MEAN,
        std: Statistic = IMAGENET_STD,
    ) -> None:
        self.network = network
        self.module = Normalised(network, mean, std)

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) logits."""
        return one_logit(self.module(images))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy with logits, mean over the batch."""
        return nn.functional.binary_cross_entropy_with_logits(self.score(images), labels)

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes the given entries; those not given stay as they are."""
        unexpected = self.network.load_state_dict(state, strict=False).unexpected_keys
        if unexpected:
            raise RuntimeError(f"{len(unexpected)} unexpected names, first {unexpected[0]!r}")

    def state_dict(self) -> Mapping[str, Tensor]:
        """The network's entries under their official names."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly; RuntimeError names missing and unexpected keys."""
        self.network.load_state_dict(state, strict=True)


class PooledNetwork(nn.Module):
    """Pools the cells of its last map into a vector, which the linear layer ``fc1`` reads.

    A subclass makes the cells and ``fc1``.
    """

    fc1: nn.Linear

    def cells(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, C, h, w), the last map."""
        raise NotImplementedError

    def pool(self, cells: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, D), what ``fc1`` sees: the mean over cells."""
        return cells.mean((2, 3))

    def selected(self, cells: Tensor) -> Tensor | None:
        """(N, C, h, w) -> (N, h, w) how many values the pooling took from each cell; None = all."""
        return None

    def features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, D), the pooled cells."""
        return self.pool(self.cells(x))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1) or (N, 2) logits."""
        logits: Tensor = self.fc1(self.features(x))
        return logits


class PooledDetector(TorchDetector):
    """A detector whose score is a sum over the cells of a :class:`PooledNetwork`."""

    network: PooledNetwork

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, D), the pooled cells."""
        return self.network.features(self.module.normalise(images))

    def exact_map(self, images: Tensor) -> ExactMap:
        """(N, 3, H, W) in [0, 1] -> what every cell adds to the score."""
        network = self.network
        with torch.no_grad():
            cells = network.cells(self.module.normalise(images))
        return ExactMap.of(
            cells, lambda x: one_logit(network.fc1(network.pool(x))), network.selected(cells)
        )
