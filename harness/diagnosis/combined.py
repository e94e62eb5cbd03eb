"""What conditions make of the given numbers: view first, then rows, then metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.diagnosis.condition import (
    AS_PUBLISHED,
    Condition,
    Given,
    MetricChange,
    RowsChange,
    ScoreRule,
    Sets,
    View,
)
from harness.diagnosis.published import under


@dataclass(frozen=True)
class Combined:
    """One condition, or two that change different things.

    Args:
        view: how images get their scores; the published way where nothing changes that.
        free: what is changed afterwards, None for nothing.
        second: another view that is laid over the first, None for none.
    """

    view: Condition = AS_PUBLISHED
    free: Condition | None = None
    second: Condition | None = None

    @property
    def parts(self) -> tuple[Condition, ...]:
        """What it is made of; as published where that is nothing."""
        views = [each for each in (self.view, self.second) if each and each is not AS_PUBLISHED]
        found = [*views, *([self.free] if self.free else [])]
        return tuple(found) or (AS_PUBLISHED,)

    @property
    def name(self) -> str:
        """The names of its parts."""
        return " + ".join(part.name for part in self.parts)

    def numbers(
        self, sets: Sets, rule: ScoreRule, given: Sequence[Given]
    ) -> list[float | None] | None:
        """The given cells' numbers from scores under its view; None where it does not apply."""
        act = self.free.act if self.free else None
        if isinstance(act, RowsChange):
            changed = act.of(sets, rule)
            if changed is None:
                return None
            sets = changed
        change = act if isinstance(act, MetricChange) else None
        return [under(change, sets, rule, each) for each in given]


def overlaid(first: View, second: View) -> View | None:
    """Both at once; None where both change one thing."""
    names = ("preprocess", "perturbation", "decoding", "variation", "weights")
    if any(getattr(first, name) and getattr(second, name) for name in names):
        return None
    if (first.batch and second.batch) or "fp32" not in (first.precision, second.precision):
        return None
    return View(
        preprocess=first.preprocess or second.preprocess,
        perturbation=first.perturbation or second.perturbation,
        decoding=first.decoding or second.decoding,
        variation=first.variation or second.variation,
        change=first.change or second.change,
        options=second.options if first.options is None else first.options,
        weights=first.weights or second.weights,
        batch=first.batch or second.batch,
        precision=second.precision if first.precision == "fp32" else first.precision,
    )
