"""A reliability diagram: the share of fakes at each predicted probability, and how many images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from harness.figures.dots import COLOURS, REFERENCE
from harness.metrics.calibration import Bin


def reliability_diagram(bars: Sequence[Bin], title: str, form: str) -> bytes:
    """A vector file without timestamps; the same bars give the same bytes.

    Args:
        bars: from ``harness.metrics.calibration.reliability``.
        title: above the figure.
        form: ``svg`` or ``pdf``.
    """
    filled = [bar for bar in bars if bar.count]
    settings: Any = {"svg.hashsalt": "lfm-bench", "svg.fonttype": "path", "font.size": 10}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(5, 6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
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
        lower.set(xlabel="predicted probability of fake", ylabel="images")
        for axes in (upper, lower):
            axes.grid(alpha=0.3)
            axes.set_axisbelow(True)
        buffer = io.BytesIO()
        dated = "Date" if form == "svg" else "CreationDate"
        figure.savefig(buffer, format=form, metadata={dated: None, "Title": title})
    return buffer.getvalue()
