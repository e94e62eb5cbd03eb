"""Metrics of one subset from labels and raw scores: accuracy, average precision and their kin.

REAL = 0, FAKE = 1; a score is larger when more fake; the decision is fake when
``score > threshold``. All values are fractions in [0, 1]. A metric that is not defined for the
given classes has the value None and a note that says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.calibration import brier_score, expected_calibration_error
from harness.metrics.curve import Curve, measured
from harness.metrics.thresholds import five_fold_accuracy, oracle_accuracy
from harness.metrics.values import (
    NO_FAKES,
    NO_IMAGES,
    NO_REALS,
    Labels,
    MetricValue,
    checked,
    checked_labels,
    missing_class,
)

REALS_FOR_1_PERCENT = 1000
OF_THE_SET = ("fake_share", "ap_chance")
"""Metrics that hang on the classes' sizes alone: no score moves them."""
FEW_REALS = f"fewer than {REALS_FOR_1_PERCENT:,} real images: 1 % of them is no rate"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How scores are judged.

    Args:
        threshold: the declared one, on the scale of the scores.
        kind: ``logit``, ``probability`` or ``uncalibrated``.
        calibrated: one that another set gave, if any.
    """

    threshold: float
    kind: str
    calibrated: float | None = None

    def evaluate(self, labels: ArrayLike, scores: ArrayLike) -> dict[str, MetricValue]:
        """Every metric; see :func:`evaluate`."""
        return evaluate(labels, scores, self.threshold, self.kind, self.calibrated)


def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    threshold: float,
    kind: str,
    calibrated: float | None = None,
) -> dict[str, MetricValue]:
    """Every metric of one subset.

    Args:
        labels: (N,) of 0 (real) and 1 (fake).
        scores: (N,) finite raw scores, larger = more fake.
        threshold: the declared threshold, on the scale of the scores.
        kind: ``logit``, ``probability`` or ``uncalibrated``; ``ap_sigmoid32`` is only for logits.
        calibrated: a threshold that another set gave, if any.

    Returns:
        At the declared threshold ``acc``, ``real_acc``, ``fake_acc``, ``balanced_acc``; at one
        from held-out images ``acc_5fold``, from another set ``acc_calibrated``, at the best one
        ``acc_oracle``. Free of a threshold ``ap``, ``auc``, ``eer``, ``tpr_at_fpr5``,
        ``tpr_at_fpr1`` and, for logits, ``ap_sigmoid32``. Of probabilities ``brier`` and ``ece``.
        And of the set itself ``fake_share`` and ``ap_chance``.

    Example:
        >>> result = evaluate([0, 0, 1, 1], [-2.0, 1.0, 0.5, 3.0], threshold=0.0, kind="logit")
        >>> result["acc"].value, result["real_acc"].value, result["fake_acc"].value
        (0.75, 0.5, 1.0)
    """
    values = {
        "acc": accuracy(labels, scores, threshold),
        "ap": average_precision(labels, scores),
        "real_acc": real_accuracy(labels, scores, threshold),
        "fake_acc": fake_accuracy(labels, scores, threshold),
        "balanced_acc": balanced_accuracy(labels, scores, threshold),
        "auc": roc_auc(labels, scores),
        "eer": equal_error_rate(labels, scores),
        "tpr_at_fpr5": tpr_at_fpr(labels, scores, 0.05),
        "tpr_at_fpr1": tpr_at_fpr(labels, scores, 0.01),
        "acc_5fold": five_fold_accuracy(labels, scores),
        "acc_oracle": oracle_accuracy(labels, scores),
        "brier": brier_score(labels, scores, kind),
        "ece": expected_calibration_error(labels, scores, kind),
        "fake_share": fake_share(labels),
        "ap_chance": ap_chance(labels),
    }
    if kind == "logit":
        values["ap_sigmoid32"] = ap_sigmoid32(labels, scores)
    if calibrated is not None:
        values["acc_calibrated"] = accuracy(labels, scores, calibrated)
    return values


def accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> MetricValue:
    """Share of right decisions over all images, whatever the classes' sizes.

    Formula: ``mean((score > threshold) == (label == 1))``. Source: the LFM, NPR and CNNDetection
    test scripts (threshold 0.5 on the sigmoid, here 0 on the logit). A score equal to the
    threshold is called real. The scripts compare a float32 sigmoid: a logit within about 1e-7
    above 0 rounds to exactly 0.5 there and is called real. Not defined with one class: a share of
    right decisions is then a false-alarm or a hit rate (``real_acc``, ``fake_acc``), and reads as
    an accuracy that it is not.

    Example:
        >>> accuracy([0, 0, 1, 1], [-2.0, 1.0, 0.5, 3.0], threshold=0.0)
        MetricValue(value=0.75, note='')
    """
    fake, values = checked(labels, scores)
    missing = missing_class(fake)
    if missing:
        return MetricValue(None, missing)
    return _share((values > threshold) == fake, NO_IMAGES)


def real_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> MetricValue:
    """Share of real images called real: ``mean(score <= threshold)`` over label 0 (specificity).

    Example:
        >>> real_accuracy([0, 0, 1], [-2.0, 1.0, 0.5], threshold=0.0)
        MetricValue(value=0.5, note='')
    """
    fake, values = checked(labels, scores)
    return _share(values[~fake] <= threshold, NO_REALS)


def fake_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> MetricValue:
    """Share of fake images flagged as fake: ``mean(score > threshold)`` over label 1 (sensitivity).

    Example:
        >>> fake_accuracy([1, 1], [1.0, 2.0], threshold=0.0)
        MetricValue(value=1.0, note='')
    """
    fake, values = checked(labels, scores)
    return _share(values[fake] > threshold, NO_FAKES)


def balanced_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> MetricValue:
    """``(real_acc + fake_acc) / 2``; equals sklearn's ``balanced_accuracy_score``.

    Example:
        >>> balanced_accuracy([0, 0, 1], [-2.0, 1.0, 0.5], threshold=0.0)
        MetricValue(value=0.75, note='')
    """
    real = real_accuracy(labels, scores, threshold)
    fake = fake_accuracy(labels, scores, threshold)
    if real.value is None or fake.value is None:
        return MetricValue(None, real.note or fake.note)
    return MetricValue((real.value + fake.value) / 2)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> MetricValue:
    """Average precision with fake as the positive class, as scikit-learn defines it.

    Formula: ``AP = sum_n (R_n - R_(n-1)) P_n`` over the distinct scores in falling order, where
    precision P_n and recall R_n take every image with at least the n-th score as positive: equal
    scores enter together and nothing is interpolated. Source: ``sklearn.metrics``
    (``average_precision_score``), which the field's test scripts call. Not defined with one class
    (sklearn answers 0 without fakes, 1 without reals).

    Example:
        >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value, 6)
        0.833333
    """
    return measured(labels, scores, Curve.average_precision)


def ap_sigmoid32(labels: ArrayLike, logits: ArrayLike) -> MetricValue:
    """Average precision of the float32 sigmoid of logits, as the released test scripts compute it.

    Above a logit of about 17 a float32 sigmoid is exactly 1, so all confident scores are tied and
    AP differs from that of the raw logits; this is the number behind the papers' tables.
    See :func:`sigmoid32` for how close the bits are.

    Example:
        >>> average_precision([0, 1, 1], [40.0, 50.0, 60.0]).value
        1.0
        >>> round(ap_sigmoid32([0, 1, 1], [40.0, 50.0, 60.0]).value, 6)
        0.666667
    """
    fake, values = checked(labels, logits)
    return average_precision(fake, sigmoid32(values))


def sigmoid32(logits: ArrayLike) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(N,) logits -> (N,) float32 sigmoid ``1 / (1 + exp(-x))`` in float32 arithmetic.

    The exponential is rounded once from float64, which is as close as can be to torch's: over
    logits in [-100, 100] 96 % of the values have the bits of torch's CPU kernel (99.8 % of the
    positive ones), the rest differ by at most 4 units in the last place, and the same values
    saturate to exactly 0 and 1. CUDA's kernel, which the papers' runs used, was not compared.
    """
    with np.errstate(over="ignore", under="ignore"):
        x = np.asarray(logits).astype(np.float32)
        power = np.exp(-x.astype(np.float64)).astype(np.float32)
        return np.asarray(np.float32(1) / (np.float32(1) + power), dtype=np.float32)


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> MetricValue:
    """Area under the ROC curve: the chance that a fake scores above a real, ties counted half.

    Formula: ``AUC = P(s_fake > s_real) + P(s_fake = s_real) / 2`` (Mann-Whitney U over
    ``n_fake * n_real``). Equals ``sklearn.metrics.roc_auc_score``.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        MetricValue(value=0.75, note='')
    """
    return measured(labels, scores, Curve.roc_auc)


