"""Resizes by Pillow, and those of torch's tensors and of OpenCV in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.diagnosis.planted.world import Picture, tensor

Resize = Callable[[Picture, int, int], Tensor]
"""(H, W, 3) uint8 to a height and width -> (3, h, w), 0 to 1 (bicubic overshoots)."""
Floats = np.ndarray[Any, Any]


def by_pillow(way: Image.Resampling) -> Resize:
    """As on an opened image."""

    def resize(picture: Picture, height: int, width: int) -> Tensor:
        return tensor(np.array(Image.fromarray(picture).resize((width, height), way)))

    return resize


def _on_tensors(taps: Callable[[int, int], Floats]) -> Resize:
    """As behind ``ToTensor``: nothing is rounded, and nothing cut."""

    def resize(picture: Picture, height: int, width: int) -> Tensor:
        rows, columns = taps(height, len(picture)), taps(width, len(picture[0]))
        found = _weighted(picture / 255, rows, columns)
        return torch.from_numpy(found.astype(np.float32)).movedim(-1, 0).contiguous()

    return resize


def _triangle(t: Floats) -> Floats:
    return np.asarray(np.maximum(0, 1 - abs(t)))


def _cubic(t: Floats, a: float = -0.75) -> Floats:
    t = abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _lanczos4(t: Floats) -> Floats:
    return np.where(abs(t) < 4, np.sinc(t) * np.sinc(t / 4), 0.0)


@cache
def _taps(new: int, old: int, reach: int, kernel: Callable[[Floats], Floats]) -> Floats:
    """(new, old) weights about each new pixel's centre; the edge pixel goes on outside."""
    found = np.zeros((new, old))
    for place in range(new):
        centre = float(np.float32((place + 0.5) * old / new - 0.5))  # as both programs have it
        near = np.arange(math.floor(centre) - reach + 1, math.floor(centre) + reach + 1)
        weights = kernel(near - centre)
        np.add.at(found[place], near.clip(0, old - 1), weights / weights.sum())
    return found


def _catmull(t: Floats) -> Floats:
    return _cubic(t, -0.5)


@cache
def _smooth(new: int, old: int, reach: int, kernel: Callable[[Floats], Floats]) -> Floats:
    """(new, old) weights of a kernel that is as wide as a new pixel; nothing lies outside."""
    scale = old / new
    wide = max(scale, 1.0)
    found = np.zeros((new, old))
    for place in range(new):
        centre = (place + 0.5) * scale
        low = max(0, int(centre - reach * wide + 0.5))
        high = min(old, int(centre + reach * wide + 0.5))
        weights = kernel((np.arange(low, high) + 0.5 - centre) / wide)
        found[place, low:high] = weights / weights.sum()
    return found


@cache
def _floors(new: int, old: int) -> Floats:
    """(new, old) one pixel each: the one at the new one's upper left corner."""
    places = np.floor(np.arange(new) * old / new).astype(int)
    return np.asarray(np.eye(old)[places])


@cache
def _covers(new: int, old: int) -> Floats:
    """(new, old) the share of each old pixel in what a new one covers."""
    edges = np.arange(new + 1) * old / new
    low = np.maximum(edges[:-1, None], np.arange(old))
    high = np.minimum(edges[1:, None], np.arange(1, old + 1))
    return np.asarray(np.maximum(high - low, 0) * new / old)


def _linear(new: int, old: int, area: bool) -> tuple[Any, Any]:
    """First of two old pixels and the second's weight, for each new one.

    With ``area`` OpenCV's way to enlarge under INTER_AREA: mostly one pixel.
    """
    places, scale = np.arange(new), old / new
    if area:
        first = np.floor(places * scale).astype(int)
        second = (places + 1) - (first + 1) / scale
        second = np.where(second <= 0, 0, second - np.floor(second))
    else:
        centre = (places + 0.5) * scale - 0.5
        first = np.floor(centre).astype(int)
        second = centre - first
    return first, second


def _by_two(picture: Picture, height: int, width: int, area: bool = False) -> Tensor:
    """In OpenCV's 11-bit weights, rounded as it does."""
    bottom, edge = picture.shape[0] - 1, picture.shape[1] - 1
    (y, down), (x, right) = _linear(height, bottom + 1, area), _linear(width, edge + 1, area)
    right = np.where((x < 0) | (x >= edge), 0, right)  # beside an edge; above one it mixes twice it
    x, next_x = x.clip(0, edge), (x + 1).clip(0, edge)
    y, next_y = y.clip(0, bottom), (y + 1).clip(0, bottom)
    wide = picture.astype(np.int64)
    one, two = (np.rint(part * 2048).astype(np.int64)[:, None] for part in (1 - right, right))
    rows = wide[:, x] * one + wide[:, next_x] * two
    one, two = (np.rint(part * 2048).astype(np.int64)[:, None, None] for part in (1 - down, down))
    found = ((one * (rows[y] >> 4)) >> 16) + ((two * (rows[next_y] >> 4)) >> 16)
    return tensor(((found + 2) >> 2).clip(0, 255).astype(np.uint8))


def _weighted(picture: Floats, rows: Floats, columns: Floats) -> Floats:
    # By torch, whose threads are set by whoever runs this; numpy's fight over the processor.
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0)))
    found = torch.from_numpy(rows) @ planes @ torch.from_numpy(columns).T
    return np.moveaxis(found.numpy(), 0, -1)


def _by_weights(picture: Picture, rows: Floats, columns: Floats) -> Tensor:
    found = _weighted(picture.astype(np.float64), rows, columns)
    return tensor(np.rint(found).clip(0, 255).astype(np.uint8))


def _by_taps(reach: int, kernel: Callable[[Floats], Floats]) -> Resize:
    def resize(picture: Picture, height: int, width: int) -> Tensor:
        rows = _taps(height, len(picture), reach, kernel)
        columns = _taps(width, len(picture[0]), reach, kernel)
        return _by_weights(picture, rows, columns)

    return resize


def _opencv_area(picture: Picture, height: int, width: int) -> Tensor:
    if height > len(picture) or width > len(picture[0]):
        return _by_two(picture, height, width, area=True)
    return _by_weights(picture, _covers(height, len(picture)), _covers(width, len(picture[0])))


RESIZES: dict[str, Resize] = {
    "bilinear": by_pillow(Image.Resampling.BILINEAR),
    "nearest": by_pillow(Image.Resampling.NEAREST),
    "bicubic": by_pillow(Image.Resampling.BICUBIC),
    "Lanczos": by_pillow(Image.Resampling.LANCZOS),
    "bilinear, tensor": _on_tensors(lambda new, old: _taps(new, old, 1, _triangle)),
    "bilinear, tensor, anti-aliased": _on_tensors(lambda new, old: _smooth(new, old, 1, _triangle)),
    "bicubic, tensor": _on_tensors(lambda new, old: _taps(new, old, 2, _cubic)),
    "bicubic, tensor, anti-aliased": _on_tensors(lambda new, old: _smooth(new, old, 2, _catmull)),
    "nearest, tensor": _on_tensors(_floors),
    "bilinear, OpenCV": _by_two,
    "bicubic, OpenCV": _by_taps(2, _cubic),
    "nearest, OpenCV": _on_tensors(_floors),
    "area, OpenCV": _opencv_area,
    "Lanczos, OpenCV": _by_taps(4, _lanczos4),
}
"""As conditions say it."""
