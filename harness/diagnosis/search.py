"""Trying the conditions of the catalogue on a row: cheap ones first, the images again for others.

Conditions that need the images are tried on a small stratified sample first. One whose number on
all images cannot be the wanted one, at a stated chance of error, drops out; the others get more
images, and the last ones all of them. Pairs of conditions are tried where no single one matches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.diagnosis.combined import Combined, overlaid
from harness.diagnosis.condition import (
    AS_PUBLISHED,
    MEAN,
    Absent,
    Condition,
    Given,
    ScoredSubset,
    View,
)
from harness.diagnosis.estimate import estimate, mean
from harness.diagnosis.row import ScoredRow
from harness.diagnosis.verdicts import Target, Tried
from harness.diagnosis.view_scores import BudgetSpentError, ViewScores, ViewState, rounds
from harness.results.answers import Number

log = logging.getLogger(__name__)

SAMPLES = (25, 100, 300, 1000)
"""Images of each class in the rounds before all of them."""
ERROR = 0.01
"""Chance that a condition drops out although it makes the number, over all rounds."""
NO_TIME = "the budget was spent: a longer --budget goes on where this one ended"
DRAWN = 300
"""Images of each class that are enough for a condition that draws: it is never sure."""
FORWARD_PAIRS = 24
FEWEST = 10
"""Images of each class from which on a sample that a spent budget left is told."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is tried.

    Args:
        seconds: after which no image is scored any more.
        forward: whether images are scored again at all.
        pairs: whether pairs are tried where no single condition matches.
        families: those to look at, none = all.
    """

    seconds: float = 900.0
    forward: bool = True
    pairs: bool = True
    families: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Search:
    """What was tried on a row so far.

    Args:
        row: the row.
        given: the wanted numbers.
        targets: what counts as a match of each.
        effort: how much is tried.
        conditions, absent: the catalogue for the row.
        views: of the row, with what is known of it already.
    """

    row: ScoredRow
    given: Sequence[Given]
    targets: Sequence[Target]
    effort: Effort
    conditions: Sequence[Condition]
    absent: Sequence[Absent]
    views: ViewScores
    tried: dict[str, Tried] = field(default_factory=dict)
    combined: dict[str, Combined] = field(default_factory=dict)
    not_tried: dict[str, str] = field(default_factory=dict)
    spent: bool = False

    def __post_init__(self) -> None:
        self.views.deadline = time.monotonic() + self.effort.seconds
        self.not_tried |= {each.name: each.why for each in self.absent}
        self._whole: dict[str, tuple[Condition, ViewState]] = {}

    def run(self) -> None:
        """Tries single conditions, then pairs where none of them matches."""
        self._note(Combined(), self._exactly(Combined()))
        self._free_on(AS_PUBLISHED, None)
        try:
            if self.effort.forward:
                self._forward()
            if self.effort.pairs and not self._matching():
                self._pairs()
        except BudgetSpentError:
            self.spent = True
        self._left()

    # Single conditions

    def _free(self) -> list[Condition]:
        return [each for each in self.conditions if each.cost == "free"]

    def _views(self) -> list[Condition]:
        return [each for each in self.conditions if each.cost != "free"]

    def _free_on(self, view: Condition, state: ViewState | None) -> None:
        """Every free condition on the scores of a view that are whole."""
        for condition in self._free():
            if state is not None:  # of published scores all are tried, whatever the budget
                self.check_time()
            each = Combined(view=view, free=condition)
            numbers = self._exactly(each, state)
            if numbers is None:
                if state is None:
                    self.not_tried[condition.name] = "it does not apply to these images"
            else:
                self._note(each, numbers)

    def check_time(self) -> None:
        """Raises BudgetSpentError once there is no time left."""
        if time.monotonic() > self.views.deadline:
            raise BudgetSpentError

    def _exactly(
        self, combined: Combined, state: ViewState | None = None
    ) -> tuple[Number, ...] | None:
        """The numbers from whole scores."""
        sets = self.row.sets if state is None else self.views.sets(state)[0]
        values = combined.numbers(sets, self.row.rule, self.given)
        if values is None:
            return None
        return tuple(
            Number(value=value, images=self._images(each))
            for value, each in zip(values, self.given, strict=True)
        )

    def _images(self, given: Given) -> int:
        names = self.row.sets if given.cell.subset == MEAN else [given.cell.subset]
        return sum(len(self.row.sets[name].ids) for name in names)

    def _note(self, combined: Combined, numbers: tuple[Number, ...] | None) -> None:
        if numbers is None:
            return
        parts = combined.parts
        self.combined[combined.name] = combined
        self.tried[combined.name] = Tried(
            name=combined.name,
            family=" + ".join(part.family for part in parts),
            kin=" + ".join(part.group for part in parts),
            random=any(part.random for part in parts),
            numbers=numbers,
            parts=tuple(part.name for part in parts) if len(parts) > 1 else (),
            changes=" Then: ".join(part.changes for part in parts),
            seen="; ".join(filter(None, (part.seen for part in parts))),
            do=" ".join(part.do for part in parts),
        )

    def state_of(self, combined: Combined) -> ViewState | None:
        """The scores that a combination is made from; None for those of the published way."""
        views = Combined(view=combined.view, second=combined.second)
        return self.views.states.get(views.name)

    def matches(self, numbers: Sequence[Number]) -> bool:
        """Whether all numbers are, or may be, the wanted ones."""
        pairs = zip(self.targets, numbers, strict=True)
        return all(number.may_be(target.low, target.high) for target, number in pairs)

    def _matching(self) -> list[str]:
        return [name for name, each in self.tried.items() if self.matches(each.numbers)]

    # Conditions that need the images

    def _forward(self) -> None:
        left = {each.name: (each, Combined(view=each)) for each in self._views()}
        self._rounds(left)

    def _rounds(self, left: dict[str, tuple[Condition, Combined]]) -> None:
        """Scores conditions on ever more images; what cannot be the wanted number drops out."""
        subsets = list(self.row.sets)
        largest = max(
            int((each.labels == label).sum()) for each in self.row.sets.values() for label in (0, 1)
        )
        states = {}
        for name, (condition, _) in left.items():
            assert isinstance(condition.act, View)
            states[name] = self.views.state(name, condition.act)
        every = list(rounds(SAMPLES, largest))
        for number, size in enumerate(every, start=1):
            about = f"why {number}/{len(every)}: {len(states)} conditions"
            self.views.score(states, subsets, size, about)
            for name in list(states):
                state, (condition, combined) = states[name], left[name]
                if state.error:
                    self.not_tried[name] = state.error
                    del states[name]
                    continue
                numbers = self._estimated(state, combined, len(every)) if size else None
                drawn = condition.random and size >= DRAWN
                if numbers is not None and drawn:
                    self._note(combined, numbers)
                    del states[name]
                elif numbers is None:
                    self._note(combined, self._exactly(combined, state))
                    self._whole[name] = (condition, state)
                elif self.matches(numbers):
                    continue
                else:
                    self._note(combined, numbers)
                    del states[name]

    def _estimated(
        self, state: ViewState, combined: Combined, looks: int
    ) -> tuple[Number, ...] | None:
        """The numbers from a sample, each with where it lies; None where the sample is all."""
        sets, known = self.views.sets(state)
        if all(flags.all() for flags in known.values()):
            return None
        error = ERROR / looks
        found: dict[tuple[str, str], Number] = {}
        for each in self.given:
            names = list(sets) if each.cell.subset == MEAN else [each.cell.subset]
            for name in names:
                place = (name, each.cell.metric)
                if place not in found:
                    found[place] = estimate(
                        each.cell.metric,
                        self.row.sets[name],
                        known[name].nonzero()[0],
                        sets[name].scores,
                        self.row.rule,
                        error / len(self.given) / len(names),
                    )
        return tuple(_over(each, sets, found) for each in self.given)

    # Pairs

    def _pairs(self) -> None:
        """Free conditions on the scores of every view that is whole, nearest views first; then
        pairs of views."""
        for condition, state in list(self._whole.values()):
            self._free_on(condition, state)
        for condition in self._by_nearness():
            if self._matching():
                return
            state = self.views.state(condition.name, _view(condition))
            self.views.score({condition.name: state}, list(self.row.sets), 0, condition.name)
            if state.error:
                continue
            self._whole[condition.name] = (condition, state)
            self._note(Combined(view=condition), self._exactly(Combined(view=condition), state))
            self._free_on(condition, state)
        if not self._matching():
            self._forward_pairs()

    def _by_nearness(self) -> list[Condition]:
        """Views that are not whole, those first whose sample comes nearest to the wanted numbers
        under any free condition."""
        near: list[tuple[float, Condition]] = []
        for condition in self._views():
            state = self.views.state(condition.name, _view(condition))
            if state.error or condition.name in self._whole:
                continue
            sets, _ = self.views.sets(state)
            if any(not len(each.ids) for each in sets.values()):
                continue
            distances = [
                self._distance(numbers)
                for free in (None, *self._free())
                if (numbers := Combined(condition, free).numbers(sets, self.row.rule, self.given))
            ]
            near.append((min(distances), condition))
        return [condition for _, condition in sorted(near, key=lambda each: each[0])]

    def _distance(self, numbers: Iterable[float | None]) -> float:
        pairs = zip(numbers, self.targets, strict=True)
        return max(
            1.0 if value is None else max(target.low - value, value - target.high, 0.0)
            for value, target in pairs
        )

    def _forward_pairs(self) -> None:
        """Pairs of views of different families whose shifts would add up to the wanted numbers."""
        base = [number.value or 0.0 for number in self.tried[AS_PUBLISHED.name].numbers]
        singles = [
            (condition, [number.value or 0.0 for number in self.tried[condition.name].numbers])
            for condition in self._views()
            if condition.name in self.tried
        ]
        found: list[tuple[float, Condition, Condition, View]] = []
        for place, (first, one) in enumerate(singles):
            for second, two in singles[place + 1 :]:
                both = overlaid(_view(first), _view(second))
                if first.family == second.family or both is None:
                    continue
                sums = [a + b - c for a, b, c in zip(one, two, base, strict=True)]
                found.append((self._distance(sums), first, second, both))
        found.sort(key=lambda each: each[0])
        left = {}
        for _, first, second, both in found[:FORWARD_PAIRS]:
            combined = Combined(view=first, second=second)
            as_one = Condition(name=combined.name, family=first.family, changes="", act=both, do="")
            left[combined.name] = (as_one, combined)
        if left:
            self._rounds(left)

    def _left(self) -> None:
        """Conditions whose numbers are not known in the end."""
        for condition in self._views():
            name = condition.name
            if name in self.tried or name in self.not_tried:
                continue
            state = self.views.state(name, _view(condition))
            numbers = self._sample_at_hand(state, condition)
            if numbers is not None and self.effort.forward:
                self._note(Combined(view=condition), numbers)
            else:
                self.not_tried[name] = NO_TIME if self.effort.forward else "--free: no image scored"

    def _sample_at_hand(self, state: ViewState, condition: Condition) -> tuple[Number, ...] | None:
        if state.error or not all(map(_enough, self.views.sets(state)[0].values())):
            return None
        combined = Combined(view=condition)
        return self._estimated(state, combined, len(SAMPLES) + 1) or self._exactly(combined, state)


def _view(condition: Condition) -> View:
    assert isinstance(condition.act, View)
    return condition.act


def _enough(scored: ScoredSubset) -> bool:
    """Whether a sample says anything."""
    return all(int((scored.labels == label).sum()) >= FEWEST for label in np.unique(scored.labels))


def _over(
    given: Given, sets: Mapping[str, object], found: Mapping[tuple[str, str], Number]
) -> Number:
    """A given cell's number from those of its subsets."""
    if given.cell.subset != MEAN:
        return found[given.cell.subset, given.cell.metric]
    return mean([found[name, given.cell.metric] for name in sets])
