"""The one curve behind every ranking metric: fakes and reals above each distinct score.

All functions take a last axis of thresholds and any axes before it (resamples), so that a metric
and its thousand resamples are one formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.metrics.values import Floats, Labels

Positions = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Curve:
    """How many fakes and reals score at least each distinct score, in falling order.

    Equal scores enter together; nothing is interpolated. Both classes must be there.

    Args:
        hits: (..., T) fakes, rising along the last axis; its last entry is their number.
        false_alarms: (..., T) reals, likewise.
    """

    hits: Floats
    false_alarms: Floats

    @property
    def fakes(self) -> Floats:
        """(...) number of fakes."""
        return np.asarray(self.hits[..., -1])

    @property
    def reals(self) -> Floats:
        """(...) number of reals."""
        return np.asarray(self.false_alarms[..., -1])

    def average_precision(self) -> Floats:
        """``sum_n (R_n - R_(n-1)) P_n``: (...)."""
        taken = self.hits + self.false_alarms
        # A resample may leave out everything above a threshold: nothing taken, nothing gained.
        precision = np.divide(self.hits, taken, out=np.zeros_like(self.hits), where=taken > 0)
        gained = np.diff(self.hits, axis=-1, prepend=0)
        return np.asarray(np.einsum("...t,...t->...", gained, precision) / self.fakes)

    def roc_auc(self) -> Floats:
        """``P(fake > real) + P(fake = real) / 2``: (...)."""
        before = np.zeros_like(self.hits)
        before[..., 1:] = self.hits[..., :-1]
        gained = np.diff(self.false_alarms, axis=-1, prepend=0)
        # A real beats none of its tied fakes and loses to those above it: a trapezoid. The sums
        # are integers below 2**53 up to 67 million images, so float64 holds them exactly.
        twice = np.einsum("...t,...t->...", gained, self.hits + before)
        return np.asarray(twice / (2 * self.fakes * self.reals))

    def tpr_at(self, fpr: float) -> Floats:
        """The largest share of fakes found while at most ``fpr`` of the reals are called fake."""
        allowed = np.floor(fpr * self.reals + 1e-9)  # 0.05 * 20 is to allow one real
        passing = np.sum(self.false_alarms <= allowed[..., None], axis=-1)
        last = np.maximum(passing - 1, 0)[..., None]
        found = np.take_along_axis(self.hits, last, axis=-1)[..., 0]
        return np.where(passing > 0, found / self.fakes, 0.0)

    def equal_error_rate(self) -> Floats:
        """Where the false positive rate equals the false negative rate, between two thresholds.

        The ROC curve is taken as straight between neighbouring distinct scores.
        """
        fpr = self.false_alarms / self.reals[..., None]
        fnr = 1 - self.hits / self.fakes[..., None]
        # The curve starts at (0, 1), above every score, and ends at (1, 0): it must cross.
        crossed = np.argmax(fpr >= fnr, axis=-1)[..., None]
        before = np.maximum(crossed - 1, 0)
        first = crossed == 0
        fpr_0 = np.where(first, 0.0, np.take_along_axis(fpr, before, -1))
        fnr_0 = np.where(first, 1.0, np.take_along_axis(fnr, before, -1))
        fpr_1, fnr_1 = (np.take_along_axis(rate, crossed, -1) for rate in (fpr, fnr))
        share = (fnr_0 - fpr_0) / ((fnr_0 - fpr_0) + (fpr_1 - fnr_1))
        return np.asarray((fpr_0 + share * (fpr_1 - fpr_0))[..., 0])

    def best_accuracy(self) -> Floats:
        """The largest accuracy that any threshold gives, one above every score included: (...)."""
        right = np.max(self.hits - self.false_alarms, axis=-1) + self.reals
        return np.asarray(np.maximum(right, self.reals) / (self.fakes + self.reals))


def falling(values: Floats) -> tuple[Positions, Positions]:
    """(N,) scores -> (N,) their falling order, and (T,) where in it each run of equals ends."""
    order = np.argsort(-values, kind="stable")
    return order, run_ends(values[order])


def run_ends(ordered: np.ndarray[Any, Any]) -> Positions:
    """(N,) sorted values -> (T,) the last position of each run of equal ones."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), ordered.size - 1)


def curve(fake: Labels, values: Floats) -> Curve:
    """The curve of (N,) scores, each image counting once."""
    order, ends = falling(values)
    hits = np.cumsum(fake[order], dtype=np.float64)[ends]
    return Curve(hits, ends + 1.0 - hits)
