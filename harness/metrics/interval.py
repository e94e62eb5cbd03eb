"""95 % intervals of rates: Wilson's, with as many images as the bootstrap says they are worth.

A rate v whose bootstrap variance is V is as sure as a share of ``n = v (1 - v) / V`` independent
images; Wilson's interval of such a share keeps inside [0, 1], is as skewed as the rate is near an
end, and has a width at 100 of 100. For the accuracy of independent images n is their number and the
interval is Wilson's own. Where units hold several images, where subsets share images, and for AP
and AUC n follows from the resamples. Sources: Wilson, JASA 1927; Korn and Graubard, Survey
Methodology 1998 (effective number of images); Kott and Carr, J. Official Statistics 1997.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from harness.metrics.bootstrap import Draws, seed_mean

LEVEL = 0.05
_FEW = 0.25
"""Errors that a variance counts half by, squared: see :func:`_inverse_number`."""
_ALIKE = 1e-9
"""Rates closer than this are one rate: what lies between is rounding."""


@dataclass(frozen=True, kw_only=True)
class Variance:
    """One source of variance.

    Args:
        variance: of the mean.
        freedom: degrees of freedom of its estimate.
    """

    variance: float
    freedom: float


def interval(draws: Draws | Sequence[Draws]) -> tuple[float, float] | None:
    """The 95 % interval of a rate, None where there is nothing to tell it from.

    Args:
        draws: of one rate; or of one for each training seed: the interval is then about the mean
            over other seeds and other images.

    Returns:
        low and high, in [0, 1]; None without resamples, and where a class has fewer than two
        units or is absent in all resamples but one.

    Example:
        >>> ones = np.ones(1000)
        >>> masses = np.random.default_rng(0).poisson(100, (1, 1000)) / 100
        >>> low, high = interval(Draws(value=1.0, values=ones, masses=masses))
        >>> round(low, 2), high
        (0.96, 1.0)
    """
    seeds = [draws] if isinstance(draws, Draws) else list(draws)
    images = image_part(seeds, together=False)
    if images is None:
        return None
    mean = seed_mean(seeds)
    value = min(max(mean.value, 0.0), 1.0)
    inverse = _inverse_number(value, images.variance, mean.units)
    parts = [images]
    if len(seeds) > 1:
        parts.append(seed_part([each.value for each in seeds]))
        # At an end (all seeds 100.0) the seeds have no spread, and the images' number stands alone.
        inverse += parts[1].variance / max(value * (1 - value), _ALIKE)
    return wilson(value, 1 / inverse, critical(parts))


def images_worth(draws: Draws) -> float | None:
    """How many independent images one rate is as sure as; None where :func:`interval` is."""
    images = image_part([draws], together=False)
    if images is None:
        return None
    return 1 / _inverse_number(min(max(draws.value, 0.0), 1.0), images.variance, draws.units)


def _inverse_number(value: float, variance: float, units: float) -> float:
    """1 / the effective number of images.

    With k errors in sight (``k = (1 - value)^2 / variance``, as for a Poisson number) it is
    ``variance / (value (1 - value))``; with none it is 1 / units, as nothing is then known of what
    an error would cost; between them a mean with weights k^2 and 1/4.
    """
    errors = min(value, 1 - value) ** 2
    if variance < _ALIKE**2 or errors < _ALIKE**2:
        return 1 / units
    known = (errors / variance) ** 2
    share = known / (known + _FEW)
    return share * variance / (value * (1 - value)) + (1 - share) / units


def wilson(share: float, count: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share of ``count`` images (any number above 0).

    Formula: ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``.

    Example:
        >>> low, high = wilson(1.0, 100)
        >>> round(low, 4), high
        (0.963, 1.0)
    """
    if count <= 0:
        return 0.0, 1.0
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if share <= 0 else float(max(0.0, (middle - half) / scale))
    high = 1.0 if share >= 1 else float(min(1.0, (middle + half) / scale))
    return min(low, share), max(high, share)


