"""A table as a dot plot: columns along the axis, a dot a row with its 95 % interval."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures.svg import draw
from harness.report.table import Cell, Row, Table

# Okabe and Ito's palette: told apart by people with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*"
REFERENCE = "#999999"  # trivial rows and controls


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
            _draw(axes, row, number, columns, shift=(number - (len(rows) - 1) / 2) * 0.09)
        titles = [table.columns[i].title.replace(" ", "\n").replace("-", "-\n") for i in columns]
        axes.set_xticks(range(len(columns)), titles)
        axes.set_ylabel(f"{metric} (%)")
        axes.set_ylim(0, 102)
        axes.grid(axis="y")
        figure.legend(loc="outside right upper", frameon=False)

    return draw(paint, (9, 4.2), table.title, measured=True)


def _draw(axes: Axes, row: Row, number: int, columns: list[int], *, shift: float) -> None:
    points = [
        (x + shift, cell.value, *reach(cell))
        for x, i in enumerate(columns)
        if (cell := row.cells[i]).value is not None
    ]
    if points:
        places, values, below, above = zip(*points, strict=True)
        axes.errorbar(
            places,
            values,
            yerr=(below, above),
            # Seven colours and eight marks: no pair comes twice in 56 rows.
            fmt=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)] if row.kind == "method" else REFERENCE,
            label=row.title,
            markersize=5,
            capsize=2,
            linewidth=1,
        )


def reach(cell: Cell) -> tuple[float, float]:
    """How far the interval reaches below and above the value; nowhere without one."""
    if cell.value is None or cell.low is None or cell.high is None:
        return 0.0, 0.0
    # A percentile interval need not hold the value: where every resample is better it does not.
    return max(cell.value - cell.low, 0.0), max(cell.high - cell.value, 0.0)
