"""OpenCV's resizes of 8-bit pictures, without OpenCV.

They do not smooth before they shrink (but for INTER_AREA), so that each is another picture than
Pillow's. :func:`resized` and :func:`nearest` equal ``cv2.resize(image, (width, height),
interpolation=...)`` level by level. The others are within one level: their weights are not rounded
to OpenCV's 11 bits first, as those of its version 5 are not either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.data.decode import Image8

ONE = 2048  # what a weight of 1 is
Integers = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Kernel = Callable[[Any], Any]
"""Distances from a new pixel's centre in old pixels -> weights."""

CUBIC_SHARPNESS = -0.75
LANCZOS_REACH = 4


def resized(image: Image8, height: int, width: int) -> Image8:
    """INTER_LINEAR: (H, W, 3) uint8 -> (height, width, 3) uint8."""
    old_height, old_width = image.shape[:2]
    if (old_height, old_width) == (2 * height, 2 * width):
        return _halved(image)
    return _linear(image, _centres(old_width, width), _centres(old_height, height))


def nearest(image: Image8, height: int, width: int) -> Image8:
    """INTER_NEAREST: (H, W, 3) uint8 -> (height, width, 3) uint8."""
    rows, columns = (
        np.floor(np.arange(new) * (1.0 / (new / old))).astype(np.int64).clip(max=old - 1)
        for old, new in zip(image.shape, (height, width), strict=False)
    )
    picked: Image8 = image[rows][:, columns]
    return picked


def area(image: Image8, height: int, width: int) -> Image8:
    """INTER_AREA: (H, W, 3) uint8 -> (height, width, 3) uint8; not the mean where it enlarges."""
    old_height, old_width = image.shape[:2]
    if height > old_height or width > old_width:
        return _linear(image, _edges(old_width, width), _edges(old_height, height))
    if (old_height, old_width) == (2 * height, 2 * width):
        return _halved(image)
    rows = _weighted(image.astype(np.float32), *_covered(old_width, width), axis=1)
    means = _weighted(rows, *_covered(old_height, height), axis=0)
    return _levels(np.rint(means))


def cubic(distance: Any) -> Any:
    """Keys' kernel of INTER_CUBIC."""
    x, a = np.abs(distance), CUBIC_SHARPNESS
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def lanczos4(distance: Any) -> Any:
    """The windowed sinc of INTER_LANCZOS4."""
    return np.where(
        np.abs(distance) < LANCZOS_REACH,
        np.sinc(distance) * np.sinc(np.asarray(distance) / LANCZOS_REACH),
        0,
    )


def filtered(image: Image8, height: int, width: int, kernel: Kernel) -> Image8:
    """INTER_CUBIC or INTER_LANCZOS4: (H, W, 3) uint8 -> (height, width, 3) uint8."""
    old_height, old_width = image.shape[:2]
    rows = _weighted(image.astype(np.float32), *_kernel_taps(old_width, width, kernel), axis=1)
    return _levels(np.rint(_weighted(rows, *_kernel_taps(old_height, height, kernel), axis=0)))


def _kernel_taps(old: int, new: int, kernel: Kernel) -> tuple[Integers, Floats]:
    first, part = _centres(old, new)
    steps = np.arange(1 - LANCZOS_REACH, LANCZOS_REACH + 1)[:, None]
    weights = kernel(steps - part.astype(np.float64))
    used = weights.any(axis=1)  # the cubic kernel reaches half as far
    weights = (weights / weights.sum(0))[used].astype(np.float32)
    return (first + steps)[used].clip(0, old - 1), weights


def _covered(old: int, new: int) -> tuple[Integers, Floats]:
    """The old pixels under each new one, and the share of it that each covers."""
    scale = old / new
    start = np.arange(new) * scale
    first = np.floor(start).astype(np.int64)
    places = first + np.arange(int(np.ceil(scale)) + 1)[:, None]
    shares = (np.minimum(places + 1, start + scale) - np.maximum(places, start)).clip(min=0)
    return places.clip(0, old - 1), (shares / shares.sum(0)).astype(np.float32)


def _weighted(pixels: Floats, places: Integers, weights: Floats, *, axis: int) -> Any:
    """Along an axis: the sum over K of pixels at ``places`` (K, new) times ``weights``."""
    shape = (-1, 1) if axis == 1 else (-1, 1, 1)
    return sum(
        pixels.take(place, axis) * weight.reshape(shape)
        for place, weight in zip(places, weights, strict=True)
    )


def _levels(values: Floats) -> Image8:
    levels: Image8 = values.clip(0, 255).astype(np.uint8)
    return levels


def _linear(
    image: Image8, across: tuple[Integers, Floats], down: tuple[Integers, Floats]
) -> Image8:
    """Between two old pixels an axis: which is the first, and how far from it towards the next."""
    old_height, old_width = image.shape[:2]
    pixels = image.astype(np.int64)
    left, right, near, far = _taps(old_width, *across, inside=True)
    rows = pixels[:, left] * near[:, None] + pixels[:, right] * far[:, None]
    rows >>= 4
    above, below, near, far = _taps(old_height, *down, inside=False)
    upper = rows[above] * near[:, None, None] >> 16
    lower = rows[below] * far[:, None, None] >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _centres(old: int, new: int) -> tuple[Integers, Floats]:
    """The old pixel at or before each new pixel's centre, and how far that lies behind it."""
    scale = 1.0 / (new / old)
    place = ((np.arange(new) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    return first, place - first.astype(np.float32)


def _edges(old: int, new: int) -> tuple[Integers, Floats]:
    """The same where INTER_AREA enlarges: a new pixel is mixed only if it lies over an edge."""
    first = np.floor(np.arange(new) * (1.0 / (new / old))).astype(np.int64)
    part = (np.arange(1, new + 1) - (first + 1) * (new / old)).astype(np.float32)
    return first, np.where(part <= 0, np.float32(0), part - np.floor(part))


def _taps(
    old: int, first: Integers, part: Floats, *, inside: bool
) -> tuple[Integers, Integers, Integers, Integers]:
    """Two old pixels for each new one, and their weights.

    ``inside``: beyond the first and the last pixel's centre only that pixel counts. Along rows
    OpenCV keeps both weights there, which differs by rounding.
    """
    if inside:
        part = np.where((first < 0) | (first >= old - 1), np.float32(0), part)
    near = np.rint((np.float32(1) - part) * np.float32(ONE)).astype(np.int64)
    far = np.rint(part * np.float32(ONE)).astype(np.int64)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), near, far


def _halved(image: Image8) -> Image8:
    """Exactly half: the mean of 2x2 pixels, rounded."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    cells = image.astype(np.int64).reshape(height, 2, width, 2, 3).sum((1, 3))
    means: Image8 = ((cells + 2) >> 2).astype(np.uint8)
    return means
