"""Conditions on images that count twice or not at all: duplicates, unreadable ones, a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.api import REAL
from harness.diagnosis.condition import (
    Absent,
    Condition,
    Given,
    MetricChange,
    RowFacts,
    RowsChange,
    ScoredSubset,
    ScoreRule,
    Scores,
    Sets,
)
from harness.diagnosis.image_rows import Places, counted
from harness.diagnosis.metric_rows import Number, of_sets
from harness.diagnosis.published import of_set

_REFUSE = "refuse unreadable images by name, or count them apart; repair the copy of the data set."
_POOL = "give the set its pool of reals, and each class its label by name."


def faults(about: RowFacts) -> Iterator[Condition | Absent]:
    """Duplicates, unreadable images, sets with one class."""
    if any(scored.sha256 for scored in about.sets.values()):
        yield Condition(
            name="duplicates dropped",
            family="images",
            changes="of images with the same bytes only the first in the list counts, reals first.",
            act=counted(_distinct),
            do="say whether images that occur twice in a set count twice.",
        )
    else:
        why = "the hashes of the images are not known"
        yield Absent(name="duplicates dropped", family="images", why=why)
    yield from _unreadable(about)
    yield from _one_class()


def _distinct(scored: ScoredSubset) -> Places:
    if not scored.sha256:
        return range(len(scored.ids))
    return np.sort(np.unique(np.array(scored.sha256), return_index=True)[1])


def _unreadable(about: RowFacts) -> Iterator[Condition | Absent]:
    names = ("unreadable skipped", "unreadable counted as wrong", "unreadable counted as real")
    if not any(about.skipped.values()):
        for name in names:
            yield Absent(name=name, family="images", why="every image of these sets has a score")
        return
    known = {name: frozenset(about.skipped.get(name, ())) for name in about.sets}

    def readable(scored: ScoredSubset) -> Places:
        unread = known.get(scored.subset, frozenset())
        return [place for place, name in enumerate(scored.ids) if name not in unread]

    yield Condition(
        name=names[0],
        family="images",
        changes="images that cannot be read here do not count, though another program has scores "
        "for them.",
        act=counted(readable),
        do=_REFUSE,
        kin="unreadable",
    )
    yield Condition(
        name=names[1],
        family="images",
        changes="an unreadable image counts as judged wrongly, with the worst score of all.",
        act=_added(about, lambda label, rule, scored: (label, _edge(scored, rule, label == REAL))),
        do=_REFUSE,
        kin="unreadable",
    )
    yield Condition(
        name=names[2],
        family="images",
        changes="an unreadable image becomes a black picture with the label real, and counts as a "
        "real that is judged rightly.",
        act=_added(about, lambda label, rule, scored: (REAL, _edge(scored, rule, False))),
        do=_REFUSE,
        seen="beibuwandeluori/DRCT: a broken fake counts as a correct real",
        kin="unreadable",
    )


def _edge(scored: ScoredSubset, rule: ScoreRule, above: bool) -> float:
    """A score beyond all others and the threshold, on the side of fakes or of reals."""
    if rule.kind == "probability":
        return 1.0 if above else 0.0
    known = np.append(scored.scores, rule.threshold)
    return float(known.max() + 1 if above else known.min() - 1)


Replacement = Callable[[int, ScoreRule, ScoredSubset], tuple[int, float]]
"""The label by an unreadable image's folder -> the label and the score that it counts with."""


def _added(about: RowFacts, replacement: Replacement) -> RowsChange:
    def of(sets: Sets, rule: ScoreRule) -> Sets | None:
        found = {name: _with(each, rule, about, replacement) for name, each in sets.items()}
        return found if any(found[name] is not sets[name] for name in sets) else None

    return RowsChange(of=of)


def _with(
    scored: ScoredSubset, rule: ScoreRule, about: RowFacts, replacement: Replacement
) -> ScoredSubset:
    """The set with its unreadable images, except those in folders without readable ones."""
    folders = dict(zip((_folder(name) for name in scored.ids), scored.labels.tolist(), strict=True))
    lost = [name for name in about.skipped.get(scored.subset, ()) if _folder(name) in folders]
    if not lost:
        return scored
    rows = [replacement(folders[_folder(name)], rule, scored) for name in lost]
    labels = np.array([label for label, _ in rows], dtype=scored.labels.dtype)
    scores: Scores = np.concatenate([scored.scores, [score for _, score in rows]])
    return replace(
        scored,
        ids=(*scored.ids, *lost),
        labels=np.concatenate([scored.labels, labels]),
        scores=scores,
        sha256=(),
    )


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _one_class() -> Iterator[Condition]:
    """Sets that were scored without their other class. sklearn's AP is 0 without positives (-0.0
    in earlier versions, printed as -0.00) and 1 with positives only."""
    for name, changes, accuracy, area, seen in (
        (
            "scored without reals",
            "no reals were scored: ACC is that of the fakes, and AP is 1.",
            _of_fakes,
            1.0,
            "",
        ),
        (
            "scored without reals, fakes labelled 0",
            "no reals were scored, and the only class folder got the label 0: ACC is the share of "
            "the fakes that are called real, and AP is 0.",
            _fakes_called_real,
            0.0,
            "chuangchuangtan/C2P-CLIP-DeepfakeDetection issue 7: diffusion folders without their "
            "pool of reals give AP -0.00",
        ),
        (
            "scored without fakes",
            "no fakes were scored: ACC is that of the reals, and AP is 0.",
            _of_reals,
            0.0,
            "",
        ),
    ):
        yield Condition(
            name=name,
            family="images",
            changes=changes,
            act=MetricChange(of=_lone(accuracy, area)),
            do=_POOL,
            seen=seen,
            kin="scored without a class",
        )


def _of_fakes(scored: ScoredSubset, rule: ScoreRule) -> float | None:
    return of_set(scored, rule, "fake_acc")


def _of_reals(scored: ScoredSubset, rule: ScoreRule) -> float | None:
    return of_set(scored, rule, "real_acc")


def _fakes_called_real(scored: ScoredSubset, rule: ScoreRule) -> float | None:
    found = _of_fakes(scored, rule)
    return None if found is None else 1 - found


def _lone(accuracy: Callable[[ScoredSubset, ScoreRule], float | None], area: float) -> Number:
    touched = {
        "acc": of_sets(["acc"], accuracy),
        "ap": of_sets(["ap"], lambda scored, rule: area),
    }

    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        number = touched.get(given.cell.metric)
        return number(sets, rule, given) if number else None

    return of
