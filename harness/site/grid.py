"""Tables of the page as data: one kind of cell, and one kind of plain table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One cell.

    Args:
        text: as printed.
        value: what it is sorted by; None where that is its text.
        low, high: the 95 % interval of a number, None without one.
        spread: interval and deviation over seeds, as printed.
        why: what a reader learns on hover.
        hole: there should be a number; it is sorted last.
        tone: ``up1`` to ``up3``, ``down1`` to ``down3`` for a difference; "" for none.
        kind: where it stands in its column: ``prose`` also wraps.
    """

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    spread: str = ""
    why: str = ""
    hole: bool = False
    tone: str = ""
    kind: Literal["", "text", "prose"] = ""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A plain table: the first column names its rows, ``notes`` stand below it.

    Args:
        caption: above it, and its name.
        header: a text a column; an empty one is a column that is not sorted by.
        rows, foot: the cells; ``foot`` stays below whatever the rows are sorted by.
        notes: sentences.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    foot: Sequence[Entry] = ()
    notes: Sequence[str] = ()


def counted(number: int) -> Entry:
    """A count."""
    return Entry(text=f"{number:,}", value=number)


def said(text: str) -> Entry:
    """A word at the left of its column."""
    return Entry(text=text, kind="text")
