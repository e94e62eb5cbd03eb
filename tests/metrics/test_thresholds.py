"""Thresholds that are not declared, against trying every one."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings

from harness.metrics import thresholds
from harness.metrics.thresholds import best_threshold, five_fold_accuracy, oracle_accuracy

from .test_classification import both_classes


def accuracy(labels: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    return float(np.mean((scores > threshold) == (labels == 1)))


@settings(deadline=None)
@given(both_classes())
def test_no_threshold_is_better_than_the_best(data) -> None:
    labels, scores = data
    tried = [*scores, np.nextafter(scores.min(), -np.inf)]
    best = max(accuracy(labels, scores, threshold) for threshold in tried)
    assert oracle_accuracy(labels, scores).value == pytest.approx(best)
    found = best_threshold(labels, scores)
    assert np.isfinite(found)
    assert accuracy(labels, scores, found) == pytest.approx(best)


def test_the_middle_between_the_classes() -> None:
    assert best_threshold([0, 1], [1.0, 2.0]) == 1.5
    below = np.nextafter(1.0, 2.0)
    assert accuracy(np.array([0, 1]), np.array([1.0, below]), best_threshold([0, 1], [1, below]))


def test_folds_do_not_see_the_images_they_judge() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.arange(40) % 2, rng.normal(size=40)
    held_out = [five_fold_accuracy(labels, rng.permutation(scores)).value for _ in range(200)]
    in_sample = [oracle_accuracy(labels, rng.permutation(scores)).value for _ in range(200)]
    # Scores without meaning: held-out accuracy is chance, that of the oracle is not.
    assert np.mean(held_out) < 0.52
    assert np.mean(in_sample) > 0.58


def test_a_shifted_threshold_is_found() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(1000) % 2
    scores = rng.normal(size=1000) + 4 * labels - 30
    assert accuracy(labels, scores, 0.0) == 0.5
    assert five_fold_accuracy(labels, scores).value == pytest.approx(0.977, abs=0.01)


def test_few_images_and_one_class_are_undefined() -> None:
    assert five_fold_accuracy([0] * 4 + [1] * 9, np.arange(13)).note == thresholds.TOO_FEW
    assert five_fold_accuracy([0, 0], [1, 2]).note == "no fake images"
    assert oracle_accuracy([1, 1], [1, 2]).note == "no real images"
    with pytest.raises(ValueError, match="no images"):
        best_threshold([], [])


def test_doctests() -> None:
    result = doctest.testmod(thresholds)
    assert result.attempted >= 3
    assert result.failed == 0
