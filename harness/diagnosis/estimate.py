"""What a condition's number on all images can be, from its scores on a sample of them.

The published scores are known on all images, so only what the condition changes is estimated.
An accuracy changes by the images whose decision turns. How many turn among all reals that were
judged rightly (and the other three kinds) is bounded by the exact hypergeometric limits, which
also say how many may turn where none did in the sample; the kinds are added by squares (Zou and
Donner, Statistics in Medicine 2008). AP and AUC are corrected by what the sample makes of the
published scores. Their error is that of a bootstrap within each class, and as many images as the
sample can have missed are put where they do most harm. ``tests/why/test_estimate.py`` counts how
often the intervals hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln, stdtrit

from harness.diagnosis.condition import ScoredSubset, ScoreRule
from harness.diagnosis.published import of_set
from harness.metrics.classification import sigmoid32
from harness.results.answers import Number

ERROR = 0.001
"""How rarely the number of all images may lie outside the interval."""
_RESAMPLES = 200

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]


def estimate(
    metric: str, published: ScoredSubset, rows: Sequence[int] | Places, scores: Floats,
    rule: ScoreRule, error: float = ERROR,
) -> Number:  # fmt: skip
    """A condition's number on all images of a set.

    Args:
        metric: as records name it.
        published: all N images, scored the published way.
        rows: (n,) different places of the sample, drawn at random within each class.
        scores: (n,) theirs under the condition.
        rule: how scores are judged.
        error: share of samples whose interval may leave the true number out, both sides together.

    Returns:
        The number with its interval in [0, 1]; without one where the sample is all images. Where
        the sample lacks a class that the metric needs, the interval is all of [0, 1]. No value
        where the metric is not defined on all images.

    Raises:
        ValueError: a place twice, or not one score a place.
    """
    places = np.asarray(rows, dtype=np.int64)
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != places.shape or np.unique(places).size != places.size:
        raise ValueError("a sample is of different images with one score each")
    whole = of_set(published, rule, metric)
    if whole is None or places.size == len(published.ids):
        changed = published.scores.copy()
        changed[places] = values
        value = None if whole is None else of_set(replace(published, scores=changed), rule, metric)
        return Number(value=value, images=int(places.size))
    sample = _Sample(published, places, values)
    if metric in ("ap", "auc"):
        value, low, high = _ranked(metric, whole, sample, rule, error)
    else:
        value, low, high = _counted(metric, whole, sample, rule, error)
    return Number(
        value=min(max(value, 0.0), 1.0), low=max(low, 0.0), high=min(high, 1.0),
        images=int(places.size),
    )  # fmt: skip


def mean(numbers: Sequence[Number], *, independent: bool = False) -> Number:
    """The plain mean over subsets.

    Args:
        numbers: of one condition, one a subset.
        independent: the samples share no image, so that errors add by squares; otherwise they add
            up, which holds for any dependence.
    """
    values = [number.value for number in numbers]
    known = [value for value in values if value is not None]
    images = sum(number.images for number in numbers)
    if not known or len(known) < len(values):
        return Number(value=None, images=images)
    value = float(np.mean(known))
    if all(number.low is None for number in numbers):
        return Number(value=value, images=images)
    ends = []
    for side, sign in (("low", -1), ("high", 1)):
        found = (getattr(number, side) for number in numbers)
        away = [0.0 if end is None else abs(end - v) for end, v in zip(found, known, strict=True)]
        total = math.hypot(*away) if independent else math.fsum(away)
        ends.append(min(max(value + sign * total / len(known), 0.0), 1.0))
    return Number(value=value, low=ends[0], high=ends[1], images=images)


@dataclass(frozen=True)
class _Sample:
    """A sample of the images of a set, and their scores under the condition."""

    published: ScoredSubset
    places: Places
    scores: Floats

    @property
    def taken(self) -> Truths:
        """(N,) whether each image is in the sample."""
        return np.isin(np.arange(len(self.published.ids)), self.places)


@lru_cache(1 << 14)  # samples of one size ask the same again and again
def most_of(population: int, sample: int, found: int, error: float) -> int:
    """How many of a population can have a property that ``found`` of a random sample have.

    The largest number for which so few are found with probability ``error`` or more: the exact
    one-sided limit of the hypergeometric distribution.

    Example:
        >>> most_of(1000, 100, 0, 0.05), most_of(100, 100, 3, 0.05), most_of(10, 0, 0, 0.05)
        (28, 3, 10)
    """
    low, high = found, population - (sample - found)
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(found, population, middle, sample) >= error:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(found: int, population: int, having: int, sample: int) -> float:
    """P(X <= found), X hypergeometric."""
    x = np.arange(max(0, sample - (population - having)), min(found, sample, having) + 1)
    logs = _choose(having, x) + _choose(population - having, sample - x)
    return float(np.sum(np.exp(logs - _choose(population, np.asarray(sample)))))


def _choose(n: int, k: Any) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _counted(
    metric: str, whole: float, sample: _Sample, rule: ScoreRule, error: float
) -> tuple[float, float, float]:
    """An accuracy: value, low, high."""
    fake = sample.published.labels == 1
    before = (sample.published.scores > rule.threshold) == fake
    after = before.copy()
    after[sample.places] = (sample.scores > rule.threshold) == fake[sample.places]
    taken = sample.taken
    value, unseen, below, above = whole, [0.0, 0.0], [0.0], [0.0]
    for kind, weight in _weights(metric, fake):
        for right in (True, False):
            among = kind & (before == right)
            population, drawn = int(among.sum()), int((among & taken).sum())
            if not population:
                continue
            share = weight * population / int(kind.sum())
            turned = int((among & taken & (after != right)).sum())
            if not drawn:  # its own error is none of chance, and is not added by squares
                unseen[0 if right else 1] += share
                continue
            most = most_of(population, drawn, turned, error / 2)
            least = population - most_of(population, drawn, drawn - turned, error / 2)
            rate = turned / drawn
            more, fewer = share * (most / population - rate), share * (rate - least / population)
            value += -share * rate if right else share * rate
            below.append(more if right else fewer)
            above.append(fewer if right else more)
    low, high = value - unseen[0] - math.hypot(*below), value + unseen[1] + math.hypot(*above)
    return value, low, high


def _weights(metric: str, fake: Truths) -> list[tuple[Truths, float]]:
    """The classes that an accuracy is over, and what each weighs in it."""
    share = float(fake.mean())
    weights = {
        "acc": (1 - share, share),
        "balanced_acc": (0.5, 0.5),
        "real_acc": (1.0, 0.0),
        "fake_acc": (0.0, 1.0),
    }
    if metric not in weights:
        raise ValueError(f"no metric {metric!r}")
    return [(k, w) for k, w in zip((~fake, fake), weights[metric], strict=True) if w > 0]


def _ranked(
    metric: str, whole: float, sample: _Sample, rule: ScoreRule, error: float
) -> tuple[float, float, float]:
    """AP or AUC: value, low, high."""
    fake = sample.published.labels[sample.places] == 1
    classes = [np.flatnonzero(fake == kind) for kind in (False, True)]
    sizes = [int(np.sum(sample.published.labels == kind)) for kind in (0, 1)]
    if min(c.size for c in classes) < 2:
        return whole, 0.0, 1.0
    weights = np.where(fake, sizes[1] / classes[1].size, sizes[0] / classes[0].size)
    scores, published = sample.scores, sample.published.scores[sample.places]
    if metric == "ap" and rule.published_ap == "ap_sigmoid32":
        scores, published = (sigmoid32(x).astype(np.float64) for x in (scores, published))
    times = np.ones((_RESAMPLES + 1, fake.size))  # the first row is the sample itself
    draws = np.random.default_rng(0)
    for members in classes:
        chances = np.full(members.size, 1 / members.size)
        times[1:, members] = draws.multinomial(members.size, chances, _RESAMPLES)
    here = _rank(metric, fake, scores, times * weights)
    there = _rank(metric, fake, published, times * weights)
    spread = np.cov(here[1:], there[1:])
    slope = float(np.clip(spread[0, 1] / max(spread[1, 1], 1e-12), 0.0, 1.0))
    variance = float(spread[0, 0] - 2 * slope * spread[0, 1] + slope**2 * spread[1, 1])
    fewest = min(c.size for c in classes)
    left = max(1 - c.size / size for c, size in zip(classes, sizes, strict=True))
    reach = float(stdtrit(fewest - 1, 1 - error / 2))
    reach *= math.sqrt(max(variance, 0.0) * left * fewest / (fewest - 1))
    value = float(here[0] + slope * (whole - there[0]))
    ends = []
    for worse in (True, False):
        moved = max(
            abs(_missed(metric, (fake, scores, weights), kind, worse, error) - here[0])
            for kind in (False, True)
        )
        ends.append(math.hypot(reach, moved))
    return value, value - ends[0], value + ends[1]


def _missed(
    metric: str, sample: tuple[Truths, Floats, Floats], kind: bool, worse: bool, error: float
) -> float:
    """The metric if all images of a class that the sample can have missed lie at one end."""
    fake, scores, weights = sample
    members = fake == kind
    size, drawn = round(float(weights[members].sum())), int(members.sum())
    share = most_of(size, drawn, 0, error / 2) / size
    end = float(scores.max()) + 1 if kind != worse else float(scores.min()) - 1
    weights = np.append(np.where(members, weights * (1 - share), weights), share * size)
    return float(_rank(metric, np.append(fake, kind), np.append(scores, end), weights[None])[0])


def _rank(metric: str, fake: Truths, scores: Floats, weights: Floats) -> Floats:
    """(R,) AP or AUC of (n,) scores whose images have (R, n) weights; equal scores enter together.

    ``harness.metrics`` has both for whole images; here reals and fakes weigh what they stand for.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    ranked = weights[:, order]
    hits = np.cumsum(ranked * fake[order], axis=1)[:, last]
    alarms = np.cumsum(ranked * ~fake[order], axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0.0)
    if metric == "ap":
        precision = hits / np.maximum(hits + alarms, 1e-300)
        return np.asarray(np.sum(gained * precision, axis=1) / hits[:, -1])
    beaten = alarms[:, -1:] - (alarms + np.concatenate((0 * alarms[:, :1], alarms[:, :-1]), 1)) / 2
    return np.asarray(np.sum(gained * beaten, axis=1) / (hits[:, -1] * alarms[:, -1]))
