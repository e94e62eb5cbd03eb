"""One output folder against another: metrics, settings, and scores image by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.report.against_reference import Reported, Unmatched
from harness.report.diff import (
    NO_REASON,
    DiffCell,
    DiffStatus,
    RecordDiff,
    Where,
    diff_cell,
    record_diff,
)
from harness.report.measured import (
    METRICS,
    Measured,
    conditions,
    is_scored,
    subset_value,
    suite_value,
)
from harness.results.predictions import Predictions, read_predictions
from harness.results.rates import FALSE_ALARMS, RATES, one_class_rate
from harness.results.records import NOT_KNOWN, RunRecord
from harness.results.store import load_records

_SETTINGS = ("version", "variant", "preprocess", "threshold")
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class ImageDiff:
    """Kept scores of one subset in two folders, image by image.

    Args:
        suite, detector, weights, subset: which.
        images: images in both.
        differing: images whose scores are not the same float64.
        max_delta, median_delta: of the absolute differences over the images in both.
        flipped: images whose decisions differ.
        relabelled: images whose labels differ.
        only_here, only_there: images in one of the two only.
        settings: fields of the prediction keys that differ, ``name: here, there``.
    """

    suite: str
    detector: str
    weights: str
    subset: str
    images: int
    differing: int
    max_delta: float
    median_delta: float
    flipped: int
    relabelled: int
    only_here: int
    only_there: int
    settings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunDiff:
    """One output folder against another, or against a reference.

    Args:
        cells: every number of the records that have a counterpart under the same conditions, or
            none at all.
        images: the scores behind them.
        settings: setting, checkpoint and environment fields in which those records differ.
        not_compared: records whose counterparts were made under other conditions: their numbers are
            neither equal nor off.
        reports: what single users say, beside ours.
        unmatched: numbers of the reference that have no place here.
        about: what must be known of all of the reference's numbers.
    """

    cells: tuple[DiffCell, ...]
    images: tuple[ImageDiff, ...] = ()
    settings: tuple[RecordDiff, ...] = ()
    not_compared: tuple[RecordDiff, ...] = ()
    reports: tuple[Reported, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    about: str = ""


def against_run(
    here: Path, records: Sequence[RunRecord], there: Path, others: Sequence[RunRecord]
) -> RunDiff:
    """Every record here against its counterpart in another output folder, and every record there
    that has none here: what the reference holds and is not here is a cell without data.

    Args:
        here, there: output folders.
        records, others: the records of ``here`` and of ``there`` that are asked for.
    """
    cells: list[DiffCell] = []
    images: list[ImageDiff] = []
    settings: list[RecordDiff] = []
    not_compared: list[RecordDiff] = []
    met: list[RunRecord] = []
    records, others = _settled(records), _settled(others)
    for record in records:
        other = counterpart(record, records, others)
        if other is None:
            cells += _cells(record, None)
        elif apart := condition_reasons(record, other):
            not_compared.append(record_diff(record, apart))
        else:
            met.append(other)
            cells += _cells(record, other)
            images += _image_diffs(here, record, there, other)
            if reasons := setting_reasons(record, other):
                settings.append(record_diff(record, reasons))
    for other in others:
        if other not in met and is_scored(other):
            cells += [cell for cell in _cells(None, other) if cell.reference is not None]
    return RunDiff(
        cells=tuple(cells),
        images=tuple(images),
        settings=tuple(settings),
        not_compared=tuple(not_compared),
    )


def _settled(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Without what a run left that found no weights, where another one found and scored them."""

    def row(record: RunRecord) -> tuple[str, str, str]:
        return record.suite, record.detector, record.weights.label

    scored = {row(record) for record in records if is_scored(record)}
    return [record for record in records if is_scored(record) or row(record) not in scored]


def reference_records(there: Path) -> list[RunRecord]:
    """The records of an output folder that is a reference.

    Raises:
        UsageError: it holds none.
    """
    others = load_records(there)
    if not others:
        raise UsageError(
            f"{there}: no run records below {there / 'results'}",
            hint="name an output folder, as given to --out",
        )
    return others


