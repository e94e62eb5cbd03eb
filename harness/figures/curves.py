"""Curves over perturbations: a row of axes a metric, a line a detector, 95 % intervals as bars."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures.dots import draw_row
from harness.figures.svg import draw
from harness.report.table import Table
from harness.report.tables.robustness import Axis


def curves(table: Table, panels: Sequence[Axis], metrics: Sequence[str]) -> bytes:
    """An SVG file without timestamps; the same table gives the same bytes.

    Args:
        table: from ``harness.report.tables.treatments``, values in percent.
        panels: what lies along each set of axes.
        metrics: blocks of the table, from top to bottom.
    """

    def paint(figure: Figure) -> None:
        grid = figure.subplots(
            len(metrics),
            len(panels),
            sharey="row",
            squeeze=False,
            width_ratios=[len(panel.keys) for panel in panels],
        )
        for metric, line in zip(metrics, grid, strict=True):
            line[0].set_ylabel(f"{metric} (%)")
            for panel, axes in zip(panels, line, strict=True):
                _draw(axes, table, panel, metric)
        figure.legend(
            *grid[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
            frameon=False,
        )  # fmt: skip

    return draw(paint, (12, 1 + 2.6 * len(metrics)), table.title, font=9, measured=True)


def _draw(axes: Axes, table: Table, panel: Axis, metric: str) -> None:
    places = {column.key: i for i, column in enumerate(table.columns) if column.metric == metric}
    columns = [places[key] for key in panel.keys]
    for number, row in enumerate(table.rows):
        shift = (number - (len(table.rows) - 1) / 2) * min(0.06, 0.6 / len(table.rows))
        points = [(x + shift, row.cells[i]) for x, i in enumerate(columns)]
        draw_row(axes, row, number, points, joined=panel.joined)
    titles = [table.columns[i].title for i in columns]
    axes.set_xticks(range(len(columns)), titles)
    if not panel.joined:
        axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlabel(panel.title)
    axes.set_ylim(-2, 102)
    axes.grid()
