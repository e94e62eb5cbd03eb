"""One subset small: its histogram and its ROC curve, without texts, to be set in rows of tiles."""

from __future__ import annotations

from functools import partial

from matplotlib.figure import Figure

from harness.figures import svg
from harness.figures.histogram import draw_histogram
from harness.figures.ranking import draw_roc
from harness.metrics.curve import Curve
from harness.metrics.points import Histogram, OperatingPoint


def tile(bins: Histogram, point: OperatingPoint, curve: Curve | None, title: str) -> bytes:
    """An SVG file: the histogram, and beside it the ROC curve where both classes are there.

    Args:
        bins: both classes, or one.
        point: the declared threshold's.
        curve: None where there is one class.
        title: in the file's metadata.
    """
    return svg.draw(partial(_tile, bins=bins, point=point, curve=curve), (3.0, 1.3), title)


def _tile(figure: Figure, bins: Histogram, point: OperatingPoint, curve: Curve | None) -> None:
    left = figure.add_axes((0.02, 0.04, 0.5, 0.92))
    draw_histogram(left, bins, point.threshold)
    panels = [left]
    if curve is not None:
        right = figure.add_axes((0.57, 0.04, 0.4, 0.92))
        draw_roc(right, curve, point)
        panels.append(right)
    for axes in panels:
        axes.set(xticks=[], yticks=[])  # unreadable at this size, and slow to draw