def lacking(cells: Sequence[DiffCell]) -> list[DiffCell]:
    """Cells of which the reference holds a number and we do not."""
    return [cell for cell in cells if cell.measured is None and cell.reference is not None]


def counterpart(
    record: RunRecord, records: Sequence[RunRecord], others: Sequence[RunRecord]
) -> RunRecord | None:
    """The record of another folder that a record is compared with, None where there is none.

    Same suite and detector, and the same weights label; where no label is the same, one that is not
    a counterpart of another of our records. Among several, one made under the same conditions, and
    then the one that agrees in the most settings.
    """

    def alike(candidates: Sequence[RunRecord]) -> list[RunRecord]:
        place = (record.suite, record.detector)
        return [other for other in candidates if (other.suite, other.detector) == place]

    def agreement(other: RunRecord) -> tuple[int, bool, int]:
        equal = sum(getattr(other, name) == getattr(record, name) for name in _SETTINGS)
        same_weights = other.weights.sha256 == record.weights.sha256
        return -len(condition_reasons(record, other)), same_weights, equal

    same = alike(others)
    taken = {mine.weights.label for mine in alike(records)}
    named = [other for other in same if other.weights.label == record.weights.label]
    free = [other for other in same if other.weights.label not in taken]
    return max(named or free, key=agreement, default=None)


def condition_reasons(record: RunRecord, other: RunRecord) -> tuple[str, ...]:
    """The conditions under which two records were made, where they differ; none = comparable.

    Two published geometries are one condition, also where they differ: a version of a detector
    that resizes otherwise than an earlier one did is off, not incomparable.
    """
    there = conditions(other)
    return tuple(
        f"{name} {mine}, there {there[name]}"
        for name, mine in conditions(record).items()
        if mine != there[name]
    )


def setting_reasons(record: RunRecord, other: RunRecord, subset: str = "") -> list[str]:
    """Every setting, checkpoint and environment field in which two records differ.

    Args:
        record, other: the records.
        subset: only the environments that made its scores; "" = all of the record's.
    """
    reasons = []
    for name in ("label", "sha256"):
        mine, theirs = getattr(record.weights, name), getattr(other.weights, name)
        if mine != theirs:
            reasons.append(f"other weights: {name} {mine or 'none'}, there {theirs or 'none'}")
            break
    for name in _SETTINGS:
        mine, theirs = getattr(record, name), getattr(other, name)
        if mine != theirs:
            reasons.append(f"other {name}: {mine or 'none'}, there {theirs or 'none'}")
    here, there = (
        each.environment_of(r for r in each.subsets if subset in ("", r.subset))
        for each in (record, other)
    )
    if bool(here) != bool(there):
        reasons.append(f"the environment {'there' if here else 'here'} was not recorded")
        return reasons
    for name in sorted({*here, *there}):
        mine, theirs = here.get(name, NOT_KNOWN), there.get(name, NOT_KNOWN)
        if mine != theirs:
            reasons.append(f"other environment: {name} {mine}, there {theirs}")
    return reasons


def _cells(record: RunRecord | None, other: RunRecord | None) -> list[DiffCell]:
    """Every number of two counterparts, one of which may be absent."""
    known = record or other
    assert known is not None
    row = (known.suite, known.detector, known.weights.label)
    return [
        _cell((*row, name, metric), record, other)
        for name in (*(result.subset for result in known.subsets), MEAN)
        for metric in _metrics(name, record, other)
    ]


def _metrics(name: str, *records: RunRecord | None) -> Iterable[str]:
    """What is compared of a set: ACC and AP, or the rate that one class alone has."""
    results = (record.result(name) for record in records if record is not None)
    rates = [one_class_rate(result) for result in results if result is not None]
    named = {rate.name for rate in rates if rate is not None}
    return sorted(named) if rates and None not in rates else METRICS


