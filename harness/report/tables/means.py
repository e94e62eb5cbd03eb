"""Numbers over sets and training seeds: a mean or its first hole, and one verdict on two rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.metrics.verdict import Verdict
from harness.report.measured import Measured, subset_value
from harness.report.table import Cell
from harness.report.words import Tell
from harness.results.intervals import Place
from harness.results.records import RunRecord
from harness.results.reservations import joined

Edges = tuple[float, float]
Interval = Callable[[Sequence[RunRecord], Sequence[str], str], "Edges | None"]
"""95 % interval, as fractions, of a metric's plain mean over subsets and over records (seeds)."""
Trainings = Sequence[Sequence[RunRecord]]
"""The records of a row: for each training seed one for each suite."""


def no_interval(records: Sequence[RunRecord], subsets: Sequence[str], metric: str) -> Edges | None:
    """What stands for an :data:`Interval` where the scores are not at hand."""
    return None


def flipped(edges: Edges, whole: float) -> Edges:
    """The interval of what is missing to ``whole``; with 0 that of the negated number."""
    return whole - edges[1], whole - edges[0]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a column takes of records: the plain mean of a metric over sets, in percent.

    Args:
        places: the sets, suite and subset.
        metric: its name in records; "" where the number makes no sense.
        complement: shown is what is missing to 100.
    """

    places: tuple[Place, ...]
    metric: str
    complement: bool = False

    def of(self, records: Sequence[RunRecord]) -> Measured:
        """The mean of one training, or the first hole in it."""
        suites = {record.suite: record for record in records}
        values, said, images = [], [], 0
        for suite, name in self.places:
            if suite not in suites:
                return Measured(reason="not trained")
            found = subset_value(suites[suite], name, self.metric)
            if found.value is None:
                whole = found.reason.startswith("weights missing")  # and not only this set's
                return Measured(reason=found.reason if whole else f"{name}: {found.reason}")
            values.append(100 - found.value if self.complement else found.value)
            said.append((name, found.said))
            images += found.images
        return Measured(value=fmean(values), images=images, said=joined(said))

    def cell(self, trainings: Trainings, interval: Interval, absent: str = "") -> Cell:
        """The mean over trainings with its interval.

        Args:
            trainings: of one suite.
            interval: makes the interval.
            absent: why there are no trainings.
        """
        if not self.metric:
            return Cell(status="undefined")
        if not trainings:
            return Cell(reason=absent)

        def edges() -> Edges | None:
            records = [record for training in trainings for record in training]
            found = interval(records, [name for _, name in self.places], self.metric)
            if found is None:
                return None
            low, high = 100 * found[0], 100 * found[1]
            return flipped((low, high), 100) if self.complement else (low, high)

        return over_seeds([self.of(training) for training in trainings], edges)

    def verdict(self, first: Trainings, second: Trainings, tell: Tell) -> Verdict:
        """Whether two rows are told apart; low and high are those of the number as it is shown."""
        sides = [[record for training in side for record in training] for side in (first, second)]
        found = tell(sides[0], sides[1], self.places, self.metric)
        if not self.complement or found.low is None or found.high is None:
            return found
        low, high = flipped((found.low, found.high), 0)
        return replace(found, low=low, high=high)


def over_seeds(found: Sequence[Measured], edges: Callable[[], Edges | None] = lambda: None) -> Cell:
    """A number as its mean and standard deviation over training seeds, or the first hole.

    Args:
        found: one for each seed.
        edges: makes the 95 % interval of the mean, in percent; called where there is no hole.
    """
    values = []
    for each in found:
        if each.value is None:
            return Cell(reason=each.reason)
        values.append(each.value)
    low, high = edges() or (None, None)
    return Cell(
        value=fmean(values),
        status="measured",
        spread=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        low=low,
        high=high,
        notes=tuple(dict.fromkeys(note for each in found for note in each.notes)),
    )


def difference(value: float, verdict: Verdict, seeds: int, spread: float | None = None) -> Cell:
    """A difference of two rows in percentage points, with the interval of its verdict."""
    low, high = (None if edge is None else 100 * edge for edge in (verdict.low, verdict.high))
    return Cell(value=value, status="measured", seeds=seeds, spread=spread, low=low, high=high)
