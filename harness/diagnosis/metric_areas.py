"""Rows on AP and AUC: of other scores, under another definition, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.api import FAKE
from harness.diagnosis.condition import ScoredSubset, ScoreRule
from harness.diagnosis.label_family import turned
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
)
from harness.diagnosis.published import mean, of_set
from harness.metrics.classification import sigmoid32
from harness.metrics.curve import Curve, curve

DECIMALS = (2, 3, 4, 5, 6)

_RAW = "take AP of the raw scores: no rounding has made ties among them."


def areas() -> Iterator[MetricRow]:
    """All rows on areas under a curve."""
    yield from _ap_of_other_scores()
    yield from _other_areas()
    for size in BATCHES:
        yield from _of_batches(size)


def _ap_of(
    values: Callable[[Floats, ScoreRule], Floats], measure: Callable[[Curve], float]
) -> Number:
    def each(scored: ScoredSubset, rule: ScoreRule) -> float | None:
        found = np.asarray(values(scored.scores, rule), dtype=np.float64)
        fake = scored.labels == FAKE
        if fake.all() or not fake.any() or not np.isfinite(found).all():
            return None
        return measure(curve(fake, found))

    return of_sets(["ap"], each)


def _released(scores: Floats, rule: ScoreRule) -> Floats:
    """What the release takes AP of."""
    return sigmoid32(scores) if rule.published_ap == "ap_sigmoid32" else scores


def _float16(scores: Floats, rule: ScoreRule) -> Floats:
    with np.errstate(over="ignore"):
        return float32(scores, rule).astype(np.float16)


def _ap_of_other_scores() -> Iterator[MetricRow]:
    area = Curve.average_precision
    yield MetricRow(
        name="AP of logits",
        changes="AP is taken of the logits, before any sigmoid.",
        of=_ap_of(lambda scores, rule: scores, area),
        do="say which scores AP is of: probabilities in float32 tie where logits do not.",
        kinds=("logit",),
    )
    yield MetricRow(
        name="AP of float32 probabilities",
        changes="AP is taken of probabilities in float32, where those above about 1 - 6e-8 tie.",
        of=_ap_of(float32, area),
        do=_RAW,
        seen="Ouxiang-Li/SAFE: AP over a float32 softmax, whose values near 1 tie",
        kin="AP of rounded scores",
        kinds=("logit", "probability"),
    )
    yield MetricRow(
        name="AP of float16 probabilities",
        changes="AP is taken of probabilities (of a detector without them: of scores) that were "
        "rounded to float16.",
        of=_ap_of(_float16, area),
        do=_RAW,
        seen="jonasricker/aeroblade: distances are halves, with about three digits and ties",
        kin="AP of rounded scores",
    )
    for decimals in DECIMALS:
        yield MetricRow(
            name=f"AP of scores with {decimals} decimals",
            changes=f"AP is taken of probabilities (of a detector without them: of scores) that "
            f"were printed with {decimals} decimals and read again.",
            of=_ap_of(_decimals(decimals), area),
            do="write scores with all their digits: `repr(float)`.",
            kin="AP of rounded scores",
        )
    yield MetricRow(
        name="AP of decisions",
        changes="AP is taken of the decisions, 0 or 1, in place of the scores.",
        of=_ap_of(lambda scores, rule: scores > rule.threshold, area),
        do="pass the scores to `average_precision_score`, not what was decided from them.",
    )


def _decimals(decimals: int) -> Callable[[Floats, ScoreRule], Floats]:
    def printed(scores: Floats, rule: ScoreRule) -> Floats:
        return np.round(float32(scores, rule).astype(np.float64), decimals)

    return printed


def _other_areas() -> Iterator[MetricRow]:
    yield MetricRow(
        name="AUC in place of AP",
        changes="the area under the ROC curve is printed as AP.",
        of=printed_as("auc", "ap"),
        do=BY_NAME,
    )
    yield MetricRow(
        name="AP in place of AUC",
        changes="AP is printed as the area under the ROC curve.",
        of=printed_as("ap", "auc"),
        do=BY_NAME,
    )
    yield MetricRow(
        name="AP of reals",
        changes="AP has real as the positive class, found by the score of real.",
        of=of_sets(["ap"], _ap_of_reals),
        do="take fake as the positive class, as nearly every table of the field does.",
        seen="chail/patch-forensics; IBM/RIGID",
    )
    yield MetricRow(
        name="AP by trapezoids",
        changes="the points of the precision-recall curve are joined by straight lines: "
        "sklearn's `auc(recall, precision)`.",
        of=_ap_of(_released, _trapezoids),
        do="take `average_precision_score`, which interpolates nothing.",
    )
    yield MetricRow(
        name="AP at 11 points",
        changes="AP is the mean over recall 0, 0.1, ... 1 of the best precision at that recall or "
        "a higher one, as in PASCAL VOC 2007.",
        of=_ap_of(_released, _eleven),
        do="take `average_precision_score`, which interpolates nothing.",
    )


def _ap_of_reals(scored: ScoredSubset, rule: ScoreRule) -> float | None:
    scores = turned(scored.scores, rule)
    return of_set(replace(scored, labels=1 - scored.labels, scores=scores), rule, "ap")


def _trapezoids(found: Curve) -> float:
    """From recall 0 and precision 1 on, as sklearn's curve."""
    precision = np.concatenate(([1.0], found.hits / (found.hits + found.false_alarms)))
    recall = np.concatenate(([0.0], found.hits / found.fakes))
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1])) / 2)


def _eleven(found: Curve) -> float:
    precision = found.hits / (found.hits + found.false_alarms)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    # Counts, not shares: 0.3 of 10 fakes are three, whatever 3 / 10 is as a float.
    first = np.searchsorted(10 * found.hits, np.arange(11) * found.fakes, side="left")
    return float(np.mean(best[first]))


def _of_batches(size: int) -> Iterator[MetricRow]:
    """Batches of images in manifest order: reals, then fakes, so that most hold one class."""
    yield MetricRow(
        name=f"mean AP of batches of {size}",
        changes=f"AP is computed in each batch of {size} images, reals first, then fakes, and "
        "averaged; sklearn gives a batch without fakes 0 and one without reals 1.",
        of=of_sets(["ap"], lambda scored, rule: _batched_ap(scored, rule, size)),
        do=AT_ONCE,
        kin="mean AP of batches",
    )


def _batched_ap(scored: ScoredSubset, rule: ScoreRule, size: int) -> float | None:
    values = np.asarray(_released(scored.scores, rule), dtype=np.float64)
    fake = scored.labels == FAKE
    found: list[float] = []
    for start in range(0, fake.size, size):
        part = fake[start : start + size]
        mixed = part.any() and not part.all()
        area = curve(part, values[start : start + size]).average_precision if mixed else None
        found.append(area() if area else float(part.all()))
    return mean(found)
