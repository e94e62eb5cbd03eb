"""From kept scores to records: the results of cells, the means of suites, ``rescore``."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.api import DetectorSpec
from harness.data.suite import Subset, Suite
from harness.errors import (
    DataError,
    HarnessError,
    SchemaError,
    WeightsMissingError,
)
from harness.metrics import aggregate
from harness.metrics.bootstrap import Draws
from harness.metrics.interval import interval
from harness.metrics.values import MetricValue
from harness.registry import detectors as registry
from harness.results.intervals import Replicates, rule_of
from harness.results.predictions import (
    Predictions,
    digest_of,
    prediction_path,
    read_made,
    read_predictions,
)
from harness.results.rates import stands_alone
from harness.results.records import (
    SCHEMA,
    Calibration,
    Made,
    Metric,
    PredictionKey,
    Resampling,
    RunRecord,
    Status,
    SubsetResult,
    WeightsRef,
)

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

    def metrics_of(self, predictions: Predictions, record: RunRecord) -> Metrics:
        """All metrics of one subset, judged as its record says."""
        rule = rule_of(record)
        values = rule.evaluate(predictions.labels, predictions.scores)
        doubt = self._calibration_doubt(record.calibration, predictions)
        if doubt:
            values["acc_calibrated"] = MetricValue(None, doubt)
        draws: Mapping[str, Draws] = {}
        if self.resampling is not None:
            draws = self.replicates.of(predictions, rule, self.resampling)
        return {
            name: _metric(value, interval(draws[name]) if name in draws else None)
            for name, value in values.items()
        }

    def _calibration_doubt(self, other: Calibration | None, predictions: Predictions) -> str:
        """Why a threshold from another set cannot judge these scores, "" where it can."""
        if other is None:
            return ""
        if other.on == f"{predictions.key.suite}:{predictions.key.subset}":
            return "the threshold was taken from this set"
        if other.shared:
            return ""
        path = self.out / other.predictions
        if digest_of(path) != other.scores:
            return f"the scores on {other.on} that gave the threshold are gone"
        theirs = set(read_predictions(path).units)
        count = sum(unit in theirs for unit in predictions.units)
        unit = predictions.unit or "content"
        return f"{count} of its images share their {unit} with {other.on}" if count else ""

    def scored(
        self, record: RunRecord, blank: SubsetResult, predictions: Predictions
    ) -> tuple[SubsetResult, tuple[Made, ...]]:
        """The result that kept scores are, and the sessions that made them.

        Metrics that the record holds of just these scores are taken over; the scores' digest says
        whether they are just these.

        Args:
            record: the record that it is a result of.
            blank: the subset's result while nothing is scored.
            predictions: its prediction file's content.
        """
        path = prediction_path(Path(), record.key(blank.subset, predictions.key.manifest))
        kept = record.result(blank.subset)
        if kept is None or kept.scores != predictions.digest or not self.is_current(record):
            metrics = self.metrics_of(predictions, record)
        else:
            metrics = kept.metrics
        made = read_made(self.out / path, predictions.digest)
        fakes = int(predictions.labels.sum())
        result = dataclasses.replace(
            blank,
            status="partial" if predictions.key.limit else "ok",
            n_real=len(predictions.labels) - fakes,
            n_fake=fakes,
            manifest=predictions.key.manifest,
            predictions=path.as_posix(),
            scores=predictions.digest,
            unit=predictions.unit,
            made=tuple(each.digest for each in made),
            metrics=metrics,
            skipped=predictions.skipped,
            error="",
        )
        return result, made

    def with_result(
        self, record: RunRecord, result: SubsetResult, made: Iterable[Made] = ()
    ) -> RunRecord:
        """The record with one subset's result exchanged and its means made anew."""
        if result in record.subsets and record.mean:
            return record
        results = tuple(result if old.subset == result.subset else old for old in record.subsets)
        sessions = record.made | {each.digest: each for each in made}
        used = {name for each in results for name in each.made}
        sessions = {name: each for name, each in sessions.items() if name in used}
        return self._with_means(dataclasses.replace(record, subsets=results, made=sessions))

    def is_current(self, record: RunRecord) -> bool:
        """Whether the record's metrics and intervals are what this recorder would make."""
        return record.schema == SCHEMA and record.resampling == self.resampling

    def taken_over(self, record: RunRecord, old: RunRecord, but: Collection[str] = ()) -> RunRecord:
        """A record with those results of an old one that belong to it.

        A result belongs to it when its scores lie where the record's own key says: scores of
        another checkpoint, version, geometry, precision, decoding, perturbation or limit lie
        elsewhere. What does not belong stays as it is in ``record``.

        Args:
            record: today's conditions.
            old: what is on disk.
            but: subsets that are left as they are in ``record``.
        """
        same = _conditions(old) == _conditions(record)
        judged = same and (old.threshold, old.score_kind) == (record.threshold, record.score_kind)
        if judged:
            record = dataclasses.replace(record, calibration=old.calibration)
        for blank in record.subsets:
            kept = old.result(blank.subset)
            if kept is None or blank.subset in but:
                continue
            if kept.predictions:
                trusted = judged and self.is_current(old)
                record = self._with_kept(record, blank, kept, trusted=trusted)
            elif same:
                record = _exchanged(record, dataclasses.replace(kept, **_declared(blank)))
        if judged and self.is_current(old) and record.subsets == old.subsets:
            return dataclasses.replace(record, mean=old.mean)
        return self._with_means(record)

    def _with_kept(
        self, record: RunRecord, blank: SubsetResult, kept: SubsetResult, *, trusted: bool
    ) -> RunRecord:
        """The record with a result from disk, if its scores are there and belong to it."""
        path = prediction_path(Path(), record.key(blank.subset, kept.manifest)).as_posix()
        if kept.predictions != path:
            return record
        digest = digest_of(self.out / path)
        if not digest:
            return _exchanged(record, dataclasses.replace(blank, error=f"{path}: scores are gone"))
        if trusted and digest == kept.scores:
            made = read_made(self.out / path, digest)
            result = dataclasses.replace(kept, **_declared(blank))
        else:
            try:
                predictions = read_predictions(self.out / path)
            except SchemaError as error:
                failed = dataclasses.replace(blank, status="failed", error=str(error))
                return _exchanged(record, failed)
            result, made = self.scored(record, blank, predictions)
            result = dataclasses.replace(result, seen=kept.seen, left_out=kept.left_out)
        sessions = record.made | {each.digest: each for each in made}
        return dataclasses.replace(_exchanged(record, result), made=sessions)

    def rescored(self, record: RunRecord) -> RunRecord:
        """The record with everything made anew from the kept scores, without images.

        Raises:
            SchemaError: a prediction file is damaged or gone.
        """
        blank = dataclasses.replace(
            record, resampling=self.resampling, schema=SCHEMA, subsets=(), made={}
        )
        for result in record.subsets:
            made: tuple[Made, ...] = ()
            if result.predictions:
                path = prediction_path(Path(), record.key(result.subset, result.manifest))
                if path.as_posix() != result.predictions:
                    raise SchemaError(
                        f"{record.suite}/{result.subset}: {result.predictions} is not where scores "
                        f"of {record.detector}:{record.weights.label} lie ({path.as_posix()})",
                        hint="run again",
                    )
                predictions = read_predictions(self.out / path)
                result, made = self.scored(blank, result, predictions)
            sessions = blank.made | {each.digest: each for each in made}
            blank = dataclasses.replace(blank, subsets=(*blank.subsets, result), made=sessions)
        return self._with_means(blank)

    def _with_means(self, record: RunRecord) -> RunRecord:
        """Plain mean of each metric over the declared subsets; undefined where one is not whole.

        A subset of one class whose counts nobody declares (own data) is no hole: a metric that
        needs both classes is averaged without it, and its note says so.
        """
        in_mean = [result for result in record.subsets if result.group != "controls"]
        declared = [result.subset for result in in_mean]
        one_class = [result.subset for result in in_mean if stands_alone(result)]
        whole = {
            result.subset: result.metrics for result in record.subsets if result.status == "ok"
        }
        names = dict.fromkeys(name for metrics in whole.values() for name in metrics)
        means = {}
        for name in names:
            values = {subset: metrics.get(name) for subset, metrics in whole.items()}
            without = [s for s in one_class if (m := values.get(s)) and m.value is None]
            over = [subset for subset in declared if subset not in without] or declared
            mean = aggregate.suite_mean(over, values)
            edges = None
            if mean.value is not None:
                edges = self.replicates.interval([record], over, name)
                if without:
                    note = f"over {len(over)} of {len(declared)} sets, one class in: "
                    mean = dataclasses.replace(mean, note=note + ", ".join(without))
            means[name] = _metric(mean, edges)
        return dataclasses.replace(record, mean=means)


def _metric(value: MetricValue, edges: tuple[float, float] | None) -> Metric:
    low, high = edges if edges and value.value is not None else (None, None)
    return Metric(value=value.value, low=low, high=high, note=value.note)


def _exchanged(record: RunRecord, result: SubsetResult) -> RunRecord:
    results = tuple(result if old.subset == result.subset else old for old in record.subsets)
    return dataclasses.replace(record, subsets=results)


def _declared(blank: SubsetResult) -> dict[str, Any]:
    """What the suite says of a subset today."""
    return {
        name: getattr(blank, name)
        for name in ("expected_real", "expected_fake", "also", "counts", "group")
    }


def _conditions(record: RunRecord) -> PredictionKey:
    """What results that say nothing of scores (failed, absent) hang on."""
    return record.key("", "")


def not_scored(subset: Subset) -> SubsetResult:
    """The result of a subset that no run has asked for yet."""
    return SubsetResult(
        subset=subset.name,
        status="missing",
        expected_real=subset.n_real,
        expected_fake=subset.n_fake,
        also=subset.also,
        counts=subset.certainty,
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
        origin=registry.origin(spec),
        subsets=tuple(without_scores(subset, error) for subset in suite.subsets),
    )
