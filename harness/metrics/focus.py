"""How little of a map holds its evidence: "local" as a number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.values import MetricValue

HALF = 0.5


def focus(values: ArrayLike) -> MetricValue:
    """The smallest share of a map's cells that holds half of its positive mass.

    Formula: with the positive parts p sorted falling and n cells, k / n for the smallest k with
    ``p[0] + ... + p[k - 1] >= sum(p) / 2``. A uniform map gives 0.5, one cell among n gives 1 / n:
    smaller is more local. It says nothing of whether the cells lie beside each other. The measure
    is ours. Undefined for a map without a positive cell.

    Args:
        values: (h, w), positive = evidence for fake; any scale.

    Raises:
        ValueError: a value is not finite, or there are none.

    Example:
        >>> focus([[0.0, 3.0], [1.0, -9.0]])
        MetricValue(value=0.25, note='')
        >>> focus([[1.0, 1.0], [1.0, 1.0]]).value
        0.5
    """
    cells = np.asarray(values, dtype=np.float64).ravel()
    if not cells.size or not np.isfinite(cells).all():
        raise ValueError("a map must have cells, all of them finite")
    positive = np.sort(np.maximum(cells, 0.0))[::-1]
    mass = positive.cumsum()
    if mass[-1] == 0:
        return MetricValue(None, "nothing speaks for fake")
    # Sums of equal parts may end a rounding error short of one half.
    enough = mass >= HALF * mass[-1] * (1 - 1e-9)
    return MetricValue(float((np.argmax(enough) + 1) / cells.size))
