"""Our numbers against the paper's, cell by cell, each with the reasons that the records show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.build import Sources, comparable_run, measure, paper_notes
from harness.report.findings import marks
from harness.report.measured import METRICS, Measured, departures, find_subset, newest
from harness.report.paper import CellKey, PaperValue
from harness.report.spec import ColumnSpec, TableSpec
from harness.results.records import RunRecord, SubsetResult

DiffStatus = Literal[
    "equal",
    "within rounding",
    "within the sampling interval",
    "off",
    "no data",
    "no reference",
]
STATUSES: tuple[DiffStatus, ...] = (
    "equal",
    "within rounding",
    "within the sampling interval",
    "off",
    "no data",
    "no reference",
)
ROUNDING = 0.05
"""Percentage points that one printed decimal hides."""
NO_REASON = "the records show no reason"
_TINY = 1e-6
_Z = 1.959964


@dataclass(frozen=True, kw_only=True)
class DiffCell:
    """One compared number, in percent.

    Args:
        suite, detector, weights, column, metric: which.
        measured, reference: the two numbers, None where there is none.
        status: see :data:`STATUSES`.
        comparable: measured under the reference's conditions, and the reference's reading is
            sure: only such cells count for ``--fail-over``.
        low, high: the 95 % interval of ``measured`` that was used, None where there is none.
        interval: how that interval was made, or why there is none.
        reasons: for an ``off`` cell what the records show; for ``no data`` why there is none.
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


def against_paper(specs: Sequence[TableSpec], sources: Sources) -> list[DiffCell]:
    """Every number of every record on a paper suite against the paper's tables.

    Args:
        specs: of any kind; mini tables are passed over.
        sources: records, the paper's numbers, and which detectors exist.
    """
    noted = marks(sources.paper)
    cells: list[DiffCell] = []
    for spec in specs:
        if spec.kind == "paper":
            cells += _set_cells(spec, sources, noted)
        elif spec.kind == "summary":
            cells += _summary_cells(spec, sources, noted)
            tabled = {other.suite for other in specs}
            cells += _unprinted_cells(set(spec.suites()) - tabled, sources)
    return cells


def exceeding(cells: Sequence[DiffCell], points: float) -> list[DiffCell]:
    """Comparable cells that are off by more than ``points`` percentage points."""
    return [
        cell
        for cell in cells
        if cell.status == "off"
        and cell.comparable
        and cell.delta is not None
        and abs(cell.delta) > points
    ]


_Noted = Mapping[CellKey, tuple[str, ...]]


def _set_cells(spec: TableSpec, sources: Sources, noted: _Noted) -> Iterator[DiffCell]:
    names = {row.detector: row.paper for row in spec.rows}
    records = [record for record in newest(sources.records) if record.suite == spec.suite]
    for record in records:
        published = sources.published.get(record.detector, "")
        apart = departures(record, published)
        method = names.get(record.detector, "")
        for column, metric in _grid(spec):
            ours = measure(column, spec.suite, {spec.suite: record}, metric, (spec.suite,))
            key = (spec.paper, method, column.paper, metric)
            printed = sources.paper.get(*key)
            why = (*apart, *_record_reasons(record, column, metric, printed))
            yield _compare(
                (spec.suite, record.detector, record.weights.label, column.paper, metric),
                _with_interval(ours, [record], column, metric),
                printed,
                apart=bool(apart),
                reasons=(*why, *(_reference_reasons(key, printed, noted))),
            )
    yield from _absent(spec, sources, {record.detector for record in records})


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


def _summary_cells(spec: TableSpec, sources: Sources, noted: _Noted) -> Iterator[DiffCell]:
    suites = spec.suites()
    ran = set()
    for row in spec.rows:
        run = comparable_run(row.detector, sources, suites)
        if run is None:
            continue
        ran.add(row.detector)
        label = next(iter(run.values())).weights.label
        for column, metric in _grid(spec):
            key = (spec.paper, row.paper, column.paper, metric)
            printed = sources.paper.get(*key)
            shown = [run[s] for s in suites if s in run and column.suite in ("", s)]
            why = [r for record in shown for r in _record_reasons(record, column, metric, printed)]
            yield _compare(
                (spec.name, row.detector, label, column.paper, metric),
                _with_interval(measure(column, "", run, metric, suites), shown, column, metric),
                printed,
                apart=False,
                reasons=(*why, *_reference_reasons(key, printed, noted)),
            )
    yield from _absent(spec, sources, ran)


def _unprinted_cells(suites: set[str], sources: Sources) -> Iterator[DiffCell]:
    """Numbers on suites of which the paper prints the mean only: they have no reference."""
    for record in newest(sources.records):
        if record.suite not in suites:
            continue
        for result in record.subsets:
            for metric in METRICS:
                column = ColumnSpec(paper=result.subset, subset=result.subset)
                yield _compare(
                    (record.suite, record.detector, record.weights.label, result.subset, metric),
                    (measure(column, record.suite, {record.suite: record}, metric, ()), ""),
                    None,
                    apart=False,
                    reasons=(),
                )


