"""What F3-Net sees of a picture's frequencies: band-limited copies, and local band energies.

Both come from the orthonormal DCT-II. Masks are 0/1 bands of the index sum i + j plus a learned
part squashed to (-1, 1).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from baselines._pixels import GRAY
from baselines._spectrum import dct_matrix

FAD_BANDS = 4
LFS_BANDS = 6
WINDOW = 10  # side of the local windows, pixels
STRIDE = 2
PADDING = 4
HALF_RANGE = 122.5  # in the released code, where 127.5 would map [-1, 1] to 0..255
FLOOR = 1e-15  # keeps the logarithm finite

Array = np.ndarray[Any, np.dtype[np.float32]]
Band = tuple[float, float]


@lru_cache(maxsize=32)
def _masks(side: int, bands: tuple[Band, ...]) -> Array:
    total = np.arange(side)[:, None] + np.arange(side)[None, :]
    masks = [(total >= low) & (total <= high) for low, high in bands]
    return np.asarray(masks, dtype=np.float32)


def band_masks(side: int, bands: tuple[Band, ...]) -> Tensor:
    """(len(bands), side, side) float32: 1 where low <= i + j <= high, both ends included."""
    return torch.from_numpy(_masks(side, bands).copy())


def fad_bands(side: int) -> tuple[Band, ...]:
    """Low, middle, high, all; neighbouring bands share the diagonal between them."""
    low, middle, top = side // 2.82, side // 2, side * 2
    return (0, low), (low, middle), (middle, top), (0, top)


def lfs_bands() -> tuple[Band, ...]:
    """Six equal parts of the index sum of a 10x10 window; their edges are no whole numbers."""
    edges = [WINDOW * 2 / LFS_BANDS * k for k in range(LFS_BANDS + 1)]
    return tuple(pairwise(edges))


def squash(learned: Tensor) -> Tensor:
    """2 sigmoid(a) - 1: any number -> (-1, 1)."""
    return 2 * torch.sigmoid(learned) - 1


def decompose(images: Tensor, learned: Tensor) -> Tensor:
    """The picture rebuilt from each of the four masked spectra.

    Args:
        images: (N, 3, n, n) in [-1, 1].
        learned: (4, m, m), the learned parts, shared by the channels. Where n is not m they are
            resampled bilinearly, so that they stay at their relative frequencies.

    Returns:
        (N, 12, n, n): band by band, RGB within each.
    """
    side = int(images.shape[-1])
    if learned.shape[-1] != side:
        learned = nn.functional.interpolate(
            learned[None], size=(side, side), mode="bilinear", align_corners=False
        )[0]
    basis = dct_matrix(side, images)
    masks = band_masks(side, fad_bands(side)).to(images.device) + squash(learned)
    spectrum = basis @ images @ basis.T
    parts = [basis.T @ (spectrum * mask) @ basis for mask in masks]
    return torch.cat(parts, 1)


def local_statistics(images: Tensor, learned: Tensor) -> Tensor:
    """Mean log magnitude of six frequency bands in 10x10 windows, two pixels apart.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        learned: (6, 10, 10), the learned parts of the masks.

    Returns:
        (N, 6, H', W') with H' = H // 2 for even H.
    """
    luma = torch.tensor(GRAY, device=images.device)
    gray = (images * luma.view(1, 3, 1, 1)).sum(1, keepdim=True)
    padded = nn.functional.pad((gray + 1) * HALF_RANGE, (PADDING,) * 4)
    windows = padded.unfold(2, WINDOW, STRIDE).unfold(3, WINDOW, STRIDE)  # (N, 1, H', W', 10, 10)
    basis = dct_matrix(WINDOW, images)
    energy = torch.log10((basis @ windows @ basis.T).abs() + FLOOR)
    base = band_masks(WINDOW, lfs_bands()).to(images.device)
    masks = (base + squash(learned)) / base.sum((1, 2), keepdim=True)
    return torch.einsum("nchwij,kij->nkhw", energy, masks)


# One node each in a traced graph, because their matrices depend on the picture's size. This works
# for calls that name the module: ``_frequency.decompose(...)``.
fx.wrap("decompose")
fx.wrap("local_statistics")
