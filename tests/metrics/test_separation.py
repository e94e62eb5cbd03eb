"""Separation: known geometry, folds that keep photographs whole, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, silhouette_samples

from harness.metrics.separation import (
    FOLDS,
    Estimate,
    Points,
    Resamples,
    difference,
    fit_probe,
    folds,
    separation,
    silhouette,
    silhouettes,
    standardised,
)

PHOTOGRAPHS = 20


def points(distance: float, *, seed: int = 0, generators: int = 1, dims: int = 6) -> Points:
    """Of each photograph a real and a fake of each generator; fakes lie ``distance`` away."""
    rng = np.random.default_rng(seed)
    labels = [0, *[1] * generators] * PHOTOGRAPHS
    names = ["", *(f"g{i}" for i in range(generators))] * PHOTOGRAPHS
    photographs = [f"p{i:02d}" for i in range(PHOTOGRAPHS) for _ in range(generators + 1)]
    features = rng.normal(size=(len(labels), dims))
    fake = np.array(labels) == 1
    features[fake, 0] += distance
    return Points(features=features, fake=fake, generators=names, photographs=photographs)


def test_two_far_clusters_are_separated() -> None:
    found = separation(points(1000.0, dims=1, generators=2), resamples=50)
    assert found.silhouette.value == pytest.approx(1, abs=0.01)
    assert (found.probe.value, found.probe.low, found.probe.high) == (1, 1, 1)
    assert found.unseen.value == 1
    assert found.unseen_by_generator == {"g0": 1, "g1": 1}
    # Both generators lie in one place.
    assert found.silhouette_generators.value == pytest.approx(0, abs=0.1)


def test_one_cloud_is_not() -> None:
    seeds = [separation(points(0.0, seed=seed), resamples=0) for seed in range(5)]
    probes = [found.probe.value or 0 for found in seeds]
    assert np.mean(probes) == pytest.approx(0.5, abs=0.05)
    assert all(abs(found.silhouette.value or 1) < 0.05 for found in seeds)
    assert all(found.probe.low is None for found in seeds)


def test_the_interval_of_a_cloud_holds_chance() -> None:
    found = separation(points(0.0), resamples=300).probe
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert found.high - found.low > 0.05


def test_silhouettes_follow_their_definition() -> None:
    features = np.array([[0.0], [1.0], [5.0], [7.0]])
    # First image: 1 to its own class, (5 + 7) / 2 to the other.
    assert silhouettes(features, [0, 0, 1, 1])[0] == pytest.approx((6 - 1) / 6)
    values = silhouette_samples(features, [0, 0, 0, 1])
    assert silhouette(features, [0, 0, 0, 1]) == pytest.approx((values[:3].mean() + values[3]) / 2)


def test_standardised_columns_and_constant_ones() -> None:
    features = np.random.default_rng(0).normal(3, 5, (50, 3))
    features[:, 1] = 0.1
    scaled = standardised(features)
    assert scaled.mean(axis=0) == pytest.approx(0)
    assert scaled.std(axis=0) == pytest.approx([1, 0, 1])


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
        Points(features=features, fake=fake, generators=["g"] * 200, photographs=names)
        for names in (photographs, list(map(str, range(200))))
    )
    assert (separation(leaky, resamples=0).probe.value or 0) == 1
    assert (separation(honest, resamples=0).probe.value or 1) < 0.75


def test_an_unseen_generator_is_judged_by_probes_that_did_not_see_it() -> None:
    # Two generators on opposite sides of the reals: a linear probe of one misses the other.
    base = points(0.0, seed=1, generators=2)
    features = base.features.copy()
    names = np.array(base.generators)
    features[names == "g0", 0] += 8
    features[names == "g1", 0] -= 8
    opposed = Points(
        features=features,
        fake=base.fake,
        generators=base.generators,
        photographs=base.photographs,
    )
    found = separation(opposed, resamples=0)
    assert all(value <= 0.55 for value in found.unseen_by_generator.values())
    assert found.unseen.value == pytest.approx(np.mean(list(found.unseen_by_generator.values())))


def test_class_means_are_balanced_accuracy_and_draw_photographs() -> None:
    rng = np.random.default_rng(0)
    photographs = [f"p{i}" for i in rng.integers(0, 12, 200)]
    fake, right = rng.random(200) < 0.9, rng.random(200) < 0.7
    means = Resamples(photographs, 400, 0).class_means(right, fake, np.ones(200, dtype=bool))
    assert means[0] == pytest.approx(balanced_accuracy_score(fake, fake == right))
    # A photograph comes or goes as a whole: with one photograph every resample is the same, or
    # lacks it.
    same = Resamples(["p"] * 200, 400, 0).class_means(right, fake, np.ones(200, dtype=bool))
    assert np.ptp(same[np.isfinite(same)]) == 0
    assert np.nanstd(means) > 0


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
    one, two = (separation(points(1.0), resamples=100, seed=5) for _ in range(2))
    assert one == two
    assert separation(points(1.0), resamples=100, seed=6) != one


def test_what_is_not_defined_says_why() -> None:
    few = Points(
        features=np.random.default_rng(0).normal(size=(8, 2)),
        fake=np.array([True, False] * 4),
        generators=["g", ""] * 4,
        photographs=list("abcdefgh"),
    )
    found = separation(few, resamples=0)
    assert found.probe.value is None
    assert "4 photographs" in found.probe.note
    assert found.silhouette.value is not None
    assert found.silhouette_generators.value is None
    single = separation(points(1.0), resamples=0)
    assert single.probe.value is not None
    assert single.unseen == Estimate(note="needs two generators")
    reals = Points(
        features=few.features,
        fake=np.zeros(8, dtype=bool),
        generators=[""] * 8,
        photographs=few.photographs,
    )
    assert separation(reals, resamples=0).probe.note == "no fake images"


def test_differences_are_paired() -> None:
    near, far = (separation(points(d), resamples=200).probe for d in (1.0, 3.0))
    itself = difference([near], [near])
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    gap = difference([far, far], [near])
    assert gap.value == pytest.approx((far.value or 0) - (near.value or 0))
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high
    assert difference([near], [Estimate(note="because")]).note == "because"


def test_resampling_generators_widens_the_interval() -> None:
    base = points(0.0, seed=2, generators=3)
    features = base.features.copy()
    for number, reach in enumerate((0.0, 6.0, 6.0)):
        features[np.array(base.generators) == f"g{number}", 0] += reach
    spread = Points(
        features=features,
        fake=base.fake,
        generators=base.generators,
        photographs=base.photographs,
    )
    widths = []
    for over in (False, True):
        unseen = separation(spread, resamples=300, over_generators=over).unseen
        assert unseen.low is not None
        assert unseen.high is not None
        widths.append(unseen.high - unseen.low)
    assert widths[1] > 1.3 * widths[0]


def test_features_must_fit_and_be_finite() -> None:
    good = points(0.0)
    with pytest.raises(ValueError, match="finite"):
        Points(
            features=np.full_like(good.features, np.nan),
            fake=good.fake,
            generators=good.generators,
            photographs=good.photographs,
        )
