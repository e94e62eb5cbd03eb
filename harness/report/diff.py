"""Our numbers against the paper's, cell by cell, each with the reasons that the records show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.report.inconsistencies import marks
from harness.report.measured import (
    METRICS,
    PLAIN,
    Measured,
    conditions,
    is_treated,
    newest,
)
from harness.report.printed import CellKey, PaperValue
from harness.report.references import MEAN
from harness.report.retrained import MARK
from harness.report.spec import ColumnSpec, TableSpec
from harness.report.tables.paper import Sources, comparable_run, measure, paper_notes
from harness.results.records import RunRecord
from harness.results.reservations import is_as_declared

DiffStatus = Literal[
    "equal",
    "within rounding",
    "within the sampling interval",
    "off",
    "no data",
    "no reference",
]
STATUSES: tuple[DiffStatus, ...] = get_args(DiffStatus)
NOT_COMPARABLE = "not comparable"
VERDICTS = (*STATUSES[:4], NOT_COMPARABLE, *STATUSES[4:])
"""What numbers are counted by: their status, but those that are not comparable apart."""
ROUNDING = 0.05
"""Percentage points that one printed decimal hides."""
NO_REASON = "the records show no reason"
_TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class DiffCell:
    """One compared number, in percent.

    Args:
        suite, detector, weights, column, metric: which.
        measured, reference: the two numbers, None where there is none.
        status: see :data:`STATUSES`. The paper's numbers are no samples to us: the same weights
            on the same images must give the printed number within rounding, and only where images
            or weights differ, or are not known to be the same, a number may be ``within the
            sampling interval``.
        comparable: measured under the reference's conditions, on its images, with its weights, and
            the reference's reading is sure: only such cells count.
        low, high: the 95 % interval of ``measured`` that was used, None where there is none.
        interval: why there is no interval, "" where there is one.
        reasons: what the records show of a compared number, whatever its status, and why an
            ``off`` one may be off; for ``no data`` why there is none.
        source: where the reference is printed, "" where it is another run.
        note: what the reference says of it.
        mark: ``retrained`` where no weights are published, and ours were trained here by the
            published recipe.
        subset: of the suite, or ``mean`` over all of its subsets; "" where it is neither.
        why: what ``python -m harness why`` found for it, "" where it was not asked.
    """

    suite: str
    detector: str
    weights: str
    column: str
    metric: str
    measured: float | None
    reference: float | None
    status: DiffStatus
    comparable: bool = True
    low: float | None = None
    high: float | None = None
    interval: str = ""
    reasons: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    mark: str = ""
    subset: str = ""
    why: str = ""

    @property
    def delta(self) -> float | None:
        """Measured minus reference."""
        if self.measured is None or self.reference is None:
            return None
        return self.measured - self.reference

    @property
    def verdict(self) -> str:
        """What it is counted as, one of :data:`VERDICTS`."""
        return self.status if self.comparable or self.delta is None else NOT_COMPARABLE


@dataclass(frozen=True, kw_only=True)
class RecordDiff:
    """What sets a record apart from what it is compared with.

    Args:
        suite, detector, weights: which.
        reasons: what differs, ``limit 20, there none``.
    """

    suite: str
    detector: str
    weights: str
    reasons: tuple[str, ...]


def record_diff(record: RunRecord, reasons: Sequence[str]) -> RecordDiff:
    """The reasons, with the record's names."""
    return RecordDiff(
        suite=record.suite,
        detector=record.detector,
        weights=record.weights.label,
        reasons=tuple(reasons),
    )


