"""From kept scores to records: the results of cells, the means of suites, ``rescore``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.api import DetectorSpec
from harness.data.suite import Subset, Suite
from harness.errors import DataError, HarnessError, UsageError, WeightsMissingError
from harness.intervals import Draws, Replicates, rule_of
from harness.metrics import aggregate, bootstrap
from harness.metrics.thresholds import best_threshold
from harness.metrics.values import MetricValue
from harness.predict import Predictions, read_predictions
from harness.results.records import (
    SCHEMA,
    Calibration,
    Metric,
    Resampling,
    RunRecord,
    Status,
    SubsetResult,
    WeightsRef,
)
from harness.results.store import load_records, save_record

Metrics = dict[str, Metric]


class Recorder:
    """Makes results and means, with their intervals.

    Args:
        out: output folder.
        resampling: how intervals are made; None = no intervals.
    """

    def __init__(self, out: Path, resampling: Resampling | None) -> None:
        self.out = out
        self.resampling = resampling
        self.replicates = Replicates(out)

    def metrics_of(self, predictions: Predictions, record: RunRecord, path: str) -> Metrics:
        """All metrics of one subset, judged as its record says; ``path`` is the scores' file."""
        rule = rule_of(record)
        values = rule.evaluate(predictions.labels, predictions.scores)
        key = predictions.key
        if record.calibration and record.calibration.on == f"{key.suite}:{key.subset}":
            values["acc_calibrated"] = MetricValue(None, "the threshold was taken from this set")
        draws: Mapping[str, Draws] = {}
        if self.resampling is not None:
            draws = self.replicates.of(predictions, path, rule, self.resampling)
        return {
            name: _metric(value, bootstrap.interval(draws[name]) if name in draws else None)
            for name, value in values.items()
        }

    def with_result(self, record: RunRecord, suite: Suite, result: SubsetResult) -> RunRecord:
        """The record with one subset's result exchanged and its means made anew."""
        if result in record.subsets and record.mean:
            return record
        results = tuple(result if old.subset == result.subset else old for old in record.subsets)
        declared = [subset.name for subset in suite.subsets if subset.in_mean]
        return self._with_means(dataclasses.replace(record, subsets=results), declared)

    def is_current(self, record: RunRecord) -> bool:
        """Whether the record's metrics and intervals are what this recorder would make."""
        return record.schema == SCHEMA and record.resampling == self.resampling

    def rescored(self, record: RunRecord) -> RunRecord:
        """The record with everything made anew from the kept scores, without images.

        Raises:
            SchemaError: a prediction file is damaged or gone.
        """
        subsets = []
        for result in record.subsets:
            if result.predictions:
                predictions = read_predictions(self.out / result.predictions)
                metrics = self.metrics_of(predictions, record, result.predictions)
                result = dataclasses.replace(result, metrics=metrics)
            subsets.append(result)
        declared = [result.subset for result in subsets if result.group != "controls"]
        record = dataclasses.replace(
            record, subsets=tuple(subsets), resampling=self.resampling, schema=SCHEMA
        )
        return self._with_means(record, declared)

    def _with_means(self, record: RunRecord, declared: Sequence[str]) -> RunRecord:
        """Plain mean of each metric over the declared subsets; undefined where one is not whole."""
        whole = {
            result.subset: result.metrics for result in record.subsets if result.status == "ok"
        }
        names = dict.fromkeys(name for metrics in whole.values() for name in metrics)
        means = {}
        for name in names:
            values = {subset: metrics.get(name) for subset, metrics in whole.items()}
            mean = aggregate.suite_mean(declared, values)
            edges = None
            if mean.value is not None:
                edges = self.replicates.interval([record], declared, name)
            means[name] = _metric(mean, edges)
        return dataclasses.replace(record, mean=means)


def _metric(value: MetricValue, edges: tuple[float, float] | None) -> Metric:
    low, high = edges if edges and value.value is not None else (None, None)
    return Metric(value=value.value, low=low, high=high, note=value.note)


