"""What ``why`` prints: an answer as text for people, and as JSON. Numbers are in percent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.report.explanations import (
    groups,
    headline,
    named,
    nearest_of,
    numbers,
    percent,
    shortened,
)
from harness.results.answers import ConditionResult, Verdict, WantedNumber, WhyAnswer
from harness.results.records import row_name
from harness.results.store import canonical_json

SHOWN = 8
"""Groups of one verdict, and conditions of one group, that the text shows; JSON has all."""


def as_text(answer: WhyAnswer) -> str:
    """An answer for a terminal: the verdict first, then what it rests on."""
    parts = [
        _heading(answer),
        _given(answer),
        headline(answer),
        *_verdicts(answer, "explains"),
        *_verdicts(answer, "possible"),
        _counted(answer),
        _listed("what would decide", answer.deciding),
        *_nothing(answer),
        _not_tried(answer),
        _listed("to know", answer.remarks),
    ]
    return "\n\n".join(filter(None, parts))


def as_json(answer: WhyAnswer) -> str:
    """An answer as JSON: ``tried``, and in ``conditions`` everything that is not excluded."""
    wanted = answer.wanted
    return canonical_json(
        {
            "detector": answer.detector,
            "weights": answer.weights,
            "suite": answer.suite,
            "verdict": headline(answer),
            "given": [_wanted(each) for each in wanted],
            "same_images": answer.same_images,
            "tried": answer.tried,
            "conditions": [
                _condition(each) for each in answer.outcomes if each.verdict != "excluded"
            ],
            "nearest": [_condition(each) for each in nearest_of(answer)],
            "deciding": answer.deciding,
            "by_subset": answer.by_subset,
            "not_tried": answer.not_tried,
            "remarks": answer.remarks,
            "remains": answer.remains,
        }
    )


def _wanted(wanted: WantedNumber) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "subset": wanted.subset,
        "metric": wanted.metric,
        "text": wanted.text,
        "low": _in_percent(wanted.low),
        "high": _in_percent(wanted.high),
        "source": wanted.source,
    }


def _condition(outcome: ConditionResult) -> dict[str, Any]:
    values = {name: _in_percent(found.value) for name, found in outcome.numbers.items()}
    return {
        "name": outcome.name,
        "family": outcome.family,
        "verdict": outcome.verdict,
        "numbers": values,
        "group": outcome.group,
        "accidental": outcome.accidental,
        "changes": outcome.changes,
        "seen": outcome.seen,
        "do": outcome.do,
        "why": outcome.why,
    }


def _in_percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 10)


def _heading(answer: WhyAnswer) -> str:
    if not answer.suite:
        return "why: numbers alone"
    row = row_name(answer.detector, answer.weights)
    subsets = list(answer.keys)
    only = f":{subsets[0]}" if len(subsets) == 1 else ""
    return f"why: {row} on {answer.suite}{only}"


def _given(answer: WhyAnswer) -> str:
    """The wanted numbers with what counts as a match, and whose images they are of."""
    if not answer.wanted:
        return ""
    width = max(len(each.name) for each in answer.wanted)
    lines = [
        f"  {each.name:{width}s}  {each.text}  matched by {percent(each.low, each.text + '0')} to "
        f"{percent(each.high, each.text + '0')}" + (f"  ({each.source})" if each.source else "")
        for each in answer.wanted
    ]
    if not answer.suite:
        return "\n".join(["given:", *lines])
    images = answer.same_images or "not known to be these, so nothing can be said to explain"
    return "\n".join(["given:", *lines, f"  images: {images}"])


def _verdicts(answer: WhyAnswer, verdict: Verdict) -> Iterator[str]:
    """A block for each group of conditions that the given numbers cannot tell apart."""
    found = groups(answer, verdict)
    for group in found[:SHOWN]:
        lines = [f"{verdict}: {named(group)}"]
        if len(group) > 1:
            lines[0] += " (the given numbers do not tell them apart)"
        lines += _told(group[0], answer)
        # Of the others what sets them apart: the numbers do not.
        for each in group[1:SHOWN]:
            lines += [f"  {each.name} ({each.family}): {numbers(each, answer.wanted)}"]
            lines += [f"      changes: {each.changes}"] if each.changes else []
        if len(group) > SHOWN:
            lines.append(f"  and {len(group) - SHOWN} more: --json lists them")
        yield "\n".join(lines)
    if len(found) > SHOWN:
        yield f"{verdict}: {len(found) - SHOWN} groups more: --json lists them"


def _told(outcome: ConditionResult, answer: WhyAnswer) -> list[str]:
    accidental = outcome.accidental
    beside = "" if accidental is None else f"; accidental matches expected: {accidental:.2g}"
    facts = {
        "why not sure" if outcome.verdict == "possible" else "how": outcome.why,
        "changes": outcome.changes,
        "seen": outcome.seen,
        "do": outcome.do,
    }
    return [
        f"  {outcome.name} ({outcome.family}): {numbers(outcome, answer.wanted)}{beside}",
        *(f"      {name}: {text}" for name, text in facts.items() if text),
    ]


def _counted(answer: WhyAnswer) -> str:
    counts = [
        f"{len(found)} {word}"
        for word, found in (
            ("explain", answer.of("explains")),
            ("possible", answer.of("possible")),
            ("excluded", answer.of("excluded")),
        )
        if found
    ]
    return f"tried: {answer.tried} ({', '.join(counts)})" if counts else ""


def _nothing(answer: WhyAnswer) -> Iterator[str]:
    """Where no condition matches: the nearest, what parts of the numbers match, what remains."""
    if not answer.wanted or answer.of("explains") or answer.of("possible"):
        return
    near = [f"{each.name}: {numbers(each, answer.wanted)}" for each in nearest_of(answer)]
    yield _listed("nearest", tuple(near))
    yield _listed(
        "what matches all numbers of one subset",
        tuple(f"{subset}: {shortened(names)}" for subset, names in answer.by_subset.items()),
    )
    yield _listed("what remains", answer.remains)


def _not_tried(answer: WhyAnswer) -> str:
    """A line for each reason, with the conditions."""
    reasons: dict[str, list[str]] = {}
    for name, why in answer.not_tried.items():
        reasons.setdefault(why, []).append(name)
    lines = tuple(f"{len(names)}, {why}: {shortened(names)}" for why, names in reasons.items())
    return _listed(f"not tried ({len(answer.not_tried)})", lines)


def _listed(title: str, sentences: tuple[str, ...]) -> str:
    return "\n".join([f"{title}:", *(f"  {each}" for each in sentences)]) if sentences else ""