def _cell(place: Where, record: RunRecord | None, other: RunRecord | None) -> DiffCell:
    name, metric = place[3:]
    found, theirs = _number(record, name, metric), _number(other, name, metric)

    def reasons(status: DiffStatus) -> Iterable[str]:
        if record is None or other is None:
            return ("no counterpart there",)
        if status == "no reference":
            return ("no number there",)
        said = [each.text for each in found.said] + [found.over] * bool(found.over)
        said += [f"there {each.text}" for each in theirs.said if each.text not in said]
        if status != "off":
            return said
        settings = setting_reasons(record, other, "" if name == MEAN else name)
        return [*([*_data_reasons(record, other, name), *settings] or [NO_REASON]), *said]

    return diff_cell(
        place,
        dataclasses.replace(found, low=None, high=None),
        theirs.value,
        reasons,
        interval="none: both runs score the same images",
    )


def _number(record: RunRecord | None, name: str, metric: str) -> Measured:
    if record is None:
        return Measured(reason="not here")
    if name == MEAN:
        return suite_value(record, METRICS[metric])
    found = subset_value(record, name, (METRICS | RATES)[metric])
    if metric == FALSE_ALARMS and found.value is not None:
        return dataclasses.replace(found, value=100 - found.value)
    return found


def _data_reasons(record: RunRecord, other: RunRecord, name: str) -> list[str]:
    names = [result.subset for result in record.subsets] if name == MEAN else [name]
    reasons = []
    for subset in names:
        mine, theirs = record.result(subset), other.result(subset)
        if mine is None or theirs is None:
            continue
        if mine.manifest != theirs.manifest:
            reasons.append(
                f"other manifest: {subset} {mine.manifest[:12] or 'none'}, "
                f"there {theirs.manifest[:12] or 'none'}"
            )
            if mine.source != theirs.source:
                places = f"{mine.source or 'files'}, there {theirs.source or 'files'}"
                reasons.append(f"images read from elsewhere: {subset} {places}")
        counts, there = (mine.n_real, mine.n_fake), (theirs.n_real, theirs.n_fake)
        if counts != there:
            reasons.append(f"other counts: {subset} real, fake {counts}, there {there}")
    return reasons


def _image_diffs(here: Path, record: RunRecord, there: Path, other: RunRecord) -> list[ImageDiff]:
    diffs = []
    for result in record.subsets:
        theirs = other.result(result.subset)
        if theirs is None or not result.predictions or not theirs.predictions:
            continue
        sides = (
            (read_predictions(here / result.predictions), record.threshold),
            (read_predictions(there / theirs.predictions), other.threshold),
        )
        diffs.append(_image_diff(record, result.subset, *sides))
    return diffs


_Side = tuple[Predictions, float]
"""Kept scores and the threshold they are judged by."""


def _image_diff(record: RunRecord, subset: str, mine: _Side, theirs: _Side) -> ImageDiff:
    here, there = ({name: i for i, name in enumerate(kept.ids)} for kept, _ in (mine, theirs))
    shared = sorted(here.keys() & there.keys())
    scores, labels, fake = [], [], []
    for (kept, threshold), at in ((mine, here), (theirs, there)):
        rows = [at[name] for name in shared]
        scores.append(kept.scores[rows])
        labels.append(kept.labels[rows])
        fake.append(kept.scores[rows] > threshold)
    deltas = np.abs(scores[0] - scores[1]) if shared else np.zeros(1)
    keys = [dataclasses.asdict(kept.key) for kept, _ in (mine, theirs)]
    return ImageDiff(
        suite=record.suite,
        detector=record.detector,
        weights=record.weights.label,
        subset=subset,
        images=len(shared),
        differing=int(np.count_nonzero(deltas)),
        max_delta=float(deltas.max()),
        median_delta=float(np.median(deltas)),
        flipped=int(np.sum(fake[0] != fake[1])),
        relabelled=int(np.sum(labels[0] != labels[1])),
        only_here=len(here) - len(shared),
        only_there=len(there) - len(shared),
        settings=tuple(
            f"{name}: {value}, there {keys[1][name]}"
            for name, value in keys[0].items()
            if value != keys[1][name]
        ),
    )
