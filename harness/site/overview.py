"""The first screen: how good each run is, what of the paper is reproduced, what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.figures.inline import Plot, even
from harness.report.diff import DiffCell
from harness.site.board import BoardRow, Leaderboard, Material

MOST = 12
"""Rows of the dot plot: more would push the other two answers off the first screen."""
NAMED = 4
"""Names before the rest is counted."""
AGREES = ("equal", "within rounding", "within the sampling interval")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The three answers.

    Args:
        over, group: what AP is taken over, and the group of its column.
        lowest: where the dot plot's axis begins.
        rows: of the dot plot, the best first.
        left_out: runs that are only in the leaderboard.
        equality: measured numbers against the paper's, None where nothing was measured.
        reproduced, missing: a sentence each.
    """

    over: str
    group: str
    lowest: int
    rows: Sequence[BoardRow]
    left_out: int
    equality: Markup | None
    reproduced: str
    missing: str

    @property
    def ticks(self) -> Sequence[int]:
        """Of the dot plot."""
        return range(self.lowest, 101, 10 if self.lowest >= 50 else 20)

    def along(self, value: float) -> str:
        """Where a percentage lies on the dot plot, as a share of its width."""
        return f"{100 * (value - self.lowest) / (100 - self.lowest):.2f}%"


def overview(material: Material, board: Leaderboard) -> Overview:
    """The first screen of a leaderboard and of what it was made from."""
    column = board.columns[board.start]
    rows = [row for row in board.rows if row.entries[board.start].value is not None]
    shown = [row.entries[board.start] for row in rows[:MOST]]
    edges = [edge for each in shown for edge in (each.value, each.low) if edge is not None]
    return Overview(
        over=column.group if column.title == "ours" else f"{column.group}, {column.title}",
        group=column.group,
        lowest=20 * math.floor(min([*edges, 80]) / 20),
        rows=rows[:MOST],
        left_out=len(rows[MOST:]),
        equality=equality(material.cells),
        reproduced=reproduced(material.cells),
        missing=missing(material, board),
    )


def equality(cells: Sequence[DiffCell]) -> Markup | None:
    """Measured numbers against the paper's; on the diagonal they are equal."""
    drawn = [c for c in cells if c.measured is not None and c.reference is not None]
    if not drawn:
        return None
    values = [value for c in drawn for value in (c.measured, c.reference) if value is not None]
    lowest = 10.0 * math.floor(min([*values, 90]) / 10)
    axis = even(lowest, 100, "the paper's, %")
    plot = Plot(axis, even(lowest, 100, "measured, %"), (250, 220))
    plot.line([lowest, 100], [lowest, 100], "chance")
    for cell in sorted(drawn, key=lambda cell: cell.comparable):  # the comparable ones on top
        told = f"{cell.detector} {cell.weights}, {cell.suite} {cell.column}, {cell.metric}"
        plot.dot(
            cell.reference or 0.0,
            cell.measured or 0.0,
            "series " + ("reference" if not cell.comparable else _verdict_colour(cell)),
            f"{told}: {cell.measured:.1f}, the paper's {cell.reference:.1f}",
        )
    return plot.svg(
        f"Scatter plot of {len(drawn)} measured numbers against the paper's. "
        "The section on reproduction lists them."
    )


def _verdict_colour(cell: DiffCell) -> str:
    return "c0" if cell.status in AGREES else "c1"


def reproduced(cells: Sequence[DiffCell]) -> str:
    """How many of the paper's numbers were measured, and how they came out."""
    printed = sum(cell.reference is not None for cell in cells)
    measured = [cell for cell in cells if cell.delta is not None]
    if not measured:
        return f"None of the paper's {printed:,} numbers is measured here yet."
    counts = Counter(cell.status in AGREES for cell in measured if cell.comparable)
    others = sum(not cell.comparable for cell in measured)
    under = counts.total()
    text = f"{under} of the paper's {printed:,} numbers {_are(under)} measured with its weights"
    if under:
        text += f": {counts[True]} agree{'s' if counts[True] == 1 else ''}, {counts[False]} "
        text += f"{_are(counts[False])} off"
    if others:
        text += f". {others} more {_are(others)} not comparable: other weights or other images"
    return f"{text}."


def missing(material: Material, board: Leaderboard) -> str:
    """Whose weights and which suites are not here; of weights, those without kept scores."""
    scored = {(row.detector, row.weights) for row in board.scored}
    absent = [
        facts["title"]
        for facts in material.detectors
        if facts["weights"]
        and not any(
            _is_here(each["state"]) or (facts["name"], each["name"]) in scored
            for each in facts["weights"]
        )
    ]
    suites = [facts["name"] for facts in material.suites if not facts["present"]]
    parts = []
    if absent:
        parts.append(f"the published weights of {len(absent)} detectors ({_named(absent)})")
    if suites:
        parts.append(f"the images of {len(suites)} suites ({_named(suites)})")
    return f"Not here: {'; '.join(parts)}." if parts else "All weights and all suites are here."


def _is_here(state: str) -> bool:
    return state.startswith(("present", "as "))


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
