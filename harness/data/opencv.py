"""OpenCV's bilinear resize of 8-bit pictures in its own integers, without OpenCV.

It does not smooth before it shrinks, so that it is another picture than Pillow's. Equal, level by
level, to ``cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.data.decode import Image8

ONE = 2048  # what a weight of 1 is
Integers = np.ndarray[Any, np.dtype[np.int64]]


def resized(image: Image8, height: int, width: int) -> Image8:
    """(H, W, 3) uint8 -> (height, width, 3) uint8."""
    old_height, old_width = image.shape[:2]
    if (old_height, old_width) == (2 * height, 2 * width):
        return _halved(image)
    pixels = image.astype(np.int64)
    left, right, near, far = _taps(old_width, width, inside=True)
    rows = pixels[:, left] * near[:, None] + pixels[:, right] * far[:, None]
    rows >>= 4
    above, below, near, far = _taps(old_height, height, inside=False)
    upper = rows[above] * near[:, None, None] >> 16
    lower = rows[below] * far[:, None, None] >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _taps(old: int, new: int, *, inside: bool) -> tuple[Integers, Integers, Integers, Integers]:
    """Where each new pixel lies between which two old ones, and their weights.

    ``inside``: beyond the first and the last pixel's centre only that pixel counts. Along rows
    OpenCV keeps both weights there, which differs by rounding.
    """
    scale = 1.0 / (new / old)
    place = ((np.arange(new) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    part = place - first.astype(np.float32)
    if inside:
        part[(first < 0) | (first >= old - 1)] = 0
    near = np.rint((np.float32(1) - part) * np.float32(ONE)).astype(np.int64)
    far = np.rint(part * np.float32(ONE)).astype(np.int64)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), near, far


def _halved(image: Image8) -> Image8:
    """Exactly half: the mean of 2x2 pixels, rounded."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    cells = image.astype(np.int64).reshape(height, 2, width, 2, 3).sum((1, 3))
    means: Image8 = ((cells + 2) >> 2).astype(np.uint8)
    return means
