"""ROC, precision-recall, histograms, reliability and tiles: what is drawn, and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.figures.inline import Plot, decades, even, rates
from harness.figures.scores import (
    histogram_plot,
    precision_recall_plot,
    reliability_plot,
    roc_plot,
    subset_tile,
)
from harness.metrics.calibration import Bin
from harness.metrics.curve import Curve, curve
from harness.metrics.points import Histogram, OperatingPoint, histogram, operating_point

LABELS = np.repeat([0, 1], 100)


def material(strength: float) -> tuple[Curve, OperatingPoint, Histogram]:
    values = np.random.default_rng(0).normal(0, 1, 200) + strength * LABELS
    return (
        curve(LABELS == 1, values),
        operating_point(LABELS, values, 0.5),
        histogram(LABELS, values, 0.5),
    )


def test_curves_of_many_images_are_no_larger_in_a_page() -> None:
    """Points that no pixel tells apart are left out: 200,000 images make some kilobytes."""
    rng = np.random.default_rng(0)
    labels = np.arange(200_000) % 2
    for values in (rng.random(labels.size), rng.normal(size=labels.size) + 0.3 * labels):
        line, point = curve(labels == 1, values), operating_point(labels, values, 0.5)
        assert len(line.hits) > 190_000
        assert len(roc_plot(line, point, "t")) < 16_000
        assert len(precision_recall_plot(line, point, "t")) < 24_000


def roc(strength: float) -> str:
    line, point, _ = material(strength)
    return roc_plot(line, point, "t")


def precision_recall(strength: float) -> str:
    line, point, _ = material(strength)
    return precision_recall_plot(line, point, "t")


def bars(strength: float) -> str:
    return histogram_plot(material(strength)[2], 0.5, "logit", "t")


def small(strength: float) -> str:
    line, point, bins = material(strength)
    return "".join(subset_tile(bins, line, point, "t"))


@pytest.mark.parametrize("figure", [roc, precision_recall, bars, small])
def test_the_same_scores_give_the_same_plot_and_others_another(
    figure: Callable[[float], str],
) -> None:
    assert figure(1.0) == figure(1.0)
    assert figure(1.0) != figure(2.0)


@pytest.mark.parametrize("figure", [roc, precision_recall, bars])
def test_a_plot_is_small_and_well_formed_and_has_its_words(figure: Callable[[float], str]) -> None:
    drawn = figure(1.0)
    root = ElementTree.fromstring(drawn)
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", "t")
    assert len(drawn) < 6000


def corners(drawn: str, kind: str) -> list[tuple[float, float]]:
    """Of a path of straight lines."""
    (path,) = re.findall(rf'<path class="{kind}" d="([^"]+)"', drawn)
    pairs = [each.split() for each in re.split("[ML]", path)[1:]]
    return [(float(x), float(y)) for x, y in pairs]


def test_a_perfect_roc_curve_goes_through_the_upper_left_corner() -> None:
    perfect = roc_plot(curve(LABELS == 1, LABELS * 1.0), material(1.0)[1], "")
    left, above, right, below = Plot(rates(), rates()).box
    assert corners(perfect, "curve") == [(left, below), (left, above), (right, above)]
    assert corners(perfect, "chance") == [(left, below), (right, above)]


def test_the_declared_threshold_is_a_point_where_it_is_defined() -> None:
    line, point, _ = material(1.0)
    nothing = OperatingPoint(threshold=99.0, fpr=0.0, tpr=0.0, precision=None)
    assert precision_recall_plot(line, point, "").count('class="threshold"') == 1
    assert precision_recall_plot(line, nothing, "").count('class="threshold"') == 0
    assert roc_plot(line, nothing, "").count('class="threshold"') == 1


def test_a_tile_of_one_class_has_no_roc_curve() -> None:
    line, point, bins = material(1.0)
    assert len(subset_tile(bins, line, point, "t")) == 2
    assert len(subset_tile(bins, None, point, "t")) == 1


def test_a_class_without_images_has_no_bars() -> None:
    bins = histogram(np.zeros(5), np.arange(5.0), 0.5)
    drawn = histogram_plot(bins, 0.5, "logit", "")
    assert "area real" in drawn and "area fake" not in drawn


def test_bins_of_a_reliability_plot_that_hold_more_images_are_larger() -> None:
    filled = [
        Bin(low=0, high=0.5, count=90, predicted=0.2, observed=0.25),
        Bin(low=0.5, high=0.9, count=0, predicted=None, observed=None),
        Bin(low=0.9, high=1, count=10, predicted=0.95, observed=0.9),
    ]
    radii = re.findall(r' r="([\d.]+)"', reliability_plot(filled, ""))
    assert len(radii) == 2 and float(radii[0]) > float(radii[1])


def test_axes_have_round_ticks() -> None:
    assert [label for _, label in even(31, 100).ticks] == ["40", "60", "80", "100"]
    assert even(-0.3, 0.3).ticks[0][1] == "-0.2"
    assert [label for _, label in decades(4e6, 2e9).ticks] == ["10⁷", "10⁸", "10⁹"]
    assert decades(1e2, 1e4).share([1e2, 1e3, 1e4]).tolist() == [0, 0.5, 1]


def test_words_from_data_are_never_markup() -> None:
    plot = Plot(rates("<x>"), rates())
    plot.dot(0.5, 0.5, "series", "a & <b> \udce9")
    root = ElementTree.fromstring(plot.svg('"quoted" <alt>'))
    assert root.attrib["aria-label"] == '"quoted" <alt>'
    assert [e.text for e in root.iter("title")] == ["a & <b> \\xe9"]
