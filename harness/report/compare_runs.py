"""One output folder against another: metrics, settings, and scores image by image."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import SchemaError, UsageError
from harness.report.diff import NO_REASON, DiffCell, judge
from harness.report.measured import (
    METRICS,
    conditions,
    find_subset,
    subset_value,
    suite_value,
)
from harness.results.records import NOT_KNOWN, RunRecord
from harness.results.store import load_records

_SETTINGS = ("version", "variant", "preprocess", "threshold")
_METADATA = b"lfm_bench"


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
class RecordDiff:
    """What sets a record apart from its counterpart.

    Args:
        suite, detector, weights: which.
        reasons: what differs, ``limit 20, there none``.
    """

    suite: str
    detector: str
    weights: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunDiff:
    """One output folder against another.

    Args:
        cells: every number of the records that have a counterpart under the same conditions, or
            none at all.
        images: the scores behind them.
        settings: setting, checkpoint and environment fields in which those records differ.
        not_compared: records whose counterparts were made under other conditions: their numbers are
            neither equal nor off.
    """

    cells: tuple[DiffCell, ...]
    images: tuple[ImageDiff, ...] = ()
    settings: tuple[RecordDiff, ...] = ()
    not_compared: tuple[RecordDiff, ...] = ()


def against_run(here: Path, records: Sequence[RunRecord], there: Path) -> RunDiff:
    """Every record here against its counterpart in another output folder.

    Args:
        here, there: output folders.
        records: the records of ``here``.

    Raises:
        UsageError: ``there`` holds no records.
    """
    others = load_records(there)
    if not others:
        raise UsageError(
            f"{there}: no run records below {there / 'results'}",
            hint="name an output folder, as given to --out",
        )
    cells: list[DiffCell] = []
    images: list[ImageDiff] = []
    settings: list[RecordDiff] = []
    not_compared: list[RecordDiff] = []
    for record in records:
        other = counterpart(record, records, others)
        if other is None:
            cells += _cells(record, None)
        elif apart := condition_reasons(record, other):
            not_compared.append(_record_diff(record, apart))
        else:
            cells += _cells(record, other)
            images += _image_diffs(here, record, there, other)
            if reasons := setting_reasons(record, other):
                settings.append(_record_diff(record, reasons))
    return RunDiff(
        cells=tuple(cells),
        images=tuple(images),
        settings=tuple(settings),
        not_compared=tuple(not_compared),
    )


def _record_diff(record: RunRecord, reasons: Sequence[str]) -> RecordDiff:
    return RecordDiff(
        suite=record.suite,
        detector=record.detector,
        weights=record.weights.label,
        reasons=tuple(reasons),
    )


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


def _cells(record: RunRecord, other: RunRecord | None) -> list[DiffCell]:
    cells = []
    for name in (*(result.subset for result in record.subsets), "mean"):
        place = "" if name == "mean" else name
        settings = [] if other is None else setting_reasons(record, other, place)
        data = [] if other is None else _data_reasons(record, other, name)
        for metric, key in METRICS.items():
            if name == "mean":
                found = suite_value(record, key)
                reference = None if other is None else suite_value(other, key).value
            else:
                found = subset_value(record, name, key)
                reference = None if other is None else subset_value(other, name, key).value
            status = judge(dataclasses.replace(found, low=None, high=None), reference)
            reasons: tuple[str, ...] = ()
            if status == "off":
                reasons = (*data, *settings) or (NO_REASON,)
            elif status == "no data":
                reasons = (found.reason,)
            elif status == "no reference":
                reasons = ("no counterpart there" if other is None else "no number there",)
            cells.append(
                DiffCell(
                    suite=record.suite,
                    detector=record.detector,
                    weights=record.weights.label,
                    column=name,
                    metric=metric,
                    measured=found.value,
                    reference=reference,
                    status=status,
                    interval="none: both runs score the same images",
                    reasons=reasons,
                )
            )
    return cells


def _data_reasons(record: RunRecord, other: RunRecord, name: str) -> list[str]:
    names = [result.subset for result in record.subsets] if name == "mean" else [name]
    reasons = []
    for subset in names:
        mine, theirs = find_subset(record, subset), find_subset(other, subset)
        if mine is None or theirs is None:
            continue
        if mine.manifest != theirs.manifest:
            reasons.append(
                f"other manifest: {subset} {mine.manifest[:12] or 'none'}, "
                f"there {theirs.manifest[:12] or 'none'}"
            )
        counts, there = (mine.n_real, mine.n_fake), (theirs.n_real, theirs.n_fake)
        if counts != there:
            reasons.append(f"other counts: {subset} real, fake {counts}, there {there}")
    return reasons


def _image_diffs(here: Path, record: RunRecord, there: Path, other: RunRecord) -> list[ImageDiff]:
    diffs = []
    for result in record.subsets:
        theirs = find_subset(other, result.subset)
        if theirs is None or not result.predictions or not theirs.predictions:
            continue
        diffs.append(
            _image_diff(
                record,
                result.subset,
                _Scores.read(here / result.predictions, record.threshold),
                _Scores.read(there / theirs.predictions, other.threshold),
            )
        )
    return diffs


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """A prediction file: id -> (label, score, decision), and the key that made it."""

    rows: Mapping[str, tuple[int, float, bool]]
    key: Mapping[str, object]

    @classmethod
    def read(cls, path: Path, threshold: float) -> _Scores:
        try:
            table = pq.read_table(path, columns=["id", "label", "score"])
            head: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_METADATA, b"{}"))
        except (OSError, pa.ArrowInvalid, ValueError) as error:
            raise SchemaError(f"{path}: not a prediction file: {error}") from error
        columns = (table[name].to_pylist() for name in ("id", "label", "score"))
        rows = {
            i: (label, score, score > threshold) for i, label, score in zip(*columns, strict=True)
        }
        return cls(rows=rows, key=head.get("key", {}))


def _image_diff(record: RunRecord, subset: str, mine: _Scores, theirs: _Scores) -> ImageDiff:
    both = sorted(mine.rows.keys() & theirs.rows.keys())
    pairs = [(mine.rows[name], theirs.rows[name]) for name in both]
    deltas = np.array([abs(a[1] - b[1]) for a, b in pairs] or [0.0])
    fields = sorted({*mine.key, *theirs.key})
    return ImageDiff(
        suite=record.suite,
        detector=record.detector,
        weights=record.weights.label,
        subset=subset,
        images=len(both),
        differing=int(np.count_nonzero(deltas)),
        max_delta=float(deltas.max()),
        median_delta=float(np.median(deltas)),
        flipped=sum(a[2] != b[2] for a, b in pairs),
        relabelled=sum(a[0] != b[0] for a, b in pairs),
        only_here=len(mine.rows) - len(both),
        only_there=len(theirs.rows) - len(both),
        settings=tuple(
            f"{name}: {mine.key.get(name)}, there {theirs.key.get(name)}"
            for name in fields
            if mine.key.get(name) != theirs.key.get(name)
        ),
    )
