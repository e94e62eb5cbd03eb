"""ROC, precision-recall, histograms and tiles: what is drawn, and the same bytes again."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from harness.figures.histogram import histogram_figure
from harness.figures.ranking import precision_recall_figure, roc_figure
from harness.figures.tiles import tile

from harness.metrics.curve import Curve, curve
from harness.metrics.points import Histogram, OperatingPoint, histogram, operating_point

LABELS = np.repeat([0, 1], 100)


def scores(strength: float) -> np.ndarray:
    normal = np.random.default_rng(0).normal(0, 1, 200)
    return np.asarray(normal + strength * LABELS)


def material(strength: float) -> tuple[Curve, OperatingPoint, Histogram]:
    values = scores(strength)
    return (
        curve(LABELS == 1, values),
        operating_point(LABELS, values, 0.5),
        histogram(LABELS, values, 0.5),
    )


def roc(strength: float) -> bytes:
    line, point, _ = material(strength)
    return roc_figure(line, point, "t")


def precision_recall(strength: float) -> bytes:
    line, point, _ = material(strength)
    return precision_recall_figure(line, point, "t")


def bars(strength: float) -> bytes:
    return histogram_figure(material(strength)[2], 0.5, "logit", "t")


def small(strength: float) -> bytes:
    line, point, bins = material(strength)
    return tile(bins, point, line, "t")


def ids(drawn: bytes, prefix: str) -> list[str]:
    found = (element.get("id") or "" for element in ElementTree.fromstring(drawn).iter())
    return [name for name in found if name.startswith(prefix)]


@pytest.mark.parametrize("figure", [roc, precision_recall, bars, small])
def test_the_same_bytes_for_the_same_scores_and_no_date(figure: Callable[[float], bytes]) -> None:
    drawn = figure(1.0)
    assert drawn == figure(1.0)
    assert drawn != figure(2.0)
    assert b"dc:date" not in drawn


@pytest.mark.parametrize("strength", [1.0, -1.0])
def test_low_rates_are_enlarged_in_the_corner_that_is_free(strength: float) -> None:
    drawn = roc(strength)
    assert len(ids(drawn, "axes_")) == 2
    # The curve, chance and the point, in the axes and in the inset.
    assert len(ids(drawn, "line2d_")) > 6


def test_a_tile_of_one_class_has_no_roc_curve() -> None:
    line, point, bins = material(1.0)
    assert len(ids(tile(bins, point, line, "t"), "axes_")) == 2
    assert len(ids(tile(bins, point, None, "t"), "axes_")) == 1


def test_a_point_that_is_not_defined_is_not_drawn() -> None:
    line, point, _ = material(1.0)
    nothing = OperatingPoint(threshold=99.0, fpr=0.0, tpr=0.0, precision=None)
    assert len(precision_recall_figure(line, nothing, "t")) < len(
        precision_recall_figure(line, point, "t")
    )


def test_images_beyond_the_axis_are_counted_on_the_picture() -> None:
    values = np.append(scores(1.0), 1e6)
    far = histogram(np.append(LABELS, 1), values, 0.5)
    assert far.above == 1
    said = b"1 beyond the right end, in the last bin there"
    assert said in histogram_figure(far, 0.5, "logit", "t")
    assert b"beyond" not in bars(1.0)
