"""Dot plots: every row that has a number is drawn, and the bytes do not change."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from harness.figures.dots import dot_plot
from harness.report.table import Cell, Column, Row, Table

COLUMNS = (
    Column(key="gan", title="gan", metric="AP"),
    Column(key="controls", title="controls", metric="AP"),
    Column(key="gan", title="gan", metric="ACC"),
)


def row(name: str, *values: float | None) -> Row:
    cells = tuple(
        Cell(status="hole")
        if value is None
        else Cell(value=value, status="measured", low=value - 2, high=value + 1)
        for value in values
    )
    return Row(key=name, title=name, detector=name, kind="method", cells=cells)


TABLE = Table(
    name="t",
    title="A title",
    caption="",
    by_metric=True,
    columns=COLUMNS,
    rows=(row("one", 90.0, None, 50.0), row("two", None, None, 60.0)),
)


def groups(svg: bytes, prefix: str) -> list[str]:
    found = (element.get("id", "") for element in ElementTree.fromstring(svg).iter())
    return [name for name in found if name.startswith(prefix)]


def test_rows_and_columns_without_numbers_are_left_out() -> None:
    assert len(groups(dot_plot(TABLE, "AP"), "xtick_")) == 1
    assert len(groups(dot_plot(TABLE, "ACC"), "LineCollection_")) > len(
        groups(dot_plot(TABLE, "AP"), "LineCollection_")
    )


def test_the_same_table_gives_the_same_bytes() -> None:
    assert dot_plot(TABLE, "AP") == dot_plot(TABLE, "AP")
    assert b"<dc:date>" not in dot_plot(TABLE, "AP")