def against_paper(specs: Sequence[TableSpec], sources: Sources) -> list[DiffCell]:
    """Every number of every record on a paper suite against the paper's tables.

    Records of treated images (twins, perturbations) are none of them: see :func:`treated`.

    Args:
        specs: of any kind; mini tables are passed over.
        sources: records, the paper's numbers, and which detectors exist.
    """
    noted = marks(sources.paper)
    plain = [record for record in newest(sources.records) if not is_treated(record)]
    cells: list[DiffCell] = []
    for spec in specs:
        if spec.kind == "mini":
            continue
        found = _runs(spec, sources, plain)
        for method, run in found:
            cells += _cells(spec, method, run, sources, noted)
        ran = {record.detector for _, run in found for record in run.values()}
        cells += _absent(spec, sources, ran)
        if spec.kind == "summary":
            untabled = set(spec.suites()) - {other.suite for other in specs}
            for record in (each for each in plain if each.suite in untabled):
                run = {record.suite: record}
                cells += _cells(_unprinted(record), "", run, sources, noted)
    return cells


def treated(specs: Sequence[TableSpec], sources: Sources) -> list[RecordDiff]:
    """The records on paper suites that :func:`against_paper` leaves out, and their treatments."""
    suites = {suite for spec in specs if spec.kind != "mini" for suite in spec.suites()}
    found = []
    for record in newest(sources.records):
        if record.suite in suites and is_treated(record):
            own = conditions(record)
            reasons = [f"{name} {own[name]}" for name in own if own[name] != PLAIN[name]]
            found.append(record_diff(record, reasons))
    return found


def exceeding(cells: Sequence[DiffCell], points: float) -> list[DiffCell]:
    """Comparable cells whose difference is more than ``points`` percentage points, whatever their
    intervals hold."""
    return [
        cell
        for cell in cells
        if cell.comparable and cell.delta is not None and abs(cell.delta) > points + _TINY
    ]


def compared(cells: Sequence[DiffCell]) -> list[DiffCell]:
    """Cells of two numbers that are comparable."""
    return [cell for cell in cells if cell.comparable and cell.delta is not None]


Where = tuple[str, str, str, str, str]
"""Suite, detector, label of the weights, column and metric."""
_Noted = Mapping[CellKey, tuple[str, ...]]


def _runs(
    spec: TableSpec, sources: Sources, plain: Sequence[RunRecord]
) -> list[tuple[str, Mapping[str, RunRecord]]]:
    """What stands against a table: the paper's row, "" for none, and suite -> record."""
    if spec.kind == "summary":
        runs = ((r.paper, comparable_run(r.detector, sources, spec.suites())) for r in spec.rows)
        return [(method, run) for method, run in runs if run]
    names = {row.detector: row.paper for row in spec.rows}
    return [
        (names.get(record.detector, ""), {record.suite: record})
        for record in plain
        if record.suite == spec.suite
    ]


def _cells(
    spec: TableSpec,
    method: str,
    run: Mapping[str, RunRecord],
    sources: Sources,
    noted: _Noted,
) -> Iterator[DiffCell]:
    """A run against a row of a table."""
    sample = next(iter(run.values()))
    apart, retrained = sources.departures(sample), sources.retraining(sample)
    suites = spec.suites()
    for column, metric in _grid(spec):
        records = [run[s] for s in suites if s in run and column.suite in ("", s)]
        found = measure(column, spec.suite, run, metric, suites)
        interval = ""
        if not apart and all(is_as_declared(record, column.subset) for record in records):
            # The published weights on the published images, as far as anyone can know.
            found = replace(found, low=None, high=None)
            interval = "none: the same weights on the same images must give the same number"
        elif found.low is None:
            interval = "none: the record holds none, python -m harness rescore makes them"
        key = (spec.paper, method, column.paper, metric)
        printed = sources.paper.get(*key)
        texts = [*apart, retrained, *(each.text for each in found.said)]
        said = (*texts, found.over, found.beside, *_about_reference(key, printed, noted))
        sure = printed is not None and printed.certainty != "ambiguous"
        cell = diff_cell(
            (spec.suite or spec.name, sample.detector, sample.weights.label, column.paper, metric),
            found,
            None if printed is None else printed.value,
            _Reasons(said, _origin(records, column, sources)),
            interval=interval,
            comparable=not apart and found.comparable and sure,
        )
        mark = MARK if retrained else ""
        source = printed.source if printed else ""
        subset = MEAN if column.over == "suite" and spec.suite else column.subset
        yield replace(cell, source=source, mark=mark, subset=subset)


