"""Intervals from samples: how often they hold the number of all images, and what they exclude."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.diagnosis.condition import ScoredSubset, ScoreRule
from harness.diagnosis.estimate import estimate, mean, most_of
from harness.diagnosis.published import of_set
from harness.results.answers import Number

RULE = ScoreRule(kind="logit", threshold=0.0)
Floats = np.ndarray[Any, np.dtype[np.float64]]


def scored(reals: int, fakes: int, shift: float, seed: int = 0) -> ScoredSubset:
    labels = np.repeat(np.array([0, 1], dtype=np.int8), [reals, fakes])
    scores = np.random.default_rng(seed).normal(size=labels.size) + shift * (2 * labels - 1)
    return ScoredSubset(
        subset="s", ids=tuple(str(i) for i in range(labels.size)), labels=labels, scores=scores
    )


def rows_of(published: ScoredSubset, each: int, draws: np.random.Generator) -> Any:
    chosen = [
        draws.choice(np.flatnonzero(published.labels == label), each, replace=False)
        for label in (0, 1)
    ]
    return np.concatenate(chosen)


def changed(published: ScoredSubset, how: str) -> Floats:
    """The scores of all images under a condition."""
    draws = np.random.default_rng(9)
    scores, size = published.scores, published.scores.size
    if how == "few turn":
        turned = draws.random(size) < 0.02
        return np.where(turned, -scores, scores)
    if how == "far reals":
        reals = (published.labels == 0) & (draws.random(size) < 0.03)
        return np.where(reals, 50.0, scores)
    if how == "noise":
        return scores + draws.normal(size=size)
    if how == "ties":
        return np.round(scores + draws.normal(size=size))
    return draws.normal(size=size)


HOW = ["few turn", "far reals", "noise", "ties", "unrelated"]
METRICS = ["acc", "fake_acc", "balanced_acc", "ap", "auc"]


@pytest.mark.parametrize(("how", "sizes"), [
    *((how, (1000, 1000)) for how in HOW), ("far reals", (1500, 300)), ("noise", (300, 1500)),
])  # fmt: skip
def test_the_true_number_is_rarely_left_out(how: str, sizes: tuple[int, int]) -> None:
    published = scored(*sizes, shift=1.5)
    under = changed(published, how)
    draws = np.random.default_rng(1)
    samples = [rows_of(published, 60, draws) for _ in range(50)]
    for metric in METRICS:
        truth = of_set(replace(published, scores=under), RULE, metric)
        numbers = [estimate(metric, published, r, under[r], RULE, error=0.05) for r in samples]
        out = sum(not n.low <= truth <= n.high for n in numbers)
        # 2.5 are allowed on average; 9 or more have a chance of 0.001.
        assert out < 9, metric
        assert np.mean([n.value for n in numbers]) == pytest.approx(truth, abs=0.05), metric


@pytest.mark.parametrize("metric", METRICS)
def test_a_smaller_error_takes_a_wider_interval(metric: str) -> None:
    published = scored(500, 500, 1.5)
    rows = rows_of(published, 60, np.random.default_rng(2))
    under = changed(published, "noise")[rows]
    strict, loose = (estimate(metric, published, rows, under, RULE, e) for e in (0.001, 0.1))
    assert strict.low < loose.low < loose.value < loose.high < strict.high
    assert strict == estimate(metric, published, rows, under, RULE)  # 0.001 is meant


def test_it_eliminates_what_is_far() -> None:
    published = scored(2000, 2000, 3.5)
    rows = rows_of(published, 100, np.random.default_rng(0))
    acc = estimate("acc", published, rows, published.scores[rows], RULE)
    assert acc.value == of_set(published, RULE, "acc")
    assert acc.value > 0.998
    assert acc.low > 0.94  # 62.3 is far below
    assert estimate("auc", published, rows, published.scores[rows], RULE).low > 0.92
    assert estimate("ap", published, rows, published.scores[rows], RULE).low > 0.8
    noise = np.random.default_rng(0).normal(size=rows.size)
    for metric in ("acc", "ap", "auc"):
        assert estimate(metric, published, rows, noise, RULE).high < 0.72


@pytest.mark.parametrize("metric", METRICS)
def test_where_nothing_turned_more_can_have_than_the_sample_shows(metric: str) -> None:
    published = scored(400, 400, 6.0)
    rows = rows_of(published, 50, np.random.default_rng(0))
    same = estimate(metric, published, rows, published.scores[rows], RULE, 0.05)
    assert same.value == 1
    # 3 of 100 reals and fakes beyond the sample may turn without a trace.
    turned = published.scores.copy()
    beyond = np.setdiff1d(np.arange(800), rows)
    turned[beyond[::33]] *= -1
    assert same.low < of_set(replace(published, scores=turned), RULE, metric) < 1


def test_what_is_known_of_the_other_images_is_used() -> None:
    """What a sample happens to be harder by than the rest, the published scores tell."""
    published = scored(1000, 1000, 1.0)
    rows = rows_of(published, 40, np.random.default_rng(3))
    for metric in ("acc", "ap", "auc"):
        found = estimate(metric, published, rows, published.scores[rows], RULE)
        assert found.value == pytest.approx(of_set(published, RULE, metric), abs=1e-9)


def test_all_images_have_no_interval() -> None:
    published = scored(30, 20, 1.0)
    under = changed(published, "noise")
    rows = np.random.default_rng(0).permutation(50)
    for metric, reference in (("ap", average_precision_score), ("auc", roc_auc_score)):
        found = estimate(metric, published, rows, under[rows], RULE)
        expected = reference(published.labels, under)
        assert found == Number(value=pytest.approx(expected), images=50)


@pytest.mark.parametrize(("metric", "reference"), [
    ("ap", average_precision_score), ("auc", roc_auc_score),
])  # fmt: skip
def test_a_class_counts_as_the_images_that_it_stands_for(metric: str, reference: Any) -> None:
    """A published score that says nothing leaves the sample's own number, classes weighed."""
    published = replace(scored(900, 90, 1.0), scores=np.zeros(990))
    rows = rows_of(published, 45, np.random.default_rng(0))
    under = np.round(changed(scored(900, 90, 1.0), "noise"), 1)[rows]
    weights = np.where(published.labels[rows] == 1, 2, 20)
    expected = reference(published.labels[rows], under, sample_weight=weights)
    assert estimate(metric, published, rows, under, RULE).value == pytest.approx(expected)


