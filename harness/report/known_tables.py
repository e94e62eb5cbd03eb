"""All printed numbers that are known, the paper's and the references', as tables of one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.metrics.digits import decimals_of
from harness.report.paper_faults import PRINTS, SUMMARY_OVER
from harness.report.printed import Paper
from harness.report.references import METRICS, PAPER, Reference, ReferenceValue, alike
from harness.report.spec import TableSpec
from harness.report.table_faults import COPIED, MEAN, Attempt, Key, Numbers, Over

_MEANS = (MEAN, "average", "avg")


@dataclass(frozen=True, kw_only=True)
class KnownTable:
    """The numbers that one source prints of one suite, in percent, with its own names.

    Args:
        reference: its name, ``paper``.
        source: where it is printed.
        suites: how the suite is called, by the source and here.
        rows, columns: names of the source -> registered ones, as far as they are known.
        numbers: (method, column, metric) -> percent.
        half: half a unit of the last digit.
        over: what a printed mean may be over, where that is more than its columns.
    """

    reference: str
    source: str
    suites: tuple[str, ...]
    rows: Mapping[str, str]
    columns: Mapping[str, str]
    numbers: Numbers
    half: float
    over: Over | None = None

    def is_of(self, suite: str) -> bool:
        """Whether it is about a suite, by any of its names."""
        return alike(list(self.suites), suite) is not None

    def row(self, name: str) -> str | None:
        """Its own name of a method, None where it has none."""
        return _own(self.rows, name)

    def column(self, name: str) -> str | None:
        """Its own name of a subset or of the mean, None where it has none."""
        return _own(self.columns, MEAN if alike(list(_MEANS), name) else name)


def known_tables(
    paper: Paper, references: Sequence[Reference], specs: Sequence[TableSpec]
) -> list[KnownTable]:
    """Every table of the paper, then of the references one a suite, source and checkpoint."""
    found = [_of_paper(paper, spec) for spec in specs if spec.kind != "mini"]
    return [*found, *(table for reference in references for table in _of_reference(reference))]


def metric_named(name: str) -> str | None:
    """The printed name of a metric, ``acc`` is ``ACC``; None where it is none."""
    record_names = {ours: printed for printed, ours in METRICS.items()}
    found = alike(record_names, name)
    return record_names[found] if found else alike(list(METRICS), name)


def copies(
    tables: Sequence[KnownTable], suite: str, keys: Sequence[Key], but: str = ""
) -> Iterator[Attempt]:
    """Each row of each table of a suite as the source of the numbers in some cells of one row.

    Args:
        tables: where to look.
        suite: by any of its names.
        keys: cells of one row, by any names.
        but: a reference whose tables are passed over.
    """
    for table in tables:
        if table.reference == but or not table.is_of(suite):
            continue
        for row in dict.fromkeys(key[0] for key in table.numbers):
            there = {key: (row, table.column(key[1]) or "", key[2]) for key in keys}
            own = {k: table.numbers[t] for k, t in there.items() if t in table.numbers}
            if own:
                fault = COPIED.at(f"{row} of {table.reference} ({table.source})")
                yield Attempt(fault=fault, numbers=own, half=table.half, partly=True)


def _own(names: Mapping[str, str], wanted: str) -> str | None:
    found = alike(names, wanted)
    if found is None:
        registered = {ours: printed for printed, ours in names.items() if ours}
        ours = alike(registered, wanted)
        found = registered[ours] if ours else None
    return found


def _of_paper(paper: Paper, spec: TableSpec) -> KnownTable:
    cells = {
        k[1:]: v for k, v in paper.cells.items() if k[0] == spec.paper and k[3] in spec.metrics
    }
    rows = {row.paper: row.detector for row in spec.rows}
    columns = {each.paper: each.subset or each.suite for each in spec.columns if each.paper}
    return KnownTable(
        reference=PAPER,
        source=next(iter(cells.values())).source,
        suites=tuple(filter(None, (spec.name, spec.suite, spec.title))),
        rows={row: rows.get(row, "") for row in paper.methods(spec.paper)},
        columns={key[1]: columns.get(key[1], "") for key in cells},
        numbers={key: cell.value for key, cell in cells.items()},
        half=PRINTS,
        over=SUMMARY_OVER if spec.kind == "summary" else None,
    )


def _of_reference(reference: Reference) -> Iterator[KnownTable]:
    grouped: dict[tuple[str, str, str], list[ReferenceValue]] = {}
    for value in reference.values:
        grouped.setdefault((value.suite, value.source, value.weights), []).append(value)
    for (suite, source, _), values in grouped.items():
        ours = reference.subsets.get(suite, {})
        decimals = decimals_of(value.value for value in values)
        yield KnownTable(
            reference=reference.name,
            source=source,
            suites=tuple(filter(None, (suite, reference.suites.get(suite, "")))),
            rows={value.method: reference.methods.get(value.method, "") for value in values},
            columns={value.subset: ours.get(value.subset, "") for value in values},
            numbers={(v.method, v.subset, v.metric): v.value for v in values},
            half=0.5 * 10.0**-decimals,
        )
