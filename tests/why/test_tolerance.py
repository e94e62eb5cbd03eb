"""Numbers of other images: how often two draws of one kind differ by more than they may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.diagnosis.condition import MEAN, MetricCell, ScoredSubset, ScoreRule
from harness.diagnosis.published import number, of_set
from harness.diagnosis.tolerance import sampling_interval
from harness.metrics.digits import Digits

RULE = ScoreRule(kind="logit", threshold=0.0)


def scored(each: int, shift: float, seed: int, subset: str = "s") -> ScoredSubset:
    labels = np.repeat(np.array([0, 1], dtype=np.int8), each)
    scores = np.random.default_rng(seed).normal(size=2 * each) + shift * (labels - 0.5)
    ids = tuple(str(i) for i in range(2 * each))
    return ScoredSubset(subset=subset, ids=ids, labels=labels, scores=scores)


def printed(value: float) -> Digits:
    return Digits.parse(f"{100 * value:.1f}")


@pytest.mark.parametrize("metric", ["acc", "real_acc", "balanced_acc", "ap", "auc"])
@pytest.mark.parametrize("shift", [1.5, 3.5])
def test_two_draws_of_one_kind_match_in_95_of_100_cases(metric: str, shift: float) -> None:
    missed, runs = 0, 60
    for seed in range(runs):
        ours, theirs = scored(100, shift, 2 * seed), scored(200, shift, 2 * seed + 1)
        given = printed(of_set(theirs, RULE, metric))
        images = 200 if metric == "real_acc" else 400
        low, high = sampling_interval(metric, [ours], RULE, given, images)
        missed += not low <= of_set(ours, RULE, metric) <= high
    assert missed <= 9  # 3 on average; more than 9 have a chance of 0.001


def test_it_tells_other_kinds_apart() -> None:
    ours = scored(1000, 1.0, 0)
    for metric in ("acc", "ap", "auc"):
        low, high = sampling_interval(metric, [ours], RULE, Digits.parse("87.5"))
        assert low < 0.875 < high
        assert high - low < 0.07
        assert not low <= of_set(ours, RULE, metric) <= high


def test_of_equal_halves_it_is_the_test_of_two_shares() -> None:
    low, high = sampling_interval("acc", [scored(500, 1.0, 0)], RULE, Digits.parse("50"))
    # The edge is where z = 1.96: (x - p) / sqrt(m (1 - m) 2 / n), and half a unit of the digit.
    for edge in (low + 0.005, high - 0.005):
        pooled = (edge + 0.5) / 2
        assert abs(edge - 0.5) / np.sqrt(pooled * (1 - pooled) * 2 / 1000) == pytest.approx(
            1.96, abs=1e-4
        )


def test_more_images_of_theirs_leave_the_chance_of_ours() -> None:
    ours, given = scored(100, 1.0, 0), Digits.parse("70.0")
    for metric in ("acc", "ap"):
        widths = [
            high - low
            for low, high in (
                sampling_interval(metric, [ours], RULE, given, n) for n in (50, 0, 200, 10**9)
            )
        ]
        assert widths[0] > widths[1] == widths[2] > widths[3] > widths[2] / 1.5


def test_at_the_ends_it_keeps_inside_and_has_a_width() -> None:
    ours = scored(100, 9.0, 0)
    for metric in ("acc", "ap", "auc", "fake_acc"):
        low, high = sampling_interval(metric, [ours], RULE, Digits.parse("100.0"))
        assert high == 1
        assert 0.9 < low < 0.99
    low, high = sampling_interval("acc", [ours], RULE, Digits.parse("0.0"))
    assert low == 0
    assert 0.005 < high < 0.1


def test_a_mean_is_surer_than_one_and_shared_files_count_once() -> None:
    sets = [scored(100, 2.0, seed, f"s{seed}") for seed in range(4)]
    given = printed(number({each.subset: each for each in sets}, RULE, MetricCell(MEAN, "acc")))

    def width(metric: str, of: list[ScoredSubset]) -> float:
        low, high = sampling_interval(metric, of, RULE, given)
        return high - low

    same = [
        replace(sets[0], subset=f"s{i}", sha256=tuple(f"file {name}" for name in sets[0].ids))
        for i in range(4)
    ]
    for metric in ("acc", "balanced_acc", "ap"):
        assert width(metric, sets) < 0.6 * width(metric, sets[:1])
        assert width(metric, same) == pytest.approx(width(metric, same[:1]))


def test_what_says_nothing_matches_everything() -> None:
    ours = scored(50, 1.0, 0)
    reals = ours.take(ours.labels == 0)
    for metric in ("ap", "auc", "fake_acc", "balanced_acc"):
        assert sampling_interval(metric, [reals], RULE, Digits.parse("70.0")) == (0, 1)
    with pytest.raises(ValueError, match="no metric"):
        sampling_interval("f1", [ours], RULE, Digits.parse("70.0"))


def test_the_release_s_own_ap_is_meant() -> None:
    own = ScoreRule(kind="logit", threshold=0.0, published_ap="ap_sigmoid32")
    saturated = replace(scored(100, 1.0, 0), scores=scored(100, 1.0, 0).scores + 60)
    given = Digits.parse("70.0")
    assert sampling_interval("ap", [saturated], own, given) != sampling_interval(
        "ap", [saturated], RULE, given
    )
