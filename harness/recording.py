"""From kept scores to records: the results of cells, the means of suites, ``rescore``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from harness.api import DetectorSpec, ScoreSpec
from harness.data.suite import Subset, Suite
from harness.errors import DataError, HarnessError, WeightsMissingError
from harness.metrics import aggregate, classification
from harness.predict import Predictions, read_predictions
from harness.results.records import Metric, RunRecord, Status, SubsetResult, WeightsRef
from harness.results.store import load_record, save_record


def metrics_of(predictions: Predictions, score: ScoreSpec) -> dict[str, Metric]:
    """All metrics of one subset, from its kept scores alone."""
    values = classification.evaluate(
        predictions.labels, predictions.scores, score.threshold, score.kind
    )
    return {name: Metric(value=value.value, note=value.note) for name, value in values.items()}


def scored(subset: Subset, predictions: Predictions, score: ScoreSpec, path: str) -> SubsetResult:
    """The result of a scored subset; ``path`` is its prediction file below the output folder."""
    fakes = int(predictions.labels.sum())
    return dataclasses.replace(
        not_scored(subset),
        status="partial" if predictions.key.limit else "ok",
        n_real=len(predictions.labels) - fakes,
        n_fake=fakes,
        manifest=predictions.key.manifest,
        predictions=path,
        metrics=metrics_of(predictions, score),
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


def with_result(record: RunRecord, suite: Suite, result: SubsetResult) -> RunRecord:
    """The record with one subset's result exchanged and its means made anew."""
    results = tuple(result if old.subset == result.subset else old for old in record.subsets)
    declared = [subset.name for subset in suite.subsets if subset.in_mean]
    return dataclasses.replace(record, subsets=results, mean=suite_means(declared, results))


def suite_means(declared: list[str], results: Iterable[SubsetResult]) -> dict[str, Metric]:
    """Plain mean of each metric over the declared subsets; undefined where one is not whole."""
    whole = {result.subset: result.metrics for result in results if result.status == "ok"}
    names = dict.fromkeys(name for metrics in whole.values() for name in metrics)
    means = {}
    for name in names:
        values = {subset: metrics.get(name) for subset, metrics in whole.items()}
        mean = aggregate.suite_mean(declared, values)
        means[name] = Metric(value=mean.value, note=mean.note)
    return means


def rescore(out: Path) -> list[RunRecord]:
    """Makes every record's metrics anew from the kept scores, without images; saves them.

    Raises:
        SchemaError: a prediction file is damaged or gone.
    """
    records = []
    for path in sorted((out / "results").glob("*/*.json")):
        record = load_record(path)
        score = ScoreSpec(kind=record.score_kind, threshold=record.threshold)  # type: ignore[arg-type]
        subsets = tuple(
            dataclasses.replace(
                result, metrics=metrics_of(read_predictions(out / result.predictions), score)
            )
            if result.predictions
            else result
            for result in record.subsets
        )
        declared = [result.subset for result in subsets if result.group != "controls"]
        records.append(
            dataclasses.replace(record, subsets=subsets, mean=suite_means(declared, subsets))
        )
        save_record(out, records[-1])
    return records
