"""What others measured of the paper's rows, beside what the paper prints: reports, no reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.report.inconsistencies import TEST_SETS
from harness.report.printed import Paper
from harness.report.references import MEAN, Reference, ReferenceValue, alike
from harness.report.spec import TableSpec

NEAR = 0.5
"""Percentage points from which on a rerun's number is called off the printed one."""
_METRICS = ("ACC", "AP")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A printed number and another's for it, in percent."""

    column: str
    printed: float
    theirs: float

    @property
    def is_near(self) -> bool:
        """At most :data:`NEAR` points apart; numbers of one decimal are compared as decimals."""
        return abs(self.printed - self.theirs) <= NEAR + 1e-9


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """One source's numbers for one row of the paper on one set.

    Args:
        method, suite, metric: the row, our name of the set, ``ACC`` or ``AP``.
        kind: of the reference: ``published``, ``rerun`` or ``reports``.
        weights, source, note: as the reference says them.
        pairs: the cells that both hold; one of the mean where the paper prints that alone.
    """

    method: str
    suite: str
    metric: str
    kind: str
    weights: str
    source: str
    note: str
    pairs: tuple[Pair, ...] = ()

    @property
    def off(self) -> tuple[Pair, ...]:
        """The cells that are further apart."""
        return tuple(pair for pair in self.pairs if not pair.is_near)


def reruns(
    references: Sequence[Reference], specs: Sequence[TableSpec], paper: Paper
) -> list[Rerun]:
    """Of every reference what is about a row and a set of the paper; sets in the paper's order."""
    found = []
    summary = [row for spec in specs if spec.kind == "summary" for row in spec.rows]
    for spec in (spec for spec in specs if spec.kind == "paper"):
        rows = {row.detector: row.paper for row in (*summary, *spec.rows)}
        for reference in references:
            for rerun, values in _grouped(reference, spec, rows):
                pairs = _pairs(spec, rerun.method, rerun.metric, values, paper)
                if pairs:
                    found.append(replace(rerun, pairs=pairs))
    return found


def _grouped(
    reference: Reference, spec: TableSpec, rows: Mapping[str, str]
) -> Iterator[tuple[Rerun, list[ReferenceValue]]]:
    """The values of a reference on a set, one group a row, metric, checkpoint and source."""
    grouped: dict[Rerun, list[ReferenceValue]] = {}
    for value in reference.values:
        method = rows.get(reference.methods.get(value.method, ""), "")
        here = reference.suites.get(value.suite) == spec.suite
        if method and here and value.metric in _METRICS:
            rerun = Rerun(
                method=method,
                suite=spec.title,
                metric=value.metric,
                kind=reference.kind,
                weights=value.weights,
                source=value.source,
                note=value.note,
            )
            grouped.setdefault(rerun, []).append(value)
    yield from grouped.items()


def _pairs(
    spec: TableSpec, method: str, metric: str, values: Sequence[ReferenceValue], paper: Paper
) -> tuple[Pair, ...]:
    """Cell by cell; of a row that has no table of that set, its mean in the summary."""
    theirs = {}
    for column in spec.columns:
        names = [column.subset, column.paper] if column.subset else []
        for value in values:
            if alike(names, value.subset):
                theirs[column.paper] = value.value
    if method in paper.methods(spec.paper):
        return tuple(
            Pair(column=column, printed=paper.value(spec.paper, method, column, metric), theirs=v)
            for column, v in theirs.items()
        )
    subsets = [column for column in spec.columns if column.subset]
    test_set = next((name for name, table in TEST_SETS.items() if table == spec.paper), "")
    printed = paper.get("summary", method, test_set, metric)
    if printed is None or len(theirs) != len(subsets):
        return ()
    return (Pair(column=MEAN, printed=printed.value, theirs=fmean(theirs.values())),)


def said_of(found: Sequence[Rerun]) -> list[str]:
    """What several reports say together, computed from them."""
    return [*_said_twice(found), *_another_file(found)]


def _said_twice(found: Sequence[Rerun]) -> Iterator[str]:
    """Cells for which several sources have one and the same number, which is not the printed."""
    told: dict[tuple[str, str, str, float, float], list[str]] = {}
    for rerun in found:
        for pair in rerun.off:
            key = (rerun.method, rerun.suite, pair.column, pair.printed, pair.theirs)
            if rerun.source not in told.setdefault(key, []):
                told[key].append(rerun.source)
    for (method, suite, column, printed, theirs), sources in told.items():
        if len(sources) > 1:
            yield (
                f"{len(sources)} sources independently have {theirs:.1f} for {method} on {suite} "
                f"{column}, where {printed:.1f} is printed: {', '.join(sources)}."
            )


def _another_file(found: Sequence[Rerun]) -> Iterator[str]:
    """A source that meets a method's row on one set and not on another, with one file."""
    for bad in found:
        for good in found:
            same = (good.method, good.metric, good.weights, good.source) == (
                bad.method,
                bad.metric,
                bad.weights,
                bad.source,
            )
            enough = min(len(good.pairs), len(bad.pairs)) > 1
            if same and enough and not good.off and 2 * len(bad.off) > len(bad.pairs):
                yield (
                    f"{bad.method}: {bad.source} has {len(good.pairs)} of {len(good.pairs)} "
                    f"{bad.metric} of {good.suite} within {NEAR} points and {len(bad.off)} of "
                    f"{len(bad.pairs)} of {bad.suite} off, with one file: the printed row of "
                    f"{bad.suite} is probably another checkpoint's."
                )
