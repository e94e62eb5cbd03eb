"""Tests of a few differences, one for each training seed or set of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """A two-sided test of "the differences lie around 0".

    Args:
        p: p-value; None where the test is not defined.
        reason: why there is no p-value.
    """

    p: float | None = None
    reason: str = ""


def t_test(differences: Sequence[float]) -> PairedTest:
    """Student's t of one sample of differences, n - 1 degrees of freedom.

    Example:
        >>> round(t_test([1.0, 2.0, 3.0]).p, 4)
        0.0742
    """
    n = len(differences)
    if n < 2:
        return PairedTest(reason=f"a t test needs two differences, there are {n}")
    if np.ptp(differences) == 0:
        return PairedTest(reason="all differences are equal: no spread to test by")
    return PairedTest(p=float(stats.ttest_1samp(differences, 0.0).pvalue))


def wilcoxon(differences: Sequence[float]) -> PairedTest:
    """Wilcoxon's signed-rank test; differences of exactly 0 are left out.

    Exact for few differences, otherwise by the normal approximation (SciPy's ``method="auto"``:
    exact up to 50 without ties).

    Example:
        >>> wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0]).p
        0.0625
    """
    kept = [difference for difference in differences if difference != 0]
    if not kept:
        return PairedTest(reason="no difference other than 0")
    return PairedTest(p=float(stats.wilcoxon(kept).pvalue))


def detectable(n: int, level: float = 0.05) -> float:
    """How many standard deviations of n differences their mean must be from 0 for p < level.

    Of :func:`t_test`, before any correction; infinite below two differences.

    Example:
        >>> round(detectable(3), 2)
        2.48
    """
    return float(stats.t.ppf(1 - level / 2, n - 1)) / math.sqrt(n) if n > 1 else math.inf
