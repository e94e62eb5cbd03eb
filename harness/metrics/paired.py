"""Tests between two detectors on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, chdtrc, ndtr
from scipy.stats import rankdata

from harness.metrics.bootstrap import interval
from harness.metrics.values import Floats, Labels, checked

EXACT_BELOW = 25
"""Discordant pairs below which McNemar's test is the exact one."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired bootstrap of a difference.

    Args:
        value: first minus second, on the images as they are.
        low, high: 95 % percentile interval.
        p: two-sided; never below ``2 / (resamples + 1)``.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's test of two accuracies.

    Args:
        only_first, only_second: images that only one of the two judges rightly.
        p: two-sided.
        method: ``exact`` (binomial) or ``chi-squared, continuity-corrected``.
    """

    only_first: int
    only_second: int
    p: float
    method: str


@dataclass(frozen=True, kw_only=True)
class DeLong:
    """DeLong's test of two areas under the ROC curve.

    Args:
        difference: first minus second.
        error: its standard error.
        p: two-sided, normal; 1 where both rank every pair alike.
    """

    difference: float
    error: float
    p: float


def difference(value: float, first: Floats, second: Floats) -> Difference:
    """Interval and p-value of a difference from (R,) replicates of the same resamples.

    The p-value inverts the percentile interval: twice the smaller share of resamples on one side
    of 0, the observed data counted as one more. Source: Davison and Hinkley, Bootstrap Methods and
    their Application, 1997, section 4.2 and chapter 5.
    """
    draws = first - second
    low, high = interval(draws)
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    return Difference(
        value=value, low=low, high=high, p=min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    )


def mcnemar(first_right: Labels, second_right: Labels) -> McNemar:
    """Whether two detectors err equally often on the same images.

    With b and c images that only the one or the other judges rightly: below 25 of them exactly
    ``2 P(X <= min(b, c))``, X binomial(b + c, 1/2), at most 1; else ``(|b - c| - 1)^2 / (b + c)``
    against chi-squared with one degree of freedom. Source: McNemar, Psychometrika 1947; Edwards,
    Psychometrika 1948 (the correction).

    Args:
        first_right, second_right: (N,) of the same images.

    Example:
        >>> right = np.array([True] * 8 + [False] * 2)
        >>> round(mcnemar(right, ~right).p, 6)
        0.109375
    """
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(second_right & ~first_right))
    apart = only_first + only_second
    if apart < EXACT_BELOW:
        p = min(1.0, 2 * float(bdtr(min(only_first, only_second), apart, 0.5))) if apart else 1.0
        method = "exact"
    else:
        statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / apart
        p = float(chdtrc(1, statistic))
        method = "chi-squared, continuity-corrected"
    return McNemar(only_first=only_first, only_second=only_second, p=p, method=method)


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
        return DeLong(difference=gap, error=0.0, p=1.0 if gap == 0 else 0.0)
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
