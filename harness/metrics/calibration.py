"""Whether a probability means what it says: Brier score, ECE, the reliability diagram's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.values import NO_IMAGES, Floats, MetricValue, checked

BINS = 15
UNCALIBRATED = "scores are uncalibrated: no probability to judge"
OUTSIDE = "scores leave [0, 1]: no probability"


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram.

    Args:
        low, high: edges on the predicted probability of fake.
        count: images in it.
        predicted: their mean predicted probability; None in an empty bin.
        observed: their share of fakes; None in an empty bin.
    """

    low: float
    high: float
    count: int
    predicted: float | None
    observed: float | None


def probabilities(scores: Floats, kind: str) -> tuple[Floats | None, str]:
    """(N,) scores as probabilities of fake, or None and the reason why they are none.

    Args:
        scores: raw scores.
        kind: ``logit`` (the sigmoid is taken, in float64), ``probability`` or ``uncalibrated``.
    """
    if kind == "uncalibrated":
        return None, UNCALIBRATED
    if kind == "probability":
        inside = scores.size == 0 or (scores.min() >= 0 and scores.max() <= 1)
        return (scores, "") if inside else (None, OUTSIDE)
    return _sigmoid(scores), ""


def brier_score(labels: ArrayLike, scores: ArrayLike, kind: str) -> MetricValue:
    """Mean squared distance of the probability of fake from the label; 0 is perfect.

    Formula: ``mean((p - y)^2)``. Source: Brier, Monthly Weather Review 1950; equals
    ``sklearn.metrics.brier_score_loss``. Always answering the share of fakes q gives q (1 - q).

    Example:
        >>> brier_score([0, 1], [0.0, 0.5], "probability")
        MetricValue(value=0.125, note='')
    """
    fake, values = checked(labels, scores)
    chances, reason = probabilities(values, kind)
    if chances is None or not fake.size:
        return MetricValue(None, reason or NO_IMAGES)
    return MetricValue(float(np.mean((chances - fake) ** 2)))


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, kind: str, bins: int = BINS
) -> MetricValue:
    """Mean distance between predicted and observed share of fakes, over equally wide bins.

    Formula: ``sum_b n_b / N * |mean(p) - mean(y)|`` with p the probability of fake, in ``bins``
    bins ``[i / bins, (i + 1) / bins)``, the last one closed. Source: Naeini et al., AAAI 2015, and
    Guo et al., ICML 2017 (15 bins), here for the probability of fake and not for the confidence of
    the decision. It is biased upwards on few images.

    Example:
        >>> round(expected_calibration_error([0, 0, 1], [0.1, 0.9, 0.9], "probability").value, 6)
        0.3
    """
    fake, values = checked(labels, scores)
    chances, reason = probabilities(values, kind)
    if chances is None or not fake.size:
        return MetricValue(None, reason or NO_IMAGES)
    gaps = np.bincount(bin_of(chances, bins), weights=chances - fake, minlength=bins)
    return MetricValue(float(np.abs(gaps).sum() / fake.size))


def reliability(
    labels: ArrayLike, scores: ArrayLike, kind: str, bins: int = BINS
) -> tuple[Bin, ...]:
    """The bars of a reliability diagram; empty where the scores are no probabilities."""
    fake, values = checked(labels, scores)
    chances, _ = probabilities(values, kind)
    if chances is None:
        return ()
    place = bin_of(chances, bins)
    count = np.bincount(place, minlength=bins)
    predicted = np.bincount(place, weights=chances, minlength=bins)
    observed = np.bincount(place, weights=fake, minlength=bins)
    return tuple(
        Bin(
            low=i / bins,
            high=(i + 1) / bins,
            count=int(n),
            predicted=float(predicted[i] / n) if n else None,
            observed=float(observed[i] / n) if n else None,
        )
        for i, n in enumerate(count)
    )


def bin_of(chances: Floats, bins: int = BINS) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(N,) probabilities -> (N,) the bin of each."""
    return np.minimum((chances * bins).astype(np.int64), bins - 1)


def _sigmoid(logits: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)))
