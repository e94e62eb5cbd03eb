"""Printed numbers against a reference, with no images at all: which fault of a table makes them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.diagnosis.own_faults import own_faults
from harness.diagnosis.table_attempts import attempts, usual_means
from harness.diagnosis.table_outcomes import deciding, named, outcomes_of, remains
from harness.errors import DataError, UsageError
from harness.metrics.digits import Digits
from harness.report.known_tables import KnownTable, copies, known_tables, metric_named
from harness.report.printed import load_paper
from harness.report.references import load_references
from harness.report.spec import load_specs
from harness.report.table_faults import MEAN, Attempt, Key, Numbers
from harness.report.table_verdicts import judge
from harness.results.answers import VERDICTS, ConditionResult, WantedNumber, WhyAnswer
from harness.results.paths import REFERENCES, TABLES

COLUMNS = ("suite", "subset", "method", "metric", "value")
_HINT = (
    f"a line a number, below the header {','.join(COLUMNS)}: for example "
    "`gangen,BEGAN,NPR,ACC,99.0`; the mean over a suite is the subset `mean`, values are in percent"
)

Tables = Mapping[str, Mapping[Key, Digits]]
"""Suite -> (method, subset, metric) -> the number as printed; names as they are typed."""


def all_tables() -> list[KnownTable]:
    """The tables of the paper and of every reference."""
    paper = load_paper(REFERENCES / "paper")
    return known_tables(paper, load_references(REFERENCES), load_specs(TABLES / "specs"))


def read_numbers(path: Path) -> Tables:
    """Reads a CSV file with the columns :data:`COLUMNS`; others are passed over.

    Raises:
        DataError: there is no such file.
        UsageError: a column is missing, or a line is wrong; names both and shows the header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: absent", hint=_HINT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})", hint=_HINT) from error
    reader = csv.DictReader(text.splitlines())
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        has = ", ".join(header) or "nothing"
        raise UsageError(f"{path}: no column {', '.join(missing)}; it has {has}", hint=_HINT)
    reader.fieldnames = header
    found: dict[str, dict[Key, Digits]] = {}
    for row in reader:
        try:
            suite, key, digits = _line(row)
            if key in found.setdefault(suite, {}):
                raise ValueError(f"{' '.join(key)} is there twice")
        except ValueError as error:
            raise UsageError(f"{path}, line {reader.line_num}: {error}", hint=_HINT) from error
        found[suite][key] = digits
    if not found:
        raise UsageError(f"{path}: holds no number", hint=_HINT)
    return found


def _line(row: Mapping[str, str | None]) -> tuple[str, Key, Digits]:
    cells = {name: (row[name] or "").strip() for name in COLUMNS}
    empty = [name for name, cell in cells.items() if not cell]
    if empty:
        raise ValueError(f"no {', '.join(empty)}")
    metric = metric_named(cells["metric"])
    if metric is None:
        raise ValueError(f"metric {cells['metric']!r} is not known")
    try:
        digits = Digits.parse(cells["value"])
    except ValueError as error:
        raise ValueError(f"value {cells['value']!r} {error}") from error
    return cells["suite"], (cells["method"], cells["subset"], metric), digits


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """One suite's numbers beside the reference's, under the reference's names."""

    suite: str
    given: Mapping[Key, Digits]
    known: Numbers = field(default_factory=dict)
    half: float = 0.0
    source: str = ""
    base: KnownTable | None = None

    @property
    def shared(self) -> list[Key]:
        return [key for key in self.given if key in self.known]

    def differs(self, key: Key) -> bool:
        """Whether two printed numbers cannot be one number."""
        digits = self.given[key]
        slack = max(digits.half * 100, self.half) + 1e-9
        return abs(digits.percent - self.known[key]) > slack


