"""Brier score and ECE against scikit-learn and a plain loop; the diagram's bars add up."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from harness.metrics import calibration
from harness.metrics.calibration import brier_score, expected_calibration_error, reliability

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 2, 500)
CHANCES = np.clip(RNG.beta(1, 1, 500) * 0.8 + 0.2 * LABELS, 0, 1)


def test_brier_equals_sklearn() -> None:
    assert brier_score(LABELS, CHANCES, "probability").value == pytest.approx(
        brier_score_loss(LABELS, CHANCES)
    )


def test_logits_are_their_sigmoid() -> None:
    inside = np.clip(CHANCES, 1e-9, 1 - 1e-9)
    logits = np.log(inside / (1 - inside))
    for metric in (brier_score, expected_calibration_error):
        assert metric(LABELS, logits, "logit").value == pytest.approx(
            metric(LABELS, inside, "probability").value
        )
    assert brier_score([0, 1], [-1e9, 1e9], "logit").value == 0


def test_ece_is_the_mean_gap_of_the_bars() -> None:
    bars = reliability(LABELS, CHANCES, "probability", bins=10)
    total = sum(
        bar.count / 500 * abs(bar.predicted - bar.observed)
        for bar in bars
        if bar.predicted is not None and bar.observed is not None
    )
    ece = expected_calibration_error(LABELS, CHANCES, "probability", bins=10).value
    assert ece == pytest.approx(total)


def test_bars_equal_sklearns_calibration_curve() -> None:
    observed, predicted = calibration_curve(LABELS, CHANCES, n_bins=10)
    bars = [bar for bar in reliability(LABELS, CHANCES, "probability", bins=10) if bar.count]
    assert [bar.observed for bar in bars] == pytest.approx(observed.tolist())
    assert [bar.predicted for bar in bars] == pytest.approx(predicted.tolist())
    assert sum(bar.count for bar in bars) == 500


def test_a_perfect_and_a_hopeless_forecast() -> None:
    assert expected_calibration_error([0, 1], [0.0, 1.0], "probability").value == 0
    assert expected_calibration_error([0, 1], [1.0, 0.0], "probability").value == 1


def test_what_is_no_probability_is_undefined() -> None:
    for metric in (brier_score, expected_calibration_error):
        assert "uncalibrated" in metric([0, 1], [0.0, 1.0], "uncalibrated").note
        assert "[0, 1]" in metric([0, 1], [0.0, 1.5], "probability").note
        assert metric([], [], "probability").note == "no images"
    assert reliability([0, 1], [0.0, 1.0], "uncalibrated") == ()


def test_doctests() -> None:
    result = doctest.testmod(calibration)
    assert result.attempted >= 2
    assert result.failed == 0
