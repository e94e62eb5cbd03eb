"""The fast bootstrap against scikit-learn with the same weights, image by image."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from harness.metrics import replicates as module
from harness.metrics.bootstrap import mean_draws
from harness.metrics.classification import OF_THE_SET, Rule, sigmoid32
from harness.metrics.replicates import replicates
from tests.metrics.test_bootstrap import unit_weights

RULE = Rule(threshold=0.3, kind="logit", calibrated=-0.5)
RATES = ("real_acc", "fake_acc", "acc", "ap", "auc", "brier")


def subset(n: int = 120, *, tied: bool = False) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    labels = (np.arange(n) % 3 == 0).astype(int)
    scores = 6 * (rng.normal(size=n) + labels)  # far enough for float32 sigmoids to tie
    if tied:
        scores = np.round(scores / 6)
    return [f"{i // 2}.png" for i in range(n)], labels, scores


def class_weights(drawn: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An image's weight, each class brought to its own size."""
    out = drawn.astype(float)
    for label in (0, 1):
        members = labels == label
        out[members] *= members.sum() / out[members].sum()
    return out


@pytest.mark.parametrize("tied", [False, True])
def test_replicates_equal_sklearns_weighted_metrics(tied: bool) -> None:
    units, labels, scores = subset(200, tied=tied)
    fast = replicates(labels, scores, units, RULE, 40, seed=2)
    chances = 1 / (1 + np.exp(-scores))
    for number, drawn in enumerate(unit_weights(units, 40, seed=2)):
        w = class_weights(drawn, labels)
        expected = {
            "ap": sklearn_metrics.average_precision_score(labels, scores, sample_weight=w),
            "auc": sklearn_metrics.roc_auc_score(labels, scores, sample_weight=w),
            "acc": sklearn_metrics.accuracy_score(labels, scores > 0.3, sample_weight=w),
            "acc_calibrated": sklearn_metrics.accuracy_score(
                labels, scores > -0.5, sample_weight=w
            ),
            "balanced_acc": sklearn_metrics.balanced_accuracy_score(
                labels, scores > 0.3, sample_weight=w
            ),
            "brier": sklearn_metrics.brier_score_loss(labels, chances, sample_weight=w),
            "ap_sigmoid32": sklearn_metrics.average_precision_score(
                labels, sigmoid32(scores), sample_weight=w
            ),
        }
        got = {name: float(fast[name].values[number]) for name in expected}
        assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_every_metric_is_that_of_the_images_drawn_so_often(tied: bool) -> None:
    """Where both classes are drawn as often as there are images, weights are counts."""
    units, labels, scores = subset(tied=tied)
    units = [f"{unit} {i}" for i, unit in enumerate(units)]
    fast = replicates(labels, scores, units, RULE, 4000)
    checked = 0
    for number, counts in enumerate(unit_weights(units, 4000)):
        if counts[labels == 1].sum() != 40 or counts[labels == 0].sum() != 80:
            continue
        drawn = np.repeat(np.arange(labels.size), counts)
        slow = RULE.evaluate(labels[drawn], scores[drawn])
        for name in fast:
            if name != "acc_5fold":
                got = fast[name].values[number]
                assert got == pytest.approx(slow[name].value, abs=1e-12), name
        checked += 1
    assert checked > 5
    metrics = RULE.evaluate(labels, scores)
    assert set(fast) == {n for n, m in metrics.items() if m.value is not None} - set(OF_THE_SET)
    assert {n: d.value for n, d in fast.items()} == {n: metrics[n].value for n in fast}


def test_no_order_block_or_thread_shows_in_any_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    units, labels, scores = subset(300, tied=True)
    whole = replicates(labels, scores, units, RULE, 50)
    order = np.random.default_rng(1).permutation(300)
    mixed = replicates(labels[order], scores[order], [units[i] for i in order], RULE, 50)
    monkeypatch.setattr(module, "_ELEMENTS", 7 * 300)
    monkeypatch.setattr(module, "_WORTH_THREADS", 0)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    blocks = replicates(labels, scores, units, RULE, 50)
    for name, draws in whole.items():
        assert np.array_equal(draws.values, mixed[name].values), name
        assert np.array_equal(draws.values, blocks[name].values), name
        assert np.array_equal(draws.masses, blocks[name].masses), name
    # A resample is the same one whether 7 or 50 are asked for: nothing is drawn from a stream.
    few = replicates(labels, scores, units, RULE, 7)
    assert np.array_equal(few["ap"].values, whole["ap"].values[:7])


