"""A cell's number the published way: what a run would print for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.api import FAKE
from harness.diagnosis.condition import (
    MEAN,
    Given,
    MetricCell,
    MetricChange,
    ScoredSubset,
    ScoreRule,
    Sets,
)
from harness.metrics import classification


def number(sets: Sets, rule: ScoreRule, cell: MetricCell) -> float | None:
    """A cell's number as a fraction; None where it is not defined.

    Args:
        sets: the scored images.
        rule: how they are judged.
        cell: of one of the sets, or of ``MEAN``: the plain mean over all.
    """
    if cell.subset == MEAN:
        return mean(of_set(each, rule, cell.metric) for each in sets.values())
    return of_set(sets[cell.subset], rule, cell.metric)


def mean(values: Iterable[float | None]) -> float | None:
    """The plain mean; None where one is not defined, or there is none."""
    found = list(values)
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def of_set(scored: ScoredSubset, rule: ScoreRule, metric: str) -> float | None:
    """A metric of one set, as records name it; ``ap`` is the release's own."""
    labels, scores = scored.labels, scored.scores
    match metric:
        case "acc":  # of one class too: that is what a program prints which left the other out
            right = (scores > rule.threshold) == (labels == FAKE)
            return float(right.mean()) if right.size else None
        case "ap" if rule.published_ap == "ap_sigmoid32":
            found = classification.ap_sigmoid32(labels, scores)
        case "ap":
            found = classification.average_precision(labels, scores)
        case "auc":
            found = classification.roc_auc(labels, scores)
        case "real_acc":
            found = classification.real_accuracy(labels, scores, rule.threshold)
        case "fake_acc":
            found = classification.fake_accuracy(labels, scores, rule.threshold)
        case "balanced_acc":
            found = classification.balanced_accuracy(labels, scores, rule.threshold)
        case _:
            raise ValueError(f"no metric {metric!r}")
    return found.value


def under(change: MetricChange | None, sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    """A given cell's number, with a change of the metric where it touches the cell."""
    if change is not None and (value := change.of(sets, rule, given)) is not None:
        return value
    return number(sets, rule, given.cell)
