"""The one verdict: against paired t tests, on equal rows, on few images, and where seeds decide."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy import stats

from harness.metrics import verdict as module
from harness.metrics.bootstrap import Draws
from harness.metrics.classification import Rule
from harness.metrics.replicates import replicates
from harness.metrics.verdict import Verdict, adjusted, hopeless, tell_apart

RULE = Rule(threshold=0.0, kind="uncalibrated")
UNITS = [str(i) for i in range(200)]


def bare(value: float) -> Draws:
    """A number whose images are not at hand."""
    return Draws(value=value, values=np.empty(0), masses=np.empty((1, 0)))


def right(which: np.ndarray, units: list[str] | None = None) -> Draws:
    """The accuracy on reals."""
    names = units or [str(i) for i in range(which.size)]
    return replicates(np.zeros(which.size), np.where(which, -1.0, 1.0), names, RULE, 2000)[
        "real_acc"
    ]


def test_equal_numbers_are_not_told_apart() -> None:
    sixty = {seed: bare(0.6) for seed in range(3)}
    found = tell_apart(sixty, sixty)
    assert (found.word, found.p, found.low) == ("not told apart", 1.0, None)


def test_seeds_without_any_spread_cannot_be_judged() -> None:
    """61 three times against 60 three times: no spread is no proof."""
    found = tell_apart({s: bare(0.61) for s in range(3)}, {s: bare(0.60) for s in range(3)})
    assert (found.word, found.p) == ("not told apart", None)
    assert "no spread to judge by" in found.reason


def test_seeds_alone_are_the_paired_t_test_and_the_unpaired_one_where_they_are_others() -> None:
    first, second = [0.62, 0.65, 0.61], [0.60, 0.61, 0.60]
    pairs = tell_apart(dict(enumerate(map(bare, first))), dict(enumerate(map(bare, second))))
    assert pairs.paired
    assert pairs.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert pairs.freedom == pytest.approx(2)
    others = tell_apart(
        dict(enumerate(map(bare, first))), dict(zip("abc", map(bare, second), strict=True))
    )
    welch = stats.ttest_ind(first, second, equal_var=False)
    assert not others.paired
    # Two and two degrees of freedom: more careful than Welch, who would take up to four.
    assert welch.pvalue < others.p
    assert others.p == pytest.approx(2 * stats.t.sf(welch.statistic, 2))


def test_one_checkpoint_each_is_the_paired_t_test_over_images() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random(400) < 0.85, rng.random(400) < 0.78
    found = tell_apart({0: right(one)}, {0: right(two)})
    expected = stats.ttest_rel(one.astype(float), two.astype(float))
    assert found.p == pytest.approx(expected.pvalue, rel=0.25)
    edges = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((edges.low, edges.high), abs=0.006)
    assert found.apart == (found.low > 0 or found.high < 0)
    other_way = tell_apart({0: right(two)}, {0: right(one)})
    assert (other_way.low, other_way.high) == pytest.approx((-found.high, -found.low))
    assert other_way.p == pytest.approx(found.p)


def test_images_of_one_unit_are_one_witness() -> None:
    one, two = np.ones(100, dtype=bool), np.repeat([False] + [True] * 9, 10)
    assert tell_apart({0: right(one)}, {0: right(two)}).apart
    tiles = [str(i // 10) for i in range(100)]
    assert not tell_apart({0: right(one, tiles)}, {0: right(two, tiles)}).apart


def test_few_images_tell_nothing_apart_however_far_the_rows_are() -> None:
    for images in (2, 3, 4):
        found = tell_apart({0: right(np.ones(images) > 0)}, {0: right(np.zeros(images) > 0)})
        assert found.value == 1
        assert not found.apart
        assert found.least > 0.05 or found.reason
    many = tell_apart({0: right(np.ones(12) > 0)}, {0: right(np.zeros(12) > 0)})
    assert many.apart
    assert many.p == pytest.approx(many.least, rel=1e-6)


def test_seeds_that_scatter_hide_a_difference_that_images_alone_would_show() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(2000)
    rows = [{s: right(base < level) for s, level in enumerate(levels)} for levels in LEVELS]
    seeded = tell_apart(*rows)
    single = tell_apart({0: rows[0][0]}, {0: rows[1][0]})
    assert single.apart
    assert not seeded.apart
    assert seeded.freedom < 3
    assert "images and seeds, paired by seed" in seeded.basis


LEVELS = ((0.90, 0.80, 0.84), (0.80, 0.84, 0.80))


def test_hardly_matters_needs_an_interval_inside_the_margin_and_enough_images() -> None:
    same = np.arange(2000) % 10 > 0
    found = tell_apart({0: right(same)}, {0: right(same)})
    assert found.word == "hardly matters (within ±1)"
    assert 0 < found.high < 0.01  # and not ± 0.0
    few = tell_apart({0: right(same[:100])}, {0: right(same[:100])})
    assert few.word == "not told apart"
    small = same.copy()
    small[:8] = False
    found = tell_apart({0: right(same)}, {0: right(small)})
    assert found.word == "told apart, but hardly matters (within ±1)"
    assert tell_apart({0: right(same)}, {0: right(small)}, margin=0.004).word == "told apart"


def test_a_tiny_spread_over_few_units_does_not_show_that_a_difference_hardly_matters() -> None:
    """Near 100 both rows may agree on all of 20 images, and still not on others."""
    rng = np.random.default_rng(0)
    masses = rng.poisson(1.0, (1000, 20)).mean(axis=1)[None]
    one, two = (
        Draws(value=0.9999, values=0.9999 + rng.normal(0, 1e-4, 1000), masses=masses)
        for _ in range(2)
    )
    found = tell_apart({0: one}, {0: two})
    assert -0.01 < found.low < found.high < 0.01
    assert found.word == "not told apart"


def test_holm_is_over_those_that_have_a_p() -> None:
    verdicts = [Verdict(p=0.01, p_holm=0.01), Verdict(reason="none"), Verdict(p=0.03, p_holm=0.03)]
    assert [v.p_holm for v in adjusted(verdicts)] == [0.02, None, 0.03]
    assert adjusted([]) == []


def test_it_is_said_when_no_difference_could_be_told_apart() -> None:
    pair = [tell_apart({0: right(np.ones(6) > 0)}, {0: right(np.arange(6) > 2)})]
    assert "no difference could be told apart" in hopeless(20 * pair)
    large = [tell_apart({0: right(np.ones(99) > 0)}, {0: right(np.arange(99) > 2)})]
    assert hopeless(20 * large) == ""


def test_doctests() -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 3
    assert result.failed == 0
