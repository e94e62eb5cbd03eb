"""A vector file without timestamps: equal drawings give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

_SETTINGS: Any = {
    "svg.hashsalt": "lfm-bench",
    "svg.fonttype": "path",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
}


def draw(
    paint: Callable[[Figure], None],
    size: tuple[float, float],
    title: str,
    form: str = "svg",
    *,
    font: float = 10,
    measured: bool = False,
) -> bytes:
    """What ``paint`` puts on a figure, as a file.

    Args:
        paint: draws.
        size: width and height, inches.
        title: in the file's metadata.
        form: ``svg`` or ``pdf``.
        font: size of letters, points.
        measured: the axes are laid out by measuring their labels, which costs more than drawing
            them; otherwise ``paint`` places them.
    """
    settings = {**_SETTINGS, "font.size": font}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained" if measured else None)
        paint(figure)
        buffer = io.BytesIO()
        dated = "Date" if form == "svg" else "CreationDate"
        figure.savefig(buffer, format=form, metadata={dated: None, "Title": title})
    return buffer.getvalue()