@dataclass(frozen=True)
class _Reasons:
    """What is said of a number, and at last where it comes from."""

    said: Sequence[str]
    origin: Sequence[str]

    def __call__(self, status: DiffStatus) -> tuple[str, ...]:
        if status == "no reference":
            return ()
        known = list(filter(None, self.said)) or [NO_REASON] * (status == "off")
        return (*known, *self.origin)


def _origin(records: Sequence[RunRecord], column: ColumnSpec, sources: Sources) -> tuple[str, ...]:
    """Whether a number is of committed scores, and not of the output folder."""
    results = [result for record in records for result in record.subsets]
    shown = (result for result in results if column.subset in ("", result.subset))
    known = any(result.scores in sources.committed for result in shown)
    return ("scored before and committed: tables/measured",) if known else ()


def _absent(spec: TableSpec, sources: Sources, ran: set[str]) -> Iterator[DiffCell]:
    """The paper's cells of detectors that exist here and have no record on the suite."""
    for row in spec.rows:
        if row.detector in ran:
            continue
        known = row.detector in sources.published
        for column, metric in _grid(spec):
            printed = sources.paper.get(spec.paper, row.paper, column.paper, metric)
            cell = diff_cell(
                (spec.suite or spec.name, row.detector, "", column.paper, metric),
                Measured(reason="not run" if known else "detector not implemented yet"),
                None if printed is None else printed.value,
                lambda _: (),
                interval="",
            )
            yield replace(cell, source=printed.source if printed else "")


def _unprinted(record: RunRecord) -> TableSpec:
    """The table of a suite of which the paper prints the mean only: nothing has a reference."""
    columns = tuple(ColumnSpec(paper=r.subset, subset=r.subset) for r in record.subsets)
    return TableSpec(
        name=record.suite,
        title="",
        caption="",
        kind="paper",
        suite=record.suite,
        metrics=tuple(METRICS),
        columns=columns,
    )


def _grid(spec: TableSpec) -> list[tuple[ColumnSpec, str]]:
    return [(column, metric) for column in spec.columns if column.paper for metric in spec.metrics]


def diff_cell(
    place: Where,
    ours: Measured,
    reference: float | None,
    reasons: Callable[[DiffStatus], Iterable[str]],
    *,
    interval: str,
    comparable: bool = True,
) -> DiffCell:
    """A number of ours beside a reference.

    Args:
        place: suite, detector, label of the weights, column and metric.
        ours: with the interval that may be used, and why there is no number.
        reference: the other number, in percent.
        reasons: what is said of a status for which there is a number of ours.
        interval, comparable: as in the cell.
    """
    suite, detector, weights, column, metric = place
    status = judge(ours, reference)
    return DiffCell(
        suite=suite,
        detector=detector,
        weights=weights,
        column=column,
        metric=metric,
        measured=ours.value,
        reference=reference,
        status=status,
        comparable=comparable,
        low=ours.low,
        high=ours.high,
        interval=interval,
        reasons=(ours.reason,) if status == "no data" else tuple(reasons(status)),
    )


def judge(ours: Measured, reference: float | None) -> DiffStatus:
    """The status of a measured number against a reference, both in percent."""
    if ours.value is None:
        return "no data"
    if reference is None:
        return "no reference"
    delta = abs(ours.value - reference)
    if delta <= _TINY:
        return "equal"
    if delta <= ROUNDING + _TINY:
        return "within rounding"
    if ours.low is not None and ours.high is not None:
        slack = ROUNDING + _TINY
        if ours.low - slack <= reference <= ours.high + slack:
            return "within the sampling interval"
    return "off"


def _about_reference(key: CellKey, printed: PaperValue | None, noted: _Noted) -> tuple[str, ...]:
    if printed is None:
        return ()
    uncertain = tuple(f"reference uncertain: {n}" for n in paper_notes(key, printed, noted))
    if not uncertain and printed.certainty == "repaired" and printed.digits_changed:
        return (f"reference repaired: the scan reads {printed.printed!r} ({printed.note})",)
    return uncertain
