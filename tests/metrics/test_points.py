"""Points to draw: against scikit-learn's curves, and by hand where a picture could lie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from harness.metrics.curve import curve
from harness.metrics.points import (
    histogram,
    most_wrong,
    operating_point,
    precision_recall_points,
    roc_points,
)
from harness.metrics.values import checked

# Few distinct scores, so that ties within and across the classes are common.
images = st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=60).filter(
    lambda rows: len({fake for fake, _ in rows}) == 2
)


def arrays(rows: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([int(f) for f, _ in rows]), np.array([float(s) for _, s in rows])


@given(images)
def test_the_roc_line_is_scikit_learns(rows: list[tuple[bool, int]]) -> None:
    labels, scores = arrays(rows)
    fpr, tpr = roc_points(curve(*checked(labels, scores)))
    theirs = list(zip(*roc_curve(labels, scores, drop_intermediate=False)[:2], strict=True))
    ours = list(zip(fpr, tpr, strict=True))
    assert ours[0] == (0, 0)
    assert ours[-1] == (1, 1)
    corners = [theirs.index(corner) for corner in ours]  # each of ours is one of theirs
    assert corners == sorted(corners)
    # Those between two corners lie on the straight line that joins them.
    for first, last in pairwise(corners):
        (x0, y0), (x1, y1) = theirs[first], theirs[last]
        for x, y in theirs[first:last]:
            assert (x - x0) * (y1 - y0) == pytest.approx((y - y0) * (x1 - x0), abs=1e-12)


@given(images)
def test_the_area_under_the_steps_is_average_precision(rows: list[tuple[bool, int]]) -> None:
    labels, scores = arrays(rows)
    recall, precision = precision_recall_points(curve(*checked(labels, scores)))
    theirs = precision_recall_curve(labels, scores)
    points = {(round(r, 12), round(p, 12)) for p, r in zip(*theirs[:2], strict=True)}
    drawn = zip(recall[1:], precision[1:], strict=True)
    assert {(round(r, 12), round(p, 12)) for r, p in drawn} <= points
    area = float(np.sum(np.diff(recall) * precision[1:]))
    assert area == pytest.approx(average_precision_score(labels, scores))


def test_a_straight_run_has_no_points_inside() -> None:
    labels, scores = [0] * 50 + [1] * 50, list(range(100))
    fpr, tpr = roc_points(curve(*checked(labels, scores)))
    assert list(zip(fpr, tpr, strict=True)) == [(0, 0), (0, 1), (1, 1)]


def test_an_operating_point_is_undefined_without_its_class() -> None:
    point = operating_point([0, 0], [1.0, -1.0], 0.0)
    assert (point.fpr, point.tpr, point.precision) == (0.5, None, 0.0)
    assert operating_point([0, 1], [-2.0, -1.0], 0.0).precision is None
    assert operating_point([0, 1], [0.0, 0.0], 0.0).fpr == 0  # at the threshold is real


@given(images, st.floats(-3, 3))
def test_bins_hold_every_image_and_part_at_the_threshold(
    rows: list[tuple[bool, int]], threshold: float
) -> None:
    labels, scores = arrays(rows)
    bins = histogram(labels, scores, threshold, bins=7)
    assert bins.reals.sum() == (labels == 0).sum()
    assert bins.fakes.sum() == (labels == 1).sum()
    assert np.all(np.diff(bins.edges) > 0)
    assert threshold in bins.edges
    above = bins.edges[:-1] >= threshold
    assert (bins.reals + bins.fakes)[above].sum() == (scores > threshold).sum()


def test_far_scores_are_counted_at_the_ends_and_said_to_be_there() -> None:
    scores = np.concatenate([np.linspace(-1, 1, 998), [-1e6, 1e6]])
    bins = histogram([0, 1] * 500, scores, 0.0)
    assert (bins.below, bins.above) == (1, 1)
    assert -2.1 < bins.edges[0] < -1 < 1 < bins.edges[-1] < 2.1
    assert bins.reals.sum() + bins.fakes.sum() == 1000


def test_one_score_for_all_has_a_picture() -> None:
    bins = histogram([0, 1], [0.0, 0.0], 0.0)
    assert bins.reals[bins.edges[1:] == 0.0].tolist() == [1]


def test_no_images_have_no_histogram() -> None:
    with pytest.raises(ValueError, match="no images"):
        histogram([], [], 0.0)


def test_the_most_wrong_come_first_and_ties_by_id() -> None:
    ids, scores = ["d", "b", "c", "a"], [1.0, 2.0, 2.0, 0.0]
    assert [ids[i] for i in most_wrong(ids, scores, fake=False, count=3)] == ["b", "c", "d"]
    assert [ids[i] for i in most_wrong(ids, scores, fake=True, count=9)] == ["a", "d", "b", "c"]
    backwards = most_wrong(ids[::-1], scores[::-1], fake=False, count=3)
    assert [ids[::-1][i] for i in backwards] == ["b", "c", "d"]
    assert most_wrong([], [], fake=True, count=3).tolist() == []
