"""Several detectors over several subsets: Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from harness.metrics.values import Floats

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class RankTest:
    """What the ranks of k detectors on n subsets say.

    Args:
        mean_ranks: of each detector, 1 = best everywhere.
        statistic: Friedman's, corrected for ties; chi-squared with k - 1 degrees of freedom.
        p: of "all detectors are alike".
        critical_difference: Nemenyi's at 5 %: mean ranks closer than this are not told apart.
        subsets: n.
    """

    mean_ranks: tuple[float, ...]
    statistic: float
    p: float
    critical_difference: float
    subsets: int


def friedman(values: Floats) -> RankTest:
    """Friedman's test over subsets, and the critical difference of mean ranks.

    ``CD = q_0.05 sqrt(k (k + 1) / (6 n))``, q the Studentized range over sqrt(2). Sources:
    Friedman, JASA 1937; Nemenyi 1963 after Demsar, JMLR 2006. The test takes subsets as
    independent, which subsets that share their reals are not.

    Args:
        values: (n subsets, k detectors), larger = better; n >= 2, k >= 3.
    """
    subsets, detectors = values.shape
    if subsets < 2 or detectors < 3:
        raise ValueError(f"{subsets} subsets and {detectors} detectors: needs 2 and 3")
    statistic, p = 0.0, 1.0
    if np.ptp(values, axis=1).any():  # all tied everywhere makes a statistic of 0 / 0
        statistic, p = map(float, friedmanchisquare(*values.T))
    q = float(studentized_range.ppf(1 - LEVEL, detectors, np.inf)) / 2**0.5
    return RankTest(
        mean_ranks=tuple(float(rank) for rank in rankdata(-values, axis=1).mean(axis=0)),
        statistic=statistic,
        p=p,
        critical_difference=q * (detectors * (detectors + 1) / (6 * subsets)) ** 0.5,
        subsets=subsets,
    )