def explain_numbers(
    numbers: Tables, reference: str, tables: Sequence[KnownTable] | None = None
) -> WhyAnswer:
    """What a table's numbers are, where they are not the reference's or not their own row's.

    Each fault is judged by the cells that it is about; an outcome has numbers for those alone.

    Args:
        numbers: as :func:`read_numbers` gives them.
        reference: ``paper``, or the name of another reference.
        tables: all that is known, None = :func:`all_tables`.

    Raises:
        UsageError: the reference has no table of any of the suites.
    """
    known = all_tables() if tables is None else tables
    compared = [_beside(suite, given, reference, known) for suite, given in numbers.items()]
    if not any(each.base for each in compared):
        suites = sorted({table.suites[0] for table in known if table.reference == reference})
        raise UsageError(
            f"reference {reference} has no table of {', '.join(numbers)}",
            hint=f"its suites are: {', '.join(suites)}" if suites else "see tables/references",
        )
    wanted: list[WantedNumber] = []
    outcomes: list[ConditionResult] = []
    further: list[str] = []
    left: list[str] = []
    for each in compared:
        prefix = f"{each.suite} " if len(compared) > 1 else ""
        off = _off(each)
        judged = judge(each.given, list(_tried(each, reference, known)), off)
        own = list(own_faults(each.given))
        found = outcomes_of(judged, own, prefix)
        outcomes += found
        about = [*off, *(key for fault in own for key in fault.numbers)]
        wanted += [
            WantedNumber(
                name=named(key, prefix),
                subset=key[1],
                metric=key[2],
                text=each.given[key].text,
                low=each.given[key].low,
                high=each.given[key].high,
                source=each.source,
            )
            for key in dict.fromkeys(about)
        ]
        further += deciding(judged, each.given, prefix)
        left += remains(judged, off, each.given, each.known, prefix)
    return WhyAnswer(
        wanted=tuple(wanted),
        outcomes=tuple(sorted(outcomes, key=_rank)),
        not_tried={"every other family": "needs images: --method X --suite Y"},
        deciding=tuple(further),
        remarks=tuple(_remarks(compared, reference)),
        remains=tuple(left),
    )


def _rank(found: ConditionResult) -> tuple[int, float]:
    return VERDICTS.index(found.verdict), found.accidental or 0.0


def _beside(
    suite: str, given: Mapping[Key, Digits], reference: str, tables: Sequence[KnownTable]
) -> _Compared:
    """The numbers under the names of the reference's table; where several are, the first has it."""
    bases = [table for table in tables if table.reference == reference and table.is_of(suite)]
    if not bases:
        return _Compared(suite=suite, given=given)
    known: dict[Key, float] = {}
    for base in bases:
        known = {**base.numbers, **known}
    renamed = {}
    for (method, subset, metric), digits in given.items():
        rows = (base.row(method) for base in bases)
        columns = (base.column(subset) for base in bases)
        row, column = next(filter(None, rows), method), next(filter(None, columns), subset)
        renamed[row, column, metric] = digits
    return _Compared(
        suite=suite,
        given=renamed,
        known=known,
        half=max(base.half for base in bases),
        source="; ".join(dict.fromkeys(base.source for base in bases)),
        base=bases[0],
    )


def _off(compared: _Compared) -> list[Key]:
    """What differs from the reference, and means that are not those of their row."""
    given = compared.given
    usual = usual_means(given, compared.known, compared.base)
    return [
        key
        for key, digits in given.items()
        if (key in compared.known and compared.differs(key))
        or any(key in each.numbers and not each.fits(key, digits) for each in usual)
    ]


def _tried(compared: _Compared, reference: str, tables: Sequence[KnownTable]) -> Iterator[Attempt]:
    given, known = compared.given, compared.known
    yield from attempts(given, known, compared.half, compared.base)
    for row in dict.fromkeys(key[0] for key in given):
        keys = [key for key in given if key[0] == row]
        yield from copies(tables, compared.suite, keys, but=reference)


def _remarks(compared: Sequence[_Compared], reference: str) -> Iterator[str]:
    for each in compared:
        if each.base is None:
            yield f"{each.suite}: the reference {reference} has no such table."
            continue
        equal = sum(not each.differs(key) for key in each.shared)
        absent = len(each.given) - len(each.shared)
        yield (
            f"{each.suite}: {equal} of {len(each.given)} numbers are as {reference} prints them, "
            f"{len(each.shared) - equal} are not"
            + (f", {absent} have no counterpart there." if absent else ".")
        )
        means = [key for key in _off(each) if key[1] == MEAN and key in each.shared]
        same = [" ".join(key) for key in means if not each.differs(key)]
        if same:
            yield f"{each.suite}: printed alike, but not the mean of their row: {', '.join(same)}."
