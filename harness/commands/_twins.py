"""``--twin``: rows of the same detectors on the same images put through one path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.commands import _treatments
from harness.commands._matrix import Request
from harness.data.suite import Selection
from harness.evaluation.matrix import Matrix
from harness.evaluation.twins import CODEC, TWINS, Twin, require_known
from harness.report.table import Column, Table
from harness.report.tables.treatments import FIRST, Treated


def names(text: str) -> list[str]:
    """The names that ``--twin`` gives.

    Raises:
        UsageError: an unknown name.
    """
    found = list(TWINS) if text == "all" else [name.strip() for name in text.split(",") if name]
    require_known(found)
    return found


def report(asked: Request, found: Sequence[Twin], matrix: Matrix) -> tuple[list[Table], list[Path]]:
    """A table a suite, and the files in which they were written to ``<out>/twins``."""
    tables = [_table(asked, found, matrix, selection) for selection in asked.selections]
    folder = asked.settings.out / "twins"
    return tables, [path for table in tables for path in _treatments.write(table, folder)]


def _table(asked: Request, found: Sequence[Twin], matrix: Matrix, selection: Selection) -> Table:
    suite = selection.suite
    rows = _treatments.treated(matrix, asked.jobs, found, suite.name)
    names = list(dict.fromkeys(twin.name for twin in found))
    columns = [Column(key=FIRST, title="as run")]
    columns += [Column(key=name, title=name, group=_group(name, rows)) for name in names]
    paths = "; ".join(f"{name}: {TWINS[name]}" for name in names)
    about = Table(
        name=f"twins-{suite.name}",
        title=f"{suite.title}: the same images through one path",
        caption=f"As run: files as they are, each detector's own geometry. {paths}. "
        "What a number loses under a codec twin it owed to size, to file format, or to traces "
        "that this path wipes out.",
    )
    out = asked.settings.out
    return _treatments.table(about, selection, columns, rows, out=out, differences=True)


def _group(name: str, rows: Sequence[Treated]) -> str:
    """``jpeg96: center_crop(128)|jpeg(96)``: the text where all rows share it."""
    treated = [record for row in rows for record in row.records.get(name, ())]
    texts = {each.perturbation if name in CODEC else each.preprocess for each in treated}
    return f"{name}: {texts.pop()}" if len(texts) == 1 else name
