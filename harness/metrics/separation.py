"""How far classes lie apart in feature space: silhouettes and linear probes, with intervals.

Every figure here is a mean over the classes of something that each image has (a silhouette; 1 where
a probe is right about it, else 0), so that a class counts the same however many images it has.
Images made from one photograph resemble each other: they are never split between the training and
the test part of a probe, and the bootstrap behind the intervals draws photographs, not images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from harness.metrics import bootstrap
from harness.metrics.values import Floats, Labels, missing_class

FOLDS = 5
INNER_FOLDS = 4
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse L2 penalties a probe chooses from. One for all would favour a width of features: on the
embedded suite 64 averaged features are read best at 10 and 1,024 top-K ones at 0.01."""

Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Points:
    """Images in feature space.

    Args:
        features: (N, D), finite.
        fake: (N,) whether an image is generated.
        generators: (N,) what made it; not looked at for reals.
        photographs: (N,) which photograph it shows; an image that shares its own with no other has
            a name of its own.
    """

    features: Floats
    fake: Labels
    generators: Sequence[str]
    photographs: Sequence[str]

    def __post_init__(self) -> None:
        sizes = {len(self.features), len(self.fake), len(self.generators), len(self.photographs)}
        if len(sizes) > 1 or self.features.ndim != 2 or not np.isfinite(self.features).all():
            raise ValueError("features must be (N, D) and finite, with N labels of each kind")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval over resampled photographs.

    Args:
        value: None where it is not defined; ``note`` says why.
        low, high: None without resamples.
        draws: (R,) its replicates, NaN for a resample that lacks a class; paired between estimates
            on the same images.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    draws: Floats = field(default_factory=lambda: np.empty(0), repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Separation:
    """What :func:`separation` measures.

    Args:
        silhouette: of real against fake.
        silhouette_generators: of the fakes by generator, reals left out.
        probe: balanced accuracy of a linear probe for real against fake, chance is one half.
        unseen: the same on generators that the probe was not fitted on, mean over them.
        unseen_by_generator: the values behind that mean.
    """

    silhouette: Estimate
    silhouette_generators: Estimate
    probe: Estimate
    unseen: Estimate
    unseen_by_generator: Mapping[str, float]


class Resamples:
    """Photographs drawn with replacement, the same for every figure on the same images.

    Args:
        photographs: (N,) of the images.
        resamples: R; 0 = no intervals.
        seed: of the draw.
    """

    def __init__(self, photographs: Sequence[str], resamples: int, seed: int) -> None:
        names, places = np.unique(np.asarray(photographs), return_inverse=True)
        self.places: Places = places
        # The first row is the photographs as they are.
        self._weights = np.ones((1 + resamples, len(names)))
        if resamples:
            self._weights[1:] = bootstrap.unit_weights(names.tolist(), resamples, seed)

    def class_means(self, values: ArrayLike, classes: ArrayLike, chosen: Labels) -> Floats:
        """Mean over classes of the class means: (1 + R,), of the images as they are and resampled.

        NaN where a resample lacks a class.

        Args:
            values: (N,) one number an image.
            classes: (N,) its class.
            chosen: (N,) the images that count.
        """
        names, kinds = np.unique(np.asarray(classes)[chosen], return_inverse=True)
        shape = self._weights.shape[1], len(names)
        cells = self.places[chosen] * len(names) + kinds
        numbers = np.asarray(values, dtype=np.float64)[chosen]
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        sums = np.bincount(cells, numbers, minlength=shape[0] * shape[1]).reshape(shape)
        with np.errstate(invalid="ignore"):
            means = (self._weights @ sums) / (self._weights @ counts)
        return np.asarray(means.mean(axis=1))


def separation(
    points: Points, *, resamples: int = 1000, seed: int = 0, over_generators: bool = False
) -> Separation:
    """Measures how far reals and fakes, and generators, lie apart.

    Args:
        points: the images.
        resamples: behind the intervals, 0 = none.
        seed: of folds and resamples.
        over_generators: resample the generators too in the interval of ``unseen``: it is then
            about other generators of the kind.
    """
    draws = Resamples(points.photographs, resamples, seed)
    features = standardised(points.features)
    # One thread: small matrices are faster so, and sums come out in one order.
    with threadpool_limits(1):
        right, by_generator, note = _probes(points, seed)
    everything = np.ones_like(points.fake)
    single = _unseen_means(points, by_generator, draws)
    return Separation(
        silhouette=_silhouette(features, points.fake, everything, draws),
        silhouette_generators=_silhouette(features, points.generators, points.fake, draws),
        probe=Estimate(note=note)
        if right is None
        else _estimate(draws.class_means(right, points.fake, everything)),
        unseen=_mean_of(single, seed if over_generators else None)
        if single
        else Estimate(note=note or "needs two generators"),
        unseen_by_generator={name: float(means[0]) for name, means in single.items()},
    )


def difference(first: Sequence[Estimate], second: Sequence[Estimate]) -> Estimate:
    """Mean of the first minus mean of the second, e.g. over training seeds; paired.

    Args:
        first, second: of one figure, on the same images and with the same resamples.
    """
    sides = [[e.value for e in side if e.value is not None] for side in (first, second)]
    if len(sides[0]) < len(first) or len(sides[1]) < len(second):
        return Estimate(note=next(e.note for e in (*first, *second) if e.value is None))
    value = [np.mean(sides[0]) - np.mean(sides[1])]
    draws = [np.mean([e.draws for e in side], axis=0) for side in (first, second)]
    return _estimate(np.concatenate([value, draws[0] - draws[1]]))


def standardised(features: Floats) -> Floats:
    """(N, D) -> the same with mean 0 and standard deviation 1 in every column; constant ones 0."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    # Rounding leaves a constant column a spread that is tiny against its values, not 0.
    constant = spread <= 1e-7 * np.abs(features).max(axis=0, initial=0.0)
    return np.asarray(np.where(constant, 0.0, centred / np.where(constant, 1.0, spread)))


def silhouettes(features: Floats, classes: ArrayLike) -> Floats:
    """How much nearer each image is to its own class than to the next one: (N,) in [-1, 1].

    Formula: ``(b - a) / max(a, b)`` with a its mean distance to the others of its class and b the
    least mean distance to the images of another one; Euclidean; 0 where it is alone in its class.
    Source: Rousseeuw, J. Comput. Appl. Math. 1987; computed by scikit-learn. Time and distances
    are quadratic in N.

    Args:
        features: (N, D).
        classes: (N,), at least two different ones and fewer than N.
    """
    from sklearn.metrics import silhouette_samples  # here: it takes a while to import

    return np.asarray(silhouette_samples(features, np.asarray(classes)), dtype=np.float64)


def silhouette(features: Floats, classes: ArrayLike) -> float:
    """The mean over classes of their mean :func:`silhouettes`.

    Example:
        >>> silhouette(np.array([[0.0], [0.0], [5.0], [5.0], [5.0]]), [0, 0, 1, 1, 1])
        1.0
    """
    values, kinds = silhouettes(features, classes), np.asarray(classes)
    return float(np.mean([values[kinds == name].mean() for name in np.unique(kinds)]))


def folds(photographs: Sequence[str], fake: Labels, count: int, seed: int) -> list[Places]:
    """The images of each fold, classes spread evenly; a photograph is in one fold only."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [test for _, test in splitter.split(fake, fake, photographs)]


def fit_probe(features: Floats, fake: Labels, photographs: Sequence[str], seed: int) -> Any:
    """A logistic regression on standardised features, both classes counting the same.

    Its penalty (:data:`STRENGTHS`) is the one of the least log loss, mean over classes, on a
    quarter of these photographs; it is then fitted on all of them.
    """
    held = folds(photographs, fake, INNER_FOLDS, seed)[0]
    kept = np.setdiff1d(np.arange(len(fake)), held)
    losses = []
    for strength in STRENGTHS:
        chances = _probe(strength).fit(features[kept], fake[kept]).predict_proba(features[held])
        given = np.log(np.maximum(chances[np.arange(len(held)), fake[held].astype(int)], 1e-15))
        losses.append(-np.mean([given[fake[held] == name].mean() for name in set(fake[held])]))
    return _probe(STRENGTHS[int(np.argmin(losses))]).fit(features, fake)


def _probe(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
    return make_pipeline(StandardScaler(), model)


def _probes(points: Points, seed: int) -> tuple[Labels | None, dict[str, Labels], str]:
    """Which images probes are right about, none of which saw the image's photograph.

    Returns:
        (N,) of probes fitted on all generators; generator -> (N,) of probes fitted on all others
        (read it at reals and at this generator's images); and why there is none of either.
    """
    note = missing_class(points.fake) or _few_photographs(points)
    if note:
        return None, {}, note
    names = np.asarray(points.generators)
    generators = sorted(set(names[points.fake].tolist()))
    right = np.zeros_like(points.fake)
    alone = {name: np.zeros_like(points.fake) for name in generators if len(generators) > 1}
    photographs = np.asarray(points.photographs)
    for number, test in enumerate(folds(points.photographs, points.fake, FOLDS, seed)):
        train = np.ones_like(points.fake)
        train[test] = False
        for name, found in {"": right, **alone}.items():
            seen = train & ~(points.fake & (names == name)) if name else train
            model = fit_probe(
                points.features[seen], points.fake[seen], photographs[seen].tolist(), seed + number
            )
            found[test] = model.predict(points.features[test]) == points.fake[test]
    return right, alone, ""


def _few_photographs(points: Points) -> str:
    """Why folds cannot be made, or ""."""
    names = np.asarray(points.photographs)
    least = min(len(np.unique(names[points.fake == label])) for label in (False, True))
    needed = 2 * FOLDS
    return f"a class has {least} photographs, the folds need {needed}" if least < needed else ""


def _unseen_means(
    points: Points, by_generator: Mapping[str, Labels], draws: Resamples
) -> dict[str, Floats]:
    """Generator -> (1 + R,) balanced accuracy on reals and this generator."""
    names = np.asarray(points.generators)
    return {
        name: draws.class_means(right, points.fake, ~points.fake | (names == name))
        for name, right in by_generator.items()
    }


def _silhouette(features: Floats, classes: ArrayLike, chosen: Labels, draws: Resamples) -> Estimate:
    """Of the chosen images; resamples leave each image the silhouette it has among all."""
    kinds = np.asarray(classes)
    count = len(np.unique(kinds[chosen]))
    if not 2 <= count < chosen.sum():
        return Estimate(note="needs two classes and more images than classes")
    values = np.zeros(len(kinds))
    values[chosen] = silhouettes(features[chosen], kinds[chosen])
    return _estimate(draws.class_means(values, kinds, chosen))


def _mean_of(single: Mapping[str, Floats], generators_seed: int | None) -> Estimate:
    stacked = np.stack(list(single.values()))
    drawn = stacked[:, 1:]
    if generators_seed is not None:
        drawn = bootstrap.redrawn(drawn, generators_seed)
    return _estimate(np.concatenate([stacked[:, :1], drawn], axis=1).mean(axis=0))


def _estimate(means: Floats) -> Estimate:
    """From (1 + R,): the value, then its replicates."""
    drawn = means[1:][np.isfinite(means[1:])]
    low, high = bootstrap.percentiles(drawn) if drawn.size else (None, None)
    return Estimate(value=float(means[0]), low=low, high=high, draws=means[1:])
