"""Panels: the same bytes, small, with the colours and squares that the maps ask for."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from harness.figures.palette import FAKE, REAL
from harness.figures.panels import OPAQUE, Heat, PanelColumn, coloured, panel
from tests.conftest import noise


def columns(count: int = 3, side: int = 14) -> list[PanelColumn]:
    rng = np.random.default_rng(0)

    def heat(selected: bool) -> Heat:
        counts = rng.integers(0, 20, (side, side)) if selected else None
        values = rng.normal(size=(side, side)).astype(np.float32)
        return Heat(values=values, selected=counts, caption="focus 5.0 %\nmore")

    return [
        PanelColumn(
            title=f"D{n}\nreleased\nscore 1.00 > 0: fake",
            pixels=noise(n, 128, 128),
            heats={"Grad-CAM": heat(False), "exact map": heat(True)},
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_the_same_arrays_give_the_same_bytes(form: str) -> None:
    first, second = (panel("t", noise(0, 128, 128), columns(1), form) for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml" if form == "svg" else b"%PDF")


def test_titles_of_any_number_of_lines_stand_on_the_page() -> None:
    for lines in (1, 3, 9):
        tall = [
            PanelColumn(title="D\n" * lines, pixels=c.pixels, heats=c.heats) for c in columns(1)
        ]
        data = panel("t", noise(0, 128, 128), tall, "png")
        with Image.open(io.BytesIO(data)) as image:
            grey = np.asarray(image.convert("L"))
        frame = (grey[:3], grey[-3:], grey[:, :3], grey[:, -3:])
        assert min(edge.min() for edge in frame) == 255


def test_it_is_small_enough_for_a_page_and_has_no_date() -> None:
    """Even of noise, which does not compress."""
    data = panel("t", noise(0, 400, 400), columns(3), "svg")
    assert len(data) < 200_000
    assert b"<dc:date>" not in data


def images(data: bytes) -> int:
    return sum(element.tag.endswith("}image") for element in ET.fromstring(data).iter())


def test_a_detector_without_a_map_leaves_its_place_empty() -> None:
    full = columns(2)
    lacking = [full[0], PanelColumn(title="D", pixels=full[1].pixels, heats={})]
    # The picture, the legend's ramp, and for every map the picture in grey and the evidence.
    assert images(panel("t", noise(0), full, "svg")) == 2 + 2 * 4
    assert images(panel("t", noise(0), lacking, "svg")) == 2 + 2 * 2


def test_squares_are_drawn_of_the_cells_that_were_taken() -> None:
    values = np.ones((4, 4), dtype=np.float32)
    counts = np.zeros((4, 4), dtype=np.int64)
    counts[1, 2] = 4
    counts[3, 0] = 1

    def closed(selected: np.ndarray) -> int:
        heat = Heat(values=values, selected=selected, caption="c")
        column = PanelColumn(title="", pixels=noise(1), heats={"exact map": heat})
        drawn = panel("", noise(1), [column], "svg").decode()
        outlines = [part for part in drawn.split("<path ") if "stroke: #000000" in part]
        return sum(part.count("\nz") for part in outlines)

    assert closed(counts) - closed(np.zeros((4, 4), dtype=np.int64)) == 2


def test_colours_say_the_sign_and_opacity_the_strength() -> None:
    image = coloured(np.array([[2.0, -1.0], [0.0, 1.0]], dtype=np.float32))
    fake, real = (bytes.fromhex(colour[1:]) for colour in (FAKE, REAL))
    assert bytes(image[0, 0, :3]) == bytes(image[1, 1, :3]) == fake
    assert bytes(image[0, 1, :3]) == real
    assert image[..., 3].tolist() == [[round(255 * OPAQUE), 115], [0, 115]]
    assert not coloured(np.zeros((2, 2), dtype=np.float32))[..., 3].any()


def test_pictures_that_are_not_square_keep_their_shape() -> None:
    heat = Heat(values=np.ones((4, 8), dtype=np.float32), caption="c")
    column = PanelColumn(title="", pixels=noise(1, 64, 160), heats={"Grad-CAM": heat})
    root = ET.fromstring(panel("", noise(1, 64, 160), [column], "svg"))
    boxes = [e for e in root.iter() if e.tag.endswith("}clipPath")]
    shapes = [float(box[0].attrib["width"]) / float(box[0].attrib["height"]) for box in boxes]
    assert sum(shape == pytest.approx(160 / 64, rel=0.02) for shape in shapes) == 2
