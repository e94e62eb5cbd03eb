"""Which conditions explain the wanted numbers, which are possible, which are excluded.

Single conditions are judged among the single ones: that one of a few hundred matches is as rare as
it is, however many thousand pairs are tried afterwards. Pairs are judged among all that was tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from harness.diagnosis.chance import FEWEST, distances, expected_matches
from harness.diagnosis.condition import AS_PUBLISHED
from harness.results.answers import VERDICTS, ConditionResult, Number, Verdict

ACCIDENTS = 0.05
"""Fewer expected accidental matches than this: a match *explains*."""
_EQUAL = 9  # decimals to which fractions are compared
_ROUNDING = 1e-9

SAMPLED = "known from {} images only"
DRAWS = "it draws; its numbers are of one draw"
OTHER_IMAGES = "the images are not known to be the same"
OTHERS_MATCH = "what matches in another way cannot be told from it"
PUBLISHED = "the published way makes the same digits"
SINGLE_EXPLAINS = "a single condition explains the numbers"
TOO_FEW = f"fewer than {FEWEST} others with numbers of their own: how rare a match is, is not known"
ACCIDENTAL = "{:.2g} accidental matches are expected"

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]
_Verdict = tuple[Verdict, int, float | None, str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A number that is wanted.

    Args:
        name: as typed.
        low, high: fractions that match, both ends taken.
        step: resolution of the metric: 1/n for an accuracy, 0 where it has none.
        exact: False: the interval is that of other images, so that nothing *explains*.
    """

    name: str
    low: float
    high: float
    step: float = 0.0
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A condition, or a pair of them, and what it makes of the targets.

    Args:
        name: unique.
        family: as outcomes name it.
        kin: readings of one fault share it; "" = its own name. Of a pair that of its parts counts.
        random: it draws.
        numbers: one a target, in their order.
        parts: of a pair: the names of its two conditions.
        changes, seen, do: as the catalogue says.
    """

    name: str
    family: str
    kin: str
    random: bool = False
    numbers: tuple[Number, ...]
    parts: tuple[str, ...] = ()
    changes: str = ""
    seen: str = ""
    do: str = ""


def judge(targets: Sequence[Target], tried: Sequence[Tried]) -> tuple[ConditionResult, ...]:
    """A verdict on every condition.

    *explains*: all its numbers are exact and match, no other group is known to, and fewer than
    :data:`ACCIDENTS` accidental matches are expected. Groups are what the targets cannot tell
    apart: equal numbers, or a shared kin. Where nothing has to be changed for the numbers to match
    (``as published``), that explains them, and whatever else matches joins its group: it was not
    looked for, so that no accident is to be feared. A pair is dropped where one of its parts
    matches alone or a single condition that matches has its numbers; it still counts as tried.

    Returns:
        Those that explain, those that are possible (the rarer match first), then the excluded, the
        nearest first.

    Raises:
        ValueError: no target, two conditions of one name, or not one number a target.
    """
    if not targets:
        raise ValueError("no number is wanted")
    names = {each.name for each in tried}
    if len(names) < len(tried) or any(len(each.numbers) != len(targets) for each in tried):
        raise ValueError("conditions have names of their own and one number a target")
    field = _Field(targets, tried)
    judged = _Judged(field).verdicts()
    near = np.where(np.isnan(field.far), np.inf, field.far)

    def order(place: int) -> tuple[float, ...]:
        verdict, _, accidental, _ = judged[place]
        rarity = np.inf if accidental is None else accidental
        return (VERDICTS.index(verdict), near[place] if verdict == "excluded" else rarity, place)

    return tuple(_outcome(targets, tried[i], *judged[i]) for i in sorted(judged, key=order))


def _outcome(
    targets: Sequence[Target], each: Tried, verdict: Verdict, group: int,
    accidental: float | None, why: str,
) -> ConditionResult:  # fmt: skip
    return ConditionResult(
        name=each.name,
        family=each.family,
        verdict=verdict,
        numbers={target.name: n for target, n in zip(targets, each.numbers, strict=True)},
        group=group,
        accidental=accidental,
        changes=each.changes,
        seen=each.seen,
        do=each.do,
        why=why,
    )


class _Field:
    """Where all numbers lie.

    Attributes:
        far: (N,) distance of each condition from the target, NaN where a number is not defined.
        same: (N,) which of the different vectors a condition has.
        matches: (N,) whether all numbers match, or may as far as a sample says.
        sampled: (N,) whether a number is known from a sample only.
        pair: (N,).
        kins: (N,) of frozen sets: the faults that a condition is made of.
    """

    def __init__(self, targets: Sequence[Target], tried: Sequence[Tried]) -> None:
        self.targets, self.tried = targets, tried
        low, high = (np.array([getattr(t, end) for t in targets]) for end in ("low", "high"))
        step = np.array([target.step for target in targets])
        values = _matrix(tried, "value", len(targets))
        least, most = (_matrix(tried, end, len(targets)) for end in ("low", "high"))
        least, most = (np.where(np.isnan(x), values, x) for x in (least, most))
        meets = (least <= high + _ROUNDING) & (most >= low - _ROUNDING)
        self.matches: Truths = np.all(meets & ~np.isnan(values), axis=1)
        unit = np.maximum(np.maximum((high - low) / 2, step / 2), _ROUNDING)
        self.far = distances(values, (low + high) / 2, unit)
        _, self.same = np.unique(np.round(values, _EQUAL), axis=0, return_inverse=True)
        self.same = self.same.reshape(-1)
        self.sampled = np.array([_from_sample(e.numbers) is not None for e in tried], np.bool_)
        self.pair = np.array([bool(each.parts) for each in tried], dtype=np.bool_)
        kin = {each.name: each.kin or each.name for each in tried}
        self.kins = [frozenset(kin.get(p, p) for p in each.parts or (each.name,)) for each in tried]

    def expected(self, among: Truths, group: Iterable[int]) -> float | None:
        """Expected accidental matches of unrelated conditions, for a group that matches."""
        faults = {self.kins[place] for place in group}
        of_kin = {kins: any(fault <= kins for fault in faults) for kins in set(self.kins)}
        other = among & ~np.array([of_kin[kins] for kins in self.kins], dtype=np.bool_)
        other[list(group)] = False
        _, first = np.unique(self.same[other], return_index=True)
        return expected_matches(self.far[other][first], len(self.targets))


def _matrix(tried: Sequence[Tried], part: str, cells: int) -> Floats:
    rows = [[getattr(number, part) for number in each.numbers] for each in tried]
    return np.array(rows, dtype=np.float64).reshape(len(tried), cells)


def _from_sample(numbers: Sequence[Number]) -> int | None:
    """Over how many images the numbers of a sample are, None where all are of all images."""
    found = [n.images for n in numbers if n.low is not None or n.high is not None]
    return max(found) if found else None


class _Judged:
    """Verdicts, from where the numbers lie."""

    def __init__(self, field: _Field) -> None:
        self.field = field
        self.kept = self._without_needless_pairs()
        self.groups = self._groups([i for i in self.kept if field.matches[i]])

    def verdicts(self) -> dict[int, _Verdict]:
        """Place -> verdict, group, expected accidental matches and why not more."""
        found: dict[int, _Verdict] = dict.fromkeys(self.kept, ("excluded", -1, None, ""))
        published = self._published()
        if published is not None:
            for place in (place for group in self.groups for place in group):
                verdict: Verdict = "explains" if place == published else "possible"
                found[place] = (verdict, 0, None, "" if place == published else PUBLISHED)
            return found
        single = ~self.field.pair
        alone = [group for group in self.groups if any(single[group])]
        explained = self._judge(alone, single, found)
        pairs = [group for group in self.groups if not any(single[group])]
        everything = np.ones_like(single)
        self._judge(pairs, everything, found, alone=alone, explained=explained)
        return found

    def _published(self) -> int | None:
        """The place of the published way, where its numbers are those wanted of these images."""
        if not all(target.exact for target in self.field.targets):
            return None
        places = (place for group in self.groups for place in group)
        return next((i for i in places if self.field.tried[i].name == AS_PUBLISHED.name), None)

    def _judge(
        self, groups: Sequence[list[int]], among: Truths,
        found: dict[int, _Verdict],
        alone: Sequence[list[int]] = (), explained: bool = False,
    ) -> bool:  # fmt: skip
        """Judges some groups; whether one explains."""
        known = [group for group in (*groups, *alone) if not all(self.field.sampled[group])]
        # With several groups matches are not rare, whatever is related to whom.
        shared = self.field.expected(among, []) if len(known) > 1 else None
        yes = False
        for group in groups:
            rivals = len(known) - (group in known)
            accidental = self.field.expected(among, group) if shared is None else shared - 1
            if rivals:
                accidental = max(accidental or 0.0, float(rivals))
            number = self.groups.index(group)
            reason = self._reason(accidental, rivals, explained)
            for place in group:
                why = self._own_reason(place) or reason
                verdict: Verdict = "possible" if why else "explains"
                found[place] = (verdict, number, accidental, why)
                yes |= not why
        return yes

    def _reason(self, accidental: float | None, rivals: int, explained: bool) -> str:
        """Why a group does not explain, "" where it does."""
        if not all(target.exact for target in self.field.targets):
            return OTHER_IMAGES
        if explained:
            return SINGLE_EXPLAINS
        if rivals > 0:
            return OTHERS_MATCH
        if accidental is None:
            return TOO_FEW
        return ACCIDENTAL.format(accidental) if accidental >= ACCIDENTS else ""

    def _own_reason(self, place: int) -> str:
        images = _from_sample(self.field.tried[place].numbers)
        if images is not None:
            return SAMPLED.format(f"{images:,}")
        return DRAWS if self.field.tried[place].random else ""

    def _without_needless_pairs(self) -> list[int]:
        """Places of what is reported."""
        field = self.field
        decided = field.matches & ~field.pair & ~field.sampled
        names = {field.tried[place].name for place in np.flatnonzero(decided).tolist()}
        same = set(field.same[decided].tolist())
        return [
            place
            for place, each in enumerate(field.tried)
            if not each.parts
            or (names.isdisjoint(each.parts) and int(field.same[place]) not in same)
        ]

    def _groups(self, places: Sequence[int]) -> list[list[int]]:
        """Connected by equal numbers (as far as they are exact) or a shared kin; singles first."""
        parent = {place: place for place in places}

        def root(place: int) -> int:
            while parent[place] != place:
                parent[place] = parent[parent[place]]
                place = parent[place]
            return place

        alike: dict[object, list[int]] = defaultdict(list)
        for place in places:
            alike[self.field.kins[place]].append(place)
            if not self.field.sampled[place]:
                alike[int(self.field.same[place])].append(place)
        for members in alike.values():
            for one, other in pairwise(members):
                parent[root(other)] = root(one)
        groups: dict[int, list[int]] = defaultdict(list)
        for place in places:
            groups[root(place)].append(place)
        return list(groups.values())
