"""Plots inside a page: SVG whose colours and letters are the page's own.

Matplotlib draws files. In a page it would cost a tenth of a second and 30 kB a plot, most of it
letters as outlines, and its colours would not follow the page into dark mode. Here a mark has a
class, and the page's style sheet gives the class its colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike

from harness.errors import printable

_MARGINS = (14, 12, 42, 46)  # above, right, below, left: room for ticks and titles
_BARE = (3, 3, 3, 3)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis of a plot.

    Args:
        low, high: its ends.
        title: beside it.
        ticks: value and label of each grid line.
        log: logarithmic.
    """

    low: float
    high: float
    title: str = ""
    ticks: Sequence[tuple[float, str]] = ()
    log: bool = False

    def share(self, values: ArrayLike) -> np.ndarray:
        """How far along the axis values lie, 0 to 1."""
        low, high, found = self.low, self.high, np.asarray(values, dtype=np.float64)
        if self.log:
            low, high, found = math.log10(low), math.log10(high), np.log10(found)
        return np.asarray((found - low) / (high - low))


def rates(title: str = "") -> Scale:
    """An axis of shares, 0 to 1."""
    return Scale(low=0, high=1, title=title, ticks=[(n / 4, f"{n / 4:g}") for n in range(5)])


def even(low: float, high: float, title: str = "", count: int = 5) -> Scale:
    """A linear axis with about ``count`` round ticks."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
    ticks = [(n * step, f"{n * step:.6g}") for n in range(first, last + 1)]
    return Scale(low=low, high=high, title=title, ticks=ticks)


def decades(low: float, high: float, title: str = "") -> Scale:
    """A logarithmic axis with a tick at each power of ten between its ends."""
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    ticks = [(10.0**n, f"10{str(n).translate(_SUPERSCRIPT)}") for n in powers]
    return Scale(low=low, high=high, title=title, ticks=ticks, log=True)


class Plot:
    """A frame with two axes, in which lines, areas, dots and texts are drawn.

    Args:
        x, y: the axes.
        size: width and height in CSS pixels, margins included.
        bare: without ticks and titles.
    """

    def __init__(
        self, x: Scale, y: Scale, size: tuple[int, int] = (340, 270), *, bare: bool = False
    ) -> None:
        self.x, self.y, self.size = x, y, size
        above, right, below, left = _BARE if bare else _MARGINS
        self.box = (left, above, size[0] - right, size[1] - below)
        self._parts: list[str] = []
        if not bare:
            self._axes()
        x0, y0, x1, y1 = self.box
        self._parts.append(f'<path class="frame" d="M{x0} {y0}V{y1}H{x1}"/>')

    def place(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """(N, 2) pixels of points, to half a pixel: finer steps nobody sees, and they are bytes."""
        x0, y0, x1, y1 = self.box
        across, down = self.x.share(x), self.y.share(y)
        places = np.stack([x0 + across * (x1 - x0), y1 - down * (y1 - y0)], axis=-1)
        return np.asarray(np.round(2 * places) / 2)

    def line(
        self, x: ArrayLike, y: ArrayLike, kind: str, *, steps: bool = False, closed: bool = False
    ) -> None:
        """A line through points; with ``steps`` each point's height reaches back to the one before.

        Points on the pixel of the one before are left out.
        """
        places = self.place(x, y)
        moved = np.concatenate(([True], np.any(np.diff(places, axis=0) != 0, axis=1)))
        first, *rest = places[moved].tolist()
        step = "V{1:g}H{0:g}" if steps else "L{0:g} {1:g}"
        path = "".join(step.format(*place) for place in rest)
        end = "Z" if closed else ""
        self._parts.append(f'<path class="{kind}" d="M{first[0]:g} {first[1]:g}{path}{end}"/>')

    def dot(self, x: float, y: float, kind: str, told: str = "", radius: float = 4) -> None:
        """A dot; ``told`` is what a reader learns on hover."""
        left, top = self.place(x, y).tolist()
        about = f"<title>{_text(told)}</title>" if told else ""
        self._parts.append(
            f'<circle class="{kind}" cx="{left:g}" cy="{top:g}" r="{radius:g}">{about}</circle>'
        )

    def write(self, left: float, top: float, text: str, anchor: str = "start") -> None:
        """A text at a pixel."""
        self._parts.append(
            f'<text x="{left:g}" y="{top:g}" text-anchor="{anchor}">{_text(text)}</text>'
        )

    def svg(self, alt: str) -> Markup:
        """The plot as an element of a page.

        Args:
            alt: what it shows, in words.
        """
        width, height = self.size
        head = f'<svg class="plot" viewBox="0 0 {width} {height}" role="img"'
        return Markup(f'{head} aria-label="{_text(alt)}">{"".join(self._parts)}</svg>')

    def _axes(self) -> None:
        x0, y0, x1, y1 = self.box
        for value, label in self.x.ticks:
            left = self.place(value, self.y.low).tolist()[0]
            self._parts.append(f'<path class="grid" d="M{left:g} {y0}V{y1}"/>')
            self.write(left, y1 + 14, label, "middle")
        for value, label in self.y.ticks:
            top = self.place(self.x.low, value).tolist()[1]
            self._parts.append(f'<path class="grid" d="M{x0} {top:g}H{x1}"/>')
            self.write(x0 - 5, top + 4, label, "end")
        self.write((x0 + x1) / 2, self.size[1] - 8, self.x.title, "middle")
        if self.y.title:
            middle = (y0 + y1) / 2
            self._parts.append(
                f'<text transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">'
                f"{_text(self.y.title)}</text>"
            )


def _text(text: str) -> str:
    return str(escape(printable(text)))
