"""Average precision against cost: a row of axes for each cost, a column for each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures.dots import COLOURS, MARKERS, REFERENCE
from harness.figures.svg import draw

_COSTS = (
    ("macs", "multiply-accumulates for one image"),
    ("params", "parameters"),
)
_FONT = 8.0  # points
_WIDTH = 0.6  # of a letter, in font sizes, on average
_STEPS = (7, 13, 21, 30, 40)  # points from the mark to its label, the nearest first
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class CostPoint:
    """One detector.

    Args:
        label: its name, with its weights where it has several.
        family: of the detector.
        macs: multiply-accumulates for one image at the size at which it is evaluated.
        params: parameters.
        ap: average precision, percent.
    """

    label: str
    family: str
    macs: float
    params: float
    ap: float


@dataclass(frozen=True, kw_only=True)
class CostPanel:
    """Detectors whose average precision is of one kind.

    Args:
        title: what their average precision is taken over.
        points: the cheapest first.
    """

    title: str
    points: Sequence[CostPoint]


def cost_plot(panels: Sequence[CostPanel]) -> bytes:
    """An SVG file without timestamps; costs on a log axis, a colour and a mark a family.

    Args:
        panels: left to right.
    """
    families = sorted({point.family for panel in panels for point in panel.points})
    styles = {family: _style(family, i) for i, family in enumerate(families)}

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(_COSTS), len(panels), squeeze=False)
        figure.subplots_adjust(0.07, 0.07, 0.985, 0.89, wspace=0.12, hspace=0.18)
        for panel, axes in zip(panels, grid[0], strict=True):
            axes.set_title(panel.title, fontsize=10)
        for (cost, title), line in zip(_COSTS, grid, strict=True):
            for panel, axes in zip(panels, line, strict=True):
                _points(axes, panel.points, cost, styles)
                axes.set_xlabel(title)
            line[0].set_ylabel("AP (%)")
        shown = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            [shown[name] for name in sorted(shown)], sorted(shown), loc="upper center", ncols=5,
            frameon=False, fontsize=9,
        )  # fmt: skip

    return draw(paint, (11, 8.5), "Average precision against cost")


def _style(family: str, number: int) -> tuple[str, str]:
    if family == "control":
        return REFERENCE, "o"
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def _points(
    axes: Axes, points: Sequence[CostPoint], cost: str, styles: dict[str, tuple[str, str]]
) -> None:
    for family in dict.fromkeys(point.family for point in points):
        colour, marker = styles[family]
        members = [point for point in points if point.family == family]
        axes.plot(
            [getattr(point, cost) for point in members],
            [point.ap for point in members],
            linestyle="",
            marker=marker,
            color=colour,
            label=family or "other",
            markersize=6,
        )
    axes.set_xscale("log")
    axes.margins(0.14)
    axes.grid()
    _labels(axes, [(float(getattr(point, cost)), point.ap, point.label) for point in points])


def _labels(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Names beside their points, each at the nearest place where it covers nothing."""
    scale = 72 / axes.figure.dpi
    spots = [scale * axes.transData.transform((x, y)) for x, y, _ in points]
    taken: list[_Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in spots]
    x0, y0, x1, y1 = (scale * edge for edge in axes.bbox.extents)
    for (x, y, text), (left, bottom) in zip(points, spots, strict=True):
        for step, (dx, dy) in product(_STEPS, _SIDES):
            box = _box(left + step * dx, bottom + step * dy, text, dx)
            if _within(box, (x0, y0, x1, y1)) and not any(_overlap(box, other) for other in taken):
                break
        taken.append(box)
        axes.annotate(
            text,
            (x, y),
            (step * dx, step * dy),
            textcoords="offset points",
            ha="center" if dx == 0 else "left" if dx > 0 else "right",
            va="center",
            fontsize=_FONT,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4} if step > _STEPS[0] else None,
        )


def _box(x: float, y: float, text: str, side: float) -> _Box:
    width = _WIDTH * _FONT * len(text)
    left = x if side > 0 else x - width if side < 0 else x - width / 2
    return left, y - _FONT / 2, left + width, y + _FONT / 2


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(box: _Box, frame: _Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]