def image_part(seeds: Sequence[Draws], *, together: bool = True) -> Variance | None:
    """The variance, over images, of a mean over seeds; None without resamples or units.

    Args:
        seeds: one for each, on the same images.
        together: with what images and seeds do together (a seed that suits some images). That is
            in the spread of the seeds as well and then counts twice, which makes tests careful.
    """
    mean = seed_mean(seeds)
    there = ~np.isnan(mean.values)
    freedom = mean.freedom
    if int(there.sum()) < 2 or not freedom >= 1:
        return None
    variance = float(np.var(mean.values[there]))
    if len(seeds) > 1 and not together:
        own = np.stack([each.values[there] - each.value for each in seeds])
        variance = max(0.0, variance - float(np.var(own, axis=0, ddof=1).mean()) / len(seeds))
    # A bootstrap's variance is that of n units with divisor n.
    variance *= mean.units / max(mean.units - 1, 1.0)
    if mean.sets > 1 and variance > 0:
        freedom = min(freedom, _few_decide(mean, variance))
    return Variance(variance=variance, freedom=freedom)


def _few_decide(mean: Draws, variance: float) -> float:
    """Degrees of freedom of the variance of a mean over sets, from the skew of its replicates.

    Over many sets the images that all of them share decide, and of these those that are nearly
    misjudged: a variance from m such images has 2 m degrees of freedom, and replicates that m
    images pull have a squared skew of 1/m or less. What a rate near its end owes to its errors
    being few (1 / k) is in Wilson's interval already. At least 4.
    """
    draws = mean.values[~np.isnan(mean.values)]
    centred = draws - draws.mean()
    skew = float(np.mean(centred**3)) ** 2 / max(float(np.mean(centred**2)) ** 3, 1e-300)
    errors = min(mean.value, 1 - mean.value) ** 2 / variance
    excess = skew - 1 / max(errors, _ALIKE)
    return max(4.0, 2 / excess) if excess > 0 else math.inf


def seed_part(values: Sequence[float]) -> Variance:
    """The variance, over training seeds, of the mean of (S >= 2,) values."""
    spread = float(np.var(values, ddof=1)) / len(values)
    if spread < _ALIKE**2:
        spread = 0.0  # equal numbers, but for rounding
    return Variance(variance=spread, freedom=len(values) - 1)


def critical(parts: Sequence[Variance], level: float = LEVEL) -> float:
    """How many standard errors a two-sided interval reaches on each side.

    The mean of Student's quantiles of the parts, weighed by their variances. Unlike Welch and
    Satterthwaite's degrees of freedom, which 2 or 3 seeds beside many images make too large (up to
    13 % and 8 % false positives at 5 %), it never promises too much. Source: Cochran and Cox,
    Experimental Designs, 1957 (section 4.14).
    """
    quantiles = [float(stdtrit(part.freedom, 1 - level / 2)) for part in parts]
    total = sum(part.variance for part in parts)
    if total <= 0:
        return max(quantiles)
    return sum(p.variance * q for p, q in zip(parts, quantiles, strict=True)) / total


def p_value(parts: Sequence[Variance], errors: float) -> float:
    """The level at which :func:`critical` is ``errors`` standard errors.

    Example:
        >>> round(p_value([Variance(variance=1.0, freedom=2)], 4.302653), 4)
        0.05
    """
    if errors <= 0:
        return 1.0
    # The heaviest tail of the parts bounds the answer from above, 1e-300 from below.
    heaviest = min(part.freedom for part in parts)
    top = 2 * float(stdtr(heaviest, -errors))
    if top < 1e-12:
        return top

    def gap(p: float) -> float:
        return critical(parts, p) - errors

    bottom = 1e-15
    if gap(bottom) <= 0:
        return bottom
    return float(brentq(gap, bottom, 1 - 1e-12, xtol=1e-15, rtol=1e-10))


def freedom_of(parts: Sequence[Variance]) -> float:
    """Degrees of freedom of the one Student's t that reaches as far at 5 % as the parts do."""
    reach = critical(parts)
    low, high = (f(part.freedom for part in parts) for f in (min, max))
    if high - low < 1e-9 or reach <= float(stdtrit(high, 1 - LEVEL / 2)) + 1e-12:
        return high

    def gap(freedom: float) -> float:
        return float(stdtrit(freedom, 1 - LEVEL / 2)) - reach

    return float(brentq(gap, low, high))
