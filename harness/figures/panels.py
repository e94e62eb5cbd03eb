"""A picture beside what detectors' maps say of it: a column a detector, a row a kind of map.

Evidence lies over the picture in grey: vermillion speaks for fake, blue for real (Okabe and Ito's),
the more opaque the more, up to the map's own extreme. Cells are not smoothed. Squares show what a
top-K pooling took: the larger, the more of its values lie in that cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from PIL import Image

from harness.figures.palette import FAKE, REAL
from harness.figures.svg import draw

OPAQUE = 0.9  # of the strongest cell: the picture still shows through
COLUMN, ROW = 2.1, 2.45  # inches
# Raster pixels of a panel's pictures: its file is embedded in a page.
PICTURE_SIDE, GREY_SIDE, GREY_PIXELS = 112, 128, 50_000
# A square's outline, drawn from its upper left corner and closed.
CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
STROKES = np.array([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY])

Image8 = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Heat:
    """One map over its picture.

    Args:
        values: (h, w), positive = evidence for fake.
        selected: (h, w) how many values a top-K pooling took from each cell, or None.
        caption: below it.
    """

    values: Floats
    selected: Counts | None = None
    caption: str


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelColumn:
    """One detector.

    Args:
        title: above it: detector, weights, score, decision.
        pixels: (H, W, 3) uint8, the picture as this detector sees it.
        heats: name of a row -> its map; the others are left empty.
    """

    title: str
    pixels: Image8
    heats: Mapping[str, Heat] = field(default_factory=dict)


def panel(title: str, pixels: Image8, columns: Sequence[PanelColumn], form: str) -> bytes:
    """A file without timestamps; the same arrays give the same bytes.

    Args:
        title: of the picture, above it.
        pixels: (H, W, 3) uint8.
        columns: at least one, with at least one map among them.
        form: of :data:`harness.figures.svg.FORMS`.
    """
    settings: Any = {
        "axes.titlesize": 9,
        "image.composite_image": False,  # rasters stay as small as they are
        "savefig.bbox": "tight",  # titles of any number of lines stand on the page
    }

    def paint(figure: Figure) -> None:
        _paint(figure, title, pixels, columns)

    size = (COLUMN * (1 + len(columns)), ROW * max(len(_rows(columns)), 2) + 0.3)
    with matplotlib.rc_context(settings):
        return draw(paint, size, title.split("\n")[0], form, font=8, measured=True)


def _rows(columns: Sequence[PanelColumn]) -> list[str]:
    return list(dict.fromkeys(name for column in columns for name in column.heats))


def _paint(figure: Figure, title: str, pixels: Image8, columns: Sequence[PanelColumn]) -> None:
    rows = _rows(columns)
    grid = figure.subplots(max(len(rows), 2), 1 + len(columns), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    grid[0][0].imshow(_coarse(_small(pixels, PICTURE_SIDE), 4), interpolation="none")
    grid[0][0].set_title(title)
    squares = any(heat.selected is not None for c in columns for heat in c.heats.values())
    _legend(grid[1][0], rows, squares=squares)
    side = min(GREY_SIDE, int((GREY_PIXELS / sum(len(c.heats) for c in columns)) ** 0.5))
    for place, column in enumerate(columns, start=1):
        grid[0][place].set_title(column.title)
        for axes, row in zip(grid[:, place], rows, strict=False):
            if row in column.heats:
                _heat(axes, _grey(column.pixels, side), column.heats[row], row)


def _heat(axes: Axes, grey: Image8, heat: Heat, row: str) -> None:
    height, width = heat.values.shape
    box = (0, width, height, 0)
    for image in (grey, coloured(heat.values)):
        axes.imshow(image, extent=box, interpolation="none", aspect=_aspect(grey, heat.values))
    if heat.selected is not None:
        axes.add_patch(_squares(heat.selected))
    axes.text(0.5, -0.03, f"{row}: {heat.caption}", transform=axes.transAxes, ha="center", va="top")


def coloured(values: Floats) -> Image8:
    """(h, w) signed evidence -> (h, w, 4) uint8 RGBA; without any evidence wholly transparent."""
    strongest = float(np.abs(values).max())
    share = np.abs(values) / strongest if strongest else np.zeros_like(values)
    image = np.empty((*values.shape, 4), dtype=np.uint8)
    image[..., :3] = np.where((values > 0)[..., None], _rgb(FAKE), _rgb(REAL))
    image[..., 3] = np.rint(255 * OPAQUE * share)
    return image


def _squares(selected: Counts) -> PathPatch:
    """Squares in the cells' middles, their area the share of the largest count; one path."""
    places = np.argwhere(selected > 0)
    halves = np.sqrt(selected[selected > 0] / selected.max()) / 2
    corners = places[:, None, ::-1] + 0.5 + halves[:, None, None] * CORNERS
    path = Path(corners.reshape(-1, 2), np.tile(STROKES, len(places)))
    return PathPatch(path, facecolor="none", edgecolor="black", linewidth=0.5)


def _legend(axes: Axes, rows: Sequence[str], *, squares: bool) -> None:
    """What colours and squares mean."""
    ramp = np.linspace(-1, 1, 65, dtype=np.float32)[None]
    axes.imshow(coloured(ramp), extent=(0, 1, 0.78, 0.84), interpolation="none", aspect="auto")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.text(0, 0.86, "for real", color=REAL, va="bottom")
    axes.text(1, 0.86, "for fake", color=FAKE, va="bottom", ha="right")
    lines = ["each map up to its own extreme;", "over the picture in grey"]
    lines += ["", "focus: share of the cells that", "holds half of what is for fake"]
    if "exact map" in rows:
        lines += ["", "exact map: its cells and a", "constant add up to the score"]
    if squares:
        lines += ["", "squares: values that top-K took,", "by area"]
    axes.text(0, 0.72, "\n".join(lines), va="top")


def _grey(pixels: Image8, side: int) -> Image8:
    """(H, W, 3) -> (h, w, 3), small and in light greys, so that colours stand out."""
    grey = np.asarray(Image.fromarray(_small(pixels, side)).convert("L"), dtype=np.float32)
    light = _coarse(80 + grey * 175 / 255, 8)
    return np.repeat(light[..., None], 3, axis=2)


def _coarse(levels: np.ndarray[Any, np.dtype[Any]], step: int) -> Image8:
    """0..255 in steps: noise that nobody sees here would be most of the file."""
    return (np.rint(levels / step) * step).clip(0, 255).astype(np.uint8)


def _small(pixels: Image8, side: int) -> Image8:
    """At most ``side`` pixels on the longer side."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    return np.asarray(image)


def _aspect(grey: Image8, values: Floats) -> float:
    """Of cells that cover the picture."""
    height, width = (float(a / b) for a, b in zip(grey.shape, values.shape, strict=False))
    return height / width


def _rgb(colour: str) -> Image8:
    return np.frombuffer(bytes.fromhex(colour.removeprefix("#")), dtype=np.uint8)
