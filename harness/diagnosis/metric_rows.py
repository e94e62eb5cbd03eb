"""Conditions on metrics: what a row of them says, and how one is applied set by set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.api import FAKE
from harness.diagnosis.condition import MEAN, Family, Given, ScoredSubset, ScoreRule, Sets
from harness.diagnosis.published import mean, of_set
from harness.metrics.classification import sigmoid32

BATCHES = (16, 32, 64, 128, 256)
AT_ONCE = "collect all scores of a set, then compute the metric once."
BY_NAME = "say which of the two is meant, and print it under its own name."

Floats = np.ndarray[Any, Any]
Number = Callable[[Sets, ScoreRule, Given], float | None]


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A condition of this family, with the kinds of scores that it can be tried on."""

    name: str
    changes: str
    of: Callable[[Sets, ScoreRule, Given], float | None]
    do: str
    seen: str = ""
    kin: str = ""
    kinds: tuple[str, ...] = ("logit", "probability", "uncalibrated")
    family: Family = "metric"


def of_sets(
    metrics: Iterable[str], each: Callable[[ScoredSubset, ScoreRule], float | None]
) -> Number:
    """Touches these metrics of a set; of a mean, the plain mean over the sets' new numbers."""
    touched = frozenset(metrics)

    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        if given.cell.metric not in touched:
            return None
        if given.cell.subset == MEAN:
            return mean(each(scored, rule) for scored in sets.values())
        return each(sets[given.cell.subset], rule)

    return of


def printed_as(metric: str, *others: str) -> Number:
    """This metric where another one is named."""
    return of_sets(others, lambda scored, rule: of_set(scored, rule, metric))


def float32(scores: Floats, rule: ScoreRule) -> Floats:
    """(N,) probabilities of logits; scores that are none stay on their scale."""
    return sigmoid32(scores) if rule.kind == "logit" else scores.astype(np.float32)


def right(scored: ScoredSubset, rule: ScoreRule) -> Floats:
    """(N,) whether each image is judged rightly."""
    found: Floats = (scored.scores > rule.threshold) == (scored.labels == FAKE)
    return found
