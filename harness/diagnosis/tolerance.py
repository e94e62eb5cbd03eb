"""What matches a number that was measured on other images of the kind.

The printed number and ours then differ by the chance of both sets of images. A number of ours in
the interval is no more than what such two sets differ by.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.diagnosis.condition import ScoredSubset, ScoreRule
from harness.metrics import classification
from harness.metrics.bootstrap import mean_draws
from harness.metrics.digits import Digits
from harness.metrics.interval import images_worth
from harness.metrics.replicates import replicates

_RESAMPLES = 400
_Z = 1.959964  # of 95 %, two-sided


def sampling_interval(
    metric: str, sets: Sequence[ScoredSubset], rule: ScoreRule, digits: Digits, n_given: int = 0
) -> tuple[float, float]:
    """Where a number of ours lies in 95 of 100 cases, if the printed one is of other such images.

    Those numbers that the test of two shares with a pooled variance (Wilson's, of two samples) does
    not tell from the printed one. An accuracy is as sure as its images; AP and AUC as many as a
    bootstrap of our scores says that they are worth. A file that several sets hold (by its digest)
    is one image.

    Args:
        metric: as records name it.
        sets: our images, scored the published way; of a mean over subsets, all of them.
        rule: how scores are judged.
        digits: as printed.
        n_given: images that the printed number is over (of its class, for the accuracy of one; all
            together, for a mean); 0: as many as ours.

    Returns:
        Fractions in [0, 1], what is printed so among them; all of it where our images say nothing
        (a class is missing).
    """
    count, ours = _ranked(metric, sets, rule) if metric in ("ap", "auc") else _counted(metric, sets)
    if not ours:
        return 0.0, 1.0
    theirs = ours * n_given / count if n_given else ours
    low, high = _alike(digits.percent / 100, theirs, ours)
    return max(0.0, low - digits.half), min(1.0, high + digits.half)


def _alike(share: float, images: float, ours: float) -> tuple[float, float]:
    """The shares x of ``ours`` images that are not told from a share of others.

    ``(x - p)^2 <= z^2 m (1 - m) (1 / n + 1 / n')``, m the share of both together: with x = p + d
    a quadratic in d.
    """
    part = ours / (ours + images)
    c = _Z**2 * (1 / ours + 1 / images)
    square, half = 1 + c * part**2, c * part * (1 - 2 * share) / 2
    root = math.sqrt(half**2 + square * c * share * (1 - share))
    return share + (half - root) / square, share + (half + root) / square


def _units(scored: ScoredSubset) -> list[str]:
    return list(scored.sha256) or [f"{scored.subset}/{name}" for name in scored.ids]


def _counted(metric: str, sets: Sequence[ScoredSubset]) -> tuple[int, float]:
    """Images that an accuracy is over, and how many of equal weight are as sure (Kish)."""
    weights: dict[str, float] = defaultdict(float)
    count = 0
    for each in sets:
        units = _units(each)
        groups = [each.labels >= 0] if metric == "acc" else _classes(metric, each)
        for members in groups:
            places = np.flatnonzero(members).tolist()
            count += len(places)
            if not places:
                return 0, 0.0
            for place in places:
                weights[units[place]] += 1 / (len(sets) * len(groups) * len(places))
    return count, 1 / float(np.sum(np.square(list(weights.values()))))


def _classes(metric: str, each: ScoredSubset) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    wanted = {"real_acc": (0,), "fake_acc": (1,), "balanced_acc": (0, 1)}
    if metric not in wanted:
        raise ValueError(f"no metric {metric!r}")
    return [each.labels == label for label in wanted[metric]]


def _ranked(metric: str, sets: Sequence[ScoredSubset], rule: ScoreRule) -> tuple[int, float]:
    """Images that AP or AUC is over, and how many independent ones they are worth."""
    name = rule.published_ap if metric == "ap" else metric
    judged = classification.Rule(threshold=rule.threshold, kind=rule.kind)
    found = [
        replicates(each.labels, each.scores, _units(each), judged, _RESAMPLES).get(name)
        for each in sets
    ]
    known = [draws for draws in found if draws is not None]
    if not known or len(known) < len(found):
        return 0, 0.0
    return sum(len(each.ids) for each in sets), images_worth(mean_draws(known)) or 0.0
