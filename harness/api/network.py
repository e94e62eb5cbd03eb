"""A detector that is one torch network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """A network behind its own input normalisation: [0, 1] RGB in, the network's output out."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> what the network sees."""
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the network's output."""
        output: Tensor = self.network(self.normalise(images))
        return output


class TorchDetector:
    """A detector that is one torch network with one logit, normalisation inside.

    Args:
        network: maps normalised (N, 3, H, W) to (N, 1) or (N,) logits.
        mean, std: channel statistics of the normalisation.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        self.network = network
        self.module = Normalised(network, mean, std)

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) logits."""
        logits: Tensor = self.module(images)
        return logits.flatten()

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
