"""Average precision against cost, each point with its name; plots inside a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from markupsafe import Markup

from harness.figures.inline import Plot, decades, even
from harness.figures.palette import COLOURS

_COSTS = (
    ("macs", "multiply-accumulates for one image"),
    ("params", "parameters"),
)
_SIZE = (460, 330)
_LETTER, _LINE = 5.8, 10.0  # width and height of a letter, pixels
_STEPS = (8, 13, 21, 30, 40)  # pixels from the dot to its label, the nearest first
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


def family_colours(panels: Sequence[CostPanel]) -> dict[str, str]:
    """Family -> the class of its colour; controls are grey."""
    families = sorted({point.family for panel in panels for point in panel.points})
    methods = [family for family in families if family != "control"]
    found = {family: f"c{n % len(COLOURS)}" for n, family in enumerate(methods)}
    return {**found, **{family: "reference" for family in families if family == "control"}}


def cost_plots(panel: CostPanel, colours: dict[str, str]) -> list[Markup]:
    """AP against each cost, on a log axis; none without points."""
    if not panel.points:
        return []
    lowest = min(point.ap for point in panel.points)
    found = []
    for cost, title in _COSTS:
        values = [float(getattr(point, cost)) for point in panel.points]
        across = decades(min(values) / 3, max(values) * 3, title)
        plot = Plot(across, even(max(0.0, lowest - 8), 102, "AP (%)"), _SIZE)
        for value, point in zip(values, panel.points, strict=True):
            told = f"{point.label}: AP {point.ap:.1f}, {value:.3g} {title}"
            plot.dot(value, point.ap, f"series {colours[point.family]}", told)
        points = [(v, p.ap, p.label) for v, p in zip(values, panel.points, strict=True)]
        _labels(plot, points)
        found.append(
            plot.svg(
                f"{panel.title}, against {title} on a log axis; {len(points)} points. "
                "The table below holds the numbers."
            )
        )
    return found


def _labels(plot: Plot, points: Sequence[tuple[float, float, str]]) -> None:
    """Names beside their dots, each at the nearest place where it covers nothing."""
    spots = [plot.place(x, y).tolist() for x, y, _ in points]
    taken: list[_Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in spots]
    for (_, _, text), (left, top) in zip(points, spots, strict=True):
        for step, (dx, dy) in product(_STEPS, _SIDES):
            box = _box(left + step * dx, top + step * dy, text, dx)
            if _within(box, plot.box) and not any(_overlap(box, other) for other in taken):
                break
        taken.append(box)
        anchor = "start" if dx > 0 else "end" if dx < 0 else "middle"
        plot.write(left + step * dx, (box[1] + box[3]) / 2 + 4, text, anchor)


def _box(x: float, y: float, text: str, side: float) -> _Box:
    width = _LETTER * len(text)
    left = x if side > 0 else x - width if side < 0 else x - width / 2
    return left, y - _LINE / 2, left + width, y + _LINE / 2


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(box: _Box, frame: _Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]
