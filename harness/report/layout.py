"""Table -> what is printed where: header groups, blocks of lines, texts, footnote numbers.

Every format prints this one layout, so that templates only place and mark what stands here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from harness.report.table import NO_WIDTH, Cell, Column, Emphasis, Row, Table

HOLE = "—"
UNDEFINED = ""
_KIND_MARK = {"trivial": "trivial reference", "control": "control"}


@dataclass(frozen=True, kw_only=True)
class Text:
    """One printed cell: ``notes`` are footnote numbers, ``hover`` what HTML shows beside it."""

    text: str
    hover: str = ""
    emphasis: Emphasis = ""
    hole: bool = False
    notes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Head:
    """A header cell over ``span`` columns."""

    text: str
    span: int = 1
    notes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrintedLine:
    """One printed row: its label and its cells. ``role``: paper, ours, difference or a row kind."""

    label: str
    role: str
    notes: tuple[int, ...]
    cells: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines under one label."""

    label: str
    lines: tuple[PrintedLine, ...]


@dataclass(frozen=True, kw_only=True)
class PrintedTable:
    """Everything a template needs.

    Args:
        groups: upper header, spanning ``heads``; empty when no column has a group.
        heads: lower header, one for each column.
        stub: headers of the two label columns.
        joined: neighbouring columns of one group may be printed as one (Markdown: ``ACC / AP``).
        notes: footnotes; number n is entry n - 1.
        statements: sentences below the table.
    """

    name: str
    title: str
    caption: str
    stub: tuple[str, str]
    groups: tuple[Head, ...]
    heads: tuple[Head, ...]
    blocks: tuple[Block, ...]
    joined: bool
    notes: tuple[str, ...]
    statements: tuple[str, ...]


class _Notes:
    """Numbers footnotes in the order in which they first appear."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, *texts: str) -> tuple[int, ...]:
        numbers = []
        for text in texts:
            if text not in self.texts:
                self.texts.append(text)
            numbers.append(self.texts.index(text) + 1)
        return tuple(numbers)


def lay_out(table: Table) -> PrintedTable:
    """Places a table: by row with the lines paper / ours / difference, or by metric.

    Rows of ours without any number are no lines: one sentence says of each what is missing.
    """
    notes = _Notes()
    if table.by_metric:
        metrics = list(dict.fromkeys(column.metric for column in table.columns))
        shown = [column for column in table.columns if column.metric == metrics[0]]
        grouped = any(column.group for column in shown)
        groups = [Head(text=text, span=n) for text, n, _ in _runs(shown, "group") if grouped]
        heads = [_head(column.title, column, notes) for column in shown]
        blocks = [_metric_block(table, metric, notes) for metric in metrics]
    else:
        groups = [_head(text, first, notes, n) for text, n, first in _runs(table.columns, "title")]
        heads = [Head(text="" if c.metric in c.title else c.metric) for c in table.columns]
        blocks = [_row_block(row, table.columns, notes) for row in table.rows]
    return PrintedTable(
        name=table.name,
        title=table.title,
        caption=f"{table.caption} Protocol: {table.protocol}.",
        stub=("Metric", "Detector") if table.by_metric else ("Method", "Source"),
        groups=tuple(groups),
        heads=tuple(heads),
        blocks=tuple(block for block in blocks if block.lines or table.by_metric),
        joined=not table.by_metric,
        notes=tuple(notes.texts),
        statements=(*_missing(table), *table.statements),
    )


def _runs(columns: Sequence[Column], name: str) -> list[tuple[str, int, Column]]:
    """Neighbours of one group or title: the text, how many they are, and the first of them."""
    runs = [(text, list(run)) for text, run in groupby(columns, key=attrgetter(name))]
    return [(text, len(run), run[0]) for text, run in runs]


def _head(text: str, column: Column, notes: _Notes, span: int = 1) -> Head:
    return Head(text=text, span=span, notes=notes(column.note) if column.note else ())


def _missing(table: Table) -> tuple[str, ...]:
    """``Without a number of ours: NPR, LFM (not run); Frank (not implemented).``"""
    reasons: dict[str, list[str]] = {}
    for row in table.rows:
        if not row.has_number:
            reasons.setdefault(_commonest(row.cells), []).append(row.title)
    parts = [f"{', '.join(titles)} ({why})" for why, titles in reasons.items()]
    whose = "" if table.by_metric else " of ours"
    return (f"Without a number{whose}: {'; '.join(parts)}.",) if parts else ()


def _commonest(cells: Iterable[Cell]) -> str:
    """The commonest reason of holes."""
    found = Counter(cell.reason for cell in cells if cell.status == "hole")
    return found.most_common(1)[0][0] if found else ""


def _row_block(row: Row, columns: Sequence[Column], notes: _Notes) -> Block:
    """The paper's line, ours where it has a number, and the difference where there is one."""
    pairs = list(zip(row.cells, columns, strict=True))
    lines = []
    if row.kind == "paper":
        cells = [
            Text(
                text=_number(cell.paper, column),
                emphasis=cell.paper_emphasis,
                notes=notes(*cell.paper_notes),
            )
            for cell, column in pairs
        ]
        lines.append(_line("paper", cells))
    if row.has_number:
        empty = Text(text=UNDEFINED, hole=True)
        cells = [_ours(cell, column, empty, notes(*cell.notes)) for cell, column in pairs]
        line = _line("ours", cells, notes(*row.notes, *_holes(pairs)))
        lines.append(replace(line, label=f"ours, {row.mark}") if row.mark else line)
    if any(cell.difference is not None for cell in row.cells):
        cells = [
            Text(text=_number(cell.difference, replace(column, signed=True)))
            for cell, column in pairs
        ]
        lines.append(_line("difference", cells))
    return Block(label=row.title, lines=tuple(lines))


