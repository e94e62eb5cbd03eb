"""A table as data: rows x columns of cells, with no format in it, and the one way to fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

Emphasis = Literal["", "best", "tie", "second"]
Status = Literal["measured", "hole", "undefined"]
RowKind = Literal["paper", "extra", "method", "trivial", "control"]

INTERVALS = (
    "Brackets: a number's 95 % interval over resampled images{drawn}, with the same resamples "
    "for every detector; docs/statistics.md. Numbers that the best one's interval holds are bold "
    "with ≈: its ties; python -m harness compare tests pairs."
)
NO_WIDTH = 1e-9  # of a mean of equal numbers: rounding

_Of = TypeVar("_Of")
_By = TypeVar("_By")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of ours and the paper's beside it, in the column's unit.

    Args:
        value: ours; None unless status is ``measured``.
        paper: the paper's; None where it prints none.
        status: ``measured``; ``hole`` (there should be a number, ``reason`` says why there is
            none); ``undefined`` (the number makes no sense here: AP of a set with one class).
        emphasis, paper_emphasis: rank in the column among rows of the same source; a ``tie`` is
            below the best and inside its interval.
        spread: standard deviation over ``seeds`` training seeds; None below two.
        low, high: 95 % interval of ``value`` where the records hold one.
        certainty: how sure the reading of ``paper`` is.
        reason: why there is no value.
        notes: what must be said of our number wherever it stands.
        comparable: ours was made under the conditions of the paper's: only then do the two have a
            difference, and only then is ours ranked.
        paper_notes: what a reader must know of the paper's number.
    """

    value: float | None = None
    paper: float | None = None
    status: Status = "hole"
    emphasis: Emphasis = ""
    paper_emphasis: Emphasis = ""
    spread: float | None = None
    seeds: int = 0
    low: float | None = None
    high: float | None = None
    certainty: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    comparable: bool = True
    paper_notes: tuple[str, ...] = ()

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's; None where they are not comparable."""
        if self.value is None or self.paper is None or not self.comparable:
            return None
        return self.value - self.paper

    @property
    def has_interval(self) -> bool:
        """Whether it has a 95 % interval of some width."""
        return self.low is not None and self.high is not None and self.high - self.low >= NO_WIDTH


@dataclass(frozen=True, kw_only=True)
class Column:
    """What the cells below it are.

    Args:
        key: its name in files.
        title: as printed.
        metric: ``ACC``, ``AP``, ``flagged as fake``, ``FLOPs``, ``Params``.
        group: header above it ("" = none).
        decimals: digits printed.
        ranked: best and second are marked; the larger is the better.
        signed: its numbers are differences: printed with + and −.
        note: what a reader must know of all of its numbers.
    """

    key: str
    title: str
    metric: str = ""
    group: str = ""
    decimals: int = 1
    ranked: bool = True
    signed: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A detector with one kind of weights.

    Args:
        key: its name in files.
        title: as printed.
        detector: registered name.
        kind: ``paper`` (a row of the paper's), ``extra`` (ours, not comparable or not in the
            paper; never ranked), or in mini tables ``method``, ``trivial``, ``control``.
        cells: one for each column.
        notes: what a reader must know of all of our numbers in it.
        mark: a word beside "ours" in a row of the paper: ``retrained``.
    """

    key: str
    title: str
    detector: str
    kind: RowKind
    cells: tuple[Cell, ...] = ()
    notes: tuple[str, ...] = ()
    mark: str = ""

    @property
    def has_number(self) -> bool:
        """Whether any of its cells holds a number of ours."""
        return any(cell.status == "measured" for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A whole table.

    Args:
        name, title, caption: texts.
        by_metric: printed as one block of rows for each metric (mini tables) instead of one block
            of lines (the paper's, ours, the difference) for each row.
        columns, rows: the grid.
        statements: sentences below it.
        protocol: the one that all of its numbers follow; said in its caption.
    """

    name: str
    title: str
    caption: str
    by_metric: bool = True
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    statements: tuple[str, ...] = ()
    protocol: str = "paper"


def fill(
    table: Table,
    rows: Iterable[tuple[Row, _Of]],
    columns: Sequence[tuple[Column, _By]],
    measure: Callable[[_Of, _By], Cell],
) -> Table:
    """The table with its grid: a cell is what ``measure`` takes of a row by a column.

    Args:
        table: its texts.
        rows: each with what its cells are taken of.
        columns: each with what its cells are taken by.
        measure: makes a cell of the two.
    """
    return replace(
        table,
        columns=tuple(column for column, _ in columns),
        rows=tuple(
            replace(row, cells=tuple(measure(of, by) for _, by in columns)) for row, of in rows
        ),
    )


def finished(table: Table, drawn: str) -> Table:
    """The table with its ranks, and with what brackets mean in its caption where a cell shows some.

    Args:
        table: without both.
        drawn: what the resamples draw, in words.
    """
    if any(cell.has_interval for row in table.rows for cell in row.cells):
        about = INTERVALS.format(drawn=f" ({drawn})" if drawn else "")
        table = replace(table, caption=f"{table.caption} {about}")
    return ranked(table)


def ranked(table: Table) -> Table:
    """Marks best, its ties and second of every column, for our numbers and the paper's apart.

    Numbers that print alike share a rank. A column with one number has no best.
    """
    grid = [list(row.cells) for row in table.rows]
    for index, column in enumerate(table.columns):
        if not column.ranked:
            continue
        cells = [row.cells[index] for row in table.rows]
        mine = [
            cell if row.kind != "extra" and cell.comparable else Cell()
            for row, cell in zip(table.rows, cells, strict=True)
        ]
        ours = _ranks([(cell.value, cell.low) for cell in mine], column.decimals)
        paper = _ranks([(cell.paper, None) for cell in cells], column.decimals)
        for line, rank, theirs in zip(grid, ours, paper, strict=True):
            line[index] = replace(line[index], emphasis=rank, paper_emphasis=theirs)
    rows = [replace(row, cells=tuple(cells)) for row, cells in zip(table.rows, grid, strict=True)]
    return replace(table, rows=tuple(rows))


def _ranks(numbers: Sequence[tuple[float | None, float | None]], decimals: int) -> list[Emphasis]:
    """The ranks of numbers, each with the lower edge of its interval."""
    shown = [None if value is None else round(value, decimals) for value, _ in numbers]
    present = [value for value in shown if value is not None]
    top = sorted(set(present), reverse=True)[:2] if len(present) > 1 else []
    names: dict[float, Emphasis] = dict(zip(top, ("best", "second"), strict=False))
    ranks: list[Emphasis] = ["" if value is None else names.get(value, "") for value in shown]
    edges = [low for (_, low), rank in zip(numbers, ranks, strict=True) if rank == "best" and low]
    if edges:
        ranks = [
            "tie" if rank != "best" and value is not None and value >= min(edges) else rank
            for (value, _), rank in zip(numbers, ranks, strict=True)
        ]
    return ranks
