"""Every metric in every resample: images are sorted once, a resample is a row of their weights.

Each class is weighed by itself (its weights are divided by their sum), so that a resample has the
shares of reals and fakes of the set itself: AP and ACC hang on these shares, and they are a choice
of who made the set, no chance. This is the stratified bootstrap with Poisson weights.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.bootstrap import LANES, Draws, Keys, Weights, unit_keys, weights
from harness.metrics.calibration import bin_of, probabilities
from harness.metrics.classification import OF_THE_SET, Rule, sigmoid32
from harness.metrics.thresholds import five_fold_right
from harness.metrics.values import Floats, Labels, checked

_ELEMENTS = 1 << 18  # weights of a block of resamples: they stay in the processor's cache
_WORTH_THREADS = 1 << 23  # weights in all from which a second thread pays
_AT_ONCE = 1 << 23  # weights that all threads hold at most: 35 bytes are needed for each

Counts = np.ndarray[Any, np.dtype[np.int32]]
Places = np.ndarray[Any, np.dtype[np.int64]]

_MASSES = {"real_acc": ("real",), "fake_acc": ("fake",)} | dict.fromkeys(
    ("acc", "acc_5fold", "acc_calibrated", "acc_oracle", "brier", "ece"), ("all",)
)
"""What a metric is a share of; the others rank both classes."""


def replicates(
    labels: ArrayLike,
    scores: ArrayLike,
    units: Sequence[str],
    rule: Rule,
    resamples: int,
    seed: int = 0,
) -> dict[str, Draws]:
    """Every metric that ``evaluate`` defines, in every resample.

    A resample that draws nothing of a class that the metric needs has no value (NaN) and is left
    out of intervals: with m units that is a share of exp(-m). ``acc_5fold`` keeps the decisions
    that the folds of the whole set gave. What hangs on
    the classes' sizes alone is left out.

    Args:
        labels, scores: (N,) as for ``evaluate``.
        units: (N,) the independent unit that each image belongs to.
        rule: the thresholds and what the scores are.
        resamples: R.
        seed: of the draws.

    Returns:
        Metric -> its (R,) replicates.
    """
    fake, values = checked(labels, scores)
    found = {
        name: metric.value
        for name, metric in rule.evaluate(fake, values).items()
        if metric.value is not None and name not in OF_THE_SET
    }
    if not found or not resamples:
        return {}
    images = _Sorted(fake, values, unit_keys(units), rule)
    rows = max(LANES, _ELEMENTS // fake.size // LANES * LANES)
    edges = [*range(0, resamples, rows), -(-resamples // LANES) * LANES]
    blocks = list(pairwise(edges))
    threads = min(os.cpu_count() or 1, len(blocks), max(1, _AT_ONCE // max(_ELEMENTS, fake.size)))
    if threads > 1 and resamples * fake.size >= _WORTH_THREADS:
        with ThreadPoolExecutor(threads) as pool:  # numpy releases the interpreter's lock
            parts = list(pool.map(lambda block: images.block(seed, *block), blocks))
    else:
        parts = [images.block(seed, *block) for block in blocks]
    rowed = {name: np.concatenate([p[name] for p in parts])[:resamples] for name in parts[0]}
    both = tuple(name for name in ("real", "fake") if name in rowed)
    return {
        name: Draws(
            value=value,
            values=rowed[name],
            masses=np.stack([rowed[mass] for mass in _MASSES.get(name, both)]),
        )
        for name, value in found.items()
    }


@dataclass(frozen=True)
class _Ends:
    """Where the threshold at each fake's own score lies, equal scores entering together.

    Args:
        hits: (F,) fakes that score at least as much.
        alarms: (F,) reals that score at least as much.
    """

    hits: Places
    alarms: Places

    def equals(self, other: _Ends) -> bool:
        return np.array_equal(self.hits, other.hits) and np.array_equal(self.alarms, other.alarms)


class _Class:
    """The images of one class in falling order of their scores.

    Args:
        keys, values: (N,) of the class, sorted.
        sums: name -> (N,) numbers whose weighted mean is asked for.
        bins: slices of the images that share a bin of probability, as far as there are any.
        gap: (N,) probability less label, for these bins.
    """

    def __init__(self, keys: Keys, values: Floats) -> None:
        self.keys = keys
        self.values = values
        self.sums: dict[str, Floats] = {}
        self.bins: dict[int, slice] = {}
        self.gap: Floats = np.empty(0)

    @property
    def size(self) -> int:
        return int(self.keys.size)

    def above(self, threshold: float) -> int:
        return int(np.searchsorted(-self.values, -threshold, side="left"))


class _Sorted:
    """Both classes, sorted once; canonical, so that no order of the images shows in any bit."""

    def __init__(self, fake: Labels, values: Floats, keys: Keys, rule: Rule) -> None:
        self.rule = rule
        self.images = int(fake.size)
        order = np.lexsort((keys, -values))
        self.real, self.fake = (
            _Class(keys[places], values[places])
            for places in (order[~fake[order]], order[fake[order]])
        )
        self.classes = [each for each in (self.real, self.fake) if each.size]
        few = min(self.real.size, self.fake.size)
        for label, each in enumerate((self.real, self.fake)):
            self._prepare(each, label)
        if few > 1:
            # In sorted order: which of several tied images is in which fold hangs on it.
            right = five_fold_right(fake[order], values[order]).astype(np.float64)
            self.real.sums["acc_5fold"] = right[~fake[order]]
            self.fake.sums["acc_5fold"] = right[fake[order]]
        if few:
            self._rank()

    def _prepare(self, each: _Class, label: int) -> None:
        chances, _ = probabilities(each.values, self.rule.kind)
        if chances is None or not each.size:
            return
        each.gap = chances - label
        each.sums["brier"] = each.gap**2
        # Chances fall with the scores, so that a bin is one stretch of images.
        place = bin_of(chances)
        for number in np.unique(place).tolist():
            inside = np.flatnonzero(place == number)
            each.bins[number] = slice(int(inside[0]), int(inside[-1]) + 1)

    def _rank(self) -> None:
        self.ends = _ends(self.real.values, self.fake.values)
        before = np.searchsorted(-self.real.values, -self.fake.values, side="left")
        self.before = None if np.array_equal(before, self.ends.alarms) else before
        self.released: _Ends | None = None
        if self.rule.kind == "logit":
            joined = _ends(sigmoid32(self.real.values), sigmoid32(self.fake.values))
            if not joined.equals(self.ends):
                self.released = joined
        distinct = np.unique(np.concatenate([self.real.values, self.fake.values]))[::-1]
        self.hits_at, self.alarms_at = (
            np.searchsorted(-each.values, -distinct, side="right")
            for each in (self.fake, self.real)
        )

    def block(self, seed: int, start: int, stop: int) -> dict[str, Floats]:
        """Metric or mass -> (stop - start,) of these resamples."""
        counts = {
            name: weights(each.keys, seed, start, stop)
            for name, each in (("real", self.real), ("fake", self.fake))
            if each.size
        }
        # Of very many images even LANES resamples are too many numbers at a time; of one alone
        # numpy would add the numbers in another order, which shows in the last bit.
        step = max(2, _ELEMENTS // self.images // 2 * 2)
        rows = [slice(first, first + step) for first in range(0, stop - start, step)]
        parts = [self._rows({name: drawn[row] for name, drawn in counts.items()}) for row in rows]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _rows(self, counts: dict[str, Weights]) -> dict[str, Floats]:
        """As :meth:`block`, from how often the images of each class are drawn."""
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = {name: _Drawn(getattr(self, name), rows) for name, rows in counts.items()}
            found = {name: each.total / each.of.size for name, each in drawn.items()}
            found["all"] = np.sum([each.total for each in drawn.values()], axis=0) / self.images
            found |= self._decisions(drawn) | self._sums(drawn)
            if len(drawn) == 2:
                found |= self._ranks(drawn["real"], drawn["fake"])
        return found

    def _decisions(self, drawn: dict[str, _Drawn]) -> dict[str, Floats]:
        found = {}
        for suffix, threshold in (("", self.rule.threshold), ("_calibrated", self.rule.calibrated)):
            if threshold is None:
                continue
            right = {}
            if "real" in drawn:
                right["real"] = 1 - drawn["real"].share_above(threshold)
            if "fake" in drawn:
                right["fake"] = drawn["fake"].share_above(threshold)
            found[f"acc{suffix}"] = self._pooled(drawn, right)
            if not suffix:
                found |= {f"{name}_acc": share for name, share in right.items()}
                found["balanced_acc"] = np.mean(list(right.values()), axis=0)
        return found

    def _sums(self, drawn: dict[str, _Drawn]) -> dict[str, Floats]:
        found = {}
        for name in dict.fromkeys(name for each in self.classes for name in each.sums):
            means = {side: each.mean(each.of.sums[name]) for side, each in drawn.items()}
            found[name] = self._pooled(drawn, means)
        gaps: dict[int, Floats] = {}
        for each in drawn.values():
            for number, stretch in each.of.bins.items():
                share = each.of.size / self.images * each.mean(each.of.gap, stretch)
                gaps[number] = gaps.get(number, 0.0) + share
        if gaps:
            found["ece"] = np.sum([np.abs(gap) for gap in gaps.values()], axis=0)
        return found

    def _pooled(self, drawn: dict[str, _Drawn], means: dict[str, Floats]) -> Floats:
        """The mean over all images from the means of the classes, at the classes' own sizes."""
        summed = [drawn[name].of.size * mean for name, mean in means.items()]
        return np.asarray(np.sum(summed, axis=0) / self.images)

    def _ranks(self, real: _Drawn, fake: _Drawn) -> dict[str, Floats]:
        hits, alarms = fake.up_to(self.ends.hits), real.up_to(self.ends.alarms)
        ratio = (real.of.size * fake.total) / (fake.of.size * real.total)
        found = {"ap": _average_precision(fake, hits, alarms, ratio)}
        found["ap_sigmoid32"] = found["ap"]
        if self.released is not None:
            joined = fake.up_to(self.released.hits), real.up_to(self.released.alarms)
            found["ap_sigmoid32"] = _average_precision(fake, *joined, ratio)
        lost = fake.mean(alarms) / real.total
        if self.before is not None:
            lost = (lost + fake.mean(real.up_to(self.before)) / real.total) / 2
        found["auc"] = 1 - lost
        gain = hits * (fake.of.size / fake.total)[:, None]
        gain -= alarms * (real.of.size / real.total)[:, None]
        best = np.maximum(np.max(gain, axis=1), 0.0)
        found["acc_oracle"] = (best + real.of.size) / self.images
        found["eer"] = self._equal_error_rate(real, fake)
        for name, allowed in (("tpr_at_fpr5", 0.05), ("tpr_at_fpr1", 0.01)):
            found[name] = self._found_at(real, fake, allowed)
        whole = (real.total > 0) & (fake.total > 0)
        return {name: np.where(whole, draws, np.nan) for name, draws in found.items()}

    def _equal_error_rate(self, real: _Drawn, fake: _Drawn) -> Floats:
        """Where the rates cross; straight between neighbouring distinct scores."""

        def rates(place: Places) -> tuple[Floats, Floats]:
            outside = place < 0
            index = np.maximum(place, 0)
            fpr = real.at(self.alarms_at[index]) / real.total
            fnr = 1 - fake.at(self.hits_at[index]) / fake.total
            return np.where(outside, 0.0, fpr), np.where(outside, 1.0, fnr)

        def crossed(place: Places) -> np.ndarray[Any, np.dtype[np.bool_]]:
            fpr, fnr = rates(place)
            return np.asarray(fpr >= fnr)

        place = _first(crossed, self.hits_at.size, real.total.size)
        fpr_0, fnr_0 = rates(place - 1)
        fpr_1, fnr_1 = rates(np.minimum(place, self.hits_at.size - 1))
        share = (fnr_0 - fpr_0) / ((fnr_0 - fpr_0) + (fpr_1 - fnr_1))
        return np.asarray(fpr_0 + share * (fpr_1 - fpr_0))

    def _found_at(self, real: _Drawn, fake: _Drawn, fpr: float) -> Floats:
        """Share of fakes at the lowest distinct score that calls at most ``fpr`` of reals fake."""
        allowed = fpr * real.total + 1e-9

        def beyond(place: Places) -> np.ndarray[Any, np.dtype[np.bool_]]:
            return np.asarray(real.at(self.alarms_at[place]) > allowed)

        last = _first(beyond, self.hits_at.size, real.total.size) - 1
        found = fake.at(self.hits_at[np.maximum(last, 0)]) / fake.total
        return np.asarray(np.where(last < 0, 0.0, found))