def _line(role: str, cells: Iterable[Text], notes: tuple[int, ...] = ()) -> PrintedLine:
    return PrintedLine(label=role, role=role, notes=notes, cells=tuple(cells))


def _holes(pairs: Sequence[tuple[Cell, Column]]) -> tuple[str, ...]:
    """Why cells of a line are empty, each reason once with its columns."""
    reasons: dict[str, list[str]] = {}
    for cell, column in pairs:
        if cell.status == "hole":
            reasons.setdefault(cell.reason, []).append(column.title)
    parts = [f"{', '.join(dict.fromkeys(titles))}: {why}" for why, titles in reasons.items()]
    return (f"Empty: {'; '.join(parts)}.",) if parts else ()


def _metric_block(table: Table, metric: str, notes: _Notes) -> Block:
    """Lines of our numbers; where one has none, the commonest reason stands at its label."""
    places = [i for i, column in enumerate(table.columns) if column.metric == metric]
    lines = []
    for row in table.rows:
        if not row.has_number:
            continue
        pairs = [(row.cells[i], table.columns[i]) for i in places]
        empty = all(cell.status != "measured" for cell, _ in pairs)
        shared = _commonest(cell for cell, _ in pairs) if empty else ""
        marks = notes(*row.notes, *filter(None, [shared]))
        cells = []
        for cell, column in pairs:
            own = [cell.reason] if cell.reason not in ("", shared) else []
            hole = cell.status == "hole"
            missing = Text(text=HOLE if hole else UNDEFINED, hole=hole)
            cells.append(_ours(cell, column, missing, notes(*own, *cell.notes)))
        kind = f" [{_KIND_MARK[row.kind]}]" if row.kind in _KIND_MARK else ""
        lines.append(
            PrintedLine(label=row.title + kind, role=row.kind, notes=marks, cells=tuple(cells))
        )
    return Block(label=metric, lines=tuple(lines))


def _number(value: float | None, column: Column) -> str:
    if value is None:
        return UNDEFINED
    return signed(value, column.decimals) if column.signed else f"{value:.{column.decimals}f}"


def _ours(cell: Cell, column: Column, missing: Text, marks: tuple[int, ...]) -> Text:
    """``93.0 [91.8, 94.2] (sd 0.4)``: the mean, its interval, the spread over seeds."""
    if cell.value is None:
        return replace(missing, notes=marks)
    digits = column.decimals
    parts = [_number(cell.value, column), between(cell.low, cell.high, digits, sign=column.signed)]
    hover = ""
    if cell.spread is not None:
        parts.append(f"(sd {cell.spread:.{digits}f})")
        hover = f"standard deviation over {cell.seeds} seeds {cell.spread:.{digits}f}"
    text = " ".join(filter(None, parts))
    return Text(text=text, hover=hover, emphasis=cell.emphasis, notes=marks)


def between(low: float | None, high: float | None, decimals: int = 1, *, sign: bool = False) -> str:
    """An interval as printed everywhere: ``[90.2, 95.4]``; "" without one, or without any width.

    Edges that print alike get as many decimals as tell them apart: none reads as without width.

    Args:
        low, high: its edges.
        decimals: digits printed at least.
        sign: of a difference: with + and −.

    Example:
        >>> between(82.12, 88.96), between(99.981, 100.0), between(-0.3, 4.5, sign=True)
        ('[82.1, 89.0]', '[99.98, 100.00]', '[−0.3, +4.5]')
    """
    if low is None or high is None or high - low < NO_WIDTH:
        return ""
    for digits in range(decimals, decimals + 9):
        edges = [signed(v, digits) if sign else f"{v:.{digits}f}" for v in (low, high)]
        if edges[0] != edges[1]:
            break
    return f"[{edges[0]}, {edges[1]}]"


def signed(value: float, decimals: int) -> str:
    """``+0.3``, ``−0.2``, and ``0.0`` without a sign for what rounds to nothing."""
    if round(value, decimals) == 0:
        return f"{0:.{decimals}f}"
    return f"{value:+.{decimals}f}".replace("-", "−")
