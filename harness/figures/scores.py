"""What a run's scores look like: curves, histogram, reliability; plots inside a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from harness.figures.inline import Plot, Scale, even, rates
from harness.metrics.calibration import Bin
from harness.metrics.curve import Curve
from harness.metrics.points import Histogram, OperatingPoint, precision_recall_points, roc_points
from harness.metrics.values import Floats

TILE = (112, 84)
_AXIS = {
    "logit": "score (logit)",
    "probability": "score (probability of fake)",
    "uncalibrated": "score (uncalibrated)",
}
_CHANCE = ([0, 1], [0, 1])


def roc_plot(curve: Curve, point: OperatingPoint, alt: str) -> Markup:
    """The ROC curve, chance, and the declared threshold's point."""
    plot = Plot(rates("reals flagged as fake (FPR)"), rates("fakes flagged as fake (TPR)"))
    _roc(plot, curve, point)
    return plot.svg(alt)


def precision_recall_plot(curve: Curve, point: OperatingPoint, alt: str) -> Markup:
    """The precision-recall curve; the area under its steps is AP."""
    plot = Plot(rates("fakes flagged as fake (recall)"), rates("fakes among these (precision)"))
    share = float(curve.fakes / (curve.fakes + curve.reals))
    plot.line([0, 1], [share, share], "chance")
    plot.line(*precision_recall_points(curve), "curve", steps=True)
    if point.tpr is not None and point.precision is not None:
        plot.dot(point.tpr, point.precision, "threshold")
    return plot.svg(alt)


def histogram_plot(bins: Histogram, threshold: float, kind: str, alt: str) -> Markup:
    """Both classes as shares of their images, so that classes of unlike sizes compare."""
    across = even(float(bins.edges[0]), float(bins.edges[-1]), _AXIS.get(kind, kind))
    plot = Plot(across, even(0, _top(bins), "share of the class"))
    _classes(plot, bins, threshold)
    return plot.svg(alt)


def reliability_plot(bars: Sequence[Bin], alt: str) -> Markup:
    """The share of fakes at each predicted probability; a dot's area is its share of the images."""
    plot = Plot(rates("predicted probability of fake"), rates("share of fakes"))
    plot.line(*_CHANCE, "chance")
    filled = [(bar.predicted, bar.observed, bar) for bar in bars]
    points = [(x, y, bar) for x, y, bar in filled if x is not None and y is not None]
    images = sum(bar.count for bar in bars)
    for x, y, bar in points:
        told = f"{bar.count:,} images at {bar.low:g} to {bar.high:g}"
        plot.dot(x, y, "series c0", told, radius=2 + 10 * float(np.sqrt(bar.count / images)))
    return plot.svg(alt)


def subset_tile(
    bins: Histogram, curve: Curve | None, point: OperatingPoint, alt: str
) -> tuple[Markup, ...]:
    """A subset's histogram, and beside it its ROC curve where it has both classes."""
    edges = Scale(low=float(bins.edges[0]), high=float(bins.edges[-1]))
    left = Plot(edges, Scale(low=0, high=_top(bins)), TILE, bare=True)
    _classes(left, bins, point.threshold)
    if curve is None:
        return (left.svg(alt),)
    right = Plot(rates(), rates(), (TILE[1], TILE[1]), bare=True)
    _roc(right, curve, point)
    return left.svg(f"Scores. {alt}"), right.svg(f"ROC curve. {alt}")


def _roc(plot: Plot, curve: Curve, point: OperatingPoint) -> None:
    plot.line(*_CHANCE, "chance")
    plot.line(*roc_points(curve), "curve")
    if point.fpr is not None and point.tpr is not None:
        plot.dot(point.fpr, point.tpr, "threshold")


def _classes(plot: Plot, bins: Histogram, threshold: float) -> None:
    # Outlines of two styles: the classes part without colour.
    for counts, kind in ((bins.reals, "area real"), (bins.fakes, "area fake")):
        if counts.any():
            heights = counts / counts.sum()
            x = np.concatenate((bins.edges[:1], bins.edges, bins.edges[-1:]))
            y = np.concatenate(([0.0], heights[:1], heights, [0.0]))
            plot.line(x, y, kind, steps=True, closed=True)
    plot.line([threshold, threshold], [0, plot.y.high], "cut")


def _top(bins: Histogram) -> float:
    shares: list[Floats] = [c / c.sum() for c in (bins.reals, bins.fakes) if c.any()]
    return 1.05 * max(float(share.max()) for share in shares)
