"""The leaderboard as data: what the page is made from, and what its table holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.diff import DiffCell
from harness.report.spec import ColumnSpec, TableSpec
from harness.report.table import Table
from harness.report.tables.paper import Sources

START = ("mini", "AP", "unseen fakes")
"""Group, metric and title of the column by which the rows are sorted at first."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that the index page is made from.

    Args:
        specs: of all tables.
        tables: built, by name.
        sources: records, the paper's numbers, costs.
        cells: every comparison with the paper.
        detectors, suites: facts as ``python -m harness list --long --json`` gives them.
        pages: names of the records' pages that were written.
    """

    specs: Sequence[TableSpec]
    tables: Mapping[str, Table]
    sources: Sources
    cells: Sequence[DiffCell]
    detectors: Sequence[Mapping[str, Any]]
    suites: Sequence[Mapping[str, Any]]
    pages: Collection[str]


@dataclass(frozen=True, kw_only=True)
class BoardColumn:
    """A column of numbers.

    Args:
        group: header above it.
        title: as printed.
        metric: ``AP``, ``ACC`` or ``called fake``; the first two are shown one at a time.
        source: ``ours``, ``paper`` or ``difference``.
    """

    group: str
    title: str
    metric: str
    source: str = "ours"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One printed number.

    Args:
        text: as printed.
        value: what it is sorted by; None where there is none.
        spread: interval and deviation over seeds, as printed.
        why: what a reader learns on hover.
        hole: there should be a number, ``why`` says why there is none.
        tone: ``up1`` to ``up3``, ``down1`` to ``down3`` for a difference; "" for none.
    """

    text: str = ""
    value: float | None = None
    spread: str = ""
    why: str = ""
    hole: bool = False
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """A detector with one kind of weights.

    Args:
        detector: registered name.
        title, weights, family: as printed.
        kind: ``method``, ``trivial`` or ``control``.
        tags: short marks beside the title.
        notes: what a reader must know of all its numbers.
        gaps: why it has no numbers on a suite.
        links: suite -> (text, file) of its records' pages.
        entries: one for each column.
    """

    detector: str
    title: str
    weights: str
    family: str
    kind: str
    tags: Sequence[str]
    notes: Sequence[str]
    gaps: Sequence[str]
    links: Mapping[str, Sequence[tuple[str, str]]]
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Board:
    """The leaderboard.

    Args:
        columns: of numbers.
        groups: (title, columns of it that are seen at a time).
        rows: sorted by column ``start``, the largest first.
        families: of the rows, sorted.
        start: see :data:`START`.
    """

    columns: Sequence[BoardColumn]
    groups: Sequence[tuple[str, int]]
    rows: Sequence[BoardRow]
    families: Sequence[str]
    start: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a group of three columns is about: a suite's mean, or ("" = suite) all suites' mean."""

    title: str
    suite: str
    printed: Sequence[tuple[TableSpec, ColumnSpec]]
