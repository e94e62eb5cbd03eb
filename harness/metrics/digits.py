"""What printed digits say: the interval of a number, and the counts that it can come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

_FLOAT = Fraction(1, 10**12)
"""Digits copied from a program may be off by the rounding of its arithmetic."""
_NUMBER = re.compile(r"\s*(-?\d+(?:\.(\d*))?)\s*%?\s*", re.ASCII)


def decimals_of(values: Iterable[float], most: int = 4) -> int:
    """How many decimals a source prints, from its numbers in percent: those of the finest, at least
    1, since a file may hold 52.0 as 52."""
    shown = (f"{value:.{most}f}".rstrip("0").partition(".")[2] for value in values)
    return max([1, *map(len, shown)])


@dataclass(frozen=True)
class Digits:
    """A number in percent, as it is printed: ``62.3`` is anything that rounds to it.

    Args:
        text: the digits, without a sign of percent.
        decimals: how many stand behind the point.

    Example:
        >>> Digits.parse("62.3").low, Digits.parse("62.3").high
        (0.6225, 0.6235)
    """

    text: str
    decimals: int

    @classmethod
    def parse(cls, text: str) -> Digits:
        """Reads ``62.3`` or ``62.3%``.

        Raises:
            ValueError: it is no number in percent, in words that go on from the text.
        """
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ValueError("is no number in percent, such as 62.3")
        digits = cls(match[1], len(match[2] or ""))
        if not 0 <= digits.percent <= 100:
            raise ValueError("lies outside 0 to 100: numbers are in percent")
        return digits

    @property
    def percent(self) -> float:
        """The number as printed."""
        return float(self.text)

    @property
    def half(self) -> float:
        """Half a unit of the last digit, as a fraction."""
        return 0.5 * 10.0 ** -(self.decimals + 2)

    @property
    def low(self) -> float:
        """The smallest fraction that is printed so."""
        return float(self._ends(truncated=False)[0])

    @property
    def high(self) -> float:
        """The largest fraction that is printed so."""
        return float(self._ends(truncated=False)[1])

    @property
    def truncated(self) -> tuple[float, float]:
        """The fractions that are printed so where digits are cut off and not rounded: from the
        first, below the second.

        Example:
            >>> Digits.parse("62.3").truncated
            (0.623, 0.624)
        """
        low, high = self._ends(truncated=True)
        return float(low), float(high)

    def __contains__(self, value: float) -> bool:
        """Whether a fraction is printed so. Both ends are taken: which way a program rounds a half
        is its own affair."""
        return self.low - 1e-9 <= value <= self.high + 1e-9

    def counts(self, n: int, *, truncated: bool = False) -> range:
        """How many right decisions of ``n`` are printed so: none where ``n`` cannot be the number
        of images (a GRIM test: Brown and Heathers, 2017).

        Args:
            n: 1 or more.
            truncated: further digits are cut off and not rounded.

        Example:
            >>> list(Digits.parse("62.3").counts(4000))[:2], len(Digits.parse("62.3").counts(7))
            ([2490, 2491], 0)
        """
        low, high = self._ends(truncated=truncated)
        last = math.ceil(high * n) - 1 if truncated else math.floor((high + _FLOAT) * n)
        return range(max(0, math.ceil((low - _FLOAT) * n)), min(n, last) + 1)

    def possible_n(self, largest: int, smallest: int = 1) -> list[int]:
        """Numbers of images, ``smallest`` to ``largest``, of which some count is printed so."""
        return [n for n in range(smallest, largest + 1) if len(self.counts(n))]

    def balanced(self, reals: int, fakes: int) -> bool:
        """Whether a balanced accuracy of so many images can be printed so: some
        ``(i / reals + j / fakes) / 2``.

        Example:
            >>> Digits.parse("62.5").balanced(2, 4), Digits.parse("62.3").balanced(2, 4)
            (True, False)
        """
        low, high = (2 * end for end in self._ends(truncated=False))
        low, high = low - _FLOAT, high + _FLOAT
        fewer, more = sorted((reals, fakes))
        for i in range(fewer + 1):
            rest = Fraction(i, fewer)
            first = max(0, math.ceil((low - rest) * more))
            if first <= min(more, math.floor((high - rest) * more)):
                return True
        return False

    def _ends(self, *, truncated: bool) -> tuple[Fraction, Fraction]:
        """The exact ends, as fractions of 1."""
        unit = Fraction(1, 10 ** (self.decimals + 2))
        printed = Fraction(self.text) / 100
        if truncated:
            return printed, printed + unit
        return printed - unit / 2, printed + unit / 2
