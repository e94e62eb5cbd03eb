"""The table family: the number is right, and stands in the wrong cell, is a mean of others, is cut,
or is another source's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from harness.diagnosis.condition import (
    MEAN,
    Absent,
    Condition,
    Given,
    MetricCell,
    MetricChange,
    RowFacts,
    ScoreRule,
    Sets,
)
from harness.diagnosis.published import mean, number
from harness.diagnosis.table_outcomes import outcomes_of
from harness.report.known_tables import KnownTable, copies, metric_named
from harness.report.table_faults import (
    CUT,
    EXCHANGED,
    OTHER_COLUMN,
    OTHER_MEAN,
    OTHER_ROW,
    TRANSPOSED,
    Fault,
    Over,
    cut,
    mean_taken,
    means,
)
from harness.report.table_verdicts import judge
from harness.results.answers import ConditionResult

_OTHER = {"acc": "ap", "ap": "acc"}
_Where = Callable[[MetricCell], MetricCell]


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Columns, rows and the pair exchanged, other means, decimals cut.

    Args:
        about: its sets are the columns; ``other_sets`` those of the suite that are not asked for.
    """
    yield from _pairs(about)
    if len(about.sets) + len(about.other_sets) > 1:
        yield from _columns(about)
        yield from _other_means(about)
    else:
        why = "one subset has scores: score the others of the suite, or ask about several"
        yield Absent(name=EXCHANGED.name, family="table", why=why)
        yield Absent(name=OTHER_MEAN.name, family="table", why=why)
    yield _condition(CUT, _cut)
    for name, numbers in about.rows.items():
        fault = OTHER_ROW.at(f"{name} in that of {about.spec.name}")
        yield _condition(fault, _looked_up(numbers))
    if not about.rows:
        why = "no records of other detectors on this suite"
        yield Absent(name=OTHER_ROW.name, family="table", why=why)


def copied(
    given: Sequence[Given],
    method: str,
    suite: str,
    tables: Sequence[KnownTable],
    but: str = "",
) -> list[ConditionResult]:
    """Rows of the known tables with the same digits, jointly for the given cells.

    A row that has only some of the digits is told where that is no accident: fewer than 0.05 rows
    of those that were searched would have as many.

    Args:
        given: the numbers of one row.
        method, suite: whose, by any names.
        tables: what is searched: :func:`harness.diagnosis.numbers.all_tables`.
        but: the reference that the numbers are from, which has them of course.

    Returns:
        Every row that has a number for one of the cells.
    """
    digits = {}
    for each in given:
        metric = metric_named(each.cell.metric)
        if metric is not None:
            digits[method, each.cell.subset, metric] = each.digits
    return outcomes_of(judge(digits, copies(tables, suite, list(digits), but)))


def _condition(fault: Fault, of: Callable[[Sets, ScoreRule, Given], float | None]) -> Condition:
    return Condition(
        name=fault.name,
        family="table",
        changes=fault.changes,
        act=MetricChange(of=of),
        seen=fault.seen,
        do=fault.do,
    )


def _pairs(about: RowFacts) -> Iterator[Condition]:
    """ACC for AP everywhere, and in one column, which moves the mean."""

    def turned(subset: str) -> _Where:
        return lambda cell: (
            MetricCell(cell.subset, _OTHER.get(cell.metric, cell.metric))
            if subset in ("", cell.subset)
            else cell
        )

    yield _condition(TRANSPOSED, _moved({}, turned("")))
    if len(about.sets) > 1:
        for subset in about.sets:
            yield _condition(TRANSPOSED.at(subset), _moved({}, turned(subset)))


def _columns(about: RowFacts) -> Iterator[Condition]:
    """Two columns for each other, and the number of one under another's head."""

    def placed(source: Mapping[str, str]) -> _Where:
        return lambda cell: MetricCell(source.get(cell.subset, cell.subset), cell.metric)

    names = [*about.sets, *about.other_sets]
    for a, b in combinations(names, 2):
        if a not in about.sets and b not in about.sets:
            continue
        exchanged = placed({a: b, b: a})
        yield _condition(EXCHANGED.at(f"{a} and {b}"), _moved(about.other_sets, exchanged))
    for here in about.sets:
        under = _mean_under(here)
        yield _condition(OTHER_COLUMN.at(f"the mean under {here}"), under)


def _moved(others: Sets, where: _Where) -> Callable[[Sets, ScoreRule, Given], float | None]:
    """Every cell has the number of another cell; the mean is that of what stands in the columns.

    None for cells that keep theirs.
    """

    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        cell = given.cell
        every = {**others, **sets}
        columns = list(sets) if cell.subset == MEAN else [cell.subset]
        there = [where(MetricCell(column, cell.metric)) for column in columns]
        if there == [MetricCell(column, cell.metric) for column in columns]:
            return None
        return mean(number(every, rule, each) for each in there)

    return of


def _mean_under(here: str) -> Callable[[Sets, ScoreRule, Given], float | None]:
    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        if given.cell.subset != here:
            return None
        return number(sets, rule, MetricCell(MEAN, given.cell.metric))

    return of


def _other_means(about: RowFacts) -> Iterator[Condition]:
    """The mean over other columns, or by numbers of images; cells of one subset are not touched."""
    asked, every = list(about.sets), [*about.sets, *about.other_sets]
    usual = f"{len(asked)} subsets"
    over = {usual: dict.fromkeys(asked, 1.0)}
    if about.other_sets:
        over[f"{len(every)} subsets of the suite"] = dict.fromkeys(every, 1.0)
    sizes = {name: float(len(scored.ids)) for name, scored in about.sets.items()}
    if len(set(sizes.values())) > 1:
        over[f"{usual} by their images"] = sizes
    for name, weights in over.items():
        for what, _ in means(dict.fromkeys(weights, 0.0), {name: weights}):
            if what != f"over the {usual}":
                of = _mean_over(about.other_sets, {name: weights}, what)
                yield _condition(mean_taken(what), of)


def _mean_over(
    others: Sets, over: Over, what: str
) -> Callable[[Sets, ScoreRule, Given], float | None]:
    def of(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
        if given.cell.subset != MEAN:
            return None
        every = {**others, **sets}
        (columns,) = over.values()
        values = {
            each: number(every, rule, MetricCell(each, given.cell.metric)) for each in columns
        }
        known = {each: value for each, value in values.items() if value is not None}
        return dict(means(known, over))[what] if len(known) == len(values) else None

    return of


def _cut(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    value = number(sets, rule, given.cell)
    return None if value is None else cut(100 * value, given.digits.decimals) / 100


def _looked_up(
    numbers: Mapping[MetricCell, float],
) -> Callable[[Sets, ScoreRule, Given], float | None]:
    return lambda _sets, _rule, given: numbers.get(given.cell)
