from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from harness.figures.curves import curves
from harness.report.table import Cell, Column, Row, Table
from harness.report.tables.robustness import panels, treatments
from harness.report.tables.treatments import REALS

COLUMNS = treatments(["jpeg(90)", "jpeg(50)", "webp(80)"], {})


def _table() -> Table:
    columns = [
        Column(key=c.key, title=c.title, metric=metric, group=c.group)
        for metric in ("AP", REALS)
        for c in COLUMNS
    ]
    cells = [Cell(value=90.0, low=85.0, high=92.0, status="measured") for _ in columns]
    cells[1] = Cell(reason="not run")
    row = Row(key="a", title="A", detector="a", kind="method", cells=tuple(cells))
    other = replace(row, key="b", title="B", kind="control")
    return Table(
        name="t", title="T", caption="", by_metric=True, columns=tuple(columns), rows=(row, other)
    )


def test_the_same_bytes_again_without_a_date() -> None:
    drawn = curves(_table(), panels(COLUMNS), ("AP", REALS))
    assert drawn == curves(_table(), panels(COLUMNS), ("AP", REALS))
    assert b"<dc:date>" not in drawn
    root = ElementTree.fromstring(drawn)
    axes = [e for e in root.iter() if (e.get("id") or "").startswith("axes_")]
    assert len(axes) == 4  # two metrics, a family and the others


def test_other_numbers_are_drawn_elsewhere() -> None:
    table = _table()
    row = table.rows[0]
    moved = replace(row, cells=(replace(row.cells[0], value=10.0), *row.cells[1:]))
    changed = replace(table, rows=(moved, table.rows[1]))
    assert curves(table, panels(COLUMNS), ("AP",)) != curves(changed, panels(COLUMNS), ("AP",))
