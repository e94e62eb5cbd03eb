"""The leaderboard as data: what the page is made from, and what its table holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.diff import DiffCell
from harness.report.layout import HOLE
from harness.report.spec import TableSpec
from harness.report.table import Table
from harness.report.tables.paper import Sources
from harness.site.grid import Entry

START = ("mini", "AP", "unseen fakes")
"""Group, metric and title of the column by which the rows are sorted, where any has a number."""


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
        metric: ``AP``, ``ACC`` or ``flagged as fake``; the first two are shown one at a time.
        source: ``ours``, ``paper`` or ``difference``.
    """

    group: str
    title: str
    metric: str
    source: str = "ours"


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """A detector with one kind of weights.

    Args:
        detector: registered name.
        title, weights, family: as printed.
        kind: ``method``, ``trivial`` or ``control``.
        scored: anything of it was scored.
        tags: short marks beside the title.
        notes: what a reader must know of all its numbers.
        gaps: reason -> the suites where it has no number for that reason.
        links: suite -> (text, file) of its records' pages.
        flagged: group of columns -> share of reals that it flags as fake, percent.
        entries: one for each column.
    """

    detector: str
    title: str
    weights: str
    family: str
    kind: str
    scored: bool
    tags: Sequence[str]
    notes: Sequence[str]
    gaps: Mapping[str, Sequence[str]]
    links: Mapping[str, Sequence[tuple[str, str]]]
    flagged: Mapping[str, float]
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All rows and columns.

    Args:
        columns: of numbers.
        rows: sorted by column ``start``, the largest first.
        start: the column with most numbers: :data:`START`, else one of the official suites'.
    """

    columns: Sequence[BoardColumn]
    rows: Sequence[BoardRow]
    start: int

    @property
    def shown(self) -> Sequence[int]:
        """The columns of the groups in which something was scored."""
        found = {
            column.group
            for row in self.scored
            for column, entry in zip(self.columns, row.entries, strict=True)
            if column.source == "ours" and entry.text not in ("", HOLE)
        }
        return [i for i, column in enumerate(self.columns) if column.group in found]

    @property
    def groups(self) -> Sequence[tuple[str, int]]:
        """Title of each group that is shown, and its columns that are seen at a time."""
        seen = [self.columns[i] for i in self.shown]
        titles = dict.fromkeys(column.group for column in seen)
        counted = Counter(column.group for column in seen if column.metric != "ACC")
        return [(title, counted[title]) for title in titles]

    @property
    def empty(self) -> Sequence[str]:
        """The groups in which nothing was scored."""
        shown = dict(self.groups)
        return [g for g in dict.fromkeys(c.group for c in self.columns) if g not in shown]

    @property
    def families(self) -> Sequence[str]:
        """Of the rows that have a number."""
        return sorted({row.family for row in self.scored if row.family})

    @property
    def scored(self) -> list[BoardRow]:
        """The rows that have a number."""
        return [row for row in self.rows if row.scored]

    @property
    def rest(self) -> Mapping[str, Sequence[BoardRow]]:
        """Family -> its rows without any number."""
        found: dict[str, list[BoardRow]] = {}
        for row in sorted(self.rows, key=lambda row: (row.family, row.title)):
            if not row.scored:
                found.setdefault(row.family or "other", []).append(row)
        return found
