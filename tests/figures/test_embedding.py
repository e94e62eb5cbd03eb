"""Pictures of embeddings: vectors, small enough, the same bytes twice."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.figures import embedding as embeddings
from harness.figures.embedding import MOST_MARKS, LegendEntry, Plane, embedding, shown
from harness.figures.palette import COLOURS

GENERATORS = (
    LegendEntry(name="a", title="Generator A", family="gan"),
    LegendEntry(name="b", title="Generator B", family="gan"),
    LegendEntry(name="c", title="Generator C", family="diffusion"),
)


def panel(seed: int, count: int = 40) -> Plane:
    rng = np.random.default_rng(seed)
    return Plane(
        title=f"Detector {seed}",
        plane=rng.normal(size=(count, 2)).astype(np.float32),
        generators=[["", "a", "b", "c"][i % 4] for i in range(count)],
    )


@pytest.mark.parametrize(("form", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_same_planes_give_the_same_bytes(form: str, magic: bytes) -> None:
    drawn = embedding([panel(0), panel(1)], GENERATORS, "A title", form)
    assert drawn.startswith(magic)
    assert drawn == embedding([panel(0), panel(1)], GENERATORS, "A title", form)
    assert drawn != embedding([panel(1), panel(0)], GENERATORS, "A title", form)
    assert b"CreationDate" not in drawn
    assert b"dc:date" not in drawn
    assert b"<image" not in drawn


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_legend_lies_inside_the_picture(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the embedded suite's longest names, whatever the number of panels."""
    figures: list[Figure] = []
    monkeypatch.setattr(embeddings, "draw", _drawn(figures))
    names = [
        LegendEntry(name=str(i), title="Toy latent diffusion, image-to-image") for i in range(13)
    ]
    embedding([panel(i) for i in range(count)], names, "", "svg")
    (figure,) = figures
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert box.y0 >= 0 and box.y1 <= min(axes.bbox.y0 for axes in figure.axes)


def _drawn(figures: list[Figure]) -> Callable[..., bytes]:
    """``draw`` that keeps the figure."""

    def keep(
        paint: Callable[[Figure], None], size: tuple[float, float], *_: str, **how: float
    ) -> bytes:
        with matplotlib.rc_context({"font.size": how["font"]}):
            figures.append(Figure(figsize=size, layout="constrained"))
            paint(figures[-1])
            figures[-1].savefig(io.BytesIO(), format="svg")
        return b""

    return keep


def test_every_image_is_drawn_twice() -> None:
    counts = [
        embedding([panel(0, count)], GENERATORS, "", "svg").count(b"<use") for count in (40, 4)
    ]
    assert counts[0] - counts[1] == 2 * 36


def test_families_share_a_colour_and_single_generators_have_their_own() -> None:
    def colours(generators: Sequence[LegendEntry]) -> set[str]:
        drawn = embedding([panel(0)], generators, "", "svg").decode()
        return set(re.findall(r"fill: (#\w{6})", drawn))

    two_families = colours(GENERATORS)
    alone = colours([dataclasses.replace(each, family="") for each in GENERATORS])
    assert COLOURS[2].lower() not in two_families
    assert alone - two_families == {COLOURS[2].lower()}


def test_too_many_images_are_drawn_in_part() -> None:
    assert shown(100, 2, 0).tolist() == list(range(100))
    some = shown(50_000, 4, 0)
    assert len(some) == MOST_MARKS // 8
    assert len(set(some.tolist())) == len(some)
    assert some.tolist() == sorted(some.tolist())
    assert np.array_equal(some, shown(50_000, 4, 0))
    assert not np.array_equal(some, shown(50_000, 4, 1))


def test_a_full_picture_stays_below_a_megabyte() -> None:
    panels = [panel(seed, len(shown(50_000, 4, 0))) for seed in range(4)]
    assert len(embedding(panels, GENERATORS, "", "svg")) < 1_000_000


def test_many_detectors_begin_a_new_pair_of_rows() -> None:
    drawn = embedding([panel(seed, 4) for seed in range(6)], GENERATORS, "", "svg")
    taller = float(drawn.split(b'height="')[1].split(b"pt")[0])
    single = embedding([panel(seed, 4) for seed in range(4)], GENERATORS, "", "svg")
    assert taller > 1.5 * float(single.split(b'height="')[1].split(b"pt")[0])
