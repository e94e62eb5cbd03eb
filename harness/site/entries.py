"""One number of the leaderboard: as printed, and what a reader learns on hover."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.diff import NOT_COMPARABLE, DiffCell
from harness.report.layout import HOLE, between, signed
from harness.report.measured import published_metric, subset_value
from harness.report.table import Cell
from harness.results.records import RunRecord
from harness.site.grid import Entry

NOT_RUN = "not run"
TONES = (1.0, 5.0)
"""Percentage points from which a difference is coloured more strongly."""


def ours(cell: Cell) -> Entry:
    """A number of ours with its interval; empty where nothing was run."""
    if cell.status == "undefined" or (cell.value is None and cell.reason.startswith(NOT_RUN)):
        return Entry()
    if cell.value is None:
        return Entry(text=HOLE, why=cell.reason, hole=True)
    spread = [between(cell.low, cell.high)]
    spread += [f"(sd {cell.spread:.1f})"] if cell.spread is not None else []
    return Entry(
        text=f"{cell.value:.1f}",
        value=cell.value,
        low=cell.low,
        high=cell.high,
        spread=" ".join(filter(None, spread)),
        why="\n".join(cell.notes),
    )


def some_sets(records: Sequence[RunRecord], suite: str, metric: str, reason: str) -> Entry | None:
    """What stands for the mean of a suite of which some sets alone have numbers; None without any.

    Args:
        records: of one row.
        suite: name.
        metric: ``ACC`` or ``AP``.
        reason: why there is no mean.
    """
    scored = [
        (record, result)
        for record in records
        if record.suite == suite
        for result in record.subsets
        if result.metrics
    ]
    if not scored:
        return None
    numbers = []
    for record, result in scored:
        found = subset_value(record, result.subset, published_metric(record, metric))
        shown = found.reason if found.value is None else f"{found.value:.1f}"
        numbers.append(f"{result.subset}: {shown}")
    sets, names = len(scored[0][0].subsets), {result.subset for _, result in scored}
    why = "\n".join((*numbers, reason))
    return Entry(text=f"{len(names)} of {sets} sets", why=why, hole=True)


def difference(delta: float, compared: DiffCell | None) -> Entry:
    """A difference; one of two numbers that are not comparable has no colour, and says so."""
    if compared is None:
        return Entry(text=signed(delta, 1), value=delta, tone=tone(delta))
    verdict = [compared.status] if compared.comparable else [NOT_COMPARABLE, compared.status]
    return Entry(
        text=signed(delta, 1) if compared.comparable else f"({signed(delta, 1)})",
        value=delta,
        why="\n".join((", ".join(verdict), *compared.reasons)),
        tone=tone(delta) if compared.comparable else "",
    )


def tone(delta: float) -> str:
    """The colour of a difference in percentage points; none for what rounds to nothing.

    Example:
        >>> tone(0.04), tone(-0.7), tone(3), tone(-12)
        ('', 'down1', 'up2', 'down3')
    """
    if round(delta, 1) == 0:
        return ""
    steps = 1 + sum(abs(delta) >= edge for edge in TONES)
    return f"{'up' if delta > 0 else 'down'}{steps}"
