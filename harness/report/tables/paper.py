"""Run records and the paper's numbers -> the paper's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

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
from harness.report.retrained import MARK, Retrainable, is_retraining, said_of
from harness.report.spec import ColumnSpec, RowSpec, TableSpec
from harness.report.table import Cell, Column, Row, Table, fill, finished
from harness.report.tables.means import Interval, no_interval
from harness.report.words import Tell, no_verdict
from harness.results.records import RunRecord

_COSTS = {"flops": ("FLOPs", 1e9, "B"), "params": ("Params", 1e6, "M")}
_NOT_COUNTED = "not counted: python -m harness cost --repeats 0 --json > runs/cost.json"
_COMMITTED = "committed with the scores, see tables/measured/README.md"
NOT_COMPARABLE = "Not comparable with the paper's: "
_OVER_SETS_NOTE = (
    "The paper prints one Mean; its mean over the 5 sets is recomputed here from the set means."
)


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """What a detector costs: multiply-accumulates at its evaluation size, and parameters."""

    macs: float | None
    params: float | None


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
        retrainable: detector without published weights -> how it is trained here instead.
    """

    records: Sequence[RunRecord]
    paper: Paper
    published: Mapping[str, str]
    costs: Mapping[str, NetworkCost]
    interval: Interval = no_interval
    committed: frozenset[str] = frozenset()
    tell: Tell = no_verdict
    retrainable: Mapping[str, Retrainable] = field(default_factory=dict)

    def departures(self, record: RunRecord) -> tuple[str, ...]:
        """What sets a record apart from its detector's row of the paper."""
        label = self.published.get(record.detector, "")
        return departures(record, label, self.retrainable.get(record.detector))

    def retraining(self, record: RunRecord) -> str:
        """What must be said of a record of weights that were trained here because none are
        published; "" for any other."""
        known = self.retrainable.get(record.detector)
        if known is None or self.published.get(record.detector) or record.is_imported:
            return ""
        return said_of(record, known) if is_retraining(record, known) else ""


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
    """Suite -> record of the run made under the published conditions; None where there is none.

    Of a detector without published weights it is a training by the published recipe, the first
    seed's where there are several.
    """
    label = sources.published.get(detector, "")
    runs = [
        run
        for run in runs_of(sources.records, suites).values()
        if (sample := next(iter(run.values()))).detector == detector
        and (label or sources.retraining(sample))
        and not sources.departures(sample)
    ]
    return max(runs, key=lambda run: sum(map(is_scored, run.values())), default=None)


