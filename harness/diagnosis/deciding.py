"""Which further number, or which images, would tell the conditions apart that are possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

DECIMALS = 1
"""To which a number is printed in percent that nobody gave yet."""
_MORE = 2  # digits that are asked for beyond those given
_SHOWN = 4  # groups that a sentence names
_SENTENCES = 3
IMAGES = 10


def deciding(
    groups: Sequence[Sequence[str]],
    numbers: Mapping[str, Mapping[str, float]],
    given: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """What would separate groups of conditions, the best first.

    A number separates two groups where all conditions of the one print it otherwise than all of
    the other. Asked for is the number whose smallest step between groups is largest; where none
    separates all groups, the one that separates most of them, and then what separates the rest.

    Args:
        groups: names of the conditions of each group, the likeliest first.
        numbers: condition -> name of a number -> fraction. One that is not there, or NaN, tells
            nothing of its condition.
        given: name of a number that was given -> its decimals in percent: of these only more
            digits can be asked for.

    Returns:
        Sentences; () where there are not two groups, or no number separates any.

    Example:
        >>> deciding([["JPEG 90"], ["BGR"]], {"JPEG 90": {"AP": 0.872}, "BGR": {"AP": 0.71}})
        ('AP would be 87.2 under JPEG 90, 71.0 under BGR',)
    """
    open_pairs = set(combinations(range(len(groups)), 2))
    asked = _asked(groups, numbers, given or {})
    sentences: list[str] = []
    while asked and open_pairs and len(sentences) < _SENTENCES:
        best, gained = _best(asked, open_pairs)
        if not gained:
            break
        named = {group for pair in gained for group in pair}
        sentences.append(best.sentence([group for group in range(len(groups)) if group in named]))
        open_pairs -= gained
    return tuple(sentences)


def _asked(
    groups: Sequence[Sequence[str]],
    numbers: Mapping[str, Mapping[str, float]],
    given: Mapping[str, int],
) -> list[_Asked]:
    names = dict.fromkeys(name for group in groups for c in group for name in numbers.get(c, {}))
    asked: list[_Asked] = []
    for name in names:
        known = name in given
        start = given[name] + 1 if known else DECIMALS
        for decimals in range(start, start + (_MORE if known else 1)):
            asked.append(_Asked(name, decimals, known, groups, numbers))
    return asked


def _best(
    asked: Sequence[_Asked], open_pairs: set[tuple[int, int]]
) -> tuple[_Asked, set[tuple[int, int]]]:
    """What separates most of the pairs that are open, by most, with the fewest digits; the first of
    equals."""

    def worth(each: _Asked) -> tuple[int, float, int]:
        gained = [each.gaps[pair] for pair in open_pairs if each.gaps[pair] > 0]
        return len(gained), round(min(gained, default=0.0), DECIMALS), -each.decimals

    best = max(asked, key=worth)
    return best, {pair for pair in open_pairs if best.gaps[pair] > 0}


class _Asked:
    """A number that could be asked for, to so many decimals.

    Attributes:
        gaps: pair of groups -> smallest difference of what they print, in percent; 0 where that is
            not known of a condition.
    """

    def __init__(
        self, name: str, decimals: int, known: bool, groups: Sequence[Sequence[str]],
        numbers: Mapping[str, Mapping[str, float]],
    ) -> None:  # fmt: skip
        self.name, self.decimals, self.known, self.groups = name, decimals, known, groups
        self.printed = [
            np.round([100 * numbers.get(c, {}).get(name, np.nan) for c in group], decimals)
            for group in groups
        ]
        self.gaps = {(i, j): self._gap(i, j) for i, j in combinations(range(len(groups)), 2)}

    def _gap(self, one: int, other: int) -> float:
        gap = float(np.min(np.abs(self.printed[one][:, None] - self.printed[other])))
        return gap if gap > 0.5 * 10.0**-self.decimals else 0.0  # NaN compares as none

    def sentence(self, groups: Sequence[int]) -> str:
        """``AP would be 87.2 under resize(256), 71.0 under BGR``."""
        shown = [self._of_group(group) for group in groups[:_SHOWN]]
        left = len(groups) - len(shown)
        more = f", and other under {left} more" if left else ""
        digits = f" with {self.decimals} decimals" if self.known else ""
        return f"{self.name}{digits} would be {', '.join(shown)}{more}"

    def _of_group(self, group: int) -> str:
        low, high = (f"{end(self.printed[group]):.{self.decimals}f}" for end in (np.min, np.max))
        name, others = self.groups[group][0], len(self.groups[group]) - 1
        digits = low if low == high else f"{low} to {high}"
        return f"{digits} under {name}" + (f" and {others} like it" if others else "")


def images(
    ids: Sequence[str], one: Floats, other: Floats, count: int = IMAGES
) -> tuple[tuple[str, float, float], ...]:
    """The images whose scores differ most between two conditions.

    Args:
        ids: (N,) of the images.
        one, other: (N,) their scores under the one and the other; NaN where there is none.
        count: at most so many.

    Returns:
        Id and the two scores, the largest difference first, equals in the order given. Images of
        one score under both are left out.

    Example:
        >>> images(["a", "b", "c"], np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, -2.0]))
        (('c', 2.0, -2.0), ('a', 0.0, 0.5))
    """
    apart = np.nan_to_num(np.abs(one - other), nan=0.0)
    order = np.argsort(-apart, kind="stable")[:count].tolist()
    return tuple((ids[i], float(one[i]), float(other[i])) for i in order if apart[i] > 0)
