"""The pictures of the goldens and what published preprocessing makes of them, by rule.

Nothing here resizes by our preprocessing or Pillow: tests compare those with this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from harness.data.preprocess import to_tensor

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Integers = np.ndarray[Any, Any]
Kernel = Callable[[Integers], Integers]


def _bytes(values: Integers) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


def _box(values: Integers) -> Integers:
    """Mean of 3x3 pixels, rounded down; the border wraps around."""
    steps = (-1, 0, 1)
    total: Integers = sum(np.roll(values, (y, x), (0, 1)) for y in steps for x in steps)  # type: ignore[assignment]
    return total // 9


@cache
def cnn_pictures() -> Pixels:
    """(4, 256, 256, 3): smooth noise, waves, noise of doubled pixels, a cone on a chequerboard."""
    noise = np.random.default_rng(0).integers(0, 256, size=(4, 256, 256, 3))
    y, x = np.mgrid[:256, :256]
    waves = [(3, 5, 0), (7, -2, 1), (1, 11, 2)]
    colours = [128 + 60 * np.sin(2 * np.pi * (u * x + v * y) / 256 + at) for u, v, at in waves]
    radius = np.hypot(x - 100, y - 140)
    cone = np.stack([255 - radius, 0.9 * radius, np.full_like(radius, 128)], -1)
    cone *= np.where((y // 16 + x // 16) % 2, 0.6, 1.0)[..., None]
    made = [
        _box(noise[0]),
        np.floor(np.stack(colours, -1)) + (noise[1] - 128) // 3,
        _box(noise[2])[:128, :128].repeat(2, 0).repeat(2, 1),
        np.floor(cone) + (noise[3] - 128) // 5,
    ]
    return _bytes(np.stack(made))


@cache
def odd_picture() -> Pixels:
    """(200, 310, 3): ramps and a wave under noise, of unequal sides."""
    noise = np.random.default_rng(1).integers(0, 256, size=(200, 310, 3))
    y, x = np.mgrid[:200, :310]
    ramps = np.stack([0.8 * x, 1.2 * y, 128 + 60 * np.sin((x + y) / 9)], -1)
    return _bytes(np.floor(ramps) + (noise - 128) // 6)


def chirp_picture(n: int, height: int, width: int) -> Pixels:
    """(height, width, 3): the n-th of waves and a lattice."""
    y, x, c = np.mgrid[:height, :width, :3]
    return _waves(n, (7 * x * x + 13 * y * y + (5 + 2 * n) * x * y + 31 * c) % 41 - 20)


def blocks_picture(n: int, height: int, width: int) -> Pixels:
    """(height, width, 3): the n-th of the same waves with blocks of 9 levels in place of it."""
    y, x, c = np.mgrid[:height, :width, :3]
    return _waves(n, 3 * ((x // (5 + n) + (3 + n) * (y // (4 + c))) % 9) - 12)


def _waves(n: int, added: Integers) -> Pixels:
    y, x, c = np.indices(added.shape)
    waves = 56 * np.sin(2 * np.pi * (x * (n + 2) / 97 + c / 5))
    made: Integers = 128 + waves + 40 * np.cos(2 * np.pi * y * (c + 1) / 71 + n) + added
    return _bytes(np.floor(made))


@cache
def chirp_pictures() -> Pixels:
    """(2, 281, 263, 3): waves and a lattice, of odd and unequal sides."""
    return np.stack([chirp_picture(n, 281, 263) for n in range(2)])


def _noise(y: Integers, x: Integers, c: Integers, k: int) -> Integers:
    """Integer noise of 0 to 255 from row, column, channel and picture."""
    u = np.uint64
    n = u(73856093) * x.astype(u) ^ u(19349663) * y.astype(u) ^ u(83492791) * (c.astype(u) + u(1))
    n = (n ^ u(2654435761 * (k + 1))) & u(0xFFFFFFFF)
    n = (u(1664525) * n + u(1013904223)) & u(0xFFFFFFFF)
    return (n >> u(24)).astype(np.int64)


@cache
def frequency_pictures() -> Pixels:
    """(4, 256, 256, 3): ramp, blocks, noise of doubled pixels, zone plate; integers only."""
    y, x, c = np.mgrid[:256, :256, :3]
    plate = ((x - 128) ** 2 + (y - 128) ** 2) // (64 * (c + 2)) % 100
    made = [
        (3 * _triangle(2 * x + y * (c + 1)) + _noise(y, x, c, 0)) // 4,
        160 * ((x // 16 + y // 16) % 2) + 20 * c + _noise(y, x, c, 1) // 8,
        (_triangle(x + 3 * y + 40 * c) + _noise(y // 2, x // 2, c, 2)) // 2,
        100 + plate + _noise(y, x, c, 3) // 8 - 16,
    ]
    return _bytes(np.stack(made))


def frequency_tensor() -> Tensor:
    """The same as detectors get them, (4, 3, 256, 256) in [0, 1]."""
    return to_tensor(frequency_pictures())


def _triangle(t: Integers) -> Integers:
    return np.abs(t % 510 - 255)


def gray(weights: tuple[int, int, int], half: int, shift: int) -> Pixels:
    """(4, 256, 256) gray levels of the frequency pictures in a library's fixed-point rule."""
    return ((frequency_pictures().astype(np.int64) @ np.array(weights) + half) >> shift).astype(
        np.uint8
    )