@dataclass(frozen=True, kw_only=True)
class _Of:
    """What a row's cells are taken of.

    Args:
        detector: registered name.
        run: suite -> record; empty where there is none.
        absent: why there is none.
        method: the paper's row; "" for rows of ours alone.
    """

    detector: str
    run: Mapping[str, RunRecord]
    absent: str = ""
    method: str = ""


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
        """The rows of the paper, then those of ours that have a number here."""
        papers = [self._of_paper(row) for row in self.spec.rows]
        taken = [of.run for of in papers]
        ours = map(_of_ours, runs_of(self.sources.records, self.suites).values())
        extras = [of for of in ours if of.run not in taken and self._has_place(of)]
        rows = [(self._paper_row(of), of) for of in papers]
        rows += [(self._extra_row(of), of) for of in extras]
        table = Table(
            name=self.spec.name,
            title=self.spec.title,
            caption=self.spec.caption,
            by_metric=False,
            statements=(self._certainty(), *self.spec.footnotes),
        )
        return fill(table, rows, [(_column(*by), by) for by in self.columns], self._cell)

    # --- rows -------------------------------------------------------------------------------------

    def _of_paper(self, row: RowSpec) -> _Of:
        label = self.sources.published.get(row.detector)
        absent = f"not run with its published weights ({label or 'none are known'})"
        known = self.sources.retrainable.get(row.detector)
        if known and not label:
            absent = f"no published weights, and not trained here on {known.trained_on}"
        return _Of(
            detector=row.detector,
            run=comparable_run(row.detector, self.sources, self.suites) or {},
            absent="detector not implemented yet" if label is None else absent,
            method=row.paper,
        )

    def _has_place(self, of: _Of) -> bool:
        """What is scored and has no number here has its numbers in another table."""
        return not any(map(is_scored, of.run.values())) or any(
            self._ours(of, column, metric).value is not None
            for column, metric in self.columns
            if metric not in _COSTS
        )

    def _paper_row(self, of: _Of) -> Row:
        said = next(filter(None, map(self.sources.retraining, of.run.values())), "")
        return Row(
            key=of.method,
            title=of.method,
            detector=of.detector,
            kind="paper",
            notes=(*([f"{said}."] if said else []), *self._about(of.run.values())),
            mark=MARK if said else "",
        )

    def _extra_row(self, of: _Of) -> Row:
        sample = next(iter(of.run.values()))
        again = self.sources.retraining(sample)
        other = f"another training of that row ({again})" if again else "not a row of the paper"
        apart = self.sources.departures(sample) or (other,)
        weights = sample.weights.label
        return Row(
            key="|".join(str(part) for part in run_identity(sample) if part),
            title=f"{sample.title} ({weights})" if weights else sample.title,
            detector=sample.detector,
            kind="extra",
            notes=(f"Not in the ranking: {'; '.join(apart)}.", *self._about(of.run.values())),
        )

    def _about(self, records: Iterable[RunRecord]) -> tuple[str, ...]:
        """What must be said of every number of a row."""
        run = tuple(records)
        weights = (f"{NOT_COMPARABLE}{text}." for text in about_weights(run))
        rules = dict.fromkeys(RULES[record.published_ap] for record in run)
        committed = [
            result.subset
            for record in run
            for result in record.subsets
            if result.scores in self.sources.committed
        ]
        origin = f"{', '.join(committed)}: {_COMMITTED}." if committed else ""
        return (
            *weights,
            *about_training(run),
            *rules,
            *([origin] if origin else []),
            *about_resampling(run),
        )

    # --- cells ------------------------------------------------------------------------------------

    def _cell(self, of: _Of, by: tuple[ColumnSpec, str]) -> Cell:
        ours = self._ours(of, *by)
        cell = Cell(reason=ours.reason)
        if ours.value is not None:
            mark = "" if ours.comparable else NOT_COMPARABLE
            cell = Cell(
                value=ours.value,
                status="measured",
                low=ours.low,
                high=ours.high,
                notes=tuple(mark + note for note in ours.notes),
                comparable=ours.comparable,
            )
        return self._with_paper(cell, of.method, *by) if of.method else cell

    def _ours(self, of: _Of, column: ColumnSpec, metric: str) -> Measured:
        if metric in _COSTS:
            return self._cost(of, metric)
        if not of.run:
            return Measured(reason=of.absent)
        return measure(column, self.spec.suite, of.run, metric, self.suites)

    def _cost(self, of: _Of, metric: str) -> Measured:
        if of.detector not in self.sources.published:
            return Measured(reason=of.absent or _NOT_COUNTED)
        cost = self.sources.costs.get(of.detector)
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
        key = (table, method, "cost" if metric in _COSTS else column.paper, metric)
        printed = paper.get(*key)
        if printed is None:
            return cell
        notes = paper_notes(key, printed, self.marks)
        return replace(cell, paper=printed.value, certainty=printed.certainty, paper_notes=notes)

    def _certainty(self) -> str:
        cells = [
            value for key, value in self.sources.paper.cells.items() if key[0] == self.spec.paper
        ]
        count = Counter(cell.certainty for cell in cells)
        return (
            f"The paper's numbers were read from a scan: {count['exact']} cells are exact, "
            f"{count['repaired']} repaired (a lost decimal point, merged digits), "
            f"{count['ambiguous']} ambiguous and marked; the evidence for each is in "
            f"tables/references/paper/{self.spec.paper}.csv."
        )


def _of_ours(run: Mapping[str, RunRecord]) -> _Of:
    return _Of(detector=next(iter(run.values())).detector, run=run)


def _column(column: ColumnSpec, metric: str) -> Column:
    if metric in _COSTS:
        name, _, unit = _COSTS[metric]
        title = f"{name} ({unit})"
        return Column(key=metric, title=title, metric=name, decimals=2, ranked=False)
    return Column(
        key=column.paper or column.over,
        title=column.title or column.paper,
        metric=metric,
        note=_OVER_SETS_NOTE if column.over == "all-sets" else "",
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
        run: suite -> record, at least one.
        metric: ``ACC`` or ``AP``.
        suites: all suites of the table, for means over them.
    """

    def by(name: str) -> Measured:
        if column.over in ("all-subsets", "all-sets"):
            return overall_value(run, suites, name, over_sets=column.over == "all-sets")
        record = run.get(column.suite or suite)
        if record is None:
            return Measured(reason="not run on this set")
        if column.over == "suite":
            return suite_value(record, name)
        return subset_value(record, column.subset, name)

    rules = {published_metric(record, metric) for record in run.values()}
    if len(rules) > 1:  # records of several versions of the harness
        return Measured(reason="its records rank by different rules: python -m harness run again")
    return with_raw(by(rules.pop()), by(METRICS[metric]))


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
