"""Embeddings in a plane: two panels a detector, by class and by generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.figures.palette import COLOURS, MARKERS, REFERENCE
from harness.figures.svg import draw

MOST_MARKS = 9000
"""Marks in one picture: about 100 bytes each in an SVG file, which is to stay below 1 MB."""
BLOCK = 4
"""Detectors side by side; more begin a new pair of rows."""
_CLASSES = 3
"""Entries of the legend beside the generators."""

Marks = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One detector's images in its plane.

    Args:
        title: above its two panels.
        plane: (N, 2).
        generators: (N,) what made each image; "" for a real.
    """

    title: str
    plane: np.ndarray[Any, np.dtype[np.float32]]
    generators: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """A generator in the legend.

    Args:
        name: as in :class:`Plane`.
        title: as printed.
        family: shares a colour where there are several families; "" for none.
    """

    name: str
    title: str
    family: str = ""


def shown(count: int, panels: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which of ``count`` images are drawn, in order: all, or a seeded draw if they are too many.

    Args:
        count: images a detector.
        panels: detectors, each of which draws its images twice.
        seed: of the draw.
    """
    most = MOST_MARKS // (2 * panels)
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def embedding(
    planes: Sequence[Plane], generators: Sequence[LegendEntry], title: str, form: str
) -> bytes:
    """A file without timestamps; the same planes give the same bytes.

    Args:
        planes: the detectors, from left to right.
        generators: what the legend holds, in order.
        title: of the file.
        form: of :data:`harness.figures.svg.FORMS`.
    """
    wide = min(len(planes), BLOCK)
    tall = -(-len(planes) // BLOCK)
    lines = -(-(len(generators) + _CLASSES) // _columns(wide))
    size = (max(2.9 * wide, 5.8), 5.8 * tall + 0.2 * lines + 0.4)

    def paint(figure: Figure) -> None:
        _paint(figure, planes, generators)

    return draw(paint, size, title, form, font=9, measured=True)


def _columns(wide: int) -> int:
    """Of the legend, each as wide as a plane."""
    return max(wide, 2)


def _paint(figure: Figure, planes: Sequence[Plane], generators: Sequence[LegendEntry]) -> None:
    marks = _marks(generators)
    wide = min(len(planes), BLOCK)
    grid = figure.subplots(2 * -(-len(planes) // BLOCK), wide, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, drawn in enumerate(planes):
        row, column = divmod(number, BLOCK)
        upper, lower = grid[2 * row, column], grid[2 * row + 1, column]
        upper.set_title(drawn.title)
        _classes(upper, drawn)
        _generators(lower, drawn, marks)
        if column == 0:
            upper.set_ylabel("by class")
            lower.set_ylabel("by generator")
    figure.legend(
        handles=_legend(generators, marks),
        loc="outside lower center",
        ncols=_columns(wide),
        frameon=False,
        fontsize=8,
        columnspacing=1,
    )


def _marks(generators: Sequence[LegendEntry]) -> Marks:
    """Name -> (colour, marker): a colour a family, or a generator where there is one family."""
    families = list(dict.fromkeys(generator.family for generator in generators))
    found: dict[str, tuple[str, str]] = {}
    for number, generator in enumerate(generators):
        colour, marker = number, number
        if len(families) > 1:
            colour = families.index(generator.family)
            members = [each for each in generators if each.family == generator.family]
            marker = members.index(generator)
        found[generator.name] = (COLOURS[colour % len(COLOURS)], MARKERS[marker % len(MARKERS)])
    return found


def _classes(axes: Axes, drawn: Plane) -> None:
    real = np.array([not name for name in drawn.generators])
    _scatter(axes, drawn.plane[~real], COLOURS[1], "^")
    _scatter(axes, drawn.plane[real], COLOURS[0], "o")


def _generators(axes: Axes, drawn: Plane, marks: Marks) -> None:
    names = np.array(drawn.generators)
    _scatter(axes, drawn.plane[names == ""], REFERENCE, "o")
    for name, (colour, marker) in marks.items():
        _scatter(axes, drawn.plane[names == name], colour, marker)


def _scatter(
    axes: Axes, places: np.ndarray[Any, np.dtype[np.float32]], colour: str, marker: str
) -> None:
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    # Without an edge a mark takes 100 bytes in an SVG file, with one 150.
    axes.plot(places[:, 0], places[:, 1], marker, color=colour, markersize=3, markeredgewidth=0)


def _legend(generators: Sequence[LegendEntry], marks: Marks) -> list[Line2D]:
    entries = [
        ("real (by class)", COLOURS[0], "o"),
        ("fake (by class)", COLOURS[1], "^"),
        ("real (by generator)", REFERENCE, "o"),
        *((each.title, *marks[each.name]) for each in generators),
    ]
    return [
        Line2D([], [], linestyle="none", color=colour, marker=marker, label=label, markersize=5)
        for label, colour, marker in entries
    ]
