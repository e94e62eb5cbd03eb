"""Files of drawings: text from data is text, whatever it holds, and nothing tells the date."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from PIL import Image

from harness.figures.svg import FORMS, draw

HOSTILE = [r"a$b$c", r"$\frac$ and $_x$", "50 $ and 60 $", "a\x01b\x1b[0m", "caf\udce9", "a\\$b"]


def _titled(text: str) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label=text)
        axes.set_title(text)
        axes.set_xticks([0, 1], [text, "b"])
        axes.legend()

    return paint


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_drawn_as_they_are(text: str, form: str) -> None:
    """A title, a legend, a tick and the metadata: no formula, and a file that can be read."""
    data = draw(_titled(text), (3, 3), text, form)
    assert data == draw(_titled(text), (3, 3), text, form)
    if form == "svg":
        ET.fromstring(data)
        shown = text.replace("\x01", r"\x01").replace("\x1b", r"\x1b").replace("\udce9", r"\xe9")
        assert data.decode().count(f"<!-- {shown} -->") == 3


def test_a_picture_of_pixels_tells_no_date_and_no_version() -> None:
    with Image.open(io.BytesIO(draw(_titled("a"), (3, 2), "a title", "png"))) as image:
        assert image.info.keys() == {"Title", "dpi"}
        assert image.size == (450, 300)


def test_log_axes_have_labels_without_markup() -> None:
    def paint(figure: Figure) -> None:
        wide, narrow = figure.subplots(2, 1)
        wide.plot([1e3, 1e9], [1, 2])
        narrow.plot([2e9, 5e9], [1, 2])  # no whole power: Matplotlib labels between them
        for axes in (wide, narrow):
            axes.set_xscale("log")

    text = draw(paint, (4, 4), "").decode()
    assert "mathdefault" not in text
    assert "<!-- 10⁸ -->" in text
    assert "<!-- 3×10⁹ -->" in text
