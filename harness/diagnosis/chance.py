"""How many conditions would match by accident, from where the numbers of the others lie.

Distances are taken in units of what matches: 1 is the edge of the target's intervals. Near the
target a ball of radius R around it holds k of the N other numbers, k about the root of N; a ball
of radius 1 then holds ``k R^-d`` of them, d being how many directions the numbers fill there.
Cells that move together (ACC and AP of one subset) fill fewer directions than there are cells, so
d is estimated from the distances themselves (Hill, Annals of Statistics 1975; Levina and Bickel,
NIPS 2004), is made smaller by half its standard error and lies between 1 and the number of cells.
``tests/why/test_chance.py`` simulates how often that is too bold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

FEWEST = 5
"""Fewer different numbers than this say nothing of how dense they lie."""


def distances(vectors: Floats, middle: Floats, unit: Floats) -> Floats:
    """How far numbers lie from the target, in the cell that is furthest.

    Args:
        vectors: (N, D) numbers, NaN where one is not defined.
        middle: (D,) of the target.
        unit: (D,) above 0, what counts as 1.

    Returns:
        (N,), NaN where a number is not defined.
    """
    return np.asarray(np.max(np.abs(vectors - middle) / unit, axis=1))


def expected_matches(others: Floats, cells: int) -> float | None:
    """Expected accidental matches among conditions of these distances.

    Args:
        others: (N,) :func:`distances` of the different numbers that unrelated conditions make.
        cells: how many numbers each distance is about.

    Returns:
        At least as many as lie within 1; None where fewer than :data:`FEWEST` are given.
    """
    found = np.sort(others[np.isfinite(others)])
    if found.size < FEWEST:
        return None
    nearest = found[: max(FEWEST, round(math.sqrt(found.size)))]
    radius = max(float(nearest[-1]), 1.0)
    # What lies within 1 has no finer place: below it numbers are rounding and steps of 1/n.
    spread = float(np.sum(np.log(radius / np.maximum(nearest, 1.0))))
    count = nearest.size
    directions = (count - 1) / max(spread, 1e-12) * (1 - 0.5 / math.sqrt(count))
    scaled = count * radius ** -min(max(directions, 1.0), float(cells))
    return max(float(np.sum(found <= 1)), float(scaled))