def opencv_gray() -> Pixels:
    """``cvtColor(BGR2GRAY)``: rounded."""
    return gray((9798, 19235, 3735), 1 << 14, 15)


def png_reader_gray() -> Pixels:
    """``imread(png, 0)``: cut off (up to the few levels that the golden keeps as a patch)."""
    return gray((9797, 19235, 3736), 0, 15)


def small_chirps() -> Pixels:
    """(2, 121, 87, 3): a part of either chirp picture, for a network that is slow."""
    return chirp_pictures()[:, 80:201, 60:147]


@cache
def tiny_picture() -> Pixels:
    """(37, 53, 3): cut from the second chirp picture."""
    return chirp_pictures()[1][100:137, 50:103]


def pillow_gray() -> Pixels:
    """``convert("L")``."""
    return gray((19595, 38470, 7471), 1 << 15, 16)


def bilinear(t: Integers) -> Integers:
    return np.clip(1 - np.abs(t), 0, None)


def lanczos(t: Integers) -> Integers:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


def cubic(a: float) -> Kernel:
    """The cubic of slope ``a`` at 1: -0.5 in Pillow, -0.75 in OpenCV."""

    def kernel(t: Integers) -> Integers:
        t = np.abs(t)
        near, far = ((a + 2) * t - (a + 3)) * t * t + 1, (((t - 5) * t + 8) * t - 4) * a
        return np.where(t < 1, near, np.where(t < 2, far, 0))

    return kernel


SUPPORT = 3  # of the widest kernel


def pillow_resized(
    image: Pixels, height: int, width: int, kernel: Kernel, axes: tuple[int, int] = (1, 0)
) -> Pixels:
    """As Pillow resizes 8-bit pictures: anti-aliased, in 22-bit integers, one axis at a time.

    Before Pillow 13 the width always came first; since then the height does where that is less
    work (``axes=(0, 1)``), and as levels are rounded in between, pixels differ by one.
    """
    for axis in axes:
        old, new = image.shape[axis], (height, width)[axis]
        scale = old / new
        centre = (np.arange(new)[:, None] + 0.5) * scale
        weights = kernel((np.arange(old) - centre + 0.5) / max(scale, 1))
        weights = np.rint(weights / weights.sum(1, keepdims=True) * 2**22).astype(np.int64)
        sums = np.moveaxis(np.tensordot(weights, image.astype(np.int64), (1, axis)), 0, axis)
        image = _bytes((sums + 2**21) >> 22)
    return image


def opencv_resized(image: Pixels, side: int, kernel: Kernel) -> Pixels:
    """Nearly as OpenCV does: not anti-aliased, the border repeated, rounded once at the end.

    OpenCV's own integers differ by one in some places, which the goldens keep as a patch.
    """
    values = np.pad(image, ((SUPPORT, SUPPORT), (SUPPORT, SUPPORT), (0, 0)), "edge").astype(float)
    for axis in (1, 0):
        old = image.shape[axis]
        centre = (np.arange(side)[:, None] + 0.5) * old / side
        weights = kernel(np.arange(-SUPPORT, old + SUPPORT) - centre + 0.5)
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return _bytes(np.rint(values))


def centre(image: Pixels, side: int, half: Callable[[float], int] = round) -> Pixels:
    """The middle (side, side), as torchvision cuts it, or starting at another ``half`` of what is
    left over; a smaller picture is put into the middle of black, nearer to its top left."""
    missing = [max(0, side - length) for length in image.shape[:2]]
    image = np.pad(image, [*((m // 2, m - m // 2) for m in missing), (0, 0)])
    top, left = (half((length - side) / 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def tiled(image: Pixels, side: int, crop: int) -> Pixels:
    """The middle (crop, crop) of copies side by side, as many as cover (side, side)."""
    y, x = (np.arange(n * math.ceil(side / n)) % n for n in image.shape[:2])
    return centre(image[y][:, x], crop)


@cache
def nonsquare_picture() -> Pixels:
    """(300, 400, 3): the first frequency picture, enlarged."""
    return pillow_resized(frequency_pictures()[0], 300, 400, cubic(-0.5))
