"""Run records and the paper's numbers -> the paper's tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.report.inconsistencies import marks
from harness.report.measured import (
    METRICS,
    RULES,
    Measured,
    about_resampling,
    about_training,
    about_units,
    about_weights,
    departures,
    is_scored,
    is_treated,
    newest,
    overall_value,
    published_metric,
    run_identity,
    same_run,
    subset_value,
    suite_value,
    with_raw,
)
from harness.report.printed import CellKey, Paper, PaperValue
from harness.report.spec import ColumnSpec, RowSpec, TableSpec
from harness.report.table import Cell, Column, Row, Table, finished
from harness.report.words import Tell, no_verdict
from harness.results.records import RunRecord

_COSTS = {"flops": ("FLOPs", 1e9, "B"), "params": ("Params", 1e6, "M")}
_CERTAINTIES = ("exact", "repaired", "ambiguous")
_NOT_COUNTED = "not counted: python -m harness cost --repeats 0 --json > runs/cost.json"
NOT_COMPARABLE = "Not comparable with the paper's: "
_OVER_SETS_NOTE = (
    "The paper prints one Mean; its mean over the 5 sets is recomputed here from the set means."
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a detector costs: multiply-accumulates at its evaluation size, and parameters."""

    macs: float | None
    params: float | None


Edges = tuple[float, float]


def no_interval(records: Sequence[RunRecord], subsets: Sequence[str], metric: str) -> Edges | None:
    """What stands for :attr:`Sources.interval` where the scores are not at hand."""
    return None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """All that a table is built from.

    Args:
        records: of any suite; each table takes what it shows.
        paper: the paper's numbers.
        published: known detector -> label of its default published checkpoint ("" for none). A
            detector that is not in here is not implemented yet.
        costs: detector -> cost, as far as counted.
        interval: 95 % interval, as fractions, of a metric's plain mean over subsets and over
            records (seeds); None where there is none.
        committed: digests of the scores that are in ``tables/measured`` and not in the output
            folder.
        tell: judges whether two rows are told apart.
    """

    records: Sequence[RunRecord]
    paper: Paper
    published: Mapping[str, str]
    costs: Mapping[str, Cost]
    interval: Callable[[Sequence[RunRecord], Sequence[str], str], Edges | None] = no_interval
    committed: frozenset[str] = frozenset()
    tell: Tell = no_verdict


def build_paper_table(spec: TableSpec, sources: Sources) -> Table:
    """A table of kind ``paper`` or ``summary``.

    Rows of the paper take only records made under the published conditions (see
    :func:`harness.report.measured.departures`); other weights, precisions and limits follow as
    extra rows that say what sets them apart. Records of treated images (twins, perturbations) and
    of other suites, mini's above all, never enter.
    """
    chosen = [record for record in sources.records if record.suite in spec.suites()]
    return finished(_Builder(spec, sources).table(), about_units(chosen))


def runs_of(
    records: Sequence[RunRecord], suites: Sequence[str]
) -> dict[Hashable, dict[str, RunRecord]]:
    """A run (see ``same_run``) -> suite -> its newest record, in a fixed order."""
    runs: dict[Hashable, dict[str, RunRecord]] = {}
    chosen = [r for r in newest(records) if r.suite in suites and not is_treated(r)]
    for record in sorted(chosen, key=lambda record: (*map(str, run_identity(record)),)):
        runs.setdefault(same_run(record), {})[record.suite] = record
    return runs


def comparable_run(
    detector: str, sources: Sources, suites: Sequence[str]
) -> dict[str, RunRecord] | None:
    """Suite -> record of the run made under the published conditions; None where there is none."""
    label = sources.published.get(detector, "")
    runs = [
        run
        for run in runs_of(sources.records, suites).values()
        if (sample := next(iter(run.values()))).detector == detector
        and label
        and not departures(sample, label)
    ]
    return max(runs, key=lambda run: sum(map(is_scored, run.values())), default=None)


