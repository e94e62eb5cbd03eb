"""Conditions in which images got another label, or another image's score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.api import FAKE, REAL
from harness.diagnosis.condition import (
    Absent,
    Condition,
    RowFacts,
    RowsChange,
    ScoredSubset,
    ScoreRule,
    Scores,
    Sets,
)
from harness.diagnosis.listing import lexicographic, natural

Places = Sequence[int]
Order = Callable[[ScoredSubset], Places | None]
"""A set -> (N,) places: which image comes first, second, ...; None where that is not known."""
Paired = Callable[[ScoredSubset], Scores | None]
"""A set -> (N,) the scores that its images get; None where an order is not known."""

_PAIR = "pair scores and ids by name, never by place in two lists."
_CLASS = "read which output or which number is fake from the checkpoint, not from a folder's order."


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Exchanged classes, and scores that were paired with ids in another order."""
    yield from _EXCHANGED
    for what, base in (("paths", False), ("base names", True)):
        yield from _sorted(what, base)
    for name, order in _SHUFFLES:
        changes = f"every image got its score from a list of {name}."
        yield _condition(name, changes, _pairing(_as_it_is, order))
    yield from _listed(about)


def _exchanged_labels(sets: Sets, rule: ScoreRule) -> Sets:
    del rule
    return {name: replace(each, labels=1 - each.labels) for name, each in sets.items()}


def _turned_scores(sets: Sets, rule: ScoreRule) -> Sets:
    return {name: replace(each, scores=turned(each.scores, rule)) for name, each in sets.items()}


def turned(scores: Scores, rule: ScoreRule) -> Scores:
    """(N,) scores -> (N,) scores of the other class, as a head of two outputs has them."""
    if rule.kind == "probability":
        return 1 - scores
    return -scores if rule.kind == "logit" else 2 * rule.threshold - scores


_EXCHANGED = (
    Condition(
        name="labels exchanged",
        family="labels",
        changes="images are labelled by their folders' alphabetical order: fake is 0, real is 1, "
        "while a high score goes on meaning fake.",
        act=RowsChange(of=_exchanged_labels),
        do="name the class folders `0_real` and `1_fake`, or give the labels by hand.",
        seen="baselines/durall.py: fake is 1 in two of the release's notebooks and 0 in the third",
        kin="classes exchanged",
    ),
    Condition(
        name="P(real) read as P(fake)",
        family="labels",
        changes="the other one of two outputs is read: a logit changes its sign, a probability p "
        "becomes 1 - p, any other score is turned round about the threshold.",
        act=RowsChange(of=_turned_scores),
        do=_CLASS,
        seen="chail/patch-forensics: class 0 is fake; beibuwandeluori/DRCT: the score is 1 minus "
        "the first class's probability",
        kin="classes exchanged",
    ),
)


def _as_it_is(scored: ScoredSubset) -> Places:
    return range(len(scored.ids))


def _fakes_first(scored: ScoredSubset) -> Places:
    return [*np.flatnonzero(scored.labels == FAKE), *np.flatnonzero(scored.labels == REAL)]


_SHUFFLES: tuple[tuple[str, Order], ...] = (
    ("scores one row on", lambda scored: np.roll(_as_it_is(scored), 1).tolist()),
    ("scores one row back", lambda scored: np.roll(_as_it_is(scored), -1).tolist()),
    ("scores in reversed order", lambda scored: _as_it_is(scored)[::-1]),
    ("scores of fakes first", _fakes_first),
)


def _sorted(what: str, base: bool) -> Iterator[Condition]:
    """Lists of names sorted by numbers and by characters."""

    def by_numbers(scored: ScoredSubset) -> Places:
        return natural(scored.ids, base)

    def by_characters(scored: ScoredSubset) -> Places:
        return lexicographic(scored.ids, base)

    for how, of_scores, of_ids in (
        ("1, 2, 10", by_numbers, by_characters),
        ("1, 10, 2", by_characters, by_numbers),
    ):
        name = f"scores by {what} {how}"
        lead = f"scores were sorted by {what} as {how} and paired with"
        other = "ids sorted the other way"
        pairing = _pairing(of_ids, of_scores)
        yield _condition(name, f"{lead} {other}.", pairing)
        text = f"{lead} {other}, class by class."
        yield _condition(f"{name}, in each class", text, _within_classes(pairing))
        text = f"{lead} ids that are listed reals first, then fakes."
        yield _condition(f"{name}, ids by class", text, _pairing(_as_it_is, of_scores))


def _listed(about: RowFacts) -> Iterator[Condition | Absent]:
    """By the order of a stored list."""
    name = "scores in the order of a stored list"
    if not about.orders:
        yield Absent(name=name, family="labels", why="no list of `os.listdir` is given")
        return

    def as_listed(scored: ScoredSubset) -> Places | None:
        rank = {each: place for place, each in enumerate(about.orders.get(scored.subset, ()))}
        if not rank.keys() >= set(scored.ids):
            return None
        return sorted(range(len(scored.ids)), key=lambda place: rank[scored.ids[place]])

    text = "scores in the order of the stored list (`os.listdir`) were paired with sorted ids"
    pairing = _pairing(_as_it_is, as_listed)
    yield _condition(name, f"{text}.", pairing)
    yield _condition(f"{name}, in each class", f"{text}, class by class.", _within_classes(pairing))


def _pairing(of_ids: Order, of_scores: Order) -> Paired:
    """The k-th id in one order gets the k-th score in the other."""

    def paired(scored: ScoredSubset) -> Scores | None:
        ids, scores = of_ids(scored), of_scores(scored)
        if ids is None or scores is None:
            return None
        found: Scores = np.empty_like(scored.scores)
        found[np.asarray(ids, np.int64)] = scored.scores[np.asarray(scores, np.int64)]
        return found

    return paired


def _within_classes(paired: Paired) -> Paired:
    def inside(scored: ScoredSubset) -> Scores | None:
        scores: Scores = scored.scores.copy()
        for label in (REAL, FAKE):
            members = np.flatnonzero(scored.labels == label)
            if (found := paired(scored.take(members))) is None:
                return None
            scores[members] = found
        return scores

    return inside


def _condition(name: str, changes: str, paired: Paired) -> Condition:
    def of(sets: Sets, rule: ScoreRule) -> Sets | None:
        del rule
        found = {name: paired(each) for name, each in sets.items()}
        if all(scores is None for scores in found.values()):
            return None
        return {
            name: each if (scores := found[name]) is None else replace(each, scores=scores)
            for name, each in sets.items()
        }

    kin = "scores shifted by one" if "one row" in name else "scores in another order"
    act = RowsChange(of=of)
    return Condition(name=name, family="labels", changes=changes, act=act, do=_PAIR, kin=kin)
