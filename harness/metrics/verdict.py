"""The one way to say that A beats B.

A row is a detector with one checkpoint, or with one for each training seed. Both images and seeds
are drawn: the bootstrap gives the variance over images (the same resamples for both rows, so that
it is that of the paired difference), the seeds the variance over trainings (paired where both rows
have the same seeds). The difference over its standard error is judged by Student's t with the
degrees of freedom of both (:func:`harness.metrics.interval.critical`). ``python -m harness
coverage`` simulates how often equal rows are told apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from harness.metrics import MARGIN
from harness.metrics.bootstrap import Draws, seed_mean
from harness.metrics.interval import (
    LEVEL,
    Variance,
    critical,
    freedom_of,
    image_part,
    p_value,
    seed_part,
    wilson,
)
from harness.metrics.paired import holm

_ROUNDING = 1e-9

Seeds = Mapping[Hashable, Draws]
"""Training seed -> its metric with its resamples (none where the scores are not at hand)."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether two rows are told apart.

    Args:
        value: first minus second, fractions; None where a row has no number.
        low, high: 95 % interval; None where there is none, ``reason`` says why.
        p: two-sided p of "equal"; below 0.05 where the interval leaves out 0.
        p_holm: ``p`` adjusted for the family that was tested with it.
        freedom: degrees of freedom, of the Student's t that reaches as far.
        seeds: seeds of the first and of the second row.
        paired: the seeds are pairs.
        units: effective number of independent units; 0 where no images were resampled.
        least: the smallest p that this many units and seeds can give.
        margin: what hardly matters.
        reason: why there is neither interval nor p.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    freedom: float | None = None
    seeds: tuple[int, int] = (1, 1)
    paired: bool = False
    units: float = 0.0
    least: float = 0.0
    margin: float = MARGIN
    reason: str = ""

    @property
    def apart(self) -> bool:
        """Whether the rows are told apart at 5 %, after the family's adjustment."""
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def equivalent(self) -> bool:
        """Whether the whole interval lies inside the margin.

        On few images two rows may agree by luck: the margin must be as large as the upper edge of
        Wilson's interval of no error at all.
        """
        if self.low is None or self.high is None or self.margin < _unseen(self.units):
            return False
        return -self.margin < self.low and self.high < self.margin

    @property
    def word(self) -> str:
        """``told apart``, ``hardly matters``, both, or ``not told apart``."""
        if self.equivalent:
            hardly = f"hardly matters (within ±{100 * self.margin:g})"
            return f"told apart, but {hardly}" if self.apart else hardly
        return "told apart" if self.apart else "not told apart"

    @property
    def basis(self) -> str:
        """What was drawn, and the test: for a note beside p."""
        if self.p is None:
            return self.reason
        drawn = "images" if max(self.seeds) < 2 else "images and seeds"
        if not self.units:
            drawn = "seeds alone"
        pairs = ", paired by seed" if self.paired else ""
        df = f"{self.freedom:.1f}" if self.freedom and self.freedom < 100 else "over 100"
        return f"t with {df} degrees of freedom over {drawn}{pairs}"


def tell_apart(first: Seeds, second: Seeds, *, margin: float = MARGIN) -> Verdict:
    """Compares two rows on the same images.

    Rows with the same two or more seeds are compared seed by seed. A row with one checkpoint is
    taken as it is: nothing is then said of training it again.

    Args:
        first, second: seed -> the metric (a fraction) with its replicates, of the same resamples.
        margin: what hardly matters, a fraction.

    Example:
        >>> none = {"values": np.empty(0), "masses": np.empty((1, 0))}
        >>> sixty = {seed: Draws(value=0.6, **none) for seed in range(3)}
        >>> verdict = tell_apart(sixty, sixty)
        >>> verdict.word, verdict.p
        ('not told apart', 1.0)
    """
    paired = len(first) > 1 and set(first) == set(second)
    gaps = _gaps(first, second, paired=paired)
    value = float(np.mean([gap.value for gap in gaps]))
    value = 0.0 if abs(value) < _ROUNDING else value
    about = Verdict(value=value, seeds=(len(first), len(second)), paired=paired, margin=margin)
    parts = _seed_parts(first, second, gaps, paired=paired)
    images = image_part(gaps)
    if images is not None:
        units = seed_mean(gaps).units
        # Where all units say the same they show no variance; then as for a count of `units`.
        images = Variance(variance=max(images.variance, value**2 / units), freedom=units - 1)
        parts.insert(0, images)
        about = dataclasses.replace(about, units=units, least=_least(units, images.freedom))
    return _judged(about, value, parts)


def _gaps(first: Seeds, second: Seeds, *, paired: bool) -> list[Draws]:
    """One for each pair of seeds, else the one of the means."""
    if paired:
        return [_minus(first[seed], second[seed]) for seed in first]
    return [_minus(seed_mean(list(first.values())), seed_mean(list(second.values())))]


def _minus(one: Draws, other: Draws) -> Draws:
    if one.values.shape != other.values.shape:
        one, other = (
            Draws(value=d.value, values=np.empty(0), masses=np.empty((1, 0))) for d in (one, other)
        )
    return Draws(value=one.value - other.value, values=one.values - other.values, masses=one.masses)


def _seed_parts(first: Seeds, second: Seeds, gaps: list[Draws], *, paired: bool) -> list[Variance]:
    if paired:
        return [seed_part([gap.value for gap in gaps])]
    return [
        seed_part([d.value for d in side.values()]) for side in (first, second) if len(side) > 1
    ]


def _judged(about: Verdict, value: float, parts: list[Variance]) -> Verdict:
    if not parts:
        return dataclasses.replace(about, reason="neither images nor seeds to draw")
    error = sum(part.variance for part in parts) ** 0.5
    if error == 0 and value != 0:
        return dataclasses.replace(about, reason="the seeds do not differ: no spread to judge by")
    p = p_value(parts, abs(value) / error) if error else 1.0
    about = dataclasses.replace(about, p=p, p_holm=p, freedom=freedom_of(parts))
    if error == 0 and not about.units:
        return about
    reach = critical(parts) * error or _unseen(about.units)
    return dataclasses.replace(about, low=max(value - reach, -1.0), high=min(value + reach, 1.0))


def _unseen(units: float) -> float:
    """The largest share of images on which rows may differ that differ on none of these."""
    return wilson(0.0, units)[1]


def _least(units: float, freedom: float) -> float:
    """The smallest p of a paired difference over this many units: all of them say the same."""
    return 2 * float(stdtr(freedom, -(units**0.5)))


def adjusted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with Holm's p over those of them that have one."""
    places = [i for i, verdict in enumerate(verdicts) if verdict.p is not None]
    ps = holm([p for v in verdicts if (p := v.p) is not None])
    found = list(verdicts)
    for place, p in zip(places, ps, strict=True):
        found[place] = dataclasses.replace(found[place], p_holm=p)
    return found


def hopeless(verdicts: Sequence[Verdict]) -> str:
    """Why no difference of a family could be told apart, "" where one could."""
    tested = [verdict for verdict in verdicts if verdict.p is not None]
    if not tested or min(v.least for v in tested) * len(tested) < LEVEL:
        return ""
    return (
        f"With so few independent images and {len(tested)} tests no difference could be told apart"
        f" (the smallest p is {min(v.least for v in tested):.2g}, Holm multiplies it by "
        f"{len(tested)})."
    )
