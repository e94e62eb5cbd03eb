"""Our numbers against the paper's, cell by cell, each with the reasons that the records show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.report.inconsistencies import marks
from harness.report.measured import (
    METRICS,
    PLAIN,
    Measured,
    conditions,
    departures,
    is_treated,
    newest,
)
from harness.report.printed import CellKey, PaperValue
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
            tabled = {other.suite for other in specs}
            cells += _unprinted(set(spec.suites()) - tabled, plain)
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
    sample = next(iter(run.values()))
    apart = departures(sample, sources.published.get(sample.detector, ""))
    suites = spec.suites()
    for column, metric in _grid(spec):
        key = (spec.paper, method, column.paper, metric)
        printed = sources.paper.get(*key)
        yield _compare(
            (spec.suite or spec.name, sample.detector, sample.weights.label, column.paper, metric),
            _Ours(
                found=measure(column, spec.suite, run, metric, suites),
                records=[run[s] for s in suites if s in run and column.suite in ("", s)],
                column=column,
                apart=apart,
                committed=sources.committed,
            ),
            printed,
            _reference_reasons(key, printed, noted),
        )


def _absent(spec: TableSpec, sources: Sources, ran: set[str]) -> Iterator[DiffCell]:
    """The paper's cells of detectors that exist here and have no record on the suite."""
    for row in spec.rows:
        if row.detector in ran:
            continue
        known = row.detector in sources.published
        reason = "not run" if known else "detector not implemented yet"
        for column, metric in _grid(spec):
            printed = sources.paper.get(spec.paper, row.paper, column.paper, metric)
            yield DiffCell(
                suite=spec.suite or spec.name,
                detector=row.detector,
                weights="",
                column=column.paper,
                metric=metric,
                measured=None,
                reference=None if printed is None else printed.value,
                status="no data",
                reasons=(reason,),
            )


def _unprinted(suites: set[str], plain: Sequence[RunRecord]) -> Iterator[DiffCell]:
    """Numbers on suites of which the paper prints the mean only: they have no reference."""
    for record in (record for record in plain if record.suite in suites):
        for result in record.subsets:
            for metric in METRICS:
                column = ColumnSpec(paper=result.subset, subset=result.subset)
                ours = measure(column, record.suite, {record.suite: record}, metric, ())
                yield _compare(
                    (record.suite, record.detector, record.weights.label, result.subset, metric),
                    _Ours(found=ours, records=[record], column=column),
                    None,
                    (),
                )


def _grid(spec: TableSpec) -> list[tuple[ColumnSpec, str]]:
    return [(column, metric) for column in spec.columns if column.paper for metric in spec.metrics]


@dataclass(frozen=True, kw_only=True)
class _Ours:
    """A number of ours, the records behind it, what sets these apart from the published, and the
    digests of scores that are committed."""

    found: Measured
    records: Sequence[RunRecord]
    column: ColumnSpec
    apart: tuple[str, ...] = ()
    committed: frozenset[str] = frozenset()

    @property
    def origin(self) -> tuple[str, ...]:
        """Whether it is of committed scores, and not of the output folder."""
        results = [result for record in self.records for result in record.subsets]
        shown = (r for r in results if self.column.subset in ("", r.subset))
        known = any(result.scores in self.committed for result in shown)
        return ("scored before and committed: tables/measured",) if known else ()

    @property
    def is_the_papers(self) -> bool:
        """The published weights on the published images, as far as anyone can know."""
        return not self.apart and all(
            is_as_declared(record, self.column.subset) for record in self.records
        )


def _compare(
    place: tuple[str, str, str, str, str],
    ours: _Ours,
    printed: PaperValue | None,
    about_reference: tuple[str, ...],
) -> DiffCell:
    suite, detector, weights, column, metric = place
    found, interval = ours.found, ""
    if ours.is_the_papers:
        found = replace(found, low=None, high=None)
        interval = "none: the same weights on the same images must give the same number"
    elif found.low is None:
        interval = "none: the record holds none, python -m harness rescore makes them"
    reference = None if printed is None else printed.value
    status = judge(found, reference)
    reasons: tuple[str, ...] = ()
    if status == "no data":
        reasons = (found.reason,)
    elif status != "no reference":
        own = [each.text for each in found.said] + [found.beside] * bool(found.beside)
        reasons = (*ours.apart, *own, *about_reference)
        reasons = reasons or ((NO_REASON,) if status == "off" else ())
        reasons = (*reasons, *ours.origin)
    sure = printed is not None and printed.certainty != "ambiguous"
    return DiffCell(
        suite=suite,
        detector=detector,
        weights=weights,
        column=column,
        metric=metric,
        measured=found.value,
        reference=reference,
        status=status,
        comparable=not ours.apart and found.comparable and sure,
        low=found.low,
        high=found.high,
        interval=interval,
        reasons=reasons,
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


def _reference_reasons(key: CellKey, printed: PaperValue | None, noted: _Noted) -> tuple[str, ...]:
    if printed is None:
        return ()
    uncertain = tuple(f"reference uncertain: {n}" for n in paper_notes(key, printed, noted))
    if not uncertain and printed.certainty == "repaired" and printed.digits_changed:
        return (f"reference repaired: the scan reads {printed.printed!r} ({printed.note})",)
    return uncertain
