"""Faults of printed tables as data, and what a table would hold under each of them.

Pure functions of numbers in percent. The paper's inconsistencies, ``why --numbers`` and the table
family of ``why`` use the same faults, so that one thing has one name. A fault at one place of a
table is a :class:`Attempt`: the numbers that would stand in some cells. What does stand there is
compared with them by :func:`harness.report.table_verdicts.judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product

from harness.metrics.digits import Digits
from harness.report.references import MEAN as MEAN

Key = tuple[str, str, str]
"""(row, column, metric); metrics as printed: ``ACC``, ``AP``."""
Numbers = Mapping[Key, float]
Over = Mapping[str, Mapping[str, float]]
"""What a mean is over, ``38 subsets`` -> column -> its weight; the usual rule is the first."""
FAMILY = "table"
PAIR = ("ACC", "AP")
_PAPER = "LFM paper (BMVC 2025), table e"
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of a table.

    Args:
        name: short, as people say it; with its place once it has one.
        changes: what is done differently, one sentence.
        do: what to do about it, one sentence.
        seen: a public source, "" where there is none.
    """

    name: str
    changes: str
    do: str
    seen: str = ""

    def at(self, place: str) -> Fault:
        """The fault at one place: ``columns exchanged: Test Set3 and Test Set4``."""
        return replace(self, name=f"{self.name}: {place}")


