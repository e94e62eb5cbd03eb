"""Scores of another program against ours, through a map: how far apart, and which of them fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.diagnosis.condition import Scores
from harness.engine.accelerate import TOLERANCE

SINGLE = 1e-6
"""What float32 hides of a probability."""
FEWEST = 5
"""Scores that can be told apart, from which on a match says something; a map with two numbers
fitted to it needs two more."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def _sigmoid(x: Scores) -> Scores:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _logit(p: Scores) -> Scores:
    inside = np.clip(p, 1e-300, 1 - 1e-16)
    return np.asarray(np.log(inside) - np.log1p(-inside))


@dataclass(frozen=True, kw_only=True)
class ScoreMap:
    """A strictly monotone map from our scores to theirs.

    Args:
        words: what theirs then are: ``the sigmoid of ours``; "" = ours themselves.
        of: (N,) our scores -> (N,) theirs.
        fitted: numbers in it that were fitted to the scores.
    """

    words: str
    of: Callable[[Scores], Scores]
    fitted: int = 0


_SAME = ScoreMap(words="", of=lambda x: x)
_OF_LOGITS = (
    _SAME,
    ScoreMap(words="the sigmoid of ours (of two classes: the softmax)", of=_sigmoid),
    ScoreMap(words="1 - p, p the sigmoid of ours", of=lambda x: _sigmoid(-x)),
    ScoreMap(words="100 p, p the sigmoid of ours", of=lambda x: 100 * _sigmoid(x)),
    ScoreMap(words="-x, x our score", of=lambda x: -x),
)
_OF_PROBABILITIES = (
    _SAME,
    ScoreMap(words="1 - p, p our score", of=lambda p: 1 - p),
    ScoreMap(words="100 p, p our score", of=lambda p: 100 * p),
    ScoreMap(words="the logit of ours", of=_logit),
    ScoreMap(words="the logit of 1 - p, p our score", of=lambda p: -_logit(p)),
)


def known_maps(kind: str) -> tuple[ScoreMap, ...]:
    """The maps that have a name, for scores of one kind (``logit``, ``probability``, ...)."""
    return _OF_PROBABILITIES if kind == "probability" else _OF_LOGITS


def fitted_maps(ours: Scores, theirs: Scores, kind: str) -> Iterator[ScoreMap]:
    """``a x + b``, and its sigmoid where theirs can be one: a, b by least squares."""
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return
    a, b = np.polyfit(ours, theirs, 1).tolist()
    words = f"{a:.5g} x {'-' if b < 0 else '+'} {abs(b):.5g}, x our score"
    yield ScoreMap(words=words, of=lambda x: a * x + b, fitted=2)
    if kind != "probability" and theirs.min() > 0 and theirs.max() < 1:
        # A rounded probability says little of its logit where it is near 0 or 1.
        c, d = np.polyfit(ours, _logit(theirs), 1, w=theirs * (1 - theirs)).tolist()
        words = f"the sigmoid of {c:.5g} x {'-' if d < 0 else '+'} {abs(d):.5g}, x our score"
        yield ScoreMap(words=words, of=lambda x: _sigmoid(c * x + d), fitted=2)


@dataclass(frozen=True)
class Band:
    """What theirs may be if a map of ours is what they are: (N,) lowest, middle and highest.

    As far apart as two machines may be, as float32 is coarse, and as the file rounds.
    """

    low: Scores
    middle: Scores
    high: Scores

    @classmethod
    def around(cls, ours: Scores, how: ScoreMap, half: float) -> Band:
        """Of (N,) our scores through a map, for a file that rounds by ``half`` at most."""
        reach = TOLERANCE * np.maximum(1, np.abs(ours))
        ends, middle = np.sort([how.of(ours - reach), how.of(ours + reach)], axis=0), how.of(ours)
        slack = half + SINGLE * np.maximum(1, np.abs(middle))
        return cls(ends[0] - slack, middle, ends[1] + slack)

    def fits(self, theirs: Scores) -> Mask:
        """(N,) whether each of theirs lies inside."""
        return np.asarray((self.low <= theirs) & (theirs <= self.high))

    def take(self, rows: Any) -> Band:
        """Some of it, in the order given."""
        return Band(self.low[rows], self.middle[rows], self.high[rows])

    def sorted_fits(self, theirs: Scores) -> bool:
        """Whether they are the same scores in any order."""
        return bool(
            np.all(np.sort(self.low) <= np.sort(theirs))
            and np.all(np.sort(theirs) <= np.sort(self.high))
        )

    def distinct(self) -> int:
        """How many of its scores can be told apart at most: intervals that do not meet."""
        order = np.argsort(self.high)
        count, end = 0, -np.inf
        for low, high in zip(self.low[order].tolist(), self.high[order].tolist(), strict=True):
            if low > end:
                count, end = count + 1, high
        return count

    def by_chance(self, theirs: Scores) -> float:
        """The share that would fit if theirs stood in an order by lot."""
        ordered = np.sort(theirs)
        inside = np.searchsorted(ordered, self.high, "right") - np.searchsorted(ordered, self.low)
        return float(np.mean(inside / len(ordered)))


def one_order(ours: Scores, theirs: Scores, half: float) -> int:
    """1 where theirs rise with ours, -1 where they fall, 0 where some pair does neither.

    Two images count as a pair where ours, or theirs, are further apart than machines and digits
    make them.
    """
    for sign in (1, -1):
        if _rises(ours, sign * theirs, half):
            return sign
    return 0


def _rises(ours: Scores, theirs: Scores, half: float) -> bool:
    order = np.argsort(ours, kind="stable")
    x, y = ours[order], theirs[order]
    apart = 2 * TOLERANCE * np.maximum(1, np.abs(x))
    below = np.searchsorted(x, x - apart)  # images whose score is lower for certain
    highest = np.concatenate(([-np.inf], np.maximum.accumulate(y)))[below]
    return bool(np.all(highest <= y + 2 * half + SINGLE * np.maximum(1, np.abs(y))))
