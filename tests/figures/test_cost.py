"""The figure of cost against accuracy."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from matplotlib.figure import Figure

from harness.figures.cost import _box, _labels, _overlap, cost_plot
from harness.site.costs import CostPanel, CostPoint

POINTS = tuple(
    CostPoint(
        label=f"detector{i}", family=f"family{i % 3}", macs=10.0**i, params=10.0**i, ap=9.0 * i
    )
    for i in range(1, 10)
)
PANELS = (CostPanel(title="ours", points=POINTS), CostPanel(title="theirs", points=POINTS[:2]))


def test_a_vector_file_with_the_same_bytes_each_time() -> None:
    first = cost_plot(PANELS)
    assert first == cost_plot(PANELS)
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<dc:date>" not in first


def test_every_point_is_drawn_and_named() -> None:
    text = cost_plot(PANELS).decode()
    for point in POINTS:
        # twice in the left panel's rows; the first two in the right one's as well
        assert text.count(f"<!-- {point.label} -->") == (4 if point in POINTS[:2] else 2)


def test_a_panel_without_points_is_drawn_empty() -> None:
    assert b"ours" in cost_plot([CostPanel(title="ours", points=())])


def test_labels_of_close_points_do_not_cover_each_other() -> None:
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    _labels(axes, [(5.0, 5.0 + 0.05 * i, f"name{i}") for i in range(6)])
    scale = 72 / figure.dpi
    boxes = []
    for label in axes.texts:
        x, y = scale * axes.transData.transform(label.xy)
        dx, dy = label.xyann
        boxes.append(_box(x + dx, y + dy, label.get_text(), dx))
    assert len(boxes) == 6
    assert not any(_overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
