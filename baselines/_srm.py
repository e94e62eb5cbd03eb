"""The 30 high-pass filters of spatial rich models (Fridrich, Kodovsky 2012), each in 5x5.

PatchCraft's and AIDE's order: 8 of first order, 4 of second, 8 of third, 4 edges of 3x3, 4 edges
of 5x5, the square of 3x3, the square of 5x5.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORTH, SOUTH, WEST, EAST = (-1, 0), (1, 0), (0, -1), (0, 1)
NW, NE, SW, SE = (-1, -1), (-1, 1), (1, -1), (1, 1)

FIRST = (NW, NORTH, NE, WEST, EAST, SW, SOUTH, SE)
SECOND = (NW, NORTH, NE, WEST)
THIRD = (NW, NORTH, NE, EAST, SE, SOUTH, SW, WEST)
SQUARE_3 = ((-1, 2, -1), (2, -4, 2), (-1, 2, -1))
SQUARE_5 = (
    (-1, 2, -2, 2, -1),
    (2, -6, 8, -6, 2),
    (-2, 8, -12, 8, -2),
    (2, -6, 8, -6, 2),
    (-1, 2, -2, 2, -1),
)


def _line(direction: tuple[int, int], values: dict[int, float], divisor: float) -> Tensor:
    """Values at so many steps from the centre into a direction."""
    kernel = torch.zeros(5, 5, dtype=torch.float64)
    for steps, value in values.items():
        kernel[2 + steps * direction[0], 2 + steps * direction[1]] = value
    return kernel / divisor


def _square(rows: tuple[tuple[int, ...], ...], divisor: float) -> Tensor:
    kernel = torch.zeros(5, 5, dtype=torch.float64)
    margin = (5 - len(rows)) // 2
    kernel[margin : 5 - margin, margin : 5 - margin] = torch.tensor(rows, dtype=torch.float64)
    return kernel / divisor


def _edges(square: Tensor) -> list[Tensor]:
    """The square without what lies beyond its centre: the upper, right, lower, left side stay."""
    found = []
    for axis, beyond in ((0, (3, 4)), (1, (0, 1)), (0, (0, 1)), (1, (3, 4))):
        found.append(square.index_fill(axis, torch.tensor(beyond), 0.0))
    return found


def srm_filters() -> Tensor:
    """(30, 5, 5) float32, on the CPU whatever the default device is."""
    with torch.device("cpu"):
        small, large = _square(SQUARE_3, 4), _square(SQUARE_5, 12)
        first = [_line(way, {1: 1, 0: -1}, 1) for way in FIRST]
        second = [_line(way, {1: 1, 0: -2, -1: 1}, 2) for way in SECOND]
        third = [_line(way, {2: -1, 1: 3, 0: -3, -1: 1}, 3) for way in THIRD]
        kernels = [*first, *second, *third, *_edges(small), *_edges(large), small, large]
        return torch.stack(kernels).float()