def tpr_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float) -> MetricValue:
    """Share of fakes found at the lowest threshold that calls at most ``fpr`` of the reals fake.

    Formula: ``max TPR(t) over t with FPR(t) <= fpr``, over the distinct scores, nothing
    interpolated. Below 1,000 reals a rate of 1 % hangs on a handful of images and is undefined.

    Example:
        >>> tpr_at_fpr([0] * 20 + [1, 1], [0.0] * 19 + [0.5, 0.4, 0.6], 0.05)
        MetricValue(value=1.0, note='')
    """
    fake, values = checked(labels, scores)
    found = measured(fake, values, lambda curve: curve.tpr_at(fpr))
    few = fpr < 0.05 and int((~fake).sum()) < REALS_FOR_1_PERCENT
    return MetricValue(None, FEW_REALS) if few and found.value is not None else found


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> MetricValue:
    """The rate at which as large a share of reals is flagged as fake as of fakes is called real.

    Formula: the intersection of the ROC curve, straight between distinct scores, with FPR = FNR.

    Example:
        >>> equal_error_rate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        MetricValue(value=0.5, note='')
    """
    return measured(labels, scores, Curve.equal_error_rate)


def fake_share(labels: ArrayLike) -> MetricValue:
    """Share of fakes among the images: AP where all scores are equal.

    Example:
        >>> fake_share([0, 0, 0, 1])
        MetricValue(value=0.25, note='')
    """
    return _share(checked_labels(labels), NO_IMAGES)


def ap_chance(labels: ArrayLike) -> MetricValue:
    """AP that random scores get on so many images, on average: what a detector must beat.

    Formula: ``a + (1 - a) H_N / N`` with ``a = (n_fake - 1) / (N - 1)`` and H_N the N-th harmonic
    number: each rank k holds a fake with chance n_fake / N, and then a share
    ``(1 + (k - 1) a) / k`` of fakes is expected down to it. It lies above the share of fakes, much
    so on few images. Source: Bestgen, Exact expected average precision of the random baseline,
    2015.

    Example:
        >>> round(ap_chance([0, 0, 0, 1, 1, 1]).value, 6)
        0.645
    """
    fake = checked_labels(labels)
    missing = missing_class(fake)
    if missing:
        return MetricValue(None, missing)
    images = fake.size
    others = (int(fake.sum()) - 1) / (images - 1)
    harmonic = float(np.sum(1 / np.arange(1, images + 1)))
    return MetricValue(others + (1 - others) * harmonic / images)


def _share(right: Labels, note_when_empty: str) -> MetricValue:
    return MetricValue(float(np.mean(right))) if right.size else MetricValue(None, note_when_empty)
