"""A file of a drawing: equal drawings give equal bytes, and text is what it is, never markup."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter

from harness.errors import printable

FORMS = ("svg", "pdf", "png")
PNG_DPI = 150

_SETTINGS: Any = {
    "svg.hashsalt": "lfm-bench",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a file named `a$b$c` is no formula
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "savefig.dpi": PNG_DPI,
}
# Nothing that tells when or by which version a file was made.
_UNDATED: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
        paint: draws; texts may hold anything, names of files included.
        size: width and height, inches.
        title: in the file's metadata.
        form: of :data:`FORMS`.
        font: size of letters, points.
        measured: the axes are laid out by measuring their labels, which costs more than drawing
            them; otherwise ``paint`` places them.
    """
    settings = {**_SETTINGS, "font.size": font}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained" if measured else None)
        paint(figure)
        for text in figure.findobj(Text):
            text.set_text(_shown(text.get_text()))
        for axes in figure.findobj(Axes):
            _plain_ticks(axes)
        buffer = io.BytesIO()
        metadata = {**_UNDATED[form], "Title": _shown(title)}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _shown(text: str) -> str:
    """Text that every form can hold: control characters and bytes that are no UTF-8 in words."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", printable(text))


def _plain_ticks(axes: Axes) -> None:
    """Labels of ticks by the rule of all text; those of log axes would be formulas."""
    for axis in (axes.xaxis, axes.yaxis):
        label = axis.get_major_formatter()
        if isinstance(label, FuncFormatter):  # given names: they become texts when they are drawn
            axis.set_major_formatter(FuncFormatter(lambda x, at, label=label: _shown(label(x, at))))
        elif isinstance(label, LogFormatter):
            axis.set_major_formatter(_Powers())
            if isinstance(axis.get_minor_formatter(), LogFormatter):
                axis.set_minor_formatter(_Powers(labelOnlyBase=False))


class _Powers(LogFormatter):
    """Matplotlib's choice of labels, written 10⁹ and 3×10⁹."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        found = re.fullmatch(r"(\d+)e([+-]\d+)", text)
        if not found:
            return str(text)
        times = "" if found[1] == "1" else f"{found[1]}×"
        return f"{times}10{str(int(found[2])).translate(_SUPERSCRIPT)}"
