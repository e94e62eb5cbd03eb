"""Spectra of pictures: one DCT, one Fourier spectrum, one ring mean for every detector.

What feeds a published feature is in float64 and starts from 8-bit levels, as the releases do it: a
logarithm near zero turns float32 rounding into errors of several per cent. Networks that only need
some spectrum use torch.fft in float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

Array = np.ndarray[Any, np.dtype[np.float64]]

LUMA = (9798, 19235, 3735)
"""Red, green, blue weights over 2^15 of OpenCV's gray conversion."""


def levels(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> the same picture in 0..255, whole numbers, float64.

    Pictures come from 8-bit files: rounding undoes the division by 255 exactly.
    """
    return (images.double() * 255).round()


def gray_levels(images: Tensor) -> Array:
    """(N, 3, H, W) in [0, 1] -> (N, H, W) whole gray levels, equal to OpenCV's cvtColor."""
    rgb = levels(images.cpu()).numpy().astype(np.int64)
    gray: Array = (np.tensordot(rgb, np.array(LUMA), axes=(1, 0)) + (1 << 14) >> 15).astype(float)
    return gray


@lru_cache(maxsize=16)
def _dct_rows(size: int) -> Array:
    import scipy.fft  # here: it takes longer than everything else in this file

    matrix: Array = scipy.fft.dct(np.eye(size), axis=0, norm="ortho")
    return matrix


def dct_matrix(size: int, like: Tensor) -> Tensor:
    """(size, size) orthonormal DCT-II matrix M: ``M @ x`` transforms columns of x."""
    return torch.tensor(_dct_rows(size), dtype=like.dtype, device=like.device)


def dct2(planes: Tensor) -> Tensor:
    """(..., H, W) -> their orthonormal two-dimensional DCT-II, same shape and type."""
    height, width = planes.shape[-2:]
    # Expanded, because fvcore takes the size of a product from its left side.
    columns = dct_matrix(height, planes).expand(*planes.shape[:-2], height, height)
    return columns @ planes @ dct_matrix(width, planes).mT


LOG_FLOOR = 1e-12


def log_dct(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> ln(|DCT of 0..255 levels| + 1e-12), same shape, float64."""
    return (dct2(levels(images)).abs() + LOG_FLOOR).log()


class LogDCT(torch.nn.Module):
    """:func:`log_dct` as a layer."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, H, W) float64."""
        return log_dct(images)


# One node when networks are traced to make them fast: its matrices depend on the size.
fx.wrap("log_dct")


@lru_cache(maxsize=64)
def rings(height: int, width: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """(H, W): distance from the picture's centre, ((W - 1) / 2, (H - 1) / 2), rounded down."""
    y = np.arange(height)[:, None] - (height - 1) / 2
    x = np.arange(width)[None] - (width - 1) / 2
    ring: np.ndarray[Any, np.dtype[np.intp]] = np.hypot(y, x).astype(np.intp)
    return ring


@lru_cache(maxsize=64)
def ring_sizes(height: int, width: int) -> tuple[int, ...]:
    """Cells of every ring that has some, from the centre outwards."""
    counts = np.bincount(rings(height, width).ravel())
    return tuple(int(count) for count in counts if count)


def ring_means(values: Array) -> Array:
    """(N, H, W) -> (N, R): mean of every ring that has cells, from the centre outwards."""
    height, width = values.shape[1:]
    ring = rings(height, width).ravel()
    sums = np.stack([np.bincount(ring, plane.ravel()) for plane in values])
    cells = np.bincount(ring)
    means: Array = (sums[:, cells > 0] / cells[cells > 0]).astype(float)
    return means


def log_magnitude(gray: Array) -> Array:
    """(N, H, W) -> 20 ln|F + 1e-8|, F the unnormalised Fourier transform, zero in the centre."""
    spectrum = np.fft.fftshift(np.fft.fft2(gray), axes=(1, 2)) + 1e-8
    return 20 * np.log(np.abs(spectrum))


def radial_frequency(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W) distance from zero frequency in cycles a pixel, laid out as ``torch.fft.fft2``."""
    y = torch.fft.fftfreq(height, dtype=like.dtype, device=like.device)[:, None]
    x = torch.fft.fftfreq(width, dtype=like.dtype, device=like.device)[None]
    return torch.hypot(y, x)
