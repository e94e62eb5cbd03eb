"""Metrics against scikit-learn and torch, and their defined behaviour where those give up."""

from __future__ import annotations

import doctest
import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn import metrics as sklearn_metrics

from harness.metrics import classification
from harness.metrics.classification import (
    accuracy,
    ap_chance,
    ap_sigmoid32,
    average_precision,
    balanced_accuracy,
    equal_error_rate,
    evaluate,
    roc_auc,
    sigmoid32,
    tpr_at_fpr,
)
from harness.metrics.values import MetricValue

# Few distinct scores, so that ties inside and across the classes are common.
tied_scores = st.integers(-3, 3).map(lambda i: i / 2)
any_scores = st.one_of(tied_scores, st.floats(-1e9, 1e9), st.sampled_from([0.0, -0.0, 5e-324]))


@st.composite
def both_classes(draw, scores=any_scores):
    rows = draw(st.lists(st.tuples(st.integers(0, 1), scores), max_size=60))
    rows += [(0, draw(scores)), (1, draw(scores))]
    rows = draw(st.permutations(rows))
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


@settings(deadline=None)
@given(both_classes())
def test_ap_auc_and_accuracies_equal_sklearn(data):
    labels, scores = data
    ours = evaluate(labels, scores, threshold=0.5, kind="probability")  # 0.5 is a likely score
    decisions = scores > 0.5
    expected = {
        "acc": sklearn_metrics.accuracy_score(labels, decisions),
        "ap": sklearn_metrics.average_precision_score(labels, scores),
        "auc": sklearn_metrics.roc_auc_score(labels, scores),
        "balanced_acc": sklearn_metrics.balanced_accuracy_score(labels, decisions),
        "real_acc": sklearn_metrics.recall_score(labels, decisions, pos_label=0),
        "fake_acc": sklearn_metrics.recall_score(labels, decisions, pos_label=1),
        "fake_share": labels.mean(),
    }
    assert {name: ours[name].value for name in expected} == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(both_classes())
def test_tpr_and_eer_follow_sklearns_roc_curve(data):
    labels, scores = data
    fpr, tpr, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    for limit in (0.05, 0.3):
        assert tpr_at_fpr(labels, scores, limit).value == tpr[fpr <= limit + 1e-12].max()
    ours = equal_error_rate(labels, scores).value
    # Where the straight pieces of the curve cross the line of equal errors.
    crossing = brentq(lambda x: np.interp(x, *_steepest(fpr, tpr)) - (1 - x), 0, 1)
    assert ours == pytest.approx(crossing, abs=1e-5)


def _steepest(fpr, tpr):
    """The ROC curve with its vertical pieces leaning by 1e-7, which np.interp can follow."""
    return fpr + 1e-7 * np.linspace(0, 1, fpr.size), tpr


def test_a_score_at_the_threshold_is_called_real():
    at = evaluate([0, 0, 0, 1], [0.3] * 4, threshold=0.3, kind="logit", calibrated=0.3)
    names = ("acc", "acc_calibrated", "real_acc", "fake_acc", "balanced_acc")
    assert [at[name].value for name in names] == [0.75, 0.75, 1.0, 0.0, 0.5]
    below = evaluate([0, 0, 0, 1], [np.nextafter(0.3, 1)] * 4, threshold=0.3, kind="logit")
    assert [below[name].value for name in ("real_acc", "fake_acc")] == [0.0, 1.0]


def test_one_percent_needs_a_thousand_reals():
    labels, scores = np.arange(1998) % 2, np.arange(1998.0)
    assert tpr_at_fpr(labels, scores, 0.01).note.startswith("fewer than 1,000 real images")
    labels, scores = np.append(labels, [0, 1]), np.append(scores, [-1.0, 5000.0])
    # Ten reals may be flagged as fake, 1996 down to 1978: 1977 to 1997 and 5000 are 12 fakes.
    assert evaluate(labels, scores, 0.0, "logit")["tpr_at_fpr1"].value == pytest.approx(0.012)


@settings(deadline=None)
@given(both_classes(), st.randoms(use_true_random=False))
def test_order_of_images_does_not_matter(data, random):
    labels, scores = data
    order = list(range(len(labels)))
    random.shuffle(order)
    moved = evaluate(labels[order], scores[order], 0.0, "logit")
    for name, metric in evaluate(labels, scores, 0.0, "logit").items():
        if name in ("brier", "ece"):  # sums of fractions, which rounding orders
            assert moved[name].value == pytest.approx(metric.value, abs=1e-12)
        else:
            assert moved[name] == metric


@settings(deadline=None)
@given(both_classes(tied_scores))
def test_ap_and_auc_see_only_the_order_of_scores(data):
    labels, scores = data
    moved = np.exp(scores) * 7 + 3
    assert average_precision(labels, moved) == average_precision(labels, scores)
    assert roc_auc(labels, moved) == roc_auc(labels, scores)