def test_subsets_that_share_nearly_all_reals_share_nearly_all_chance() -> None:
    rng = np.random.default_rng(0)
    reals, fakes = rng.normal(size=150), rng.normal(size=100) + 1
    labels = np.array([0] * 150 + [1] * 100)
    draws = {}
    for place, own in (("a", []), ("b", ["another real"])):
        units = [f"real {i}" for i in range(150 - len(own))] + own
        units += [f"{place} {i}" for i in range(100)]
        scores = np.concatenate([reals, fakes])
        draws[place] = replicates(labels, scores, units, RULE, 2000)
    correlation = {
        name: np.corrcoef(draws["a"][name].values, draws["b"][name].values)[0, 1]
        for name in ("real_acc", "fake_acc", "ap")
    }
    assert correlation["real_acc"] > 0.98
    assert abs(correlation["fake_acc"]) < 0.08
    assert 0.2 < correlation["ap"] < 0.9
    both = mean_draws([draws["a"]["real_acc"], draws["b"]["real_acc"]])
    assert both.units == pytest.approx(150, rel=0.1)


def test_one_class_has_its_rate_and_no_accuracy() -> None:
    labels, scores = np.zeros(30), np.linspace(-1, 1, 30)
    found = replicates(labels, scores, [str(i) for i in range(30)], RULE, 20)
    assert set(found) == {"real_acc", "brier", "ece"}
    assert replicates([], [], [], RULE, 20) == {}


def test_a_resample_without_a_class_has_no_value() -> None:
    labels, scores = np.array([0, 0, 0, 1]), np.array([0.0, 1.0, 2.0, 3.0])
    units = ["a", "b", "c", "d"]
    found = replicates(labels, scores, units, RULE, 400)
    empty = unit_weights(units, 400)[:, 3] == 0
    assert 0.3 < empty.mean() < 0.45
    no_reals = unit_weights(units, 400)[:, :3].sum(axis=1) == 0
    for name in ("ap", "auc", "eer", "tpr_at_fpr5", "acc", "acc_oracle", "balanced_acc"):
        assert np.array_equal(np.isnan(found[name].values), empty | no_reals), name
    assert np.array_equal(np.isnan(found["real_acc"].values), no_reals)


def test_a_constant_detector_has_no_spread() -> None:
    units, labels, _ = subset()
    found = replicates(labels, np.zeros(labels.size), units, RULE, 50)
    assert found["ap"].values == pytest.approx(1 / 3)
    assert found["auc"].values == pytest.approx(0.5)


@pytest.mark.parametrize("images", [70_001, 90_000, 140_001])
def test_few_rows_at_a_time_give_the_same_bits(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many images; a single row would be summed in another order, and is never taken."""
    units, labels, scores = subset(images)
    split = replicates(labels, scores, units, RULE, 12, seed=1)
    monkeypatch.setattr(module, "_ELEMENTS", 16 * images)  # a block is then all of its rows
    whole = replicates(labels, scores, units, RULE, 12, seed=1)
    assert set(split) == set(whole)
    for name, draws in split.items():
        assert np.array_equal(draws.values, whole[name].values), name
        assert np.array_equal(draws.masses, whole[name].masses), name


def test_memory_does_not_grow_with_resamples_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of 400 resamples of 100,000 images would be 40 MB in the smallest of types."""
    units, labels, scores = subset(100_000)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(module, "_AT_ONCE", 400_000)

    def peak(resamples: int) -> int:
        tracemalloc.start()
        replicates(labels, scores, units, RULE, resamples)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(40), peak(400)
    assert many < few + 2**20
    assert many < 60 * 2**20
