"""The fast bootstrap against the plain loop: every resample written out, scored by scikit-learn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from harness.metrics import bootstrap
from harness.metrics.bootstrap import (
    image_weights,
    interval,
    mean_replicates,
    replicates,
)
from harness.metrics.classification import Rule

RULE = Rule(threshold=0.3, kind="logit", calibrated=-0.5)


def subset(n: int = 120, *, tied: bool = False) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    labels = (np.arange(n) % 3 == 0).astype(int)
    scores = rng.normal(size=n) + labels
    if tied:
        scores = np.round(scores)
    return [f"{i}.png" for i in range(n)], labels, scores


@pytest.mark.parametrize("tied", [False, True])
def test_every_metric_of_every_resample_is_that_of_the_resampled_images(tied: bool) -> None:
    ids, labels, scores = subset(tied=tied)
    weights = image_weights(ids, labels, 60)
    fast = replicates(labels, scores, RULE, weights)
    for number, counts in enumerate(weights):
        drawn = np.repeat(np.arange(labels.size), counts)
        slow = RULE.evaluate(labels[drawn], scores[drawn])
        for name in fast:
            if name != "acc_5fold":
                assert fast[name][number] == pytest.approx(slow[name].value, abs=1e-12), name
    assert set(fast) == {n for n, m in slow.items() if m.value is not None} - {"fake_share"}


@pytest.mark.parametrize("tied", [False, True])
def test_ap_auc_and_accuracy_equal_sklearn_on_resampled_images(tied: bool) -> None:
    ids, labels, scores = subset(200, tied=tied)
    weights = image_weights(ids, labels, 40)
    fast = replicates(labels, scores, RULE, weights)
    for number, counts in enumerate(weights):
        drawn = np.repeat(np.arange(labels.size), counts)
        expected = {
            "ap": sklearn_metrics.average_precision_score(labels[drawn], scores[drawn]),
            "auc": sklearn_metrics.roc_auc_score(labels[drawn], scores[drawn]),
            "acc": sklearn_metrics.accuracy_score(labels[drawn], scores[drawn] > 0.3),
        }
        got = {name: float(fast[name][number]) for name in expected}
        assert got == pytest.approx(expected, abs=1e-12)


def test_a_weight_of_one_everywhere_is_the_metric_itself() -> None:
    _, labels, scores = subset(tied=True)
    once = replicates(labels, scores, RULE, np.ones((1, labels.size), dtype=np.uint8))
    for name, metric in RULE.evaluate(labels, scores).items():
        if metric.value is not None and name != "fake_share":
            assert once[name][0] == pytest.approx(metric.value, abs=1e-12), name


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, labels, scores = subset()
    weights = image_weights(ids, labels, 50)
    whole = replicates(labels, scores, RULE, weights)
    monkeypatch.setattr(bootstrap, "_ELEMENTS", 7 * labels.size)
    for name, draws in replicates(labels, scores, RULE, weights).items():
        assert draws == pytest.approx(whole[name], abs=1e-14), name


def test_resamples_keep_the_classes_sizes() -> None:
    ids, labels, _ = subset()
    weights = image_weights(ids, labels, 200)
    assert set(weights[:, labels == 1].sum(axis=1)) == {40}
    assert set(weights[:, labels == 0].sum(axis=1)) == {80}
    assert weights.mean() == 1
    # A multinomial count: variance 1 - 1/n, no image favoured.
    assert weights[:, labels == 0].var() == pytest.approx(1 - 1 / 80, abs=0.03)


def test_draws_depend_on_the_seed_and_the_ids_of_the_class_alone() -> None:
    ids, labels, _ = subset()
    first = image_weights(ids, labels, 30)
    assert np.array_equal(first, image_weights(ids, labels, 30))
    assert not np.array_equal(first, image_weights(ids, labels, 30, seed=1))
    others = [f"other/{name}" if label else name for name, label in zip(ids, labels, strict=True)]
    shared_reals = image_weights(others, labels, 30)
    assert np.array_equal(first[:, labels == 0], shared_reals[:, labels == 0])
    assert not np.array_equal(first[:, labels == 1], shared_reals[:, labels == 1])


def test_the_interval_of_an_accuracy_is_the_binomial_one() -> None:
    n = 2000
    labels = np.arange(n) % 2
    scores = np.where(np.random.default_rng(0).random(n) < 0.9, labels, 1 - labels) - 0.5
    rule = Rule(threshold=0.0, kind="uncalibrated")
    draws = replicates(
        labels, scores, rule, image_weights([str(i) for i in range(n)], labels, 4000)
    )
    acc = rule.evaluate(labels, scores)["acc"].value
    error = (acc * (1 - acc) / n) ** 0.5
    low, high = interval(draws["acc"])
    assert (low, high) == pytest.approx((acc - 1.96 * error, acc + 1.96 * error), abs=0.001)


def test_one_class_has_accuracies_only() -> None:
    labels, scores = np.zeros(30), np.linspace(-1, 1, 30)
    found = replicates(labels, scores, RULE, image_weights([str(i) for i in range(30)], labels, 20))
    assert set(found) == {"acc", "real_acc", "acc_calibrated", "brier", "ece"}


def test_a_constant_detector_has_no_width() -> None:
    ids, labels, _ = subset()
    found = replicates(labels, np.zeros(labels.size), RULE, image_weights(ids, labels, 50))
    assert interval(found["ap"]) == pytest.approx((1 / 3, 1 / 3))
    assert interval(found["auc"]) == (0.5, 0.5)


def test_means_over_subsets_that_share_their_reals_are_wider_than_independent_ones() -> None:
    _, labels, scores = subset(300)
    ids = [str(i) for i in range(300)]
    draws = {}
    for place in ("a", "b"):
        own = [f"{place}/{n}" if label else n for n, label in zip(ids, labels, strict=True)]
        draws[place] = replicates(labels, scores, RULE, image_weights(own, labels, 1000))
    fakes = np.corrcoef(draws["a"]["fake_acc"], draws["b"]["fake_acc"])[0, 1]
    assert abs(fakes) < 0.1
    assert np.array_equal(draws["a"]["real_acc"], draws["b"]["real_acc"])


def test_resampling_subsets_adds_their_spread() -> None:
    rng = np.random.default_rng(0)
    draws = [0.5 + 0.1 * k + rng.normal(0, 0.001, 1000) for k in range(5)]
    of_images = mean_replicates(draws)
    of_subsets = mean_replicates(draws, subsets_seed=0)
    assert of_images.mean() == pytest.approx(0.7, abs=0.001)
    assert of_images.std() < 0.001
    # Means of five draws from 0.5 ... 0.9, whose standard deviation is 0.1 sqrt(2).
    assert of_subsets.std() == pytest.approx(0.1 * (2 / 5) ** 0.5, rel=0.1)


def test_doctests() -> None:
    result = doctest.testmod(bootstrap)
    assert result.attempted >= 1
    assert result.failed == 0
