"""Which fault makes the printed numbers: its verdict, by how many would match by accident.

A fault is judged by the cells that it is about: others of a table may have other faults.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.metrics.digits import Digits
from harness.report.table_faults import Attempt, Key
from harness.results.answers import VERDICTS, Verdict

DECIDED = 0.05
"""Expected accidental matches below which an attempt explains."""
_NEAR = 5.0
_PLAIN = (0.0, 50.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An attempt and its verdict.

    Args:
        attempt: what was tried.
        verdict: ``explains``: it matches every cell that it is about, and fewer than 0.05
            accidental matches are expected; ``possible``: it matches; ``excluded``: it does not.
        cells: the cells that it accounts for.
        accidental: expected accidental matches, None of what is excluded.
    """

    attempt: Attempt
    verdict: Verdict
    cells: tuple[Key, ...] = ()
    accidental: float | None = None

    def __str__(self) -> str:
        return told(self.attempt.fault.name, self.accidental)


def told(name: str, accidental: float | None) -> str:
    """A fault with its verdict: ``columns exchanged: A and B explains (0.01 accidental matches
    expected)``; None: it is excluded."""
    if accidental is None:
        return f"{name}: excluded"
    count = f"{accidental:.2g}" if accidental >= 0.001 else "under 0.001"
    return f"{name}: {verdict_of(accidental)} ({count} accidental matches expected)"


def verdict_of(accidental: float) -> Verdict:
    """Of something that matches."""
    return "explains" if accidental < DECIDED else "possible"


def judge(
    given: Mapping[Key, Digits], attempts: Iterable[Attempt], off: Collection[Key] | None = None
) -> list[Judged]:
    """Every attempt that is about a cell that is off: what explains first, then what is possible.

    Args:
        given: the printed numbers.
        attempts: all that are tried; their number and numbers say how many match by accident.
        off: the cells that need a reason, None = all that are given. Only these are evidence.
    """
    wanted = set(given if off is None else off)
    tried = [each for each in attempts if wanted & set(each.numbers)]
    chance = _Chance(given, tried)
    found = [_judged(each, given, wanted, chance) for each in tried]
    found.sort(key=lambda each: (VERDICTS.index(each.verdict), each.accidental or 0.0))
    best: dict[tuple[str, ...], Judged] = {}
    for each in found:  # one fault may show in several ways: in its cells, and in their mean
        numbers = each.attempt.numbers
        name = (each.attempt.fault.name, *dict.fromkeys(key[0] for key in numbers))
        first = best.setdefault(name, each)
        if each.cells and each is not first:
            whole = replace(first.attempt, numbers={**numbers, **first.attempt.numbers})
            cells = tuple(dict.fromkeys((*first.cells, *each.cells)))
            best[name] = replace(first, attempt=whole, cells=cells)
    return list(best.values())


def _judged(
    attempt: Attempt, given: Mapping[Key, Digits], off: set[Key], chance: _Chance
) -> Judged:
    about = [key for key in attempt.numbers if key in given]
    fitting = [key for key in about if attempt.fits(key, given[key])]
    cells = tuple(key for key in fitting if key in off)
    whole = len(fitting) == len(about)
    if not cells or not (whole or attempt.partly):
        return Judged(attempt=attempt, verdict="excluded")
    needed = sum(key in off for key in about)
    expected = chance.expected(attempt, cells) * (
        math.comb(needed, len(cells)) if attempt.partly else 1
    )
    if not whole and expected >= DECIDED:
        return Judged(attempt=attempt, verdict="excluded")
    return Judged(attempt=attempt, verdict=verdict_of(expected), cells=cells, accidental=expected)


class _Chance:
    """How many attempts would match some cells by accident."""

    def __init__(self, given: Mapping[Key, Digits], tried: Sequence[Attempt]) -> None:
        self._given = given
        self._tried = tried

    def expected(self, attempt: Attempt, cells: Sequence[Key]) -> float:
        """As many kins as are about all the cells, each with the chance of all the cells."""
        kins = {each.group for each in self._tried if all(key in each.numbers for key in cells)}
        return len(kins) * math.prod(self._one(attempt, key) for key in cells)

    def _one(self, attempt: Attempt, key: Key) -> float:
        others = [
            each.numbers[key]
            for each in self._tried
            if key in each.numbers and each.group != attempt.group
        ]
        target = self._given[key]
        return near(target.percent, others, attempt.slack(target))


def near(target: float, others: Sequence[float], slack: float) -> float:
    """The chance that a number like ``others`` lies within ``slack`` of a target: their share
    there, or what their density around it gives, whichever is more. All in percent.

    The density is that of the nearer half of them; of none, one number within five points.
    """
    distances = sorted(abs(each - target) for each in others)
    if not distances:
        return min(1.0, slack / _NEAR)
    half = (len(distances) + 1) // 2
    reach = min(max(distances[half - 1], slack), _NEAR)
    there = sum(each <= slack for each in distances) / len(distances)
    return min(1.0, max(there, half / len(distances) * slack / reach))


@dataclass(frozen=True, kw_only=True)
class Equal:
    """Columns that hold one and the same numbers.

    Args:
        columns: two or more.
        values: their numbers.
        accidental: how many such groups are expected by accident.
    """

    columns: tuple[str, ...]
    values: tuple[float, ...]
    accidental: float

    @property
    def verdict(self) -> Verdict:
        """Whether that is an accident."""
        return verdict_of(self.accidental)


def equal_groups(
    values: Mapping[str, tuple[float, ...]], half: float, rows: int = 1
) -> list[Equal]:
    """The groups of columns that hold the same numbers, two or more columns each.

    0, 50 and 100 are no coincidence by themselves: many columns are solved, or not at all.

    Args:
        values: column -> its numbers, of the same metrics everywhere.
        half: half a unit of their last digit.
        rows: how many rows are looked at.
    """
    groups: dict[tuple[float, ...], list[str]] = {}
    for column, numbers in values.items():
        groups.setdefault(numbers, []).append(column)
    found = []
    for numbers, columns in groups.items():
        if len(columns) > 1:
            others = [each for name, each in values.items() if name not in columns]
            alike = math.prod(
                1.0 if number in _PLAIN else near(number, [each[i] for each in others], half)
                for i, number in enumerate(numbers)
            )
            ways = rows * math.comb(len(values), len(columns))
            found.append(
                Equal(
                    columns=tuple(columns),
                    values=numbers,
                    accidental=ways * alike ** (len(columns) - 1),
                )
            )
    return found
