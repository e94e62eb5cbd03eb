"""What ``why`` found, in short: for the terminal, for ``diff`` and for a record's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.report.diff import DiffCell
from harness.report.measured import is_treated
from harness.report.references import METRICS
from harness.results.answers import ConditionResult, Verdict, WantedNumber, WhyAnswer
from harness.results.records import RunRecord

NEAREST = 5
"""Excluded conditions that are shown, where they are the nearest."""
_SAME = 1e-6
SHARE = "share"
"""In place of a metric: the share of the images whose scores are the given ones."""


def answers_of(record: RunRecord, answers: Iterable[WhyAnswer]) -> list[WhyAnswer]:
    """The answers about a record: of its row, and about the images that it is of; none about one of
    treated images."""
    if is_treated(record):
        return []
    row = (record.detector, record.weights.label, record.suite)
    images = {result.subset: result.manifest for result in record.subsets}
    return [
        each
        for each in answers
        if (each.detector, each.weights, each.suite) == row
        and each.keys
        and all(images.get(subset) == digest for subset, digest in each.keys.items())
    ]


def with_answers(
    cells: Iterable[DiffCell], records: Iterable[RunRecord], answers: Sequence[WhyAnswer]
) -> tuple[DiffCell, ...]:
    """The cells, each with what ``why`` found for its reference.

    Args:
        cells: of these records.
        records: of any rows.
        answers: of any age; the first to count is one that explains, then one to more numbers.
    """
    known = [each for record in records for each in answers_of(record, answers)]
    known.sort(key=lambda each: (not each.of("explains"), -len(each.wanted)))
    return tuple(replace(cell, why=_why(cell, known)) for cell in cells)


def _why(cell: DiffCell, answers: Iterable[WhyAnswer]) -> str:
    row = (cell.detector, cell.weights, cell.suite)
    place = (cell.subset, METRICS.get(cell.metric))
    for each in answers:
        if (each.detector, each.weights, each.suite) == row and any(
            (wanted.subset, wanted.metric) == place
            and cell.reference is not None
            and abs(float(wanted.text) - cell.reference) < _SAME
            for wanted in each.wanted
        ):
            return in_short(each)
    return ""


def percent(fraction: float | None, like: str = "") -> str:
    """``62.31``: a digit more than ``like``, the printed number, has; at least two."""
    if fraction is None:
        return "not defined"
    decimals = len(like.partition(".")[2]) + 1 if like else 2
    return f"{100 * fraction:.{max(2, decimals)}f}"


def numbers(outcome: ConditionResult, wanted: Sequence[WantedNumber]) -> str:
    """``ACC 62.31, AP about 70.20``: what a condition makes of each wanted number; about: of a
    sample."""
    shown = [(each, outcome.numbers[each.name]) for each in wanted if each.name in outcome.numbers]
    return ", ".join(
        f"{each.name} {'' if found.low is None else 'about '}{percent(found.value, each.text)}"
        for each, found in shown
    )


def asked(wanted: Sequence[WantedNumber]) -> str:
    """``62.3``, or ``ACC 62.3 and AP 70.2``; of scores image by image: every score."""
    if len(wanted) == 1:
        return "every score" if wanted[0].metric == SHARE else wanted[0].text
    return _and([f"{each.name} {each.text}" for each in wanted])


def groups(answer: WhyAnswer, verdict: Verdict) -> list[list[ConditionResult]]:
    """The outcomes of a verdict, those together that the wanted numbers cannot tell apart."""
    found: dict[object, list[ConditionResult]] = {}
    for each in answer.of(verdict):
        found.setdefault(each.name if each.group < 0 else each.group, []).append(each)
    return list(found.values())


def named(outcomes: Sequence[ConditionResult]) -> str:
    """``resize(256) or 2 more``: a group of conditions that cannot be told apart."""
    names = [each.name for each in outcomes]
    return " or ".join(names if len(names) < 3 else [names[0], f"{len(names) - 1} more"])


def shortened(names: Sequence[str], most: int = 3, joint: str = "and") -> str:
    """``a, b, c and 4 more``."""
    more = len(names) - most
    if more > 0:
        return f"{', '.join(names[:most])} {joint} {more} more"
    return _and(names, joint)


def headline(answer: WhyAnswer) -> str:
    """The verdict in a sentence."""
    if not answer.wanted:
        return "There is no number to explain."
    n = len(answer.wanted)
    what = asked(answer.wanted) if n == 1 else f"{n} of {n}"
    sure, maybe = groups(answer, "explains"), groups(answer, "possible")
    if sure:
        told = _and([f"{named(group)} explains {what}" for group in sure[:2]], "or")
        more = f", and so do {len(sure) - 2} other groups" if len(sure) > 2 else ""
        return f"{told}{more}."
    if maybe:
        count = sum(map(len, maybe))
        told = "condition is" if count == 1 else "conditions are"
        more = f"; and {len(maybe) - 3} groups more" if len(maybe) > 3 else ""
        names = "; ".join(map(named, maybe[:3])) + more
        return (
            f"Nothing is sure to explain {asked(answer.wanted)}; {count} {told} possible: {names}."
        )
    return none(answer)


def none(answer: WhyAnswer) -> str:
    """That nothing matches, and what is nearest."""
    tried, wanted = answer.tried, answer.wanted
    makes = "makes" if len(wanted) == 1 else "makes all of"
    text = f"None of {tried} condition{'' if tried == 1 else 's'} {makes} {asked(wanted)}"
    nearest = nearest_of(answer)
    if not nearest:
        return f"{text}."
    first = nearest[0]
    made = numbers(first, wanted)
    if len(wanted) == 1:
        made = numbers(first, wanted).removeprefix(f"{wanted[0].name} ")
    return f"{text}; the nearest is {made} ({first.name})."


def nearest_of(answer: WhyAnswer) -> list[ConditionResult]:
    """The excluded conditions nearest to what is wanted: by the number that is furthest off."""
    known = [
        (miss, place, each)
        for place, each in enumerate(answer.of("excluded"))
        if (miss := _miss(each, answer.wanted)) is not None
    ]
    return [each for _, _, each in sorted(known, key=lambda found: found[:2])[:NEAREST]]


def in_short(answer: WhyAnswer) -> str:
    """For a line of ``diff``: ``resize(256) explains 3 of 3``."""
    if answer.of("explains") or answer.of("possible") or not answer.by_subset:
        return headline(answer).removesuffix(".")
    parts = []
    for subset, names in answer.by_subset.items():
        count = sum(each.subset == subset for each in answer.wanted)
        parts.append(
            f"{shortened(names, 2, 'or')} makes the {count} of {subset} "
            f"({count} of {len(answer.wanted)})"
        )
    return f"no condition makes all; {'; '.join(parts)}"


def _miss(outcome: ConditionResult, wanted: Sequence[WantedNumber]) -> float | None:
    """How far the worst number lies outside what counts as a match; None where one is unknown."""
    worst = 0.0
    for each in wanted:
        found = outcome.numbers.get(each.name)
        if found is None or found.value is None:
            return None
        worst = max(worst, each.low - found.value, found.value - each.high)
    return worst


def _and(parts: Sequence[str], joint: str = "and") -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joint} {parts[-1]}"
