"""Accuracy over the release of the generators: do detectors fall behind what came after them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.figures.timeline import timeline
from harness.registry.suites import all_suites
from harness.report.measured import is_treated, subset_value
from harness.report.table import Cell, Row
from harness.results.rates import HITS, one_class_rate
from harness.results.records import RunRecord
from harness.site.grid import Entry, Grid, said
from harness.site.renderer import data_uri
from harness.site.sections import Illustration, Section
from harness.suites._generators import Born, born

ROWS = 8
"""Detectors in a picture: more would be told apart by nobody."""
_NO_DATE = "No known release date, so in no picture"
_NO_NUMBER = "Not scored by any of these"


@dataclass(frozen=True, kw_only=True)
class DatedSet:
    """A subset with a place in time.

    Args:
        name, title: of the subset.
        born: its generator.
    """

    name: str
    title: str
    born: Born


def over_time(records: Iterable[RunRecord]) -> Section:
    """A picture and a table for each suite with generators of known dates, out of plain runs.

    A subset whose generator's release is not known is named below and placed nowhere.
    """
    by_suite: dict[str, list[RunRecord]] = {}
    for record in records:
        if not is_treated(record) and not record.limit:
            by_suite.setdefault(record.suite, []).append(record)
    images: list[Illustration] = []
    grids: list[Grid] = []
    for suite in sorted(set(by_suite) & set(all_suites())):
        dated, undated = dated_sets(suite, by_suite[suite])
        scored = [each for each in dated if any(_has(r, each.name) for r in by_suite[suite])]
        rows = [(each, _cells(each, scored)) for each in by_suite[suite]]
        rows = [(each, cells) for each, cells in rows if any(c.value is not None for c in cells)]
        if rows:
            images += _pictures(suite, scored, rows)
            blank = [each.title for each in dated if each not in scored]
            grids.append(_grid(suite, scored, {_NO_DATE: undated, _NO_NUMBER: blank}, rows))
    return Section(
        key="released",
        title="Accuracy over release date",
        lead="Each set at the month in which its generator came out: of its authors' paper, or of "
        "its public release. A detector that has learned the generators of its time alone "
        "falls off to the right. Sets differ in more than their generator: compare detectors, not "
        "years.",
        command="python -m harness run --method lfm,npr --suite synthbuster --data-root D",
        images=images,
        grids=grids,
    )


def dated_sets(
    suite: str, records: Sequence[RunRecord]
) -> tuple[tuple[DatedSet, ...], tuple[str, ...]]:
    """The subsets of a suite by the release of their generators, and names of those without one.

    Args:
        suite: a declared one.
        records: of it; where the data names the subsets, they are those of the records.
    """
    declared = all_suites()[suite]
    named = {each.name: (each.title, each.generators) for each in declared.subsets}
    if declared.as_found:
        names = dict.fromkeys(result.subset for each in records for result in each.subsets)
        named = {name: (name, (name,)) for name in names}
    found = [
        DatedSet(name=name, title=title, born=at)
        for name, (title, generators) in named.items()
        if (at := born(generators)) is not None
    ]
    placed = {each.name for each in found}
    undated = tuple(title for name, (title, _) in named.items() if name not in placed)
    return tuple(sorted(found, key=lambda each: each.born.month)), undated


def _has(record: RunRecord, subset: str) -> bool:
    return _cell(record, subset).value is not None


def _cells(record: RunRecord, sets: Sequence[DatedSet]) -> list[Cell]:
    """Accuracy on each set in percent or, where a set is fakes alone, its hits."""
    return [_cell(record, each.name) for each in sets]


def _cell(record: RunRecord, subset: str) -> Cell:
    result = record.result(subset)
    rate = one_class_rate(result) if result is not None else None
    if rate is not None and rate.name == HITS:
        low, high = (None if edge is None else 100 * edge for edge in (rate.low, rate.high))
        return Cell(value=100 * rate.value, low=low, high=high, status="measured", notes=(HITS,))
    found = subset_value(record, subset, "acc")
    if found.value is None:
        return Cell(reason=found.reason)
    return Cell(value=found.value, low=found.low, high=found.high, status="measured")


def _pictures(
    suite: str, sets: Sequence[DatedSet], rows: Sequence[tuple[RunRecord, Sequence[Cell]]]
) -> list[Illustration]:
    """Pictures of some detectors each; none where all generators are of one month."""
    months = [each.born.month for each in sets]
    if len(set(months)) < 2:
        return []
    title, metric = all_suites()[suite].title, _metric(cells for _, cells in rows)
    names = _names([record for record, _ in rows])
    found = []
    for start in range(0, len(rows), ROWS):
        part = [
            Row(key=name, title=name, detector=each.detector, kind="method", cells=tuple(cells))
            for name, (each, cells) in list(zip(names, rows, strict=True))[start : start + ROWS]
        ]
        drawn = timeline(part, months, f"{title} over time", metric)
        found.append(
            Illustration(
                source=data_uri(drawn, "svg"),
                alt=f"{metric} on {title} of {', '.join(row.title for row in part)} over the "
                f"release of its generators, {months[0]} to {months[-1]}; the table below holds "
                "the numbers.",
                caption=title,
            )
        )
    return found


def _metric(rows: Iterable[Sequence[Cell]]) -> str:
    """What the numbers are: ACC, hits, or both."""
    kinds = {
        HITS if cell.notes else "ACC" for cells in rows for cell in cells if cell.value is not None
    }
    return " or ".join(sorted(kinds)) or "ACC"


def _names(records: Sequence[RunRecord]) -> list[str]:
    """Titles of detectors, with their weights where one has several."""
    counts: Mapping[str, int] = {
        each.title: sum(other.title == each.title for other in records) for each in records
    }
    return [
        f"{each.title} ({each.weights.label})" if counts[each.title] > 1 else each.title
        for each in records
    ]


def _grid(
    suite: str,
    sets: Sequence[DatedSet],
    others: Mapping[str, Sequence[str]],
    rows: Sequence[tuple[RunRecord, Sequence[Cell]]],
) -> Grid:
    return Grid(
        caption=f"{all_suites()[suite].title}: {_metric(cells for _, cells in rows)} in percent, "
        "by the release of the generator",
        header=("Set", "Released", "Known from", *_names([record for record, _ in rows])),
        rows=[
            [
                Entry(text=each.title),
                said(each.born.month),
                said(each.born.source),
                *(_entry(cells[place]) for _, cells in rows),
            ]
            for place, each in enumerate(sets)
        ],
        notes=[f"{why}: {', '.join(names)}." for why, names in others.items() if names],
    )


def _entry(cell: Cell) -> Entry:
    if cell.value is None:
        return Entry(text="-", why=cell.reason)
    return Entry(text=f"{cell.value:.1f}", value=cell.value, low=cell.low, high=cell.high)
