"""Paired tests against scipy, plain quadratic loops and published worked examples."""

from __future__ import annotations

import doctest
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from harness.metrics import friedman as ranks
from harness.metrics import paired
from harness.metrics.friedman import friedman
from harness.metrics.paired import delong, holm, mcnemar

# Demsar, JMLR 2006, table 6: AUC of C4.5 with neither, m, cf and both parameters tuned, 14 sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],  # printed as a tie, ranked 2 and 3
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def pair(only_first: int, only_second: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([True] * only_first + [False] * only_second + [True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, False])
    return first, second


@pytest.mark.parametrize(("b", "c"), [(3, 9), (12, 12), (0, 1), (24, 0), (5, 19), (86, 150)])
def test_mcnemars_mid_p_counts_half_of_what_was_seen(b: int, c: int) -> None:
    found = mcnemar(*pair(b, c))
    assert (found.only_first, found.only_second) == (b, c)
    fewer, chance = min(b, c), stats.binom(b + c, 0.5)
    expected = 2 * (chance.cdf(fewer) - chance.pmf(fewer) / 2)
    assert found.p == pytest.approx(min(1.0, expected))
    assert found.p <= stats.binomtest(b, b + c, 0.5).pvalue


def test_mcnemar_is_level_and_stronger_than_the_exact_test() -> None:
    """At 20 discordant pairs, by summing over all that can happen under "equal"."""
    chance = stats.binom(20, 0.5)
    ps = [mcnemar(*pair(b, 20 - b)).p for b in range(21)]
    mid = sum(chance.pmf(b) for b in range(21) if ps[b] < 0.05)
    exact = sum(chance.pmf(b) for b in range(21) if stats.binomtest(b, 20).pvalue < 0.05)
    assert exact <= mid < 0.05


def test_detectors_that_agree_are_not_told_apart() -> None:
    assert mcnemar(*pair(0, 0)).p == 1


def scores(seed: int, n: int = 90, *, tied: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3 == 0).astype(int)
    one = rng.normal(size=n) + labels
    two = 0.5 * one + rng.normal(size=n)
    return labels, *((np.round(one), np.round(two)) if tied else (one, two))


@pytest.mark.parametrize("tied", [False, True])
def test_delong_equals_the_quadratic_formula(tied: bool) -> None:
    labels, one, two = scores(1, tied=tied)
    placements = []
    for values in (one, two):
        fakes, reals = values[labels == 1], values[labels == 0]
        wins = (fakes[:, None] > reals) + 0.5 * (fakes[:, None] == reals)
        placements.append((wins.mean(axis=1), wins.mean(axis=0)))
    cov_fakes = np.cov(placements[0][0], placements[1][0])
    cov_reals = np.cov(placements[0][1], placements[1][1])
    cov = cov_fakes / (labels == 1).sum() + cov_reals / (labels == 0).sum()
    error = np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    found = delong(labels, one, two)
    gap = roc_auc_score(labels, one) - roc_auc_score(labels, two)
    assert found.difference == pytest.approx(gap)
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(gap) / error))


def test_delong_needs_memory_for_each_image_not_for_each_pair() -> None:
    """A matrix of 40,000 reals and 40,000 fakes is 1.6 GB even in bytes."""
    labels, first, second = scores(0, 80_000, tied=True)
    tracemalloc.start()
    delong(labels, first, second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80_000 * 250


def test_delong_is_level_on_detectors_that_are_alike() -> None:
    ps = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels = np.arange(120) % 2
        truth = rng.normal(size=120) + labels
        one, two = truth + rng.normal(size=120), truth + rng.normal(size=120)
        ps.append(delong(labels, one, two).p)
    assert np.mean(np.array(ps) < 0.05) == pytest.approx(0.05, abs=0.025)


def test_delong_of_a_detector_with_itself() -> None:
    labels, one, _ = scores(2, tied=False)
    assert delong(labels, one, one * 3 + 1).p == 1
    # Perfect against perfectly wrong on 2 + 2 images: no spread, so no p, and never p = 0.
    undefined = delong([0, 0, 1, 1], [0, 1, 2, 3], [3, 2, 1, 0])
    assert (undefined.p, undefined.difference, undefined.error) == (None, 1.0, 0.0)
    assert "no variance" in undefined.note
    with pytest.raises(ValueError, match="two reals and two fakes"):
        delong([0, 1, 1], [0, 1, 2], [0, 1, 2])


def test_holm_on_a_published_example() -> None:
    # R's p.adjust(c(.01, .04, .03, .005), "holm").
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_friedman_on_demsars_example() -> None:
    found = friedman(DEMSAR)
    assert found.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=0.0005)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    theirs = stats.friedmanchisquare(*DEMSAR.T)
    assert found.statistic == pytest.approx(theirs.statistic)
    assert found.p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (5, 2.728), (7, 2.949), (10, 3.164)])
def test_critical_values_are_those_of_the_table(k: int, q: float) -> None:
    # Demsar, JMLR 2006, table 5 (a).
    found = friedman(np.random.default_rng(0).random((6, k)))
    assert found.critical_difference / (k * (k + 1) / 36) ** 0.5 == pytest.approx(q, abs=0.001)


def test_friedman_without_any_difference() -> None:
    assert friedman(np.ones((4, 3))).p == 1
    with pytest.raises(ValueError, match="needs 2 and 3"):
        friedman(np.ones((4, 2)))


def test_doctests() -> None:
    found = [doctest.testmod(module) for module in (paired, ranks)]
    assert sum(result.attempted for result in found) >= 2
    assert not any(result.failed for result in found)