class _Drawn:
    """One class in a block of resamples.

    Args:
        of: the class.
        weights: (B, N) how often each image is drawn.

    Attributes:
        counts: (B, N + 1) weight of the first n images, in falling order of their scores.
        total: (B,) of all.
    """

    def __init__(self, of: _Class, weights: Weights) -> None:
        self.of = of
        self.weights = weights.astype(np.float64)
        self.counts: Counts = np.zeros((len(weights), of.size + 1), dtype=np.int32)
        np.cumsum(weights, axis=1, dtype=np.int32, out=self.counts[:, 1:])
        self.total: Floats = self.counts[:, -1].astype(np.float64)

    def share_above(self, threshold: float) -> Floats:
        return np.asarray(self.counts[:, self.of.above(threshold)] / self.total)

    def up_to(self, places: Places) -> Counts:
        """(B, P) weight of the first n images, for P numbers n."""
        return np.take(self.counts, places, axis=1)

    def at(self, places: Places) -> Counts:
        """(B,) weight of the first n images, each resample with an n of its own."""
        return np.asarray(self.counts[np.arange(places.size), places])

    def mean(self, numbers: Any, stretch: slice = slice(None)) -> Floats:
        """(B,) weighted mean over the class of (N,) or (B, N) numbers; others than a stretch's
        count as 0."""
        inside = self.weights[:, stretch]
        # Not a product of matrices: its bits would depend on the library's threads.
        form = "bn,n->b" if numbers.ndim == 1 else "bn,bn->b"
        return np.asarray(np.einsum(form, inside, numbers[..., stretch]) / self.total)


