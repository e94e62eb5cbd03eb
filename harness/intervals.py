"""Intervals of means over subsets and seeds, from the kept scores of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.metrics import bootstrap
from harness.metrics.classification import Rule
from harness.predict import Predictions, read_predictions
from harness.results.records import Resampling, RunRecord

Draws = np.ndarray[Any, np.dtype[np.float64]]


def rule_of(record: RunRecord) -> Rule:
    """How a record's scores are judged."""
    other = record.calibration
    return Rule(
        threshold=record.threshold,
        kind=record.score_kind,
        calibrated=None if other is None else other.threshold,
    )


class Replicates:
    """Every metric of kept scores in every resample, made once for each prediction file.

    Args:
        out: output folder.
        metrics: which ones to keep; empty = all.
    """

    def __init__(self, out: Path, metrics: Sequence[str] = ()) -> None:
        self.out = out
        self.metrics = metrics
        self._kept: dict[tuple[str, Rule, int, int], dict[str, Draws]] = {}

    def of(self, kept: Predictions, rule: Rule, resampling: Resampling) -> Mapping[str, Draws]:
        """Metric -> (R,) replicates of kept scores; made once for each content of a file.

        Args:
            kept: content of a prediction file.
            rule: how its scores are judged.
            resampling: how.
        """
        key = (kept.digest, rule, resampling.resamples, resampling.seed)
        if not kept.digest or key not in self._kept:
            weights = bootstrap.image_weights(
                kept.ids, kept.labels, resampling.resamples, resampling.seed
            )
            found = bootstrap.replicates(kept.labels, kept.scores, rule, weights)
            wanted = self.metrics or tuple(found)
            self._kept[key] = {n: found[n] for n in wanted if n in found}
        return self._kept[key]

    def of_record(self, record: RunRecord, subset: str) -> Mapping[str, Draws]:
        """Replicates of one subset of a record; empty where it has no intervals, or where just
        those scores that its metrics were made from are not at hand.
        """
        result = next((r for r in record.subsets if r.subset == subset), None)
        if record.resampling is None or result is None or not result.predictions:
            return {}
        path = self.out / result.predictions
        key = (result.scores, rule_of(record), record.resampling.resamples, record.resampling.seed)
        if key in self._kept:
            return self._kept[key]
        if not path.is_file():
            return {}
        kept = read_predictions(path)
        if kept.digest != result.scores:
            return {}
        return self.of(kept, rule_of(record), record.resampling)

    def of_mean(
        self, records: Sequence[RunRecord], subsets: Sequence[str], metric: str
    ) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """(R,) replicates of the plain mean over subsets, averaged over records (seeds).

        None where a subset has no replicates, or the records were resampled unlike each other.
        """
        resampling = records[0].resampling
        if resampling is None or any(record.resampling != resampling for record in records):
            return None
        seed = resampling.seed if resampling.unit == "subsets" else None
        means = []
        for record in records:
            draws = [self.of_record(record, name).get(metric) for name in subsets]
            present = [found for found in draws if found is not None]
            if not present or len(present) < len(draws):
                return None
            means.append(bootstrap.mean_replicates(present, subsets_seed=seed))
        return np.asarray(np.mean(means, axis=0))

    def interval(
        self, records: Sequence[RunRecord], subsets: Sequence[str], metric: str
    ) -> tuple[float, float] | None:
        """95 % interval of :meth:`of_mean`, None where there is none."""
        draws = self.of_mean(records, subsets, metric)
        return None if draws is None else bootstrap.interval(draws)
