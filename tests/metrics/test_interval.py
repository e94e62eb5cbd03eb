"""Intervals of rates against textbook formulas and against how often they hold."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy import stats

from harness.metrics import interval as module
from harness.metrics.bootstrap import Draws
from harness.metrics.classification import Rule
from harness.metrics.interval import (
    Variance,
    critical,
    freedom_of,
    image_part,
    interval,
    p_value,
    wilson,
)
from harness.metrics.replicates import replicates

RULE = Rule(threshold=0.0, kind="uncalibrated")


def accuracy(right: int, images: int, units: list[str] | None = None) -> Draws:
    """The share of right reals."""
    scores = np.array([-1.0] * right + [1.0] * (images - right))
    names = units or [str(i) for i in range(images)]
    return replicates(np.zeros(images), scores, names, RULE, 4000)["real_acc"]


@pytest.mark.parametrize(
    ("right", "images"), [(90, 100), (100, 100), (0, 50), (1, 20), (1999, 2000)]
)
def test_the_interval_of_an_accuracy_of_independent_images_is_wilsons(
    right: int, images: int
) -> None:
    low, high = interval(accuracy(right, images))
    expected = stats.binomtest(right, images).proportion_ci(method="wilson")
    # But for the resamples' own chance, and Student's t in place of the normal.
    assert (low, high) == pytest.approx(
        (expected.low, expected.high), abs=0.15 * (expected.high - expected.low)
    )
    assert 0 <= low < high <= 1
    assert (high == 1) == (right == images)


def test_a_perfect_score_of_clustered_images_is_as_sure_as_its_units() -> None:
    tiles = [f"photograph {i // 10}" for i in range(100)]
    assert interval(accuracy(100, 100, tiles))[0] == pytest.approx(
        wilson(1.0, 10, stats.t.ppf(0.975, 9))[0], abs=0.05
    )


def test_perfect_ranks_have_a_width_and_nothing_is_beyond_100() -> None:
    labels = np.repeat([0, 1], [150, 100])
    scores = labels + np.random.default_rng(0).random(250) / 2
    found = replicates(labels, scores, [str(i) for i in range(250)], RULE, 1000)
    for name in ("ap", "auc", "acc_oracle"):
        low, high = interval(found[name])
        assert found[name].value == 1
        assert 0.95 < low < 0.995
        assert high == 1
    scores[0] = scores[labels == 1].min() + 1e-9  # one real above one fake
    low, high = interval(replicates(labels, scores, [str(i) for i in range(250)], RULE, 1000)["ap"])
    assert 0.94 < low < 0.99
    assert 0.9999 < high <= 1


def test_too_few_units_have_no_interval() -> None:
    assert interval(accuracy(1, 1)) is None
    assert interval(accuracy(5, 5, ["one photograph"] * 5)) is None
    assert interval(Draws(value=0.5, values=np.empty(0), masses=np.empty((1, 0)))) is None


def test_seeds_that_scatter_widen_the_interval_of_their_mean() -> None:
    one = accuracy(80, 100)
    same = interval([one, one, one])
    assert same == pytest.approx(interval(one))
    others = [
        Draws(value=one.value + by, values=one.values + by, masses=one.masses)
        for by in (-0.05, 0.0, 0.05)
    ]
    low, high = interval(others)
    assert high - low > 1.5 * (same[1] - same[0])


def test_what_images_and_seeds_do_together_counts_once() -> None:
    """Seeds whose errors are on different images: their spread holds that chance already."""
    rng = np.random.default_rng(0)
    masses = 1 + rng.normal(0, 0.1, (1, 4000))
    noise = rng.normal(0, 0.03, (3, 4000))
    seeds = [
        Draws(value=0.7 + by, values=0.7 + by + each, masses=masses)
        for by, each in zip((-0.03, 0.0, 0.03), noise, strict=True)
    ]
    assert image_part(seeds).variance == pytest.approx(0.03**2 / 3, rel=0.1)
    assert image_part(seeds, together=False).variance < 0.03**2 / 30
    alone = 2 * stats.t.ppf(0.975, 2) * np.std([0.67, 0.7, 0.73], ddof=1) / 3**0.5
    low, high = interval(seeds)
    assert high - low < 1.02 * alone


def test_critical_values_are_students_and_between_them() -> None:
    seeds, images = Variance(variance=1.0, freedom=2), Variance(variance=1.0, freedom=100)
    assert critical([seeds]) == pytest.approx(stats.t.ppf(0.975, 2))
    both = critical([seeds, images])
    assert both == pytest.approx((stats.t.ppf(0.975, 2) + stats.t.ppf(0.975, 100)) / 2)
    for parts in ([seeds], [images], [seeds, images]):
        assert p_value(parts, critical(parts)) == pytest.approx(0.05)
        assert critical(parts) == pytest.approx(stats.t.ppf(0.975, freedom_of(parts)))
    assert p_value([images], 0.0) == 1
    assert 0 < p_value([images], 50.0) < 1e-12
    assert p_value([seeds], 3.0) == pytest.approx(2 * stats.t.sf(3.0, 2))


def test_doctests() -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 3
    assert result.failed == 0
