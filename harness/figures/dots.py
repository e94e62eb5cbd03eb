"""A table as a dot plot: columns along the axis, a dot a row with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures.palette import COLOURS, MARKERS, REFERENCE
from harness.figures.svg import draw
from harness.report.table import Cell, Row, Table


def dot_plot(table: Table, metric: str) -> bytes:
    """One metric of a table as an SVG file, without timestamps.

    Args:
        table: values in percent.
        metric: as in its columns.
    """
    columns = [i for i, column in enumerate(table.columns) if column.metric == metric]
    columns = [i for i in columns if any(row.cells[i].value is not None for row in table.rows)]
    rows = [row for row in table.rows if any(row.cells[i].value is not None for i in columns)]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, row in enumerate(rows):
            shift = (number - (len(rows) - 1) / 2) * 0.09
            points = [(x + shift, row.cells[i]) for x, i in enumerate(columns)]
            draw_row(axes, row, number, [p for p in points if p[1].value is not None])
        titles = [table.columns[i].title.replace(" ", "\n").replace("-", "-\n") for i in columns]
        axes.set_xticks(range(len(columns)), titles)
        axes.set_ylabel(f"{metric} (%)")
        axes.set_ylim(0, 102)
        axes.grid(axis="y")
        figure.legend(loc="outside right upper", frameon=False)

    return draw(paint, (9, 4.2), table.title, measured=True)


def draw_row(
    axes: Axes, row: Row, number: int, points: Sequence[tuple[float, Cell]], *, joined: bool = False
) -> None:
    """A row's numbers with their intervals; a hole ends a line, it is not bridged.

    Args:
        axes: where.
        row: gives the name and the kind.
        number: of the row: gives colour and mark.
        points: place along the axis and cell of each number.
        joined: a line joins neighbours.
    """
    below, above = zip(*(_reach(cell) for _, cell in points), strict=True)
    axes.errorbar(
        [place for place, _ in points],
        [float("nan") if cell.value is None else cell.value for _, cell in points],
        yerr=(below, above),
        # Seven colours and eight marks: no pair comes twice in 56 rows.
        fmt=MARKERS[number % len(MARKERS)] + ("-" if joined else ""),
        color=COLOURS[number % len(COLOURS)] if row.kind == "method" else REFERENCE,
        label=row.title,
        markersize=4 if joined else 5,
        capsize=2,
        linewidth=1,
    )


def _reach(cell: Cell) -> tuple[float, float]:
    """How far the interval reaches below and above the value; nowhere without one."""
    if cell.value is None or cell.low is None or cell.high is None:
        return 0.0, 0.0
    # A percentile interval need not hold the value: where every resample is better it does not.
    return max(cell.value - cell.low, 0.0), max(cell.high - cell.value, 0.0)
