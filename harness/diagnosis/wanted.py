"""The numbers that are to be explained: typed, or the off cells of a row of a reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.data.suite import Selection
from harness.diagnosis.condition import MEAN, Given, MetricCell
from harness.diagnosis.row import ScoredRow
from harness.errors import UsageError, unknown_name
from harness.metrics.digits import Digits
from harness.report.diff import DiffCell
from harness.report.references import METRICS, alike

NAMES = {**METRICS, "AUC": "auc"}
"""As typed and printed -> as records name it."""
ACCURACIES = ("acc", "real_acc", "fake_acc")
"""Metrics that are counts over images."""


@dataclass(frozen=True, kw_only=True)
class Sameness:
    """Whether the numbers were measured on the images that are here.

    Args:
        why: they are taken to be: ``the counts are the published ones``; "" where they are not.
        doubt: why they are not, "" where they are.
    """

    why: str = ""
    doubt: str = ""


def typed(texts: Sequence[str], selection: Selection) -> list[Given]:
    """``ACC=62.3``, ``gaugan.AP=99.8``, ``mean.ACC=91.4`` -> the cells and their digits.

    Args:
        texts: as typed.
        selection: a number without a subset is of the only one, or of the mean over several.

    Raises:
        UsageError: a text is none, or names what is not there.
    """
    given = [_typed(text, selection) for text in texts]
    if len({each.cell for each in given}) < len(given):
        raise UsageError(f"one number is given twice: {', '.join(texts)}")
    return given


def _typed(text: str, selection: Selection) -> Given:
    name, equals, digits = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(
            f"{text!r} is no number", hint="--number ACC=62.3, --number SUBSET.AP=99.8"
        )
    place, _, metric = name.rpartition(".")
    known = alike(NAMES, metric)
    if known is None:
        raise unknown_name("metric", metric, list(NAMES))
    names = [subset.name for subset in selection.subsets]
    subset = _subset(place, names)
    try:
        read = Digits.parse(digits)
    except ValueError as error:
        raise UsageError(f"--number {text}: {digits!r} {error}") from error
    return Given(cell=MetricCell(subset, NAMES[known]), name=name, digits=read)


def _subset(place: str, names: list[str]) -> str:
    if not place:
        return names[0] if len(names) == 1 else MEAN
    found = alike([*names, MEAN], place)
    if found is None:
        raise unknown_name("subset", place, [*names, MEAN])
    return MEAN if found == MEAN and MEAN not in names else found


def of_cells(cells: Iterable[DiffCell], decimals: int) -> list[Given]:
    """The numbers of a reference that ours are off from, each cell once.

    Args:
        cells: of one row and suite.
        decimals: digits behind the point that the reference prints.
    """
    given: dict[MetricCell, Given] = {}
    for cell in cells:
        metric = NAMES.get(cell.metric)
        if metric is None or cell.reference is None or not cell.subset:
            continue
        place = MetricCell(cell.subset, metric)
        name = f"{cell.column}.{cell.metric}"
        digits = Digits.parse(f"{cell.reference:.{decimals}f}")
        given.setdefault(place, Given(cell=place, name=name, digits=digits))
    return list(given.values())


def images_of(row: ScoredRow, given: Given) -> int:
    """How many images a number is a share of; 0 of numbers that are no counts."""
    if given.cell.metric not in ACCURACIES or given.cell.subset == MEAN:
        return 0
    labels = row.sets[given.cell.subset].labels
    if given.cell.metric == "acc":
        return len(labels)
    return int((labels == (given.cell.metric == "fake_acc")).sum())


def possible(row: ScoredRow, given: Sequence[Given]) -> list[str]:
    """What the digits say of the number of images, a sentence for each that cannot be of these."""
    said = []
    for each in given:
        n = images_of(row, each)
        if not n or len(each.digits.counts(n)):
            continue
        near = [m for m in each.digits.possible_n(n + n // 4 + 20) if m >= 3 * n // 4]
        fits = ", ".join(map(str, sorted(near, key=lambda m: abs(m - n))[:8])) or "none near it"
        said.append(
            f"No count over {n} images is printed as {each.digits.text}: {each.name} is of another "
            f"number of images. Numbers near {n} that fit: {fits}."
        )
    return said
