"""What pixels tell of an image's past: a former JPEG's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.decode import Image8

BLOCKY = 1.1
"""Blockiness from which an image counts as a former JPEG. Measured on the 150 photographs of the
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
