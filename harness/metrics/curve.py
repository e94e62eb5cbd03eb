"""The one curve behind every ranking metric: fakes and reals above each distinct score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.values import Floats, Labels, MetricValue, checked, missing_class

Positions = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Curve:
    """How many fakes and reals score at least each distinct score, in falling order.

    Equal scores enter together; nothing is interpolated. Both classes must be there.

    Args:
        hits: (T,) fakes, rising; its last entry is their number.
        false_alarms: (T,) reals, likewise.
    """

    hits: Floats
    false_alarms: Floats

    @property
    def fakes(self) -> float:
        """Their number."""
        return float(self.hits[-1])

    @property
    def reals(self) -> float:
        """Their number."""
        return float(self.false_alarms[-1])

    def average_precision(self) -> float:
        """``sum_n (R_n - R_(n-1)) P_n``."""
        precision = self.hits / (self.hits + self.false_alarms)
        gained = np.diff(self.hits, prepend=0)
        return float(np.einsum("t,t->", gained, precision) / self.fakes)

    def roc_auc(self) -> float:
        """``P(fake > real) + P(fake = real) / 2``."""
        before = np.concatenate(([0.0], self.hits[:-1]))
        gained = np.diff(self.false_alarms, prepend=0)
        # A real beats none of its tied fakes and loses to those above it: a trapezoid. The sums
        # are integers below 2**53 up to 67 million images, so float64 holds them exactly.
        twice = np.einsum("t,t->", gained, self.hits + before)
        return float(twice / (2 * self.fakes * self.reals))

    def tpr_at(self, fpr: float) -> float:
        """Largest share of fakes found while at most ``fpr`` of the reals are flagged as fake."""
        allowed = np.floor(fpr * self.reals + 1e-9)  # 0.05 * 20 is to allow one real
        passing = int(np.sum(self.false_alarms <= allowed))
        return float(self.hits[passing - 1] / self.fakes) if passing else 0.0

    def equal_error_rate(self) -> float:
        """Where the false positive rate equals the false negative rate, between two thresholds.

        The ROC curve is taken as straight between neighbouring distinct scores.
        """
        # It starts at (0, 1), above every score, and ends at (1, 0): the two rates must cross.
        fpr = np.concatenate(([0.0], self.false_alarms / self.reals))
        fnr = np.concatenate(([1.0], 1 - self.hits / self.fakes))
        crossed = int(np.argmax(fpr >= fnr))
        (fpr_0, fpr_1), (fnr_0, fnr_1) = (rate[crossed - 1 : crossed + 1] for rate in (fpr, fnr))
        share = (fnr_0 - fpr_0) / ((fnr_0 - fpr_0) + (fpr_1 - fnr_1))
        return float(fpr_0 + share * (fpr_1 - fpr_0))

    def best_accuracy(self) -> float:
        """The largest accuracy that any threshold gives, one above every score included."""
        right = max(float(np.max(self.hits - self.false_alarms)), 0.0) + self.reals
        return right / (self.fakes + self.reals)


def falling(values: Floats) -> tuple[Positions, Positions]:
    """(N,) scores -> (N,) their falling order, and (T,) where in it each run of equals ends."""
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    return order, np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), ordered.size - 1)


def curve(fake: Labels, values: Floats) -> Curve:
    """The curve of (N,) scores, each image counting once."""
    order, ends = falling(values)
    hits = np.cumsum(fake[order], dtype=np.float64)[ends]
    return Curve(hits, ends + 1.0 - hits)


def measured(
    labels: ArrayLike, scores: ArrayLike, measure: Callable[[Curve], float]
) -> MetricValue:
    """What a curve says of scores; undefined, with the reason, where a class is missing."""
    fake, values = checked(labels, scores)
    missing = missing_class(fake)
    return MetricValue(None, missing) if missing else MetricValue(measure(curve(fake, values)))
