"""Numbers over time: a dot for each with its 95 % interval, at the month of its column."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from harness.figures.dots import draw_row
from harness.figures.svg import draw
from harness.report.table import Row

APART = 0.045
"""Years between the dots of two rows at one month."""


def year_of(month: str) -> float:
    """The middle of a month ``YYYY-MM`` as years: ``2022-07`` -> 2022.54."""
    year, number = month.split("-")
    return int(year) + (int(number) - 0.5) / 12


def timeline(rows: Sequence[Row], months: Sequence[str], title: str, metric: str) -> bytes:
    """An SVG file without timestamps; equal rows give equal bytes.

    Args:
        rows: a cell for each month, values in percent; those without one are left out.
        months: ``YYYY-MM`` of each column.
        title: in the file's metadata.
        metric: beside the axis.
    """
    places = [year_of(month) for month in months]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, row in enumerate(rows):
            shift = (number - (len(rows) - 1) / 2) * APART
            points = zip(places, row.cells, strict=True)
            there = [(place + shift, cell) for place, cell in points if cell.value is not None]
            draw_row(axes, row, number, there)
        first, last = int(min(places)), int(max(places)) + 1
        axes.set_xlim(first - 0.1, last + 0.1)
        axes.set_xticks(range(first, last + 1), [str(year) for year in range(first, last + 1)])
        axes.set_xlabel("release of the generator")
        axes.set_ylabel(f"{metric} (%)")
        axes.set_ylim(-2, 102)
        axes.grid()
        figure.legend(loc="outside right upper", frameon=False)

    return draw(paint, (9, 4.2), title, measured=True)
