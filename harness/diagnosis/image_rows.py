"""Which images count: a part of every set, by places or by a test of an image's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.api import FAKE, REAL
from harness.diagnosis.condition import RowsChange, ScoredSubset, ScoreRule, Sets

Places = Sequence[int] | np.ndarray[Any, Any]
Part = Callable[[ScoredSubset], Places]
"""A set -> the (K,) places that count; one of them twice where its image counts twice."""


def counted(part: Part) -> RowsChange:
    """Only these images count. It does not apply where they are all images of every set."""

    def of(sets: Sets, rule: ScoreRule) -> Sets | None:
        del rule
        return changed(sets, {name: part(scored) for name, scored in sets.items()})

    return RowsChange(of=of)


def changed(sets: Sets, places: dict[str, Places]) -> Sets | None:
    """The sets with these places of each; None where all of them stay as they are."""
    whole = {name: np.arange(len(scored.ids)) for name, scored in sets.items()}
    moved = {name for name in sets if not np.array_equal(places[name], whole[name])}
    if not moved:
        return None
    return {
        name: scored.take(np.asarray(places[name], dtype=np.int64)) if name in moved else scored
        for name, scored in sets.items()
    }


def by_class(scored: ScoredSubset) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The places of the reals and those of the fakes."""
    return np.flatnonzero(scored.labels == REAL), np.flatnonzero(scored.labels == FAKE)


def of_each_class(chosen: Callable[[np.ndarray[Any, Any], int], Places]) -> Part:
    """A part of each class: ``chosen`` gets its (K,) places and the smaller class's size."""

    def part(scored: ScoredSubset) -> Places:
        classes = by_class(scored)
        smaller = min(members.size for members in classes)
        return np.sort(np.concatenate([chosen(members, smaller) for members in classes]))

    return part


def named(test: Callable[[str], bool]) -> Part:
    """The images whose id passes a test. A class of which none does stays whole: a filter that
    fits the names of one class was made for it."""

    def part(scored: ScoredSubset) -> Places:
        kept = np.array([test(name) for name in scored.ids], dtype=bool)
        for members in by_class(scored):
            if not kept[members].any():
                kept[members] = True
        return np.flatnonzero(kept)

    return part
