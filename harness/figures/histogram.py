"""Scores of reals and fakes in the same bins, with the declared threshold."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import svg
from harness.figures.dots import COLOURS
from harness.figures.ranking import FRAME, SIZE, legend_above
from harness.metrics.points import Histogram

REAL, FAKE = COLOURS[0], COLOURS[1]
_AXIS = {
    "logit": "score (logit)",
    "probability": "score (probability of fake)",
    "uncalibrated": "score (uncalibrated)",
}


def histogram_figure(bins: Histogram, threshold: float, kind: str, title: str) -> bytes:
    """An SVG file; how many images lie beyond its axis stands on it.

    Args:
        bins: both classes.
        threshold: the declared one.
        kind: of the scores.
        title: in the file's metadata.
    """
    paint = partial(_histogram, bins=bins, threshold=threshold, kind=kind)
    return svg.draw(paint, SIZE, title)


def draw_histogram(axes: Axes, bins: Histogram, threshold: float) -> None:
    """Bars as a share of each class, so that classes of unlike sizes compare, and a line."""
    for name, counts, colour, line in (
        ("real", bins.reals, REAL, "-"),
        ("fake", bins.fakes, FAKE, "--"),
    ):
        if counts.any():
            # Outlines of two styles: the classes part without colour.
            axes.stairs(counts / counts.sum(), bins.edges, fill=True, color=colour, alpha=0.3)
            axes.stairs(
                counts / counts.sum(),
                bins.edges,
                color=colour,
                linestyle=line,
                linewidth=1.3,
                label=f"{name} ({int(counts.sum()):,})",
            )
    axes.axvline(threshold, color="black", linestyle=":", linewidth=1.3, label="threshold")
    axes.set_xlim(float(bins.edges[0]), float(bins.edges[-1]))
    axes.set_ylim(bottom=0)


def _histogram(figure: Figure, bins: Histogram, threshold: float, kind: str) -> None:
    axes = figure.add_axes(FRAME)
    draw_histogram(axes, bins, threshold)
    axes.grid(axis="y")
    axes.locator_params(axis="y", nbins=6)
    axes.set(xlabel=_AXIS.get(kind, kind), ylabel="share of the class's images")
    legend_above(axes)
    beyond = [
        f"{count} beyond the {side} end"
        for count, side in ((bins.below, "left"), (bins.above, "right"))
        if count
    ]
    if beyond:
        text = f"{' and '.join(beyond)}, in the last bin there"
        axes.set_title(text, fontsize=8, loc="left", pad=22)
