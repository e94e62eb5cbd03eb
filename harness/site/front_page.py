"""The report's first page: from its material to HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.figures.cost import CostPanel, cost_plots, family_colours
from harness.report.diff import VERDICTS, DiffCell, compared
from harness.report.inconsistencies import findings
from harness.report.layout import lay_out, signed
from harness.results.records import RunRecord, row_name
from harness.site.board import BoardRow, Leaderboard, Material
from harness.site.costs import cost_grid
from harness.site.entries import NOT_RUN
from harness.site.grid import Entry, Grid, counted, said
from harness.site.leaderboard import other_pages
from harness.site.overview import overview
from harness.site.renderer import PageRenderer
from harness.site.sections import Section

MARKED = 0.34
"""Share of the rows from which on a footnote has no marks."""
REASONS = 4
"""Reasons that a line of the reproduction table names."""
TITLE = "Detectors of AI-generated images, measured"


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """How the numbers of a run on a suite compare with the paper's.

    Args:
        suite, detector, weights: which; weights is "" where nothing was run.
        counts: numbers by verdict.
        farthest: the largest difference of comparable numbers in percentage points; None where
            there is none.
        reasons: (reason, numbers) of what is off or absent, the commonest first.
    """

    suite: str
    detector: str
    weights: str
    counts: Mapping[str, int]
    farthest: float | None
    reasons: Sequence[tuple[str, int]]

    @property
    def is_empty(self) -> bool:
        """Whether it is all holes."""
        return set(self.counts) == {"no data"}


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """A text below the leaderboard.

    Args:
        text: what must be said.
        rows: of which rows, by their places.
        marked: its number stands at these rows. What is true of many rows names them instead: a
            mark in most rows tells nobody anything.
        names: of these rows.
    """

    text: str
    rows: Sequence[int]
    marked: bool
    names: Sequence[str]


def index_page(
    renderer: PageRenderer,
    material: Material,
    board: Leaderboard,
    panels: Sequence[CostPanel],
    sections: Sequence[Section],
) -> str:
    """The page as HTML; ``panels`` are cost against accuracy, ``sections`` of other commands."""
    tables = [material.tables[spec.name] for spec in material.specs if spec.kind != "mini"]
    colours = family_colours(panels)
    found = verdicts(material.cells)
    return renderer.page(
        "index.html.j2",
        title=TITLE,
        overview=overview(material, board),
        board=board,
        notes=footnotes(board),
        others=other_pages(material, board),
        layouts=[lay_out(table) for table in tables],
        panels=[(panel, cost_plots(panel, colours), cost_grid(panel)) for panel in panels],
        colours=colours,
        sections=sections,
        statuses=VERDICTS,
        totals=Counter(cell.verdict for cell in material.cells),
        verdicts=verdict_grid([each for each in found if not each.is_empty]),
        empty=empty(found),
        findings=findings(material.sources.paper),
        detectors=material.detectors,
        suites=material.suites,
        records=len(material.sources.records),
        environments=environments(material.sources.records),
    )


def footnotes(board: Leaderboard) -> list[Footnote]:
    """What must be said of rows with numbers. A suite that was not run needs no word: its cells
    are empty.
    """
    found: dict[str, list[int]] = {}
    for number, row in enumerate(board.scored):
        gaps = [f"{', '.join(sets)}: {why}" for why, sets in row.gaps.items() if why != NOT_RUN]
        for text in (*row.notes, *gaps):
            found.setdefault(text, []).append(number)
    return [
        Footnote(
            text=text,
            rows=rows,
            marked=len(rows) <= MARKED * len(board.scored),
            names=[_name(board.scored[i]) for i in rows],
        )
        for text, rows in found.items()
    ]


def _name(row: BoardRow) -> str:
    return f"{row.title} ({row.weights})" if row.weights else row.title


def verdicts(cells: Sequence[DiffCell]) -> list[RunVerdict]:
    """A line for each suite and run, in the order of the comparisons."""
    groups: dict[tuple[str, str, str], list[DiffCell]] = {}
    for cell in cells:
        groups.setdefault((cell.suite, cell.detector, cell.weights), []).append(cell)
    found = []
    for (suite, detector, weights), members in groups.items():
        deltas = [cell.delta for cell in compared(members) if cell.delta is not None]
        reasons = Counter(reason for cell in members for reason in cell.reasons)
        found.append(
            RunVerdict(
                suite=suite,
                detector=detector,
                weights=weights,
                counts=Counter(cell.verdict for cell in members),
                farthest=max(deltas, key=abs, default=None),
                reasons=reasons.most_common(),
            )
        )
    return found


def verdict_grid(found: Sequence[RunVerdict]) -> Grid:
    """A line for each suite and run; a verdict that nothing has takes no column."""
    shown = [verdict for verdict in VERDICTS if any(verdict in each.counts for each in found)]
    return Grid(
        caption="Numbers by verdict, for each suite and run",
        header=("Suite", "Detector", "Weights", *shown, "Farthest", "Why"),
        rows=[
            (
                *map(said, (each.suite, each.detector, each.weights)),
                *(counted(each.counts[v]) if v in each.counts else Entry(value=0) for v in shown),
                Entry()
                if each.farthest is None
                else Entry(text=signed(each.farthest, 1), value=each.farthest),
                Entry(text=_why(each.reasons), kind="prose"),
            )
            for each in found
        ],
    )


def _why(reasons: Sequence[tuple[str, int]]) -> str:
    parts = [f"{reason} ({count})" for reason, count in reasons[:REASONS]]
    more = len(reasons) - REASONS
    return "; ".join(parts + ([f"and {more} more: python -m harness diff"] if more > 0 else []))


def empty(found: Sequence[RunVerdict]) -> Mapping[tuple[str, str], Sequence[str]]:
    """(reason, suite) -> the runs of which there is no number at all."""
    rows: dict[tuple[str, str], list[str]] = {}
    for each in found:
        if each.is_empty:
            reason = each.reasons[0][0] if each.reasons else ""
            name = row_name(each.detector, each.weights)
            rows.setdefault((reason, each.suite), []).append(name)
    return rows


def environments(records: Sequence[RunRecord]) -> list[tuple[dict[str, str], int]]:
    """Every environment in which scores were made, and of how many records, the commonest first.

    A record of several sessions counts for each of their environments.
    """
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for record in records:
        made = record.made.values()
        counts.update({tuple(sorted(each.environment.items())) for each in made})
    return [(dict(items), count) for items, count in counts.most_common()]
