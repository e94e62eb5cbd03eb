"""The probe: known geometry, folds that keep photographs whole, intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from harness.metrics import bootstrap
from harness.metrics.probe import FOLDS, Probe, difference, fit_probe, folds, probe

PHOTOGRAPHS = 20


def points(distance: float, *, seed: int = 0, dims: int = 6) -> dict[str, Any]:
    """Of each photograph a real and a fake; fakes lie ``distance`` away."""
    rng = np.random.default_rng(seed)
    fake = np.array([False, True] * PHOTOGRAPHS)
    features = rng.normal(size=(len(fake), dims))
    features[fake, 0] += distance
    photographs = [f"p{i:02d}" for i in range(PHOTOGRAPHS) for _ in range(2)]
    return {"features": features, "fake": fake, "photographs": photographs}


def test_two_far_clusters_are_separated() -> None:
    found = probe(**points(1000.0, dims=1), resamples=50)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_one_cloud_is_not() -> None:
    seeds = [probe(**points(0.0, seed=seed), resamples=0) for seed in range(5)]
    assert np.mean([found.value or 0 for found in seeds]) == pytest.approx(0.5, abs=0.05)
    assert all(found.low is None for found in seeds)


def test_the_interval_of_a_cloud_holds_chance() -> None:
    found = probe(**points(0.0), resamples=300)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert found.high - found.low > 0.05


def test_resamples_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the weights that the bootstrap gives it, and the same in any number of parts."""
    whole = probe(**points(1.0), resamples=30)
    assert whole.draws.shape == (30,)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 1)
    parts = probe(**points(1.0), resamples=30)
    assert np.array_equal(parts.draws, whole.draws)
    assert parts == whole


def test_folds_never_split_a_photograph() -> None:
    rng = np.random.default_rng(3)
    photographs = [f"p{i}" for i in rng.integers(0, 30, 400)]
    fake = rng.random(400) < 0.8
    parts = folds(photographs, fake, FOLDS, seed=0)
    assert sorted(i for part in parts for i in part) == list(range(400))
    owners = [{photographs[i] for i in part} for part in parts]
    assert sum(map(len, owners)) == len(set(photographs))


def test_a_photograph_cannot_be_learnt_by_heart() -> None:
    # Features are nothing but the photograph, whose images are all of one class: a probe that
    # saw another image of the photograph would be right about every one.
    photographs = [f"p{i}" for i in range(40) for _ in range(5)]
    features = np.repeat(np.random.default_rng(0).normal(size=(40, 60)), 5, axis=0)
    fake = np.repeat(np.random.default_rng(1).permutation(40) < 20, 5)
    honest, leaky = (
        probe(features, fake, names, resamples=0)
        for names in (photographs, list(map(str, range(200))))
    )
    assert (leaky.value or 0) == 1
    assert (honest.value or 1) < 0.75


def test_both_classes_count_the_same_and_photographs_are_drawn() -> None:
    rng = np.random.default_rng(0)
    # Of one feature that is the label, but for an eighth of the images.
    fake = rng.random(200) < 0.8
    features = np.where(rng.random(200) < 1 / 8, ~fake, fake)[:, None].astype(float)
    own = [f"p{i}" for i in range(200)]
    found = probe(features, fake, own, resamples=400)
    assert found.value == pytest.approx(balanced_accuracy_score(fake, features[:, 0] == 1))
    # A photograph comes or goes as a whole: fewer of them, a wider interval.
    few = probe(features, fake, [f"p{i % 20}" for i in range(200)], resamples=400)
    assert np.nanstd(few.draws) > 0
    assert not np.array_equal(few.draws, found.draws)


def test_strengths_are_chosen_for_the_features() -> None:
    rng = np.random.default_rng(0)
    photographs = [f"p{i}" for i in range(120)]
    fake = np.arange(120) % 2 == 1
    noisy = rng.normal(size=(120, 100))
    clean = rng.normal(size=(120, 1)) + 20 * fake[:, None]
    strengths = [
        fit_probe(features, fake, photographs, 0).named_steps["logisticregression"].C
        for features in (noisy, clean)
    ]
    assert strengths[0] < strengths[1]


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, two = (probe(**points(1.0), resamples=100, seed=5) for _ in range(2))
    assert one == two
    assert probe(**points(1.0), resamples=100, seed=6) != one


def test_what_is_not_defined_says_why() -> None:
    features = np.random.default_rng(0).normal(size=(8, 2))
    found = probe(features, np.array([True, False] * 4), list("abcdefgh"), resamples=0)
    assert found.value is None
    assert "4 photographs" in found.note
    reals = probe(features, np.zeros(8, dtype=bool), list("abcdefgh"), resamples=0)
    assert reals.note == "no fake images"


def test_differences_are_paired() -> None:
    near, far = (probe(**points(d), resamples=200) for d in (1.0, 3.0))
    itself = difference([near], [near])
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    gap = difference([far, far], [near])
    assert gap.value == pytest.approx((far.value or 0) - (near.value or 0))
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high
    assert difference([near], [Probe(note="because")]).note == "because"


def test_features_must_fit_and_be_finite() -> None:
    good = points(0.0)
    with pytest.raises(ValueError, match="finite"):
        probe(**{**good, "features": np.full_like(good["features"], np.nan)})
