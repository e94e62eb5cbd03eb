"""Intervals and verdicts of means over subsets and seeds, from the kept scores of records."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from harness.metrics import MARGIN
from harness.metrics.bootstrap import Draws, mean_draws
from harness.metrics.classification import Rule
from harness.metrics.interval import interval
from harness.metrics.replicates import replicates
from harness.metrics.verdict import Verdict, tell_apart
from harness.results.predictions import Predictions, read_predictions
from harness.results.records import Resampling, RunRecord

Place = tuple[str, str]
"""Suite and subset."""


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
            found = replicates(
                kept.labels,
                kept.scores,
                kept.units,
                rule,
                resampling.resamples,
                resampling.seed,
            )
            wanted = self.metrics or tuple(found)
            self._kept[key] = {n: found[n] for n in wanted if n in found}
        return self._kept[key]

    def of_record(self, record: RunRecord, subset: str) -> Mapping[str, Draws]:
        """Replicates of one subset of a record; empty where it has no intervals, or where just
        those scores that its metrics were made from are not at hand.
        """
        result = record.result(subset)
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

    def of_seeds(
        self, records: Sequence[RunRecord], places: Sequence[Place], metric: str
    ) -> dict[Hashable, Draws] | None:
        """Training seed -> the plain mean over places, with its replicates.

        None where a place has no replicates, or the records were resampled unlike each other.

        Args:
            records: one for each seed and suite.
            places: suite and subset.
            metric: its name.
        """
        resampling = records[0].resampling if records else None
        if resampling is None or any(record.resampling != resampling for record in records):
            return None
        seed = resampling.seed if resampling.unit == "subsets" else None
        means: dict[Hashable, Draws] = {}
        for training, suites in _by_training(records).items():
            draws = [
                self.of_record(suites[suite], subset).get(metric) if suite in suites else None
                for suite, subset in places
            ]
            present = [found for found in draws if found is not None]
            if not present or len(present) < len(draws):
                return None
            means[training] = mean_draws(present, subsets_seed=seed)
        return means

    def interval(
        self, records: Sequence[RunRecord], subsets: Sequence[str], metric: str
    ) -> tuple[float, float] | None:
        """95 % interval of the mean over subsets of one suite and over its records (seeds); None
        where there is none.
        """
        seeds = self.of_seeds(records, [(records[0].suite, name) for name in subsets], metric)
        return None if seeds is None else interval(list(seeds.values()))

    def tell(
        self,
        first: Sequence[RunRecord],
        second: Sequence[RunRecord],
        places: Sequence[Place],
        metric: str,
        margin: float = MARGIN,
    ) -> Verdict:
        """Whether two rows are told apart by the mean over places; a reason where none can say."""
        if any(len(_images((*first, *second), *place)) > 1 for place in places):
            return Verdict(reason="they were scored on other images")
        sides = [self.of_seeds(records, places, metric) for records in (first, second)]
        if sides[0] is None or sides[1] is None:
            return Verdict(reason="the scores, or their resamples, are not at hand")
        return tell_apart(sides[0], sides[1], margin=margin)


def _by_training(records: Sequence[RunRecord]) -> dict[Hashable, dict[str, RunRecord]]:
    """What two rows share where they were trained from one seed -> suite -> record."""
    found: dict[Hashable, dict[str, RunRecord]] = {}
    for record in records:
        weights = record.weights
        name: Hashable = weights.label if weights.seed is None else weights.seed
        if record.suite in found.get(name, {}):
            name = (name, weights.sha256)  # two checkpoints of one seed are two trainings
        found.setdefault(name, {})[record.suite] = record
    return found


def _images(
    records: Sequence[RunRecord], suite: str, subset: str
) -> set[tuple[str, tuple[str, ...]]]:
    """The sets of images that records were scored on, under one name."""
    return {
        (result.manifest, result.skipped)
        for record in records
        if record.suite == suite
        for result in record.subsets
        if result.subset == subset
    }
