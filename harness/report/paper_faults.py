"""The table faults of the paper's summary: what its Mean is over, and which sets are exchanged."""

from __future__ import annotations

from itertools import product

from harness.metrics.digits import Digits
from harness.report.printed import Paper
from harness.report.table_faults import (
    EXCHANGED,
    MEAN,
    PAIR,
    Key,
    Numbers,
    Over,
    exchanged_columns,
    mean_rules,
    own_means,
)
from harness.report.table_verdicts import Judged, judge

SETS = tuple(f"Test Set{number}" for number in range(1, 6))
SUMMARY_OVER: Over = {
    "38 subsets": dict(zip(SETS, (8, 9, 8, 8, 5), strict=True)),
    "5 sets": dict.fromkeys(SETS, 1),
}
"""What the summary's Mean may be over; the first is the paper's rule."""
FITS = 0.1
"""A mean of numbers with one printed decimal is known to 0.05, and is itself printed to 0.05."""
PRINTS = 0.05


def _digits(numbers: Numbers) -> dict[Key, Digits]:
    """One printed decimal."""
    return {key: Digits(f"{value:.1f}", 1) for key, value in numbers.items()}


def of_own_mean(numbers: Numbers, method: str) -> list[Judged]:
    """What makes the printed Mean of a row of the summary that is not the paper's rule."""
    attempts = list(own_means(numbers, method, SUMMARY_OVER, PRINTS))
    given = {key: digits for key, digits in _digits(numbers).items() if key[1] == MEAN}
    usual = mean_rules(numbers, SUMMARY_OVER, PRINTS)[0]
    off = [key for key, digits in given.items() if not usual.fits(key, digits)]
    return [each for each in judge(given, attempts, off) if each.cells]


def rules_of(paper: Paper) -> dict[Key, str]:
    """Cell of the column Mean -> the rule that makes it: that of the column, or its own."""
    numbers = {
        key[1:]: cell.value
        for key, cell in paper.cells.items()
        if key[0] == "summary" and key[3] in PAIR
    }
    given = {key: digits for key, digits in _digits(numbers).items() if key[1] == MEAN}
    said: dict[Key, str] = {}
    for found in judge(given, mean_rules(numbers, SUMMARY_OVER, PRINTS)):
        for key in found.cells if found.verdict == "explains" else ():
            said.setdefault(key, f"{found}, {len(found.cells)} of {len(given)} cells")
    for method in paper.methods("summary"):
        for found in of_own_mean(numbers, method):
            said.update({key: f"{method}: {found}" for key in found.cells if key not in said})
    return said


def exchanged_sets(paper: Paper, method: str) -> dict[str, Judged]:
    """Who knows the row on UniversalFakeDetect -> that what is known stands as Test Set 3."""
    numbers = {
        (method, column, metric): paper.value("summary", method, column, metric)
        for column, metric in product(SETS, PAIR)
    }
    known: dict[str, dict[Key, Digits]] = {}
    for metric in PAIR:
        key = (method, SETS[3], metric)
        for fact in paper.facts_of(method, f"UniversalFakeDetect {metric}").values():
            if abs(fact.value - numbers[key]) > FITS:
                known.setdefault(fact.counter, {})[key] = Digits(f"{fact.value:.2f}", 2)
    wanted = EXCHANGED.at(f"{SETS[2]} and {SETS[3]}").name
    attempts = list(exchanged_columns(numbers, method, FITS))
    return {
        counter: each
        for counter, given in known.items()
        for each in judge(given, attempts)
        if each.cells and each.attempt.fault.name == wanted
    }