class _Builder:
    def __init__(self, spec: TableSpec, sources: Sources) -> None:
        self.spec = spec
        self.sources = sources
        self.suites = spec.suites()
        self.marks = marks(sources.paper)
        self.columns = [
            (column, metric)
            for column in spec.columns
            for metric in ((column.over,) if column.over in _COSTS else spec.metrics)
        ]

    def table(self) -> Table:
        paper_rows = [(row, self._run(row)) for row in self.spec.rows]
        taken = [run for _, run in paper_rows if run]
        rows = [self._paper_row(row, run) for row, run in paper_rows]
        for run in runs_of(self.sources.records, self.suites).values():
            extra = self._extra_row(run)
            shown = any(
                cell.status == "measured" and metric not in _COSTS
                for cell, (_, metric) in zip(extra.cells, self.columns, strict=True)
            )
            # What is scored and has no number here has its numbers in another table.
            if run not in taken and (shown or not any(map(is_scored, run.values()))):
                rows.append(extra)
        return Table(
            name=self.spec.name,
            title=self.spec.title,
            caption=self.spec.caption,
            by_metric=False,
            columns=tuple(self._column(column, metric) for column, metric in self.columns),
            rows=tuple(rows),
            statements=(self._certainty(), *self.spec.footnotes),
        )

    def _run(self, row: RowSpec) -> dict[str, RunRecord] | None:
        return comparable_run(row.detector, self.sources, self.suites)

    def _column(self, column: ColumnSpec, metric: str) -> Column:
        title = column.title or column.paper
        if metric in _COSTS:
            name, _, unit = _COSTS[metric]
            return Column(
                key=metric,
                title=f"{name} ({unit})",
                metric=name,
                decimals=2,
                ranked=False,
            )
        note = _OVER_SETS_NOTE if column.over == "all-sets" else ""
        return Column(key=column.paper or column.over, title=title, metric=metric, note=note)

    def _paper_row(self, row: RowSpec, run: Mapping[str, RunRecord] | None) -> Row:
        reason = self._absence(row.detector) if run is None else ""
        cells = []
        for column, metric in self.columns:
            ours = self._cost(row.detector, metric) if metric in _COSTS else None
            if ours is None:
                ours = (
                    Measured(reason=reason)
                    if run is None
                    else measure(column, self.spec.suite, run, metric, self.suites)
                )
            cells.append(self._with_paper(_cell(ours), row.paper, column, metric))
        return Row(
            key=row.paper,
            title=row.paper,
            detector=row.detector,
            kind="paper",
            cells=tuple(cells),
            notes=self._about(run.values() if run else ()),
        )

    def _about(self, run: Iterable[RunRecord]) -> tuple[str, ...]:
        """What must be said of every number of a row."""
        run = tuple(run)
        weights = (f"{NOT_COMPARABLE}{text}." for text in about_weights(run))
        rules = dict.fromkeys(RULES[record.published_ap] for record in run)
        return (*weights, *about_training(run), *rules, *self._origin(run), *about_resampling(run))

    def _origin(self, run: Iterable[RunRecord]) -> tuple[str, ...]:
        results = (result for record in run for result in record.subsets)
        names = [result.subset for result in results if result.scores in self.sources.committed]
        where = "committed with the scores, see tables/measured/README.md"
        return (f"{', '.join(names)}: {where}.",) if names else ()

    def _extra_row(self, run: Mapping[str, RunRecord]) -> Row:
        sample = next(iter(run.values()))
        label = self.sources.published.get(sample.detector, "")
        apart = departures(sample, label) or ("not a row of the paper",)
        weights = sample.weights.label
        cells = tuple(
            _cell(
                self._cost(sample.detector, metric) or Measured(reason=_NOT_COUNTED)
                if metric in _COSTS
                else measure(column, self.spec.suite, run, metric, self.suites)
            )
            for column, metric in self.columns
        )
        return Row(
            key="|".join(str(part) for part in run_identity(sample) if part),
            title=f"{sample.title} ({weights})" if weights else sample.title,
            detector=sample.detector,
            kind="extra",
            cells=cells,
            notes=(
                f"Not in the ranking: {'; '.join(apart)}.",
                *self._about(run.values()),
            ),
        )

    def _absence(self, detector: str) -> str:
        if detector not in self.sources.published:
            return "detector not implemented yet"
        label = self.sources.published[detector]
        return f"not run with its published weights ({label or 'none are known'})"

    def _cost(self, detector: str, metric: str) -> Measured | None:
        if detector not in self.sources.published:
            return None
        cost = self.sources.costs.get(detector)
        if cost is None:
            return Measured(reason=_NOT_COUNTED)
        value = cost.macs if metric == "flops" else cost.params
        if value is None:
            return Measured(reason="no network to count")
        return Measured(value=value / _COSTS[metric][1])

    def _with_paper(self, cell: Cell, method: str, column: ColumnSpec, metric: str) -> Cell:
        table, paper = self.spec.paper, self.sources.paper
        if column.over == "all-sets":
            sets = [c.paper for c in self.spec.columns if c.over == "suite"]
            return replace(
                cell, paper=fmean(paper.value(table, method, name, metric) for name in sets)
            )
        name = "cost" if metric in _COSTS else column.paper
        printed = paper.get(table, method, name, metric)
        if printed is None:
            return cell
        notes = paper_notes((table, method, name, metric), printed, self.marks)
        return replace(cell, paper=printed.value, certainty=printed.certainty, paper_notes=notes)

    def _certainty(self) -> str:
        cells = [
            value for key, value in self.sources.paper.cells.items() if key[0] == self.spec.paper
        ]
        count = {name: sum(cell.certainty == name for cell in cells) for name in _CERTAINTIES}
        return (
            f"The paper's numbers were read from a scan: {count['exact']} cells are exact, "
            f"{count['repaired']} repaired (a lost decimal point, merged digits), "
            f"{count['ambiguous']} ambiguous and marked; the evidence for each is in "
            f"tables/paper/{self.spec.paper}.csv."
        )