def _average_precision(fake: _Drawn, hits: Counts, alarms: Counts, ratio: Floats) -> Floats:
    """``sum w_i P_i / sum w_i`` over fakes, P_i the precision at the fake's own score.

    ``ratio`` brings the weight of the reals to what the classes' sizes ask for.
    """
    taken = alarms * ratio[:, None]
    taken += hits
    np.maximum(taken, 1e-300, out=taken)  # nothing drawn so far: the precision counts 0 times
    return fake.mean(np.divide(hits, taken, out=taken))


def _ends(reals: Any, fakes: Any) -> _Ends:
    """Scores of both classes, in falling order."""
    return _Ends(
        hits=np.searchsorted(-fakes, -fakes, side="right"),
        alarms=np.searchsorted(-reals, -fakes, side="right"),
    )


def _first(reached: Any, size: int, rows: int) -> Places:
    """(rows,) the first place in 0 ... size - 1 that ``reached`` is true of, size where none is."""
    low, high = np.zeros(rows, dtype=np.int64), np.full(rows, size, dtype=np.int64)
    while np.any(low < high):
        middle = (low + high) // 2
        true = reached(np.minimum(middle, size - 1)) | (low >= high)
        high = np.where(true, np.minimum(high, middle), high)
        low = np.where(true, low, middle + 1)
    return low
