"""ROC and precision-recall curves with chance and the declared threshold's point on them."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import svg
from harness.figures.dots import COLOURS, REFERENCE
from harness.metrics.curve import Curve
from harness.metrics.points import OperatingPoint, precision_recall_points, roc_points
from harness.metrics.values import Floats

SIZE = (4.6, 4.4)
FRAME = (0.14, 0.12, 0.82, 0.78)
_LOWEST = 0.001  # left end of the logarithmic axis, where there are enough reals to reach it


def roc_figure(curve: Curve, point: OperatingPoint, title: str) -> bytes:
    """The ROC curve as an SVG file, with low false positive rates enlarged in an inset.

    Args:
        curve: of images of both classes.
        point: the declared threshold's.
        title: in the file's metadata.
    """
    return svg.draw(partial(_roc, curve=curve, point=point), SIZE, title)


def precision_recall_figure(curve: Curve, point: OperatingPoint, title: str) -> bytes:
    """The precision-recall curve as an SVG file; the area under its steps is AP."""
    return svg.draw(partial(_precision_recall, curve=curve, point=point), SIZE, title)


def draw_roc(axes: Axes, curve: Curve, point: OperatingPoint) -> None:
    """The curve, chance and the point on axes of rates, 0 to 1."""
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    axes.plot(*roc_points(curve), color=COLOURS[0], linewidth=1.5, label="detector")
    _mark(axes, point.fpr, point.tpr)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid()


def legend_above(axes: Axes) -> None:
    """A legend in one line above the axes, where no curve can run through it."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=3,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=1.6,
    )


def _roc(figure: Figure, curve: Curve, point: OperatingPoint) -> None:
    axes = figure.add_axes(FRAME)
    draw_roc(axes, curve, point)
    axes.set(xlabel="share of reals called fake (FPR)", ylabel="share of fakes called fake (TPR)")
    legend_above(axes)
    # The corner that the curve leaves free: below a good one, above one worse than chance.
    free = float(curve.roc_auc()) >= 0.5
    inset = axes.inset_axes((0.57, 0.09, 0.41, 0.4) if free else (0.09, 0.58, 0.36, 0.36))
    left = max(_LOWEST, min(0.01, 1 / float(curve.reals)))
    inset.plot(*_on_log_axis(*roc_points(curve), left), color=COLOURS[0], linewidth=1.5)
    ends = np.array([0.0, 1.0])
    inset.plot(*_on_log_axis(ends, ends, left), color=REFERENCE, linestyle="--", linewidth=1)
    if point.fpr is not None and point.fpr >= left:
        _mark(inset, point.fpr, point.tpr)
    inset.set_xscale("log")
    inset.set(xlim=(left, 1), ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
    inset.set_title("the same, FPR on a log axis", fontsize=8)
    inset.tick_params(labelsize=8)
    inset.grid()


def _on_log_axis(fpr: Floats, tpr: Floats, left: float) -> tuple[Floats, Floats]:
    """A line of straight runs with points between its corners: a log axis bends the runs."""
    between = np.geomspace(left, 1, 60)
    x = np.concatenate((fpr, between))
    y = np.concatenate((tpr, np.interp(between, fpr, tpr)))
    order = np.lexsort((y, x))
    # A rate of 0 has no place on this axis: the line comes in from beyond its left end.
    return x[order].clip(left / 10), y[order]


def _precision_recall(figure: Figure, curve: Curve, point: OperatingPoint) -> None:
    axes = figure.add_axes(FRAME)
    share = float(curve.fakes / (curve.fakes + curve.reals))
    axes.axhline(share, color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    axes.plot(
        *precision_recall_points(curve),
        color=COLOURS[0],
        linewidth=1.5,
        drawstyle="steps-pre",
        label="detector",
    )
    _mark(axes, point.tpr, point.precision)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set(
        xlabel="share of fakes called fake (recall)",
        ylabel="fakes among what is called fake (precision)",
    )
    axes.grid()
    legend_above(axes)


def _mark(axes: Axes, x: float | None, y: float | None) -> None:
    if x is not None and y is not None:
        axes.plot(
            x, y, "D", color=COLOURS[1], markersize=6, clip_on=False, label="declared threshold"
        )
