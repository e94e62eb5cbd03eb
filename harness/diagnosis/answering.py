"""From what was tried to an answer: what explains, how sure that is, and what would decide."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.diagnosis.catalogue import catalogue
from harness.diagnosis.combined import Combined
from harness.diagnosis.condition import MEAN, Given, MetricCell, RowFacts, Sets
from harness.diagnosis.deciding import deciding, images
from harness.diagnosis.numbers import all_tables
from harness.diagnosis.row import ScoredRow
from harness.diagnosis.search import Effort, Search
from harness.diagnosis.table_family import copied
from harness.diagnosis.table_outcomes import named
from harness.diagnosis.tolerance import sampling_interval
from harness.diagnosis.verdicts import Target, judge
from harness.diagnosis.view_scores import ViewScores
from harness.diagnosis.wanted import NAMES, Sameness, images_of, possible
from harness.report.known_tables import metric_named
from harness.results.answers import ConditionResult, WantedNumber, WhyAnswer
from harness.results.reservations import reservations

FURTHER = ("acc", "ap", "auc", "real_acc", "fake_acc")
"""Metrics among which the deciding one is looked for."""
_TITLES = {name: title for title, name in NAMES.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extras:
    """What is known beside the row itself; see :class:`~harness.diagnosis.condition.RowFacts`.

    Args:
        pools, rows, orders, tokens: as there.
        reference: whose numbers are to be explained, "" where they were typed.
    """

    reference: str = ""
    rows: Mapping[str, Mapping[MetricCell, float]] = dataclasses.field(default_factory=dict)
    pools: Sets = dataclasses.field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    tokens: Mapping[str, str] = dataclasses.field(default_factory=dict)


def explain(
    row: ScoredRow, given: Sequence[Given], sameness: Sameness, effort: Effort, extras: Extras,
    views: ViewScores | None = None,
) -> WhyAnswer:  # fmt: skip
    """Tries the catalogue on a row and says what makes the given numbers.

    Args:
        row: the row, scored the published way.
        given: the numbers.
        sameness: whether they are of these images.
        effort: how much is tried.
        extras: what some conditions need.
        views: scores of the row under conditions that an earlier question left; None = none.
    """
    wrong_n = possible(row, given)
    conditions, absent = catalogue(about_row(row, extras), effort.families)
    search = Search(
        row=row,
        given=given,
        targets=[_target(row, each, sameness) for each in given],
        effort=effort,
        conditions=conditions,
        absent=absent,
        views=views or ViewScores(row),
    )
    search.run()
    outcomes = judge(search.targets, list(search.tried.values()))
    if not any(each.verdict == "explains" for each in outcomes):
        outcomes = (*_copies(row, given, extras.reference), *outcomes)
    matching = [each for each in outcomes if each.verdict != "excluded"]
    measured = [each for each in matching if each.name in search.combined]
    return WhyAnswer(
        detector=row.job.spec.name,
        weights=row.job.weights.label,
        suite=row.suite.name,
        wanted=tuple(
            WantedNumber(
                name=each.name,
                subset=each.cell.subset,
                metric=each.cell.metric,
                text=each.digits.text,
                low=target.low,
                high=target.high,
            )
            for each, target in zip(given, search.targets, strict=True)
        ),
        same_images=sameness.why,
        tried=len(search.tried),
        outcomes=outcomes,
        not_tried=dict(sorted(search.not_tried.items())),
        deciding=_deciding(search, measured),
        remarks=(*wrong_n, *_remarks(search, sameness)),
        remains=() if matching else remaining(row, sameness),
        by_subset={} if matching else _by_subset(search),
        keys={name: manifest.digest for name, manifest in row.manifests.items()},
    )


def _copies(row: ScoredRow, given: Sequence[Given], reference: str) -> tuple[ConditionResult, ...]:
    """Rows of published tables that print all of the given digits."""
    method = row.job.spec.name
    names = {
        named((method, each.cell.subset, metric_named(each.cell.metric) or "")): each.name
        for each in given
    }
    found = copied(given, method, row.suite.name, all_tables(), reference)
    return tuple(
        dataclasses.replace(each, numbers={names[name]: n for name, n in each.numbers.items()})
        for each in found
        if each.verdict != "excluded" and set(names) == set(each.numbers)
    )


def about_row(row: ScoredRow, extras: Extras) -> RowFacts:
    """As families are asked."""
    return RowFacts(
        spec=row.job.spec,
        rule=row.rule,
        geometry=row.record.preprocess,
        variant=row.job.loaded.variant,
        label=row.job.weights.label,
        sets=row.sets,
        other_sets=row.others,
        pools=extras.pools,
        rows=extras.rows,
        orders=extras.orders,
        tokens=extras.tokens,
        skipped={name: row.result(name).skipped for name in row.sets},
    )


def _target(row: ScoredRow, given: Given, sameness: Sameness) -> Target:
    n = images_of(row, given)
    low, high = given.digits.low, given.digits.high
    if not sameness.why:
        names = list(row.sets) if given.cell.subset == MEAN else [given.cell.subset]
        sets = [row.sets[name] for name in names]
        low, high = sampling_interval(given.cell.metric, sets, row.rule, given.digits, given.n)
    return Target(
        name=given.name,
        low=low,
        high=high,
        step=1 / n if n else 0.0,
        exact=bool(sameness.why),
    )


def _remarks(search: Search, sameness: Sameness) -> list[str]:
    said = []
    if sameness.why:
        said.append(f"The numbers are taken to be of these images: {sameness.why}.")
    else:
        said.append(
            f"The numbers are not known to be of these images ({sameness.doubt}): what other "
            "images of the kind would give counts as a match, and nothing can be said to explain."
        )
    if search.spent:
        said.append("The budget was spent before everything was tried.")
    if search.absent:
        said.append(f"{len(search.absent)} conditions of the catalogue cannot be tried here.")
    return said


def remaining(row: ScoredRow, sameness: Sameness) -> tuple[str, ...]:
    """What is left where no condition makes the numbers, and what the record says of each."""
    record, weights = row.record, row.record.weights
    verified = {
        True: "these have the published sha256",
        False: "nothing vouches for these: their sha256 is another than the published one",
        None: "these are no published file",
    }[weights.verified]
    said = [f"Other weights: {verified}." if weights.sha256 else "The detector has no weights."]
    doubt = sameness.doubt or f"taken to be the same, since {sameness.why}"
    said.append(f"Other images: {doubt}.")
    for name in row.sets:
        said += [f"{name}: {each.text}." for each in reservations(record, row.result(name))]
    return tuple(dict.fromkeys(said))


def _by_subset(search: Search) -> dict[str, tuple[str, ...]]:
    """Conditions that match all numbers of one subset, where several are asked about."""
    places: dict[str, list[int]] = {}
    for number, each in enumerate(search.given):
        places.setdefault(each.cell.subset, []).append(number)
    if len(places) < 2:
        return {}
    found = {}
    for subset, mine in places.items():
        parts = [
            dataclasses.replace(tried, numbers=tuple(tried.numbers[place] for place in mine))
            for tried in search.tried.values()
        ]
        judged = judge([search.targets[place] for place in mine], parts)
        found[subset] = tuple(each.name for each in judged if each.verdict != "excluded")
    return {subset: names for subset, names in found.items() if names}


def _deciding(search: Search, matching: Sequence[ConditionResult]) -> tuple[str, ...]:
    """What would tell matching groups apart: a further number, and images."""
    groups: dict[int, list[str]] = {}
    for each in matching:
        groups.setdefault(each.group, []).append(each.name)
    if len(groups) < 2:
        return ()
    further = {each.name: numbers_under(search, search.combined[each.name]) for each in matching}
    decimals = {_title(each.cell): each.digits.decimals for each in search.given}
    said = deciding(list(groups.values()), further, decimals)
    first, second = [names[0] for names in list(groups.values())[:2]]
    return (*said, *_images(search, first, second))


def _images(search: Search, first: str, second: str) -> Iterator[str]:
    """The images whose scores tell two conditions apart, where they have other scores at all."""
    here, there = (_scores(search, search.combined[name]) for name in (first, second))
    ids, one, other = [], [], []
    for subset, scored in here.items():
        known = dict(zip(there[subset].ids, there[subset].scores.tolist(), strict=True))
        ids += [f"{subset}/{name}" for name in scored.ids]
        one += scored.scores.tolist()
        other += [known.get(name, np.nan) for name in scored.ids]
    found = images(ids, np.array(one), np.array(other))
    if found:
        shown = "; ".join(f"{name} {left:.4g} or {right:.4g}" for name, left, right in found)
        yield f"The scores of these images tell {first} from {second}: {shown}."


def _scores(search: Search, combined: Combined) -> Sets:
    state = search.state_of(combined)
    return search.row.sets if state is None else search.views.sets(state)[0]


def numbers_under(search: Search, combined: Combined) -> dict[str, float]:
    """Every metric of every subset under a condition, by ``subset metric``, as fractions."""
    sets, rule = _scores(search, combined), search.row.rule
    digits = search.given[0].digits
    wanted = [
        Given(cell=cell, name=_title(cell), digits=digits)
        for cell in (MetricCell(name, metric) for name in sets for metric in FURTHER)
    ]
    values = combined.numbers(sets, rule, wanted)
    if values is None:
        return {}
    return {
        given.name: value for given, value in zip(wanted, values, strict=True) if value is not None
    }


def _title(cell: MetricCell) -> str:
    return f"{_TITLES.get(cell.metric, cell.metric)} of {cell.subset}"