def scored(subset: Subset, predictions: Predictions, metrics: Metrics, path: str) -> SubsetResult:
    """The result of a scored subset; ``path`` is its prediction file below the output folder."""
    fakes = int(predictions.labels.sum())
    return dataclasses.replace(
        not_scored(subset),
        status="partial" if predictions.key.limit else "ok",
        n_real=len(predictions.labels) - fakes,
        n_fake=fakes,
        manifest=predictions.key.manifest,
        predictions=path,
        metrics=metrics,
        skipped=predictions.skipped,
        error="",
    )


def not_scored(subset: Subset) -> SubsetResult:
    """The result of a subset that no run has asked for yet."""
    return SubsetResult(
        subset=subset.name,
        status="missing",
        expected_real=subset.n_real,
        expected_fake=subset.n_fake,
        error="not run",
        group=subset.group,
    )


def without_scores(subset: Subset, error: HarnessError, manifest: str = "") -> SubsetResult:
    """The result of a subset that an error left without scores.

    It is ``missing`` when its images cannot be listed (then no manifest is known) or a checkpoint
    is not there, else ``failed``.
    """
    absent = isinstance(error, WeightsMissingError) or (
        isinstance(error, DataError) and not manifest
    )
    status: Status = "missing" if absent else "failed"
    result = not_scored(subset)
    return dataclasses.replace(result, status=status, error=str(error), manifest=manifest)


def failed_record(spec: DetectorSpec, token: str, suite: Suite, error: HarnessError) -> RunRecord:
    """The record of a detector that could not be set up at all (weights absent, say)."""
    geometry = spec.preprocess_for(suite.name)
    return RunRecord(
        detector=spec.name,
        title=spec.title,
        version=spec.version,
        variant="",
        suite=suite.name,
        weights=WeightsRef(label=token),
        preprocess=geometry,
        published_preprocess=geometry,
        threshold=spec.score.threshold,
        score_kind=spec.score.kind,
        subsets=tuple(without_scores(subset, error) for subset in suite.subsets),
    )


def rescore(out: Path, resampling: Resampling | None, calibrate_on: str = "") -> list[RunRecord]:
    """Makes every record's metrics and intervals anew from the kept scores; saves them.

    Args:
        out: output folder.
        resampling: how intervals are made; None = no intervals.
        calibrate_on: ``suite:subset`` whose scores give the threshold of ``acc_calibrated``.

    Raises:
        SchemaError: a prediction file is damaged or gone.
        UsageError: nothing was scored on ``calibrate_on``.
    """
    recorder = Recorder(out, resampling)
    records = load_records(out)
    found = _calibrations(out, records, calibrate_on) if calibrate_on else {}
    if calibrate_on and not found:
        raise UsageError(
            f"no scores on {calibrate_on!r}, which --calibrate-on names as suite:subset",
            hint=f"python -m harness run --method NAME --suite {calibrate_on}",
        )
    rescored = []
    for record in records:
        record = dataclasses.replace(record, calibration=found.get(_scorer_of(record)))
        rescored.append(recorder.rescored(record))
        save_record(out, rescored[-1])
    return rescored


def _calibrations(
    out: Path, records: Sequence[RunRecord], place: str
) -> dict[tuple[str, ...], Calibration]:
    """For each detector with its weights the threshold that its scores on a set give."""
    found = {}
    suite, _, subset = place.partition(":")
    for record in records:
        result = next((r for r in record.subsets if r.subset == subset), None)
        if record.suite == suite and result is not None and result.predictions:
            kept = read_predictions(out / result.predictions)
            threshold = best_threshold(kept.labels, kept.scores)
            found[_scorer_of(record)] = Calibration(on=place, threshold=threshold)
    return found


def _scorer_of(record: RunRecord) -> tuple[str, ...]:
    """What must agree for a threshold to carry over from one set to another."""
    weights = record.weights
    return record.detector, record.variant, weights.label, weights.sha256, record.precision
