"""``rescore``: every record made anew from its kept scores, without images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.evaluation.recorder import Recorder
from harness.metrics.thresholds import best_threshold
from harness.results.predictions import read_predictions
from harness.results.records import Calibration, Resampling, RunRecord
from harness.results.store import load_records, save_record


def rescore(
    out: Path, resampling: Resampling | None, calibrate_on: str = "", *, shared: bool = False
) -> list[RunRecord]:
    """Makes every record's metrics and intervals anew from the kept scores; saves them.

    Args:
        out: output folder.
        resampling: how intervals are made; None = no intervals.
        calibrate_on: ``suite:subset`` whose scores give the threshold of ``acc_calibrated``.
        shared: also judge sets that share images with ``calibrate_on`` by it.

    Raises:
        SchemaError: a prediction file is damaged or gone.
        UsageError: nothing was wholly scored on ``calibrate_on``.
    """
    recorder = Recorder(out, resampling)
    records = load_records(out)
    found = _calibrations(out, records, calibrate_on, shared=shared) if calibrate_on else {}
    if calibrate_on and not found:
        raise UsageError(
            f"no whole set of scores on {calibrate_on!r}, which --calibrate-on names as "
            "suite:subset",
            hint=f"python -m harness run --method NAME --suite {calibrate_on}",
        )
    rescored = []
    for record in records:
        record = dataclasses.replace(record, calibration=found.get(_scorer_of(record)))
        rescored.append(recorder.rescored(record))
        save_record(out, rescored[-1])
    return rescored


def _calibrations(
    out: Path, records: Sequence[RunRecord], place: str, *, shared: bool
) -> dict[tuple[object, ...], Calibration]:
    """For each detector, its weights and treatment the threshold that its scores on a set give."""
    found = {}
    suite, _, subset = place.partition(":")
    for record in records:
        result = record.result(subset)
        if record.suite == suite and result is not None and result.status == "ok":
            kept = read_predictions(out / result.predictions)
            found[_scorer_of(record)] = Calibration(
                on=place,
                threshold=best_threshold(kept.labels, kept.scores),
                predictions=result.predictions,
                scores=kept.digest,
                shared=shared,
            )
    return found


def _scorer_of(record: RunRecord) -> tuple[object, ...]:
    """What must agree for a threshold to carry over from one set to another: all but the set, the
    images of it that were scored, and a geometry that is the published one on both.
    """
    own = "" if record.preprocess == record.published_preprocess else record.preprocess
    key = dataclasses.replace(record.key("", ""), suite="", limit=0, preprocess=own)
    return key, record.weights.label
