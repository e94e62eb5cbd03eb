"""Tests between two detectors on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtr
from scipy.stats import rankdata

from harness.metrics.values import Floats, Labels, checked

NO_SPREAD = "every image says the same: no variance to judge the difference by"


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's test of two accuracies.

    Args:
        only_first, only_second: images that only one of the two judges rightly.
        p: two-sided mid-p.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, kw_only=True)
class DeLong:
    """DeLong's test of two areas under the ROC curve.

    Args:
        difference: first minus second.
        error: its standard error.
        p: two-sided, normal; 1 where both rank every pair alike; None where it is not defined.
        note: why it is not.
    """

    difference: float
    error: float
    p: float | None
    note: str = ""


def mcnemar(first_right: Labels, second_right: Labels) -> McNemar:
    """Whether two detectors err equally often on the same images.

    With b and c images that only the one or the other judges rightly the mid-p is
    ``2 P(X < min(b, c)) + P(X = min(b, c))``, X binomial(b + c, 1/2): as powerful as the asymptotic
    test and, unlike it, hardly ever too bold. Sources: McNemar, Psychometrika 1947; Fagerland,
    Lydersen and Laake, BMC Medical Research Methodology 2013.

    Args:
        first_right, second_right: (N,) of the same, independent images.

    Example:
        >>> right = np.array([True] * 8 + [False] * 2)
        >>> round(mcnemar(right, ~right).p, 5)
        0.06543
    """
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(second_right & ~first_right))
    fewer, apart = min(only_first, only_second), only_first + only_second
    p = float(bdtr(fewer, apart, 0.5) + bdtr(fewer - 1, apart, 0.5)) if fewer else 0.5**apart
    return McNemar(only_first=only_first, only_second=only_second, p=min(1.0, p))


def delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> DeLong:
    """Whether two detectors have the same area under the ROC curve on the same images.

    Each image's placement (the share of the other class that it is ranked rightly against, ties
    half) comes from midranks, in O(N log N). Source: DeLong, DeLong and Clarke-Pearson, Biometrics
    1988; Sun and Xu, IEEE Signal Processing Letters 2014 (midranks).

    Raises:
        ValueError: fewer than two images of a class.
    """
    fake, values = checked(labels, first)
    if min(int(fake.sum()), int((~fake).sum())) < 2:
        raise ValueError("DeLong's test needs two reals and two fakes")
    of_fakes, of_reals = _placements(fake, values)
    their_fakes, their_reals = _placements(fake, checked(labels, second)[1])
    gap_fakes, gap_reals = of_fakes - their_fakes, of_reals - their_reals
    gap = float(gap_fakes.mean())
    variance = gap_fakes.var(ddof=1) / gap_fakes.size + gap_reals.var(ddof=1) / gap_reals.size
    error = float(np.sqrt(variance))
    if error == 0:
        # Without any spread (two fakes, two reals, all ranked alike) there is nothing to judge by.
        return DeLong(
            difference=gap, error=0.0, p=None if gap else 1.0, note=NO_SPREAD if gap else ""
        )
    return DeLong(difference=gap, error=error, p=float(2 * ndtr(-abs(gap) / error)))


def _placements(fake: Labels, values: Floats) -> tuple[Floats, Floats]:
    """(n_fake,) share of reals below each fake; (n_real,) share of fakes above each real."""
    together = rankdata(values)
    reals, fakes = int((~fake).sum()), int(fake.sum())
    of_fakes = (together[fake] - rankdata(values[fake])) / reals
    of_reals = 1 - (together[~fake] - rankdata(values[~fake])) / fakes
    return of_fakes, of_reals


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: the chance of one false finding among all stays below each.

    Formula: of m p-values in rising order the i-th becomes ``max over j <= i of (m - j + 1) p_j``,
    at most 1. Source: Holm, Scandinavian Journal of Statistics 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(ps)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = largest
    return adjusted
