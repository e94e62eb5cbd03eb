"""The plots of cost against accuracy."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from harness.figures.cost import (
    CostPanel,
    CostPoint,
    _box,
    _labels,
    _overlap,
    cost_plots,
    family_colours,
)
from harness.figures.inline import Plot, even

POINTS = tuple(
    CostPoint(
        label=f"detector{i}", family=f"family{i % 3}", macs=10.0**i, params=10.0**i, ap=9.0 * i
    )
    for i in range(1, 10)
)
PANEL = CostPanel(title="ours", points=POINTS)
COLOURS = family_colours([PANEL])


def test_every_point_is_drawn_and_named_in_its_familys_colour() -> None:
    by_macs, by_params = cost_plots(PANEL, COLOURS)
    for drawn in (by_macs, by_params):
        texts = [e.text for e in ET.fromstring(drawn).iter("text")]
        assert all(texts.count(point.label) == 1 for point in POINTS)
        assert [drawn.count(f'class="series c{n}"') for n in range(3)] == [3, 3, 3]
    assert "multiply-accumulates" in by_macs and "multiply-accumulates" not in by_params


def test_controls_are_grey() -> None:
    control = CostPoint(label="x", family="control", macs=1, params=1, ap=50)
    assert family_colours([CostPanel(title="", points=(control, *POINTS))]) == {
        **COLOURS,
        "control": "reference",
    }


def test_a_panel_without_points_has_no_plot() -> None:
    assert cost_plots(CostPanel(title="ours", points=()), {}) == []


def test_labels_of_close_points_do_not_cover_each_other() -> None:
    plot = Plot(even(0, 10), even(0, 10), (400, 320), bare=True)
    _labels(plot, [(5.0, 5.0 + 0.05 * i, f"name{i}") for i in range(6)])
    boxes = []
    for label in ET.fromstring(plot.svg("")).iter("text"):
        side = {"start": 1, "end": -1, "middle": 0}[label.attrib["text-anchor"]]
        x, y = (float(label.attrib[name]) for name in ("x", "y"))
        boxes.append(_box(x, y - 4, label.text or "", side))
    assert len(boxes) == 6
    assert not any(_overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
