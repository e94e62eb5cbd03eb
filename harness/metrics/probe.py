"""A linear probe: how well a logistic regression tells real from fake in a detector's features.

Images made from one photograph resemble each other: they are never split between the training and
the test part, and the bootstrap behind the interval draws photographs, not images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
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
class Probe:
    """Balanced accuracy, chance is one half, with its 95 % interval over resampled photographs.

    Args:
        value: None where it is not defined; ``note`` says why.
        low, high: None without resamples.
        draws: (R,) its replicates, NaN for a resample that lacks a class; paired between probes
            on the same images.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    draws: Floats = field(default_factory=lambda: np.empty(0), repr=False, compare=False)


def probe(
    features: Floats,
    fake: Labels,
    photographs: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Probe:
    """Cross-validated balanced accuracy of :func:`fit_probe`.

    Args:
        features: (N, D), finite.
        fake: (N,) whether an image is generated.
        photographs: (N,) which photograph an image shows; a name of its own where it shares its
            photograph with no other.
        resamples: behind the interval, 0 = none.
        seed: of folds and resamples.

    Raises:
        ValueError: features of another shape, or not finite.
    """
    if features.ndim != 2 or len(features) != len(fake) or not np.isfinite(features).all():
        raise ValueError("features must be (N, D) and finite, with N labels")
    if note := missing_class(fake) or _few_photographs(fake, photographs):
        return Probe(note=note)
    groups = np.asarray(photographs)
    right = np.zeros_like(fake)
    # One thread: small matrices are faster so, and sums come out in one order.
    with threadpool_limits(1):
        for number, test in enumerate(folds(photographs, fake, FOLDS, seed)):
            train = np.setdiff1d(np.arange(len(fake)), test)
            model = fit_probe(features[train], fake[train], groups[train].tolist(), seed + number)
            right[test] = model.predict(features[test]) == fake[test]
    whole = np.ones((1, len(fake)), dtype=np.uint8)  # first the images as they are
    drawn = bootstrap.resampled(list(photographs), resamples, seed)
    return _with_interval(
        np.concatenate([_balanced(w, fake, right) for w in chain([whole], drawn)])
    )


def _balanced(weights: bootstrap.Weights, fake: Labels, right: Labels) -> Floats:
    """(B,) balanced accuracy from (B, N) weights; sums of whole numbers, exact in any order."""
    with np.errstate(invalid="ignore"):  # a resample may lack a class
        shares = [
            weights[:, of] @ right[of].astype(np.int64) / weights[:, of].sum(axis=1)
            for of in (fake, ~fake)
        ]
    return np.asarray(np.mean(shares, axis=0))


def difference(first: Sequence[Probe], second: Sequence[Probe]) -> Probe:
    """Mean of the first minus mean of the second, e.g. over training seeds; paired.

    Args:
        first, second: on the same images and with the same resamples.
    """
    undefined = [each for each in (*first, *second) if each.value is None]
    if undefined:
        return Probe(note=undefined[0].note)
    means = [
        np.mean([np.r_[each.value, each.draws] for each in side], axis=0)
        for side in (first, second)
    ]
    return _with_interval(means[0] - means[1])


def folds(photographs: Sequence[str], fake: Labels, count: int, seed: int) -> list[Places]:
    """The images of each fold, classes spread evenly; a photograph is in one fold only."""
    from sklearn.model_selection import StratifiedGroupKFold  # here: it takes a while to import

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [test for _, test in splitter.split(fake, fake, photographs)]


def fit_probe(features: Floats, fake: Labels, photographs: Sequence[str], seed: int) -> Any:
    """A logistic regression on standardised features, both classes counting the same.

    Its penalty (:data:`STRENGTHS`) is the one of the least log loss, mean over classes, on a
    quarter of these photographs; it is then fitted on all of them.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    held = folds(photographs, fake, INNER_FOLDS, seed)[0]
    kept = np.setdiff1d(np.arange(len(fake)), held)
    model = LogisticRegression(class_weight="balanced", max_iter=5000)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"logisticregression__C": STRENGTHS},
        scoring=_balanced_log_likelihood,
        cv=[(kept, held)],
    )
    return search.fit(features, fake).best_estimator_


def _balanced_log_likelihood(model: Any, features: Floats, fake: Labels) -> float:
    from sklearn.metrics import log_loss
    from sklearn.utils.class_weight import compute_sample_weight

    weights = compute_sample_weight("balanced", fake)
    chances = model.predict_proba(features)
    return -float(log_loss(fake, chances, sample_weight=weights, labels=model.classes_))


def _few_photographs(fake: Labels, photographs: Sequence[str]) -> str:
    """Why folds cannot be made, or ""."""
    names = np.asarray(photographs)
    least = min(len(np.unique(names[fake == label])) for label in (False, True))
    needed = 2 * FOLDS
    return f"a class has {least} photographs, the folds need {needed}" if least < needed else ""


def _with_interval(means: Floats) -> Probe:
    """From (1 + R,): the value, then its replicates."""
    drawn = means[1:][np.isfinite(means[1:])]
    low, high = bootstrap.percentiles(drawn) if drawn.size else (None, None)
    return Probe(value=float(means[0]), low=low, high=high, draws=means[1:])