EXCHANGED = Fault(
    name="columns exchanged",
    changes="the numbers of two columns stand under each other's heads.",
    do="exchange the two columns back, and correct what was said of either set.",
    seen=f"{_PAPER}: FatFormer, Test Set3 and Test Set4",
)
OTHER_COLUMN = Fault(
    name="number of another column",
    changes="the column holds what belongs under another head, which has it too.",
    do="read the number of this column from the log again.",
)
ROWS = Fault(
    name="rows exchanged",
    changes="the numbers of two methods stand in each other's rows.",
    do="exchange the two rows back.",
)
OTHER_ROW = Fault(
    name="row of another method",
    changes="the row holds the numbers of another method.",
    do="read the numbers of this method from the log again.",
)
TRANSPOSED = Fault(
    name="ACC and AP exchanged",
    changes="the accuracy is printed as AP and the AP as accuracy.",
    do="exchange the pair.",
    seen=f"{_PAPER}: LGrad, Test Set5",
)
OTHER_MEAN = Fault(
    name="mean over other columns",
    changes="the mean is taken over another set of columns, or with other weights.",
    do="say what the mean is over, and compare means over the same subsets only.",
    seen=f"{_PAPER}: the column Mean, over 38 subsets or over 5 sets",
)
CUT = Fault(
    name="cut, not rounded",
    changes="decimals that are not printed were cut off.",
    do="round the number: it is up to one unit of the last digit higher.",
    seen=f"{_PAPER}: LFM's 0.7256M parameters are 0.72M",
)
COPIED = Fault(
    name="copied",
    changes="the digits are those that another source prints, not a measurement.",
    do="measure the number, or cite the source that has it.",
    seen=f"{_PAPER}: FatFormer's FLOPs and parameters are the same digits",
)
EQUAL = Fault(
    name="equal numbers in several columns",
    changes="the columns hold the same images, or share those that the number hangs on.",
    do="compare the files of these folders by their hashes, and download the set again.",
    seen="chuangchuangtan/NPR-DeepfakeDetection issue 2: first upload of GANGen-Detection",
)
ONE_CLASS = Fault(
    name="all images called one class",
    changes="no score lies on the other side of the threshold.",
    do="look at the scores: another threshold, normalisation or class order separates them or "
    "nothing does.",
)
ONE_FOLDER = Fault(
    name="folders without their reals",
    changes="one class has no images: AP is then 0 or 100, whatever the scores.",
    do="score the folder together with its pool of reals.",
    seen="chuangchuangtan/C2P-CLIP-DeepfakeDetection issue 7",
)
FAULTS = (
    EXCHANGED, OTHER_COLUMN, ROWS, OTHER_ROW, TRANSPOSED, OTHER_MEAN, CUT, COPIED, EQUAL,
    ONE_CLASS, ONE_FOLDER,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A fault at one place: the numbers that would stand in the cells that it is about.

    Args:
        fault: with its place.
        numbers: of those cells.
        half: half a unit of the last digit of the numbers that it is read from.
        summed: whether it is computed from several rounded numbers, each off by up to ``half``.
        partly: whether it may hold of some of its cells only, as of copied numbers.
        kin: attempts of one kin are one attempt; "" = its own name.
    """

    fault: Fault
    numbers: Numbers
    half: float = 0.0
    summed: bool = False
    partly: bool = False
    kin: str = ""

    @property
    def group(self) -> str:
        """Its kin, or itself."""
        return self.kin or self.fault.name

    def slack(self, digits: Digits) -> float:
        """How far a printed number may lie from its own."""
        own = digits.half * 100
        return (own + self.half if self.summed else max(own, self.half)) + _TINY

    def fits(self, key: Key, digits: Digits) -> bool:
        """Whether a number that is printed in a cell is its own."""
        return abs(digits.percent - self.numbers[key]) <= self.slack(digits)


def meaning(column: Mapping[str, float]) -> Fault | None:
    """What degenerate numbers of a column say by themselves: metric -> percent. None: nothing."""
    ap, acc = column.get("AP"), column.get("ACC")
    sides = {column.get("real ACC"), column.get("fake ACC")}
    if ap == 0 or (acc == 0 and ap == 100):  # no AP of a set with both classes is 0
        return ONE_FOLDER
    if sides == {0.0, 100.0} or acc == 50:
        return ONE_CLASS
    return None


def exchanged_columns(numbers: Numbers, row: str, half: float = 0.0) -> Iterator[Attempt]:
    """Two columns of a row for each other, and one column's numbers under another."""
    columns = [each for each in columns_of(numbers, row) if each != MEAN]
    for a, b in combinations(columns, 2):
        there = _moved(numbers, row, {a: b, b: a})
        if there:
            kin = f"{row}: {a}, {b}"
            yield Attempt(fault=EXCHANGED.at(f"{a} and {b}"), numbers=there, half=half, kin=kin)
            for here, other in ((a, b), (b, a)):
                fault = OTHER_COLUMN.at(f"{other} under {here}")
                own = _moved(numbers, row, {here: other})
                yield Attempt(fault=fault, numbers=own, half=half, kin=kin)


def _moved(numbers: Numbers, row: str, source: Mapping[str, str]) -> Numbers:
    """The cells of some columns of a row with the numbers of other columns."""
    return {
        (row, column, metric): numbers[row, source[column], metric]
        for each, column, metric in numbers
        if each == row and column in source and (row, source[column], metric) in numbers
    }


def exchanged_rows(numbers: Numbers, row: str, half: float = 0.0) -> Iterator[Attempt]:
    """Another row for a row, and both for each other."""
    for other in dict.fromkeys(key[0] for key in numbers if key[0] != row):
        own = {
            (here, column, metric): numbers[there, column, metric]
            for here, there in ((row, other), (other, row))
            for each, column, metric in numbers
            if each == here and (there, column, metric) in numbers
        }
        alone = {key: value for key, value in own.items() if key[0] == row}
        if alone:
            kin = f"rows {row}, {other}"
            place = f"{row} and {other}"
            yield Attempt(fault=ROWS.at(place), numbers=own, half=half, kin=kin)
            place = f"{other} in that of {row}"
            yield Attempt(fault=OTHER_ROW.at(place), numbers=alone, half=half, kin=kin)


def transposed(numbers: Numbers, row: str, half: float = 0.0) -> Iterator[Attempt]:
    """The pair ACC, AP the other way round in one column, and in all."""
    whole: dict[Key, float] = {}
    kin = f"{row}: {TRANSPOSED.name}"
    for column in columns_of(numbers, row):
        acc, ap = ((row, column, metric) for metric in PAIR)
        if acc in numbers and ap in numbers:
            own = {acc: numbers[ap], ap: numbers[acc]}
            whole.update(own)
            yield Attempt(fault=TRANSPOSED.at(column), numbers=own, half=half, kin=kin)
    if len(whole) > 2:
        yield Attempt(fault=TRANSPOSED.at("all columns"), numbers=whole, half=half, kin=kin)


def cut(value: float, decimals: int) -> float:
    """A number whose further decimals are cut off: ``0.7256`` by two is ``0.72``."""
    unit = 10.0**decimals
    return math.floor(value * unit + _TINY) / unit


def means(values: Mapping[str, float], over: Over) -> Iterator[tuple[str, float]]:
    """Means of a row: over all, over all but one, over the first ones; by every weighing.

    Args:
        values: column -> number, in the order of the table.
        over: see :data:`Over`.

    Yields:
        What it is over, ``over the 38 subsets but Test Set3``, and the mean.
    """
    columns = list(values)
    for name, weights in over.items():
        yield f"over the {name}", weighted(values, weights)
        if len(columns) > 2:
            for left in columns:
                rest = {each: values[each] for each in columns if each != left}
                yield f"over the {name} but {left}", weighted(rest, weights)
        for k in range(2, len(columns) - 1):
            first = {each: values[each] for each in columns[:k]}
            yield f"over the first {k} columns of the {name}", weighted(first, weights)


def mean_taken(over: str) -> Fault:
    """:data:`OTHER_MEAN`, named after what the mean is over: ``mean over the 5 sets``."""
    return replace(OTHER_MEAN, name=f"mean {over}")


def own_means(numbers: Numbers, row: str, over: Over, half: float) -> Iterator[Attempt]:
    """What a row's own cells make of its printed mean: another rule, or a pair the other way round.

    A rule is tried on every metric by itself and on all of them.
    """
    values: dict[str, dict[str, float]] = {}
    for each, column, metric in numbers:
        if each == row and column != MEAN:
            values.setdefault(metric, {})[column] = numbers[each, column, metric]
    both: dict[str, dict[Key, float]] = {}
    for metric, cells in values.items():
        for what, value in means(cells, over):
            own = {(row, MEAN, metric): value}
            both.setdefault(what, {}).update(own)
            fault = mean_taken(f"{what}, {metric}")
            yield Attempt(fault=fault, numbers=own, half=half, summed=True)
    for what, own in both.items():
        if len(own) > 1:
            yield Attempt(fault=mean_taken(what), numbers=own, half=half, summed=True)
    yield from _transposed_means(values, row, over, half)


def mean_rules(numbers: Numbers, over: Over, half: float) -> list[Attempt]:
    """A rule for the whole column of means, of which some rows may not follow it."""
    found: dict[str, dict[Key, float]] = {}
    for row, metric in dict.fromkeys((key[0], key[2]) for key in numbers):
        cells = {
            column: value
            for (each, column, what), value in numbers.items()
            if (each, what) == (row, metric) and column != MEAN
        }
        for what, value in means(cells, over):
            found.setdefault(what, {})[row, MEAN, metric] = value
    return [
        Attempt(fault=mean_taken(what), numbers=own, half=half, summed=True, partly=True)
        for what, own in found.items()
    ]


def _transposed_means(
    values: Mapping[str, Mapping[str, float]], row: str, over: Over, half: float
) -> Iterator[Attempt]:
    """The means of ACC and AP with one column's pair the other way round, each by every rule."""
    acc, ap = (values.get(metric, {}) for metric in PAIR)
    for column in [each for each in acc if each in ap]:
        turned = ({**acc, column: ap[column]}, {**ap, column: acc[column]})
        for rules in product(over.values(), repeat=2):
            own = {
                (row, MEAN, metric): weighted(cells, weights)
                for metric, cells, weights in zip(PAIR, turned, rules, strict=True)
            }
            yield Attempt(fault=TRANSPOSED.at(column), numbers=own, half=half, summed=True)


def weighted(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The mean with weights; columns without one are no part of it."""
    known = [column for column in values if column in weights]
    return sum(weights[c] * values[c] for c in known) / sum(weights[c] for c in known)


def columns_of(numbers: Numbers, row: str) -> list[str]:
    """The columns of a row, in its order."""
    return list(dict.fromkeys(key[1] for key in numbers if key[0] == row))
