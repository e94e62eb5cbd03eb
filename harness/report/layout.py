"""Table -> what is printed where: header groups, blocks of lines, texts, footnote numbers.

Every format prints this one layout, so that templates only place and mark what stands here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

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
class Line:
    """One printed row: its label and its cells. ``role``: paper, ours, difference or a row kind."""

    label: str
    role: str
    notes: tuple[int, ...]
    cells: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines under one label."""

    label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
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


def lay_out(table: Table) -> Layout:
    """Places a table: by row with the lines paper / ours / difference, or by metric.

    Rows of ours without any number are no lines: one sentence says of each what is missing.
    """
    notes = _Notes()
    empty = [row for row in table.rows if not _has_number(row)]
    if table.by_metric:
        metrics = list(dict.fromkeys(column.metric for column in table.columns))
        shown = [column for column in table.columns if column.metric == metrics[0]]
        groups, heads = _grouped(shown), tuple(_head(column, notes) for column in shown)
        blocks = tuple(_metric_block(table, metric, notes) for metric in metrics)
        stub = ("Metric", "Detector")
    else:
        groups, heads = _by_title(table.columns, notes)
        placed = (_row_block(table, row, notes) for row in table.rows)
        blocks = tuple(block for block in placed if block.lines)
        stub = ("Method", "Source")
    return Layout(
        name=table.name,
        title=table.title,
        caption=table.caption,
        stub=stub,
        groups=groups,
        heads=heads,
        blocks=blocks,
        joined=not table.by_metric,
        notes=tuple(notes.texts),
        statements=(*_missing(empty, "" if table.by_metric else " of ours"), *table.statements),
    )


def _has_number(row: Row) -> bool:
    return any(cell.status == "measured" for cell in row.cells)


def _missing(rows: Sequence[Row], whose: str) -> tuple[str, ...]:
    """``Without a number of ours: NPR, LFM (not run); Frank (not implemented).``"""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        found = Counter(cell.reason for cell in row.cells if cell.status == "hole")
        reasons.setdefault(found.most_common(1)[0][0] if found else "", []).append(row.title)
    parts = [f"{', '.join(titles)} ({why})" for why, titles in reasons.items()]
    return (f"Without a number{whose}: {'; '.join(parts)}.",) if parts else ()


def _grouped(columns: Sequence[Column]) -> tuple[Head, ...]:
    if not any(column.group for column in columns):
        return ()
    runs = groupby(columns, key=lambda column: column.group)
    return tuple(Head(text=group, span=len(list(members))) for group, members in runs)


def _by_title(
    columns: Sequence[Column], notes: _Notes
) -> tuple[tuple[Head, ...], tuple[Head, ...]]:
    groups = []
    for title, members in groupby(columns, key=lambda column: column.title):
        listed = list(members)
        marks = notes(listed[0].note) if listed[0].note else ()
        groups.append(Head(text=title, span=len(listed), notes=marks))
    heads = tuple(Head(text="" if c.metric in c.title else c.metric) for c in columns)
    return tuple(groups), heads


def _head(column: Column, notes: _Notes) -> Head:
    return Head(text=column.title, notes=notes(column.note) if column.note else ())


def _row_block(table: Table, row: Row, notes: _Notes) -> Block:
    return Block(label=row.title, lines=tuple(_row_lines(table, row, notes)))


def _row_lines(table: Table, row: Row, notes: _Notes) -> Iterator[Line]:
    pairs = list(zip(row.cells, table.columns, strict=True))
    if row.kind == "paper":
        cells = tuple(
            _text(cell.paper, column, cell.paper_emphasis, notes(*cell.paper_notes))
            for cell, column in pairs
        )
        yield Line(label="paper", role="paper", notes=(), cells=cells)
    if not _has_number(row):
        return
    ours = tuple(
        Text(text=UNDEFINED, hole=True)
        if cell.value is None
        else _measured(cell, column, notes(*cell.notes))
        for cell, column in pairs
    )
    yield Line(label="ours", role="ours", notes=notes(*row.notes, *_holes(pairs)), cells=ours)
    if any(cell.difference is not None for cell in row.cells):
        cells = tuple(
            Text(text=UNDEFINED)
            if cell.difference is None
            else Text(text=signed(cell.difference, column.decimals))
            for cell, column in pairs
        )
        yield Line(label="difference", role="difference", notes=(), cells=cells)


def _holes(pairs: Sequence[tuple[Cell, Column]]) -> tuple[str, ...]:
    """Why cells of a line are empty, each reason once with its columns."""
    reasons: dict[str, list[str]] = {}
    for cell, column in pairs:
        if cell.status == "hole":
            reasons.setdefault(cell.reason, []).append(column.title)
    parts = [f"{', '.join(dict.fromkeys(titles))}: {why}" for why, titles in reasons.items()]
    return (f"Empty: {'; '.join(parts)}.",) if parts else ()


def _metric_block(table: Table, metric: str, notes: _Notes) -> Block:
    lines = []
    for row in filter(_has_number, table.rows):
        pairs = [
            (cell, column)
            for cell, column in zip(row.cells, table.columns, strict=True)
            if column.metric == metric
        ]
        kind = _KIND_MARK.get(row.kind, "")
        label = f"{row.title} [{kind}]" if kind else row.title
        lines.append(_by_metric_line(pairs, label, row, notes))
    return Block(label=metric, lines=tuple(lines))


def _by_metric_line(
    pairs: Sequence[tuple[Cell, Column]], label: str, row: Row, notes: _Notes
) -> Line:
    """A line of our numbers; where it has none, the commonest reason stands at the label."""
    reasons = Counter(cell.reason for cell, _ in pairs if cell.status == "hole")
    empty = not any(cell.status == "measured" for cell, _ in pairs)
    shared = reasons.most_common(1)[0][0] if empty and reasons else ""
    marks = notes(*row.notes, *([shared] if shared else []))
    cells = []
    for cell, column in pairs:
        own = () if cell.reason in ("", shared) else notes(cell.reason)
        hole = cell.status == "hole"
        cells.append(
            Text(text=HOLE, hole=True, notes=own)
            if hole
            else _measured(cell, column, notes(*cell.notes))
        )
    return Line(label=label, role=row.kind, notes=marks, cells=tuple(cells))


def _text(
    value: float | None,
    column: Column,
    emphasis: Emphasis,
    marks: tuple[int, ...],
) -> Text:
    if value is None:
        return Text(text=UNDEFINED, notes=marks)
    digits = column.decimals
    text = signed(value, digits) if column.signed else f"{value:.{digits}f}"
    return Text(text=text, emphasis=emphasis, notes=marks)


def _measured(cell: Cell, column: Column, marks: tuple[int, ...]) -> Text:
    """``93.0 [91.8, 94.2] (sd 0.4)``: the mean, its interval, the spread over seeds."""
    text = _text(cell.value, column, cell.emphasis, marks)
    digits = column.decimals
    parts, hover = [text.text, between(cell.low, cell.high, digits, sign=column.signed)], ""
    if cell.spread is not None:
        parts.append(f"(sd {cell.spread:.{digits}f})")
        hover = f"standard deviation over {cell.seeds} seeds {cell.spread:.{digits}f}"
    return replace(text, text=" ".join(filter(None, parts)), hover=hover)


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
