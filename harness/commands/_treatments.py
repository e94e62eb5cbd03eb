"""Tables of detectors under several treatments of the images, from the jobs that were run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from harness.api import FAKE
from harness.commands import _text
from harness.data.suite import Selection
from harness.engine.scorer import Job
from harness.evaluation.matrix import Matrix
from harness.evaluation.twins import Twin
from harness.report.layout import HOLE, between, signed
from harness.report.render import Renderer
from harness.report.table import Cell, Column, Table
from harness.report.tables.treatments import FIRST, Question, Treated, build_treatment_table
from harness.results.intervals import Replicates
from harness.results.paths import TABLES
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart


def table(
    about: Table,
    selection: Selection,
    treatments: Sequence[Column],
    rows: Sequence[Treated],
    *,
    out: Path,
    differences: bool,
) -> Table:
    """The table of one suite.

    Args:
        about: its name, title and caption.
        selection: the scored part of the suite.
        treatments: columns.
        rows: from :func:`treated`.
        out: output folder with the kept scores.
        differences: show them.
    """
    kept = Replicates(out, ("ap", "acc", "real_acc", "fake_acc"))
    whole = [subset.name for subset in selection.subsets if subset.in_mean]
    alone = [s.name for s in selection.subsets if s.in_mean and s.labels == (FAKE,)]
    question = Question(
        about=about,
        treatments=tuple(treatments),
        suite=selection.suite.name,
        subsets=tuple(name for name in whole if name not in alone),
        controls=tuple(subset.name for subset in selection.subsets if not subset.in_mean),
        alone=tuple(alone),
        differences=differences,
        interval=kept.interval,
        tell=kept.tell,
    )
    return build_treatment_table(question, rows)


def treated(
    matrix: Matrix, jobs: Sequence[Job], twins: Sequence[Twin], suite: str
) -> list[Treated]:
    """A row for each detector with one kind of weights; its training seeds share it."""
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        groups.setdefault(seed_group(matrix.record(job, suite)), []).append(job)
    apart = told_apart(
        {group: [matrix.record(job, suite) for job in jobs] for group, jobs in groups.items()}
    )
    rows = []
    for group, members in groups.items():
        records: dict[str, list[RunRecord]] = {
            FIRST: [matrix.record(job, suite) for job in members]
        }
        reasons: dict[str, str] = {}
        for twin in twins:
            if twin.first not in members:
                continue
            if suite in twin.reasons:
                reasons[twin.name] = twin.reasons[suite]
            else:
                records.setdefault(twin.name, []).append(matrix.record(twin.job, suite))
        control = members[0].spec.family == "control"
        rows.append(
            Treated(
                records=records,
                reasons=reasons,
                kind="control" if control else "method",
                apart=apart[group],
            )
        )
    return rows


def write(built: Table, folder: Path) -> list[Path]:
    """The table in every format."""
    return Renderer(TABLES / "templates").write([built], folder)


def as_text(built: Table) -> str:
    """The table for terminals, a block a metric, and its statements."""
    parts = [built.title]
    for metric in dict.fromkeys(column.metric for column in built.columns):
        places = [i for i, column in enumerate(built.columns) if column.metric == metric]
        heads = [_head(built.columns[i]) for i in places]
        lines = [
            [row.title, *(_shown(row.cells[i], built.columns[i]) for i in places)]
            for row in built.rows
        ]
        parts.append(_text.table([metric, *heads], lines))
    return "\n\n".join([*parts, *built.statements])


def _head(column: Column) -> str:
    if column.signed:
        return ""
    return column.title if column.key == FIRST or len(column.key) > 12 else column.key


def _shown(cell: Cell, column: Column) -> str:
    if cell.value is None:
        return HOLE
    if not column.signed:
        return f"{cell.value:.1f}"
    edges = between(cell.low, cell.high, sign=True)
    return f"({signed(cell.value, 1)} {edges}".rstrip() + ")"
