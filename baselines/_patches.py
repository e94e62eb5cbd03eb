"""Patches of a picture: the one regular grid, random windows, and cutting them out.

Positions are (top, left) pairs in pixels. The grid and the random windows are GANDetection's
(Mandelli et al., ICIP 2022); their sizes are arguments.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

Position = tuple[int, int]

JPEG_BLOCK = 8
ROWS_AT_MOST, COLUMNS_AT_MOST = 20, 10


def aligned_stride(spare: int, parts: int) -> int:
    """``spare // parts`` rounded up to the JPEG block, and one block at least.

    Args:
        spare: pixels by which the picture is larger than a patch.
        parts: how many steps the spare pixels are cut into, about.
    """
    return max(JPEG_BLOCK, -(-(spare // parts) // JPEG_BLOCK) * JPEG_BLOCK)


def check_size(height: int, width: int, side: int) -> None:
    """Raises ValueError where a picture is smaller than a patch."""
    if min(height, width) < side:
        raise ValueError(f"a picture of {height}x{width} has no {side}x{side} patch")


def grid_positions(height: int, width: int, side: int = 128) -> list[Position]:
    """Top-left corners of a regular grid that starts at the picture's corner, row by row.

    Strides are multiples of 8, so every patch keeps the phase of the picture's JPEG blocks.

    Args:
        height, width: of the picture, pixels, each at least ``side``.
        side: of a patch, pixels.
    """
    check_size(height, width, side)
    rows = range(0, height - side + 1, aligned_stride(height - side, ROWS_AT_MOST))
    columns = range(0, width - side + 1, aligned_stride(width - side, COLUMNS_AT_MOST))
    return [(top, left) for top in rows for left in columns]


def random_positions(
    height: int, width: int, source: random.Random, *, count: int = 200, side: int = 128
) -> list[Position]:
    """Top-left corners of random windows, as albumentations 0.5 draws them.

    Each takes three draws, whether to apply (always), row, column; the last row and the last
    column are never reached.
    """
    check_size(height, width, side)
    found = []
    for _ in range(count):
        source.random()
        top = int((height - side) * source.random())
        found.append((top, int((width - side) * source.random())))
    return found


def cut(image: Tensor, positions: list[Position], side: int = 128) -> Tensor:
    """(C, H, W) -> (len(positions), C, side, side), copied, of the image's dtype."""
    windows = [image[:, top : top + side, left : left + side] for top, left in positions]
    return torch.stack(windows)