@settings(deadline=None)
@given(both_classes(st.floats(-100, 100)))
def test_ap_sigmoid32_equals_sklearn_on_its_own_sigmoid(data):
    labels, logits = data
    expected = sklearn_metrics.average_precision_score(labels, sigmoid32(logits))
    assert ap_sigmoid32(labels, logits).value == pytest.approx(expected, abs=1e-12)


def test_sigmoid32_follows_torch():
    rng = np.random.default_rng(0)
    logits = np.concatenate(
        [rng.uniform(-100, 100, 100_000), rng.normal(0, 5, 100_000), [-100, 100, 0]]
    ).astype(np.float32)
    ours, theirs = sigmoid32(logits), torch.from_numpy(logits).sigmoid().numpy()
    assert ours.dtype == np.float32
    steps = np.abs(ours.view(np.int32).astype(np.int64) - theirs.view(np.int32))
    assert steps.max() <= 4
    # 1 + exp(-x) swallows the last bits of the exponential: positive logits hardly ever differ.
    assert np.mean(steps[logits > 0] == 0) > 0.99
    assert np.array_equal(ours == 1, theirs == 1)
    assert np.array_equal(ours == 0, theirs == 0)
    assert np.all(np.diff(ours[np.argsort(logits)]) >= 0)


def test_ap_sigmoid32_is_that_of_the_released_scripts_where_logits_saturate():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 2000)
    logits = (rng.normal(8, 12, 2000) + 14 * labels).astype(np.float32)
    released = sklearn_metrics.average_precision_score(
        labels, torch.from_numpy(logits).sigmoid().numpy()
    )
    assert ap_sigmoid32(labels, logits).value == pytest.approx(released, abs=1e-9)
    assert abs(average_precision(labels, logits).value - released) > 0.005


@pytest.mark.parametrize(("reals", "fakes"), [(3, 3), (1, 1), (4, 2), (2, 5)])
def test_ap_of_random_scores_is_the_mean_over_all_orders(reals, fakes):
    """Not the share of fakes: 64.5 % and not 50 % on 3 + 3 images."""
    images = reals + fakes
    orders = list(combinations(range(images), fakes))
    aps = []
    for places in orders:
        labels = np.isin(np.arange(images), places).astype(int)
        aps.append(sklearn_metrics.average_precision_score(labels, -np.arange(images)))
    found = ap_chance([0] * reals + [1] * fakes).value
    assert found == pytest.approx(np.mean(aps), abs=1e-12)
    assert found > fakes / images


def test_one_class_leaves_accuracy_and_ranking_undefined():
    reals = evaluate([0, 0], [1.0, -1.0], 0.0, "logit", calibrated=2.0)
    assert reals["real_acc"] == MetricValue(0.5)
    assert reals["fake_share"] == MetricValue(0.0)
    needs_fakes = ("acc", "acc_calibrated", "ap", "ap_chance", "ap_sigmoid32", "auc", "fake_acc")
    for name in (*needs_fakes, "balanced_acc"):
        assert reals[name] == MetricValue(None, "no fake images"), name
    fakes = evaluate([1, 1], [1.0, -1.0], 0.0, "logit")
    for name in ("acc", "ap", "ap_sigmoid32", "auc", "real_acc", "balanced_acc"):
        assert fakes[name] == MetricValue(None, "no real images"), name


def test_no_images_at_all():
    empty = evaluate([], [], 0.0, "logit")
    assert {metric.value for metric in empty.values()} == {None}
    assert empty["acc"].note == empty["ap"].note == "no images"
    assert balanced_accuracy([], [], 0.0).note == "no real images"


def test_sigmoid_metric_only_for_logits():
    assert "ap_sigmoid32" in evaluate([0, 1], [0.1, 0.2], 0.5, "logit")
    assert "ap_sigmoid32" not in evaluate([0, 1], [0.1, 0.2], 0.5, "probability")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_scores_are_refused_and_located(bad):
    with pytest.raises(ValueError, match=r"1 of 3 scores are not finite.* at position 1"):
        evaluate([0, 1, 1], [0.0, bad, 1.0], 0.0, "logit")


def test_labels_and_shapes_are_checked():
    with pytest.raises(ValueError, match=r"labels must be 0 \(real\) or 1 \(fake\), got \[0, 2\]"):
        average_precision([0, 2], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"\(2,\) labels and \(3,\) scores"):
        roc_auc([0, 1], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="one dimension"):
        accuracy([[0, 1]], [[0.0, 1.0]], 0.0)


def test_auc_counts_in_integers_on_many_images():
    n = 200_000  # n_fake * n_real = 1e10 overflows 32 bits
    labels = np.arange(n) % 2
    assert roc_auc(labels, labels.astype(float)).value == 1.0
    assert roc_auc(labels, np.zeros(n)).value == 0.5


def test_doctests():
    result = doctest.testmod(classification)
    assert result.attempted >= 10
    assert result.failed == 0
