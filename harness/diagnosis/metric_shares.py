"""Rows on ACC: other thresholds, one class, wrong denominators, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from harness.api import FAKE, REAL
from harness.diagnosis.condition import MEAN, Given, ScoredSubset, ScoreRule, Sets, pooled
from harness.diagnosis.metric_rows import (
    AT_ONCE,
    BATCHES,
    BY_NAME,
    Floats,
    MetricRow,
    Number,
    float32,
    of_sets,
    printed_as,
    right,
)
from harness.diagnosis.published import mean, number, of_set
from harness.metrics.thresholds import best_threshold

JUDGED = ("acc", "real_acc", "fake_acc", "balanced_acc")
"""Metrics that a threshold moves."""

_THRESHOLD = "judge at the threshold that is declared for the scale of the scores."


def shares() -> Iterator[MetricRow]:
    """All rows on shares of right decisions."""
    yield from _thresholds()
    yield from _other_shares()
    yield from _wrong_denominators()
    for size in BATCHES:
        yield from _of_batches(size)


Judge = Callable[[ScoredSubset, Sets, ScoreRule], tuple[Floats, float]]
"""A set's scores and the threshold that they are compared with."""


def _judged(judge: Judge) -> Number:
    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        def each(scored: ScoredSubset, rule: ScoreRule) -> float | None:
            scores, threshold = judge(scored, sets, rule)
            judged = replace(scored, scores=np.asarray(scores, dtype=np.float64))
            return of_set(judged, replace(rule, threshold=threshold), given.cell.metric)

        return of_sets(JUDGED, each)(sets, rule, given)

    return of


def _thresholds() -> Iterator[MetricRow]:
    yield MetricRow(
        name="ACC with >=",
        changes="a score equal to the threshold is called fake, not real.",
        of=_judged(
            lambda scored, sets, rule: (scored.scores, np.nextafter(rule.threshold, -np.inf))
        ),
        do="compare with `>`: an image is fake where its score is above the threshold.",
        seen="AniSundar18/AlignedForensics: the sigmoid is fake from 0.5 on",
    )
    yield MetricRow(
        name="ACC at logit 0.5",
        changes="logits are compared with 0.5, the threshold of probabilities.",
        of=_judged(lambda scored, sets, rule: (scored.scores, 0.5)),
        do=_THRESHOLD,
        kinds=("logit",),
    )
    yield MetricRow(
        name="ACC at probability 0.5",
        changes="probabilities in float32 are compared with 0.5, whatever the declared threshold.",
        of=_judged(lambda scored, sets, rule: (float32(scored.scores, rule), 0.5)),
        do=_THRESHOLD,
        kinds=("logit", "probability"),
    )
    yield MetricRow(
        name="ACC at probability 0",
        changes="probabilities are compared with 0, the threshold of logits: all are called fake "
        "that do not round to 0. A sigmoid of a sigmoid compared with 0.5 does the same.",
        of=_judged(lambda scored, sets, rule: (float32(scored.scores, rule), 0.0)),
        do=_THRESHOLD,
        kinds=("logit", "probability"),
    )
    yield MetricRow(
        name="ACC at the best threshold",
        changes="the threshold is the one that is best for the very set that is judged.",
        of=_judged(lambda scored, sets, rule: (scored.scores, _best([scored], rule))),
        do="take a threshold from other images, or give the number as an upper bound.",
        seen="WisconsinAIVision/UniversalFakeDetect computes it beside the one at 0.5",
        kin="ACC at a best threshold",
    )
    yield MetricRow(
        name="ACC at the best threshold of all sets",
        changes="one threshold for all sets is the one that is best for all their images together.",
        of=_judged(lambda scored, sets, rule: (scored.scores, _best(sets.values(), rule))),
        do="take a threshold from other images, or give the number as an upper bound.",
        kin="ACC at a best threshold",
    )


def _best(sets: Iterable[ScoredSubset], rule: ScoreRule) -> float:
    all_of_them = pooled(sets)
    if not all_of_them.ids:
        return rule.threshold
    return best_threshold(all_of_them.labels, all_of_them.scores)