def test_the_release_s_own_ap_is_estimated() -> None:
    published = scored(300, 300, 30.0)
    rows = rows_of(published, 50, np.random.default_rng(0))
    saturated = np.where(published.labels[rows] == 1, 60.0, 40.0)
    own = ScoreRule(kind="logit", threshold=0.0, published_ap="ap_sigmoid32")
    assert estimate("ap", published, rows, saturated, RULE).value == 1
    assert estimate("ap", published, rows, saturated, own).value == pytest.approx(0.5)


def test_a_class_that_is_missing_says_nothing_of_its_metrics() -> None:
    published = scored(50, 50, 1.0)
    rows = np.arange(20)
    for metric in ("ap", "auc"):
        found = estimate(metric, published, rows, published.scores[rows], RULE)
        assert (found.low, found.high, found.images) == (0.0, 1.0, 20)
    reals = estimate("real_acc", published, rows, published.scores[rows], RULE)
    assert 0 < reals.low < reals.value
    acc = estimate("acc", published, rows, published.scores[rows], RULE)
    assert acc.low < of_set(published, RULE, "acc") - 0.3  # the fakes may all have turned
    only = replace(published, labels=np.zeros(100, dtype=np.int8))
    assert estimate("ap", only, rows, only.scores[rows], RULE).value is None


def test_a_sample_is_of_different_images() -> None:
    published = scored(5, 5, 1.0)
    with pytest.raises(ValueError, match="different images"):
        estimate("acc", published, [1, 1], np.zeros(2), RULE)
    with pytest.raises(ValueError, match="different images"):
        estimate("acc", published, [1, 2], np.zeros(3), RULE)
    with pytest.raises(ValueError, match="no metric"):
        estimate("f1", published, [1, 2], np.zeros(2), RULE)


@pytest.mark.parametrize(
    ("population", "sample", "found"), [(200, 40, 0), (200, 40, 7), (30, 29, 2)]
)
def test_the_limits_are_those_of_the_hypergeometric_distribution(
    population: int, sample: int, found: int
) -> None:
    most = most_of(population, sample, found, 0.01)
    assert hypergeom.cdf(found, population, most, sample) >= 0.01
    if most < population - (sample - found):
        assert hypergeom.cdf(found, population, most + 1, sample) < 0.01


def test_a_mean_over_subsets() -> None:
    one = Number(value=0.8, low=0.7, high=0.84, images=100)
    other = Number(value=0.6, low=0.6 - 0.1, high=0.6 + 0.03, images=200)
    exact = Number(value=0.9, images=50)
    found = mean([one, other])
    assert (found.value, found.images) == (pytest.approx(0.7), 300)
    assert (found.low, found.high) == (pytest.approx(0.6), pytest.approx(0.735))
    apart = mean([one, other], independent=True)
    assert apart.low == pytest.approx(0.7 - 0.1 / 2**0.5)
    assert apart.high == pytest.approx(0.7 + 0.05 / 2)
    assert mean([one, exact]).low == pytest.approx(0.8)
    assert mean([exact, exact]) == Number(value=pytest.approx(0.9), images=100)
    assert mean([one, Number(value=None, images=3)]) == Number(value=None, images=103)
