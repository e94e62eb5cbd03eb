"""Several detectors over several subsets: Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc
from scipy.stats import rankdata, studentized_range

from harness.metrics.values import Floats

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Ranks:
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


def friedman(values: Floats) -> Ranks:
    """Friedman's test over subsets, and the critical difference of mean ranks.

    Formulas, with R_j the sum of ranks of detector j and t the sizes of groups of ties:
    ``chi2 = (12 sum R_j^2 / (n k (k + 1)) - 3 n (k + 1)) / (1 - sum(t^3 - t) / (n k (k^2 - 1)))``;
    ``CD = q_0.05 sqrt(k (k + 1) / (6 n))``, q the Studentized range over sqrt(2). Sources:
    Friedman, JASA 1937; Nemenyi 1963 after Demsar, JMLR 2006. The test takes subsets as
    independent, which subsets that share their reals are not.

    Args:
        values: (n subsets, k detectors), larger = better; n >= 2, k >= 3.
    """
    subsets, detectors = values.shape
    if subsets < 2 or detectors < 3:
        raise ValueError(f"{subsets} subsets and {detectors} detectors: needs 2 and 3")
    ranks = rankdata(-values, axis=1)
    sums = ranks.sum(axis=0)
    ties = 0.0
    for row in ranks:
        _, sizes = np.unique(row, return_counts=True)
        ties += float(np.sum(sizes**3 - sizes))
    spread = 12 * float(np.sum(sums**2)) / (subsets * detectors * (detectors + 1))
    share = 1 - ties / (subsets * detectors * (detectors**2 - 1))
    # All tied everywhere: no difference at all, and a statistic of 0 / 0.
    statistic = (spread - 3 * subsets * (detectors + 1)) / share if share > 0 else 0.0
    q = float(studentized_range.ppf(1 - LEVEL, detectors, np.inf)) / 2**0.5
    return Ranks(
        mean_ranks=tuple(float(rank) for rank in sums / subsets),
        statistic=statistic,
        p=float(chdtrc(detectors - 1, statistic)) if statistic > 0 else 1.0,
        critical_difference=q * (detectors * (detectors + 1) / (6 * subsets)) ** 0.5,
        subsets=subsets,
    )
