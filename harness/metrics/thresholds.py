"""Accuracy at thresholds that are not declared: the best one, one from held-out images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.curve import Curve, falling, measured
from harness.metrics.values import Floats, Labels, MetricValue, checked, missing_class

FOLDS = 5
TOO_FEW = f"fewer than {FOLDS} images of a class"


def best_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """The threshold of the largest accuracy, halfway between two neighbouring scores.

    Among equally good ones the largest, which raises the fewest false alarms; the largest score
    where calling everything real is best, just below the smallest where calling everything fake is.

    Example:
        >>> best_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8])
        0.4
    """
    fake, values = checked(labels, scores)
    if not fake.size:
        raise ValueError("no images to take a threshold from")
    order, ends = falling(values)
    distinct = values[order][ends]
    hits = np.cumsum(fake[order])[ends]
    # Fakes less reals above each threshold; the first one is above all scores.
    best = int(np.argmax(np.concatenate(([0], 2 * hits - (ends + 1)))))
    if best == 0:
        return float(distinct[0])
    if best == distinct.size:
        return float(np.nextafter(distinct[-1], -np.inf))
    above, below = distinct[best - 1], distinct[best]
    middle = float(above / 2 + below / 2)
    # Between neighbouring floats there is no middle; `score > below` parts them all the same.
    return middle if below <= middle < above else float(below)


def oracle_accuracy(labels: ArrayLike, scores: ArrayLike) -> MetricValue:
    """Accuracy at the best threshold for these very images: what no user can reach on purpose.

    Formula: ``max over t of mean((score > t) == (label == 1))``. An upper bound that shows how much
    of a low accuracy is the threshold alone.

    Example:
        >>> oracle_accuracy([0, 0, 1, 1], [-9.0, -8.0, -7.0, -6.0])
        MetricValue(value=1.0, note='')
    """
    return measured(labels, scores, Curve.best_accuracy)


def five_fold_accuracy(labels: ArrayLike, scores: ArrayLike) -> MetricValue:
    """Accuracy with each image judged by a threshold taken from the other four fifths.

    Example:
        >>> five_fold_accuracy([0] * 5 + [1] * 5, [-9.0] * 5 + [-6.0] * 5)
        MetricValue(value=1.0, note='')
    """
    fake, values = checked(labels, scores)
    missing = missing_class(fake)
    if missing:
        return MetricValue(None, missing)
    if min(int(fake.sum()), int((~fake).sum())) < FOLDS:
        return MetricValue(None, TOO_FEW)
    return MetricValue(float(np.mean(five_fold_right(fake, values))))


def five_fold_right(fake: Labels, values: Floats) -> Labels:
    """(N,) whether each image is judged rightly by the threshold of the folds it is not in.

    Folds are drawn inside each class among the ranks of its scores: at random, the same each time,
    and whatever the order of the images.
    """
    fold = np.empty(fake.size, dtype=np.int64)
    generator = np.random.default_rng(0)
    for members in (np.flatnonzero(~fake), np.flatnonzero(fake)):
        ranked = members[np.argsort(values[members], kind="stable")]
        fold[ranked] = generator.permutation(np.arange(members.size) % FOLDS)
    right = np.empty(fake.size, dtype=np.bool_)
    for held_out in range(FOLDS):
        inside = fold == held_out
        threshold = best_threshold(fake[~inside], values[~inside])
        right[inside] = (values[inside] > threshold) == fake[inside]
    return right
