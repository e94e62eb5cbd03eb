"""Why a record's numbers differ, as far as ``why`` was asked: its answers on the record's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.figures.strip import in_words, strip_plot
from harness.report.explanations import (
    answers_of,
    groups,
    headline,
    named,
    nearest_of,
    numbers,
)
from harness.results.answers import ConditionResult, WhyAnswer
from harness.results.records import RunRecord
from harness.site.grid import Entry, Grid, said


@dataclass(frozen=True, kw_only=True)
class Explained:
    """An answer of ``why``.

    Args:
        heading: what was asked.
        verdict: in a sentence.
        tried: conditions.
        matches: the conditions that match, group by group, or where there are none the nearest.
        plots: one for each number, and what it shows in words.
        told: what would decide, what remains, and what must be known, in sentences.
    """

    heading: str
    verdict: str
    tried: int
    matches: Grid
    plots: Sequence[tuple[Markup, str]]
    told: Sequence[str]


def explained(record: RunRecord, answers: Iterable[WhyAnswer]) -> list[Explained]:
    """The answers about a record's own images, in their order.

    Args:
        record: of any schema.
        answers: about any records.
    """
    return [_explained(each) for each in answers_of(record, answers) if each.wanted]


def _explained(answer: WhyAnswer) -> Explained:
    return Explained(
        heading=", ".join(f"{each.name} {each.text}" for each in answer.wanted),
        verdict=headline(answer),
        tried=answer.tried,
        matches=_matches(answer),
        plots=[(strip_plot(answer, w.name), in_words(answer, w)) for w in answer.wanted],
        told=(*answer.deciding, *answer.remains, *answer.remarks),
    )


def _matches(answer: WhyAnswer) -> Grid:
    """A row for each group of conditions that the numbers cannot tell apart."""
    found = [*groups(answer, "explains"), *groups(answer, "possible")]
    rows = [_row(group, answer) for group in found]
    return Grid(
        caption="Conditions that match" if found else "The nearest conditions",
        header=("Condition", "Verdict", "Numbers (%)", "What to do", "Seen"),
        rows=rows or [_row([each], answer) for each in nearest_of(answer)],
    )


def _row(group: Sequence[ConditionResult], answer: WhyAnswer) -> list[Entry]:
    first = group[0]
    prose = (first.do, first.seen)
    return [
        Entry(text=named(group)),
        said(first.verdict),
        said(numbers(first, answer.wanted)),
        *(Entry(text=text, kind="prose") for text in prose),
    ]