def _grid(spec: TableSpec) -> list[tuple[ColumnSpec, str]]:
    return [(column, metric) for column in spec.columns if column.paper for metric in spec.metrics]


def _compare(
    place: tuple[str, str, str, str, str],
    ours: tuple[Measured, str],
    printed: PaperValue | None,
    *,
    apart: bool,
    reasons: tuple[str, ...],
) -> DiffCell:
    found, interval = ours
    suite, detector, weights, column, metric = place
    reference = None if printed is None else printed.value
    status = judge(found, reference)
    if status == "off":
        reasons = reasons or (NO_REASON,)
    else:
        reasons = (found.reason,) if status == "no data" else ()
    return DiffCell(
        suite=suite,
        detector=detector,
        weights=weights,
        column=column,
        metric=metric,
        measured=found.value,
        reference=reference,
        status=status,
        comparable=not apart and printed is not None and printed.certainty != "ambiguous",
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


def _with_interval(
    ours: Measured, records: Sequence[RunRecord], column: ColumnSpec, metric: str
) -> tuple[Measured, str]:
    """The record's own interval, else a binomial one for accuracies; AP has none without it."""
    if ours.value is None:
        return ours, ""
    # Where no image is judged wrongly no resample has one either: a width of 0 says nothing.
    if ours.low is not None and ours.high is not None and ours.high - ours.low > _TINY:
        return ours, "from the record (bootstrap)"
    if metric != "ACC":
        return ours, "none: the record holds no interval with a width, and AP is no binomial share"
    if column.over == "subset":
        edges = wilson(ours.value / 100, ours.images)
        name = "binomial (Wilson score, all images)"
    else:
        edges = _mean_interval(ours.value / 100, records)
        name = "binomial, subsets independent (normal approximation)"
    low, high = (100 * edge for edge in edges)
    return Measured(value=ours.value, low=low, high=high, images=ours.images), name


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % score interval of a share among ``count`` images (the normal approximation, inverted).

    Unlike the plain normal approximation it has a width at 0 and 1. Source: Wilson, JASA 1927.
    """
    if not count:
        return 0.0, 1.0
    square = _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    half = (_Z / (1 + square)) * ((share * (1 - share) + square / 4) / count) ** 0.5
    return middle - half, middle + half


def _mean_interval(mean: float, records: Sequence[RunRecord]) -> tuple[float, float]:
    """Normal interval of a mean of subset accuracies, subsets taken as independent."""
    variances = []
    for result in (result for record in records for result in record.subsets):
        metric, count = result.metrics.get("acc"), result.n_real + result.n_fake
        if metric is not None and metric.value is not None and count:
            variances.append(metric.value * (1 - metric.value) / count)
    if not variances:
        return mean, mean
    half = _Z * sum(variances) ** 0.5 / len(variances)
    return mean - half, mean + half


def _record_reasons(
    record: RunRecord, column: ColumnSpec, metric: str, printed: PaperValue | None
) -> tuple[str, ...]:
    """What the record shows about the data and the rule behind a number."""
    names = [column.subset] if column.over == "subset" else [r.subset for r in record.subsets]
    reasons = []
    for name in names:
        result = find_subset(record, name)
        if result is not None:
            reasons += _count_reasons(result)
    if metric == "AP" and printed is not None and column.over in ("subset", "suite"):
        other = measure_released_ap(record, column)
        if other is not None and abs(other - printed.value) <= ROUNDING + _TINY:
            reasons.append(
                f"AP by another rule: on float32 sigmoids, as the released scripts take it, "
                f"it is {other:.2f}"
            )
    return tuple(reasons)


def measure_released_ap(record: RunRecord, column: ColumnSpec) -> float | None:
    """AP on float32 sigmoids for a column, in percent."""
    if column.over == "subset":
        result = find_subset(record, column.subset)
        metric = None if result is None else result.metrics.get("ap_sigmoid32")
    else:
        metric = record.mean.get("ap_sigmoid32")
    return None if metric is None or metric.value is None else 100 * metric.value


def _count_reasons(result: SubsetResult) -> list[str]:
    reasons = []
    for kind, found, expected in (
        ("real", result.n_real, result.expected_real),
        ("fake", result.n_fake, result.expected_fake),
    ):
        if expected is not None and found != expected:
            reasons.append(
                f"other counts: {result.subset} has {found} {kind} images, {expected} expected"
            )
    if result.skipped:
        reasons.append(f"{len(result.skipped)} unreadable images of {result.subset} left out")
    return reasons


def _reference_reasons(key: CellKey, printed: PaperValue | None, noted: _Noted) -> tuple[str, ...]:
    if printed is None:
        return ()
    uncertain = tuple(f"reference uncertain: {n}" for n in paper_notes(key, printed, noted))
    if not uncertain and printed.certainty == "repaired" and printed.digits_changed:
        return (f"reference repaired: the scan reads {printed.printed!r} ({printed.note})",)
    return uncertain
