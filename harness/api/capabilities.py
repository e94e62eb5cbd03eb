"""What a detector can do: small protocols, each asked for by the part that needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class FileHeader:
    """What an image file says of itself without a pixel being looked at.

    Compressed byte count is left out on purpose: for losslessly coded files it is a statistic of
    the pixels, not of the container.
    """

    format: str
    width: int
    height: int
    mode: str
    jpeg_quality: int | None = None
    quantization: tuple[tuple[int, ...], ...] = ()
    subsampling: str = ""
    has_exif: bool = False
    has_icc: bool = False
    frames: int = 1


@runtime_checkable
class Detector(Protocol):
    """Scores pixels. The one method that every detector of pictures has."""

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in [0, 1] -> (N,) finite scores, larger = more fake."""
        ...


@runtime_checkable
class HeaderDetector(Protocol):
    """Scores file headers and never sees a pixel."""

    def score_headers(self, headers: Sequence[FileHeader]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """N headers -> (N,) finite scores, larger = more fake."""
        ...


@runtime_checkable
class FileDetector(Protocol):
    """Scores whole image files, as a program that takes a path does."""

    def score_files(self, files: Sequence[Path]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """N paths of copies under neutral names -> (N,) finite scores, larger = more fake."""
        ...


@runtime_checkable
class HasModule(Protocol):
    """Is one torch network: cost, Grad-CAM, devices and training by gradient follow from it."""

    module: nn.Module


@runtime_checkable
class HasEmbedding(Protocol):
    """Offers the vector before its last linear layer."""

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, D)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactMap:
    """What every cell of a detector's last map adds to the score; no approximation.

    ``contribution.sum((1, 2)) + bias`` is the score. The harness checks it on every picture.

    Args:
        contribution: (N, h, w) float32, in units of the score; positive speaks for fake.
        bias: (N,) what the score is without any cell.
        selected: (N, h, w) int64, how many values the pooling took from each cell; None where it
            takes all of them.
    """

    contribution: Tensor
    bias: Tensor
    selected: Tensor | None = None

    @classmethod
    def of(
        cls, cells: Tensor, head: Callable[[Tensor], Tensor], selected: Tensor | None = None
    ) -> ExactMap:
        """The map of a score that is linear in the cells once the pooling has made its choice.

        Such a head (a mean, a maximum or a top-K, then a linear layer) is its gradient times its
        argument plus a constant, by Euler's theorem; the gradient knows which cells were taken and
        which weight of the linear layer each value met, whatever the order of the slots.

        Args:
            cells: (N, C, h, w), the last map.
            head: cells -> (N,) scores, in eval mode.
            selected: as in the class.
        """
        with torch.enable_grad():
            cells = cells.detach().requires_grad_()
            (slope,) = torch.autograd.grad(head(cells).sum(), cells)
        with torch.no_grad():
            contribution = (slope * cells).sum(1)
            bias = head(torch.zeros_like(cells))
        return cls(contribution=contribution, bias=bias, selected=selected)


@runtime_checkable
class HasExactMap(Protocol):
    """Its score is a sum over the cells of its last map."""

    def exact_map(self, images: Tensor) -> ExactMap:
        """(N, 3, H, W) in [0, 1] -> what every cell adds to every score."""
        ...


@runtime_checkable
class HasNoPlaces(Protocol):
    """Is a network whose maps are no maps of the picture (a spectrum, tokens, cut patches).

    Grad-CAM is then not offered.
    """

    no_places: str
    """Why: completes "it offers no map of the picture: ..."; "" where it has places after all."""


@runtime_checkable
class HasState(Protocol):
    """Has weights as named tensors: what a checkpoint stores. Loading is strict or it raises."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Name -> tensor."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly the names and shapes of :meth:`state_dict`, or raises RuntimeError."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Is trained by gradient descent on batches of images."""

    module: nn.Module

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, H, W) in [0, 1] and (N,) float labels -> scalar.

        It draws from ``generator`` or, as ``nn.Dropout`` does, from the global ones, which training
        seeds alike, and from no other: one seed, one loss.
        """
        ...


@runtime_checkable
class Startable(Protocol):
    """Can begin its training from a published network."""

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes a ``pretrained`` entry's tensors, named as its mapping names them.

        What they do not cover stays as it is. Raises RuntimeError for a name or shape that the
        network does not have.
        """
        ...


@runtime_checkable
class Fittable(Protocol):
    """Is fitted in one go on features (scikit-learn style)."""

    def features(self, images: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(N, 3, H, W) in [0, 1] -> (N, D) features."""
        ...

    def fit(
        self,
        features: np.ndarray[Any, np.dtype[np.float64]],
        labels: np.ndarray[Any, np.dtype[np.int64]],
        seed: int,
    ) -> None:
        """Fits on (N, D) features and (N,) labels."""
        ...


@runtime_checkable
class HeaderFittable(Protocol):
    """Is fitted in one go on file headers."""

    def fit_headers(
        self,
        headers: Sequence[FileHeader],
        labels: np.ndarray[Any, np.dtype[np.int64]],
        seed: int,
    ) -> None:
        """Fits on N headers and (N,) labels."""
        ...
