"""Bootstrap intervals of every metric, by weighting scores that are sorted once.

A resample draws as many reals and as many fakes as there are, with replacement, inside each class:
an image's weight is how often it was drawn. Weights belong to the images and not to the detector,
so the same resamples judge all detectors and differences between them are paired; and images that
several subsets share (the reals of a pool) are drawn together in all of them. Source: Efron and
Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval, chapter 13).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.calibration import bin_of, probabilities
from harness.metrics.classification import Rule, sigmoid32
from harness.metrics.curve import Curve, falling, run_ends
from harness.metrics.thresholds import five_fold_right
from harness.metrics.values import Floats, Labels, checked

EDGES = (2.5, 97.5)
Weights = np.ndarray[Any, np.dtype[np.uint8]]
_ELEMENTS = 1 << 16  # of a block of resamples: half a megabyte of float64 stays in the cache


def image_weights(ids: Sequence[str], labels: ArrayLike, resamples: int, seed: int = 0) -> Weights:
    """How often each image is in each resample: (R, N) uint8.

    Each class is resampled by itself; a row sums to the number of reals over the reals and to the
    number of fakes over the fakes. The draw depends on ``seed`` and on the ids of the class alone.

    Args:
        ids: (N,) of the images.
        labels: (N,) 0 real, 1 fake.
        resamples: R.
        seed: another one draws other resamples.
    """
    fake = np.asarray(labels) == 1
    weights = np.zeros((resamples, fake.size), dtype=np.uint8)
    for label in (False, True):
        members = np.flatnonzero(fake == label)
        text = "\n".join(ids[i] for i in members.tolist())
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        if members.size:
            weights[:, members] = _draw(members.size, resamples, seed, digest)
    return weights


@lru_cache(maxsize=4)
def _draw(count: int, resamples: int, seed: int, digest: bytes) -> Weights:
    """(R, count) multinomial weights. Kept, because every detector asks for the same ones."""
    generator = np.random.default_rng([seed, int.from_bytes(digest, "big")])
    rows = max(1, _ELEMENTS // count)
    parts = []
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        drawn = generator.integers(0, count, size=(block, count), dtype=np.int64)
        drawn += count * np.arange(block)[:, None]
        counted = np.bincount(drawn.ravel(), minlength=block * count)
        parts.append(counted.reshape(block, count).astype(np.uint8))
    weights = np.concatenate(parts)
    weights.flags.writeable = False
    return weights


def replicates(
    labels: ArrayLike, scores: ArrayLike, rule: Rule, weights: Weights
) -> dict[str, Floats]:
    """Every metric that ``evaluate`` defines, in every resample.

    ``acc_5fold`` keeps the decisions that the folds of the whole set gave. ``fake_share`` is left
    out: resampling inside the classes does not change it.

    Args:
        labels, scores: (N,) as for ``evaluate``.
        rule: the thresholds and what the scores are.
        weights: (R, N) from :func:`image_weights`.

    Returns:
        Metric -> (R,).
    """
    fake, values = checked(labels, scores)
    defined = [
        name
        for name, metric in rule.evaluate(fake, values).items()
        if metric.value is not None and name != "fake_share"
    ]
    found = _of_decisions(fake, values, rule, weights)
    found |= _of_probabilities(fake, values, rule.kind, weights)
    if fake.any() and not fake.all():
        found |= _of_ranks(fake, values, weights)
    return {name: found[name] for name in defined}


def interval(draws: ArrayLike) -> tuple[float, float]:
    """The 95 % percentile interval of (R,) replicates.

    Example:
        >>> interval(np.arange(1001.0))
        (25.0, 975.0)
    """
    low, high = np.percentile(np.asarray(draws, dtype=np.float64), EDGES)
    return float(low), float(high)


def mean_replicates(draws: Sequence[Floats], *, subsets_seed: int | None = None) -> Floats:
    """Replicates of the plain mean over subsets: (R,).

    Args:
        draws: for each subset its (R,) replicates, of the same resamples.
        subsets_seed: when given, each resample also draws the subsets with replacement: the
            interval is then about other generators of the same kind, not about these.
    """
    stacked = np.stack(draws)
    if subsets_seed is not None:
        generator = np.random.default_rng(subsets_seed)
        chosen = generator.integers(0, len(stacked), size=stacked.shape)
        stacked = np.take_along_axis(stacked, chosen, axis=0)
    return np.asarray(stacked.mean(axis=0))


def _of_decisions(fake: Labels, values: Floats, rule: Rule, weights: Weights) -> dict[str, Floats]:
    """Shares of right decisions."""
    right = (values > rule.threshold) == fake
    elsewhere = right if rule.calibrated is None else (values > rule.calibrated) == fake
    reals, fakes = int((~fake).sum()), int(fake.sum())
    # A fold needs images of both classes; where there are too few the metric is not defined.
    folds = five_fold_right(fake, values) if min(reals, fakes) > 1 else right
    real, found, held_out, calibrated = _weighted(
        weights, [right & ~fake, right & fake, folds, elsewhere]
    )
    return {
        "acc": (real + found) / fake.size,
        "acc_5fold": held_out / fake.size,
        "acc_calibrated": calibrated / fake.size,
        "real_acc": real / max(reals, 1),
        "fake_acc": found / max(fakes, 1),
        "balanced_acc": (real / max(reals, 1) + found / max(fakes, 1)) / 2,
    }


def _of_probabilities(
    fake: Labels, values: Floats, kind: str, weights: Weights
) -> dict[str, Floats]:
    chances, _ = probabilities(values, kind)
    if chances is None:
        return {}
    gap = chances - fake
    place = bin_of(chances)
    bins = [np.where(place == i, gap, 0.0) for i in np.unique(place)]
    sums = _weighted(weights, [gap**2, *bins])
    return {"brier": sums[0] / fake.size, "ece": np.abs(sums[1:]).sum(axis=0) / fake.size}


def _weighted(weights: Weights, columns: Sequence[Floats | Labels]) -> Floats:
    """(R, N) weights and M columns of (N,) -> (M, R) weighted sums."""
    stacked = np.stack([column.astype(np.float64) for column in columns], axis=1)
    sums = [weights[rows].astype(np.float64) @ stacked for rows in _blocks(weights)]
    return np.asarray(np.concatenate(sums).T)


def _of_ranks(fake: Labels, values: Floats, weights: Weights) -> dict[str, Floats]:
    """Metrics of the curve: one cumulative sum a block of resamples serves them all."""
    order, ends = falling(values)
    positive = fake[order].astype(np.float64)
    saturated = run_ends(sigmoid32(values[order]))
    parts: dict[str, list[Floats]] = {}
    for rows in _blocks(weights):
        drawn = weights[rows][:, order].astype(np.float64)
        total = np.cumsum(drawn, axis=1)
        hits = np.cumsum(drawn * positive, axis=1)
        # The sigmoid never changes the order and only joins neighbours: the same sums, fewer ends.
        released = _curve(hits, total, saturated).average_precision()
        for name, draws in (*_ranking(_curve(hits, total, ends)), ("ap_sigmoid32", released)):
            parts.setdefault(name, []).append(draws)
    return {name: np.concatenate(draws) for name, draws in parts.items()}


def _curve(hits: Floats, total: Floats, ends: np.ndarray[Any, np.dtype[np.int64]]) -> Curve:
    if ends.size < total.shape[1]:
        hits, total = hits[:, ends], total[:, ends]
    return Curve(hits, total - hits)


def _ranking(curve: Curve) -> Iterable[tuple[str, Floats]]:
    yield "ap", curve.average_precision()
    yield "auc", curve.roc_auc()
    yield "eer", curve.equal_error_rate()
    yield "tpr_at_fpr5", curve.tpr_at(0.05)
    yield "tpr_at_fpr1", curve.tpr_at(0.01)
    yield "acc_oracle", curve.best_accuracy()


def _blocks(weights: Weights) -> Iterator[slice]:
    rows = max(1, _ELEMENTS // weights.shape[1])
    return (slice(start, start + rows) for start in range(0, len(weights), rows))
