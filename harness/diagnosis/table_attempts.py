"""What a table of numbers would hold under each fault, from a reference's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.metrics.digits import Digits
from harness.report.known_tables import KnownTable
from harness.report.table_faults import (
    CUT,
    MEAN,
    Attempt,
    Key,
    Numbers,
    Over,
    columns_of,
    cut,
    exchanged_columns,
    exchanged_rows,
    mean_rules,
    own_means,
    transposed,
)


def attempts(
    given: Mapping[Key, Digits], known: Numbers, half: float, base: KnownTable | None
) -> Iterator[Attempt]:
    """Columns, rows and pairs exchanged, other means, decimals cut.

    Args:
        given: the printed numbers.
        known: those of the reference, under the same names.
        half: half a unit of the last digit of those.
        base: the reference's table.
    """
    for row in dict.fromkeys(key[0] for key in given):
        yield from exchanged_columns(known, row, half)
        yield from exchanged_rows(known, row, half)
        yield from transposed(known, row, half)
        cells = _cells(given, known, row)
        if any(key[0] == row and key[1] == MEAN for key in given):
            yield from own_means(cells, row, _over(cells, row, base), _half(given, half))
        yield from _cut(given, known, row)
    yield from _rules(given, known, half, base)


def _rules(
    given: Mapping[Key, Digits], known: Numbers, half: float, base: KnownTable | None
) -> Iterator[Attempt]:
    """One rule for the means of several rows."""
    rows = list(dict.fromkeys(key[0] for key in given if key[1] == MEAN))
    if len(rows) > 1:
        cells = {key: v for row in rows for key, v in _cells(given, known, row).items()}
        yield from mean_rules(cells, _over(cells, rows[0], base), _half(given, half))


def usual_means(
    given: Mapping[Key, Digits], known: Numbers, base: KnownTable | None
) -> list[Attempt]:
    """The means of the rows that are given whole, by the usual rule."""
    found = []
    for row in dict.fromkeys(key[0] for key in given):
        own = {key: digits.percent for key, digits in given.items() if key[0] == row}
        cells = {key: value for key, value in own.items() if key[1] != MEAN}
        whole = {key for key in known if key[0] == row and key[1] != MEAN}
        if len(columns_of(cells, row)) > 1 and whole <= set(cells):
            found += mean_rules(cells, _over(cells, row, base), _half(given, 0.0))[:1]
    return found


def _cells(given: Mapping[Key, Digits], known: Numbers, row: str) -> Numbers:
    """A row's own numbers without its means, and the reference's where it has none."""
    own = {key: digits.percent for key, digits in given.items() if key[0] == row}
    there = {key: value for key, value in known.items() if key[0] == row}
    return {key: value for key, value in {**there, **own}.items() if key[1] != MEAN}


def _over(cells: Numbers, row: str, base: KnownTable | None) -> Over:
    if base is not None and base.over is not None:
        return base.over
    columns = columns_of(cells, row)
    return {f"{len(columns)} columns": dict.fromkeys(columns, 1.0)}


def _half(given: Mapping[Key, Digits], half: float) -> float:
    return max(half, *(100 * digits.half for digits in given.values()))


def _cut(given: Mapping[Key, Digits], known: Numbers, row: str) -> Iterator[Attempt]:
    """Every cell of a row with its further decimals cut off, where the reference has some."""
    own = {
        key: cut(known[key], digits.decimals)
        for key, digits in given.items()
        if key[0] == row and key in known
    }
    if any(abs(value - known[key]) > 1e-9 for key, value in own.items()):
        yield Attempt(fault=CUT.at(row), numbers=own)
