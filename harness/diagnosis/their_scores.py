"""Scores of another program, explained: under which condition are ours the same, image by image?"""

from __future__ import annotations

import time
from collections.abc import Mapping

from harness.diagnosis.answering import Extras, about_row
from harness.diagnosis.catalogue import catalogue
from harness.diagnosis.condition import AS_PUBLISHED, Condition, Sets, View, pooled
from harness.diagnosis.matching import Match, match
from harness.diagnosis.row import ScoredRow
from harness.diagnosis.search import NO_TIME, Effort
from harness.diagnosis.theirs import Theirs
from harness.diagnosis.view_scores import BudgetSpentError, ViewScores, ViewState
from harness.report import explanations
from harness.results.answers import VERDICTS, ConditionResult, Number, WantedNumber, WhyAnswer

FIRST = 25
"""Images of each class that decide which conditions get all images."""
SHARE = "images whose scores fit"


def explain_scores(row: ScoredRow, theirs: Theirs, effort: Effort, extras: Extras) -> WhyAnswer:
    """Tries every condition that changes scores, and compares each image's with the file's.

    Whole files tell what labels, rows and metrics cannot hide: those families change no score, and
    another order of ids is found by the comparison itself.

    Args:
        row: the row, scored the published way.
        theirs: the scores.
        effort: how much is tried.
        extras: what some conditions need.
    """
    found: dict[str, tuple[Condition, Match]] = {
        AS_PUBLISHED.name: (AS_PUBLISHED, _matched(row, row.sets, theirs))
    }
    conditions, absent = catalogue(about_row(row, extras), effort.families)
    not_tried = {each.name: each.why for each in absent}
    views = [each for each in conditions if isinstance(each.act, View)]
    if effort.forward:
        _try(row, views, theirs, effort, found, not_tried)
    else:
        not_tried |= {each.name: "--free: no image scored" for each in views}
    outcomes = tuple(
        sorted(
            (_outcome(condition, each) for condition, each in found.values()),
            key=lambda each: (VERDICTS.index(each.verdict), -(each.numbers[SHARE].value or 0.0)),
        )
    )
    best = [found[each.name] for each in outcomes if each.verdict != "excluded"]
    return WhyAnswer(
        detector=row.job.spec.name,
        weights=row.job.weights.label,
        suite=row.suite.name,
        wanted=(
            WantedNumber(
                name=SHARE, subset="", metric=explanations.SHARE, text="100", low=1.0, high=1.0
            ),
        ),
        same_images="each row of the file names its image",
        tried=len(found),
        outcomes=outcomes,
        not_tried=not_tried,
        remarks=_said(best or [found[outcomes[0].name]]),
        remains=() if best else ("Other weights, or something that the catalogue does not know.",),
        keys={name: manifest.digest for name, manifest in row.manifests.items()},
    )


def _try(
    row: ScoredRow,
    views: list[Condition],
    theirs: Theirs,
    effort: Effort,
    found: dict[str, tuple[Condition, Match]],
    not_tried: dict[str, str],
) -> None:
    """A handful of images under every condition; all images under those that fit."""
    scores = ViewScores(row)
    scores.deadline = time.monotonic() + effort.seconds
    states: dict[str, ViewState] = {}
    for each in views:
        assert isinstance(each.act, View)
        states[each.name] = scores.state(each.name, each.act)
    by_name = {each.name: each for each in views}
    try:
        for size in (FIRST, 0):
            scores.score(states, list(row.sets), size, f"why: {len(states)} conditions")
            _compare(row, scores, states, theirs, by_name, found)
            states = {n: s for n, s in states.items() if found_fits(found, n)}
    except BudgetSpentError:
        _compare(row, scores, states, theirs, by_name, found)
    for name in by_name:
        if name not in found:
            not_tried[name] = scores.states[name].error or NO_TIME


def found_fits(found: Mapping[str, tuple[Condition, Match]], name: str) -> bool:
    """Whether a condition is not excluded so far."""
    return name in found and found[name][1].verdict != "excluded"


def _compare(
    row: ScoredRow,
    scores: ViewScores,
    states: Mapping[str, ViewState],
    theirs: Theirs,
    by_name: Mapping[str, Condition],
    found: dict[str, tuple[Condition, Match]],
) -> None:
    for name, state in states.items():
        sets = {n: each for n, each in scores.sets(state)[0].items() if each.ids}
        if sets and not state.error:
            found[name] = (by_name[name], _matched(row, sets, theirs))


def _matched(row: ScoredRow, sets: Sets, theirs: Theirs) -> Match:
    return match(pooled(sets.values()), theirs, row.rule.kind)


def _outcome(condition: Condition, found: Match) -> ConditionResult:
    verdict = found.verdict
    return ConditionResult(
        name=condition.name,
        family=condition.family,
        verdict=verdict,
        numbers={SHARE: Number(value=found.share, images=found.images)},
        group=-1 if verdict == "excluded" else 0,
        changes=condition.changes,
        seen=condition.seen,
        do=condition.do,
        why=found.words,
    )


def _said(best: list[tuple[Condition, Match]]) -> tuple[str, ...]:
    """How the scores fit, and the images that do not, of the conditions that fit best."""
    said = []
    for condition, found in best[:3]:
        said.append(f"{condition.name}: {found.words}.")
        said += [
            f"{condition.name}: {each.id} has {each.ours:.6g} here and {each.theirs:.6g} there."
            for each in found.misfits[:10]
        ]
    return tuple(said)
