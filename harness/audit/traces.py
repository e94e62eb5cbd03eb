"""What pixels tell of a image's past and its likes: a former JPEG's grid, a perceptual hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from harness.data.decode import Image8

BLOCKY = 1.1
"""Blockiness from which a image counts as a former JPEG. Measured on the 150 photographs of the
embedded suite (128x128, never JPEG at that size): 2 above it as they are; after JPEG, cut off the
grid, 37 % at quality 96, 80 % at 90, 97 % at 75, so its absence proves nothing. Enlarged windows
of 64 and of 32 pixels are taken for JPEGs in 9 % and 27 %: an upsampled set needs a closer look."""

LARGEST = 1024
"""Pixels a side of the central window that is looked at."""

_Grey = np.ndarray[Any, np.dtype[np.float32]]
_BLOCK = 8
_TINY = 1e-3  # flat images: 1, not 0 / 0
_CLIP = (
    6.0  # at least: a boundary of 2 grey levels must stand out from its neighbours on flat areas
)
_HASH_SIDE, _SHRUNK = 8, 32
_FLAT = 2.0  # grey levels of standard deviation below which a hash would be of noise


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Former JPEGs among the losslessly coded images of a class.

    Args:
        lossless: images in PNG and the like, large enough to tell.
        blocky: those of them with a JPEG's grid.
        median: of their blockiness, None where there are none.
    """

    lossless: int
    blocky: int
    median: float | None


def traces(values: Sequence[float]) -> Traces:
    """The sum of the blockiness of each losslessly coded image of a class."""
    return Traces(
        lossless=len(values),
        blocky=sum(value > BLOCKY for value in values),
        median=float(np.median(values)) if values else None,
    )


def blockiness(image: Image8) -> float | None:
    """How much one line in eight stands out as an edge between blocks; 1 = not at all.

    For each boundary between two columns the slope across it less the mean of the slopes beside it,
    ``|x0 - 3 x1 + 3 x2 - x3| / 2``, clipped near three times its median (true edges), averaged over
    the boundaries of each of the eight phases. The largest of the eight means is divided by their
    median, or by the mean two, four or six columns on where that is larger, so that upsampling by 2
    or 4 does not count. Mean over columns and rows of the luma (BT.601). The grid may lie anywhere.

    Source: the mean difference of slope is Minami and Zakhor's (IEEE Trans. Circuits and Systems
    for Video Technology 5(2), 1995); taking it by phase is ours. A decoder that upsamples by 8 in
    one step leaves the same trace.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        A ratio, or None below 32 pixels a side.
    """
    height, width = image.shape[:2]
    if min(height, width) < 4 * _BLOCK:
        return None
    top, left = max(0, height - LARGEST) // 2, max(0, width - LARGEST) // 2
    window = image[top : top + LARGEST, left : left + LARGEST].astype(np.float32)
    luma = window @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return (_along(luma) + _along(luma.T)) / 2


def _along(luma: _Grey) -> float:
    """The ratio for the boundaries between columns."""
    steps = np.abs(luma[:, :-3] - 3 * luma[:, 1:-2] + 3 * luma[:, 2:-1] - luma[:, 3:])
    limit = max(3 * float(np.median(steps)) + 1, _CLIP)
    means = np.minimum(steps, limit).mean(axis=0)
    phases = np.array([means[phase::_BLOCK].mean() for phase in range(_BLOCK)])
    first = int(phases.argmax())
    others = [float(phases[(first + shift) % _BLOCK]) for shift in (2, 4, 6)]
    return (float(phases[first]) + _TINY) / (max(float(np.median(phases)), *others) + _TINY)


def perceptual_hashes(image: Image8) -> tuple[int, int] | None:
    """63 bits that change little when a image is scaled, compressed or slightly altered.

    The image in grey, shrunk to 32x32, its discrete cosine transform, of which the lowest 8x8
    coefficients but the mean are compared with their median. Source: the pHash of Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Ours and not ``imagehash.phash`` (4.3.2), which needs a second transform for the mirror image:
    that one takes 0.31 ms an image in place of 0.10 and, in the same search on the embedded suite,
    finds 5 of 7,851 pairs across subsets and 3 of 5,065 across classes less; its ``dhash`` misses
    603 and 249. ``whash`` takes 13 times as long.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The bits as a number, of the image and of its mirror image, or None for a image that is
        nearly flat.
    """
    from scipy.fft import dctn  # here: it takes a while to import

    grey = Image.fromarray(image).convert("L")
    small = np.asarray(grey.resize((_SHRUNK, _SHRUNK), Image.Resampling.BOX), dtype=np.float64)
    if small.std() < _FLAT:
        return None
    low = dctn(small)[:_HASH_SIDE, :_HASH_SIDE]
    mirror = (-1.0) ** np.arange(_HASH_SIDE)  # cosines of odd frequency change their sign
    return _bits(low), _bits(low * mirror)


def _bits(low: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    values = low.ravel()[1:]
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")
