"""What a table's numbers say by themselves: equal columns, and numbers with a meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.metrics.digits import Digits
from harness.report.table_faults import EQUAL, MEAN, ONE_CLASS, Fault, Key, Numbers, meaning
from harness.report.table_verdicts import equal_groups, verdict_of
from harness.results.answers import Verdict


@dataclass(frozen=True, kw_only=True)
class OwnFault:
    """A fault that needs no reference.

    Args:
        fault: with its place.
        verdict: as of any condition; nothing is excluded.
        numbers: those of the cells that it is about, in percent.
        accidental: expected accidental matches, None where nothing is counted.
    """

    fault: Fault
    verdict: Verdict
    numbers: Numbers
    accidental: float | None = None


def own_faults(given: Mapping[Key, Digits]) -> Iterator[OwnFault]:
    """Those of every row, equal columns first."""
    rows = list(dict.fromkeys(key[0] for key in given))
    for row in rows:
        columns: dict[str, dict[str, Digits]] = {}
        for (each, column, metric), digits in given.items():
            if each == row and column != MEAN:
                columns.setdefault(column, {})[metric] = digits
        yield from _equal(row, columns, len(rows))
        for column, cells in columns.items():
            fault = meaning({metric: digits.percent for metric, digits in cells.items()})
            if fault is not None:
                yield OwnFault(
                    fault=fault.at(column),
                    verdict="possible" if _may_be_chance(fault, cells) else "explains",
                    numbers={(row, column, what): cells[what].percent for what in cells},
                )


def _may_be_chance(fault: Fault, cells: Mapping[str, Digits]) -> bool:
    """An accuracy of 50.0 alone; not where all fakes score above all reals."""
    sides = {"real ACC", "fake ACC"} <= set(cells)
    return fault is ONE_CLASS and not sides and not ("AP" in cells and cells["AP"].percent == 100)


def _equal(row: str, columns: Mapping[str, Mapping[str, Digits]], rows: int) -> Iterator[OwnFault]:
    """Columns with equal numbers in every metric, then with one equal metric, if no accident."""
    metrics = list(dict.fromkeys(metric for cells in columns.values() for metric in cells))
    together = [tuple(metrics), *((metric,) for metric in metrics)] if metrics[1:] else [metrics]
    told: list[set[str]] = []
    for names in together:
        printed = [cells[name] for cells in columns.values() for name in names if name in cells]
        values = {
            column: tuple(cells[name].percent for name in names)
            for column, cells in columns.items()
            if set(names) <= set(cells)
        }
        half = max(100 * digits.half for digits in printed)
        for same in equal_groups(values, half, rows):
            if same.verdict != "explains" or any(set(same.columns) <= each for each in told):
                continue
            told.append(set(same.columns))
            place = f"{', '.join(same.columns)}" + (f", {names[0]}" if len(names) == 1 else "")
            yield OwnFault(
                fault=EQUAL.at(place),
                verdict=verdict_of(same.accidental),
                numbers={
                    (row, column, name): number
                    for column in same.columns
                    for name, number in zip(names, same.values, strict=True)
                },
                accidental=same.accidental,
            )