def measure(
    column: ColumnSpec,
    suite: str,
    run: Mapping[str, RunRecord],
    metric: str,
    suites: Sequence[str],
) -> Measured:
    """Our number for a column. AP is by the rule of the release; that of the raw scores is told
    beside it where the two differ.

    Args:
        column: which one.
        suite: the table's suite, for columns that name none.
        run: suite -> record.
        metric: ``ACC`` or ``AP``.
        suites: all suites of the table, for means over them.
    """
    rules = {published_metric(record, metric) for record in run.values()}
    if len(rules) > 1:  # records of several versions of the harness
        return Measured(reason="its records rank by different rules: python -m harness run again")
    found = _measure(column, suite, run, rules.pop() if rules else METRICS[metric], suites)
    return with_raw(found, _measure(column, suite, run, METRICS[metric], suites))


def _measure(
    column: ColumnSpec,
    suite: str,
    run: Mapping[str, RunRecord],
    name: str,
    suites: Sequence[str],
) -> Measured:
    """As :func:`measure`, of a metric by its name in records."""
    if column.over in ("all-subsets", "all-sets"):
        return overall_value(run, suites, name, over_sets=column.over == "all-sets")
    record = run.get(column.suite or suite)
    if record is None:
        return Measured(reason="not run on this set")
    if column.over == "suite":
        return suite_value(record, name)
    return subset_value(record, column.subset, name)


def paper_notes(
    key: CellKey, printed: PaperValue, noted: Mapping[CellKey, tuple[str, ...]]
) -> tuple[str, ...]:
    """Footnotes of a printed number: what was found about it, else why its reading is unsure."""
    if key in noted:
        return noted[key]
    if printed.certainty == "ambiguous":
        _, method, column, metric = key
        return (f"{method}, {column} {metric}: {printed.note}",)
    return ()


def over_seeds(found: Sequence[Measured], edges: Callable[[], Edges | None]) -> Cell:
    """A number as its mean and standard deviation over training seeds, or the first hole.

    Args:
        found: one for each seed.
        edges: makes the 95 % interval of the mean, in percent; called where there is no hole.
    """
    values = []
    for each in found:
        if each.value is None:
            return Cell(status="hole", reason=each.reason)
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


def _cell(ours: Measured) -> Cell:
    if ours.value is None:
        return Cell(status="hole", reason=ours.reason)
    return Cell(
        value=ours.value,
        status="measured",
        low=ours.low,
        high=ours.high,
        notes=tuple(note if ours.comparable else NOT_COMPARABLE + note for note in ours.notes),
        comparable=ours.comparable,
    )
