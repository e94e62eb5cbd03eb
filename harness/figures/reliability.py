"""A reliability diagram: the share of fakes at each predicted probability, and how many images."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from harness.figures.palette import COLOURS, REFERENCE
from harness.figures.svg import draw
from harness.metrics.calibration import Bin


def reliability_diagram(bars: Sequence[Bin], title: str, form: str) -> bytes:
    """A file without timestamps; the same bars give the same bytes.

    Args:
        bars: from ``harness.metrics.calibration.reliability``.
        title: above the figure.
        form: of :data:`harness.figures.svg.FORMS`.
    """
    filled = [bar for bar in bars if bar.count]

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        figure.subplots_adjust(0.14, 0.09, 0.97, 0.94, hspace=0.06)
        upper.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1)
        upper.plot(
            [bar.predicted for bar in filled],
            [bar.observed for bar in filled],
            marker="o",
            color=COLOURS[0],
            linewidth=1,
        )
        upper.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="share of fakes", title=title)
        lower.bar(
            [bar.low for bar in bars],
            [bar.count for bar in bars],
            width=[bar.high - bar.low for bar in bars],
            align="edge",
            color=COLOURS[0],
            edgecolor="white",
            log=True,
        )
        lower.yaxis.set_minor_formatter(NullFormatter())  # decades are enough, others overlap
        lower.set(xlabel="predicted probability of fake", ylabel="images")
        lower.set_ylim(0.8, 2 * max([bar.count for bar in bars], default=1))
        upper.grid()
        lower.grid()

    return draw(paint, (5, 6), title, form)