def _other_shares() -> Iterator[MetricRow]:
    for name, metric, changes, seen in (
        (
            "balanced ACC",
            "balanced_acc",
            "the mean of both classes' accuracies is printed as ACC.",
            "grip-unina/ClipBased-SyntheticImageDetection: balanced accuracy under the name acc",
        ),
        ("ACC of fakes only", "fake_acc", "only the fakes are counted.", ""),
        ("ACC of reals only", "real_acc", "only the reals are counted.", ""),
    ):
        of = printed_as(metric, "acc")
        yield MetricRow(name=name, changes=changes, of=of, do=BY_NAME, seen=seen)
    yield MetricRow(
        name="reals' ACC printed for fakes",
        changes="the accuracy of the reals is printed as that of the fakes.",
        of=printed_as("real_acc", "fake_acc"),
        do=BY_NAME,
        seen="YZY-stack/Effort-AIGI-Detection: acc1.txt's column of fakes is that of reals",
    )
    yield MetricRow(
        name="fakes' ACC printed for reals",
        changes="the accuracy of the fakes is printed as that of the reals.",
        of=printed_as("fake_acc", "real_acc"),
        do=BY_NAME,
    )
    yield MetricRow(
        name="error in place of ACC",
        changes="the share of wrong decisions is printed as the share of right ones.",
        of=_error,
        do=BY_NAME,
    )


def _error(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    value = number(sets, rule, given.cell) if given.cell.metric in JUDGED else None
    return None if value is None else 1 - value


def _wrong_denominators() -> Iterator[MetricRow]:
    for name, label in (("reals", REAL), ("fakes", FAKE)):
        yield MetricRow(
            name=f"right {name} over all images",
            changes=f"the {name} that are judged rightly are divided by the number of all images.",
            of=_share_of_all(label),
            do="divide the right ones of a class by the images of that class.",
            kin="wrong denominator",
        )
    yield MetricRow(
        name="over the stated number of images",
        changes="right decisions are divided by the number of images that is stated, which is not "
        "the number of those that are judged.",
        of=_over_stated,
        do="divide by the number of images that were judged, and state that.",
        kin="wrong denominator",
    )


def _share_of_all(label: int) -> Number:
    def each(scored: ScoredSubset, rule: ScoreRule) -> float | None:
        found = right(scored, rule) & (scored.labels == label)
        return float(found.mean()) if found.size else None

    return of_sets(["acc", "fake_acc" if label == FAKE else "real_acc"], each)


def _over_stated(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    if given.cell.metric != "acc" or given.cell.subset == MEAN or not given.n:
        return None
    return float(right(sets[given.cell.subset], rule).sum() / given.n)


def _of_batches(size: int) -> Iterator[MetricRow]:
    yield MetricRow(
        name=f"mean ACC of batches of {size}",
        changes=f"ACC is computed in each batch of {size} images, reals first, then fakes, and "
        "averaged: a short last batch weighs as much as a full one.",
        of=of_sets(["acc"], lambda scored, rule: _batched_accuracy(scored, rule, size)),
        do=AT_ONCE,
        kin="mean ACC of batches",
    )
    yield MetricRow(
        name=f"ACC over full batches of {size}",
        changes=f"right decisions are divided by {size} times the number of batches, as if the "
        "last batch were full.",
        of=of_sets(["acc"], lambda scored, rule: _over_full_batches(scored, rule, size)),
        do="divide by the number of images.",
        kin="wrong denominator",
    )


def _batched_accuracy(scored: ScoredSubset, rule: ScoreRule, size: int) -> float | None:
    found = right(scored, rule)
    return mean(float(found[at : at + size].mean()) for at in range(0, found.size, size))


def _over_full_batches(scored: ScoredSubset, rule: ScoreRule, size: int) -> float | None:
    found = right(scored, rule)
    return float(found.sum() / (math.ceil(found.size / size) * size)) if found.size else None
