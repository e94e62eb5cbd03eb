"""The records of a run: read from disk, filled cell by cell, shared with other processes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.api import FAKE
from harness.checkpoints.resolve import LoadedWeights
from harness.checkpoints.run_weights import trained_on
from harness.data.decode import DECODE_VERSION
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.data.suite import Subset, Suite
from harness.engine.scorer import Job
from harness.evaluation.plan import Done, PlannedCell, Settings
from harness.evaluation.recorder import Recorder, not_scored
from harness.registry import detectors as registry
from harness.results.lock import waited_for
from harness.results.predictions import Predictions
from harness.results.records import Made, RunRecord, SubsetResult
from harness.results.store import load_record, record_path, save_record


class RunRecords:
    """One record for each job and suite.

    Args:
        settings: of the run.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._recorder = Recorder(settings.out, settings.resampling)
        # A record is read once. It is in nobody's way: what others write meanwhile is taken over
        # when it is saved.
        self._records: dict[tuple[int, str], RunRecord] = {}
        # Which subsets this run has results of, and the bytes of each record as it last wrote
        # them: other bytes on disk are another process's, whose other subsets are then kept.
        self._own: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._written: dict[Path, bytes] = {}

    def of(self, job: Job, suite: Suite) -> RunRecord:
        """What is on disk of a job on a suite, under today's conditions; blank where nothing is."""
        key = (id(job), suite.name)
        if key not in self._records:
            self._records[key] = self._on_disk(job, suite)
        return self._records[key]

    def named(self, job: Job, suite: str) -> RunRecord:
        """The record of a job on a suite that was run."""
        return self._records[id(job), suite]

    def all(self) -> list[RunRecord]:
        """Every record so far."""
        return list(self._records.values())

    def result(
        self, cell: PlannedCell, predictions: Predictions, samples: Sequence[Sample]
    ) -> Done:
        """A cell's result from its scores, and the sessions that made them."""
        record = self.of(cell.job, cell.suite)
        result, made = self._recorder.scored(record, not_scored(cell.subset), predictions)
        seen = seen_in_training(cell.job.loaded, samples, cell.subset)
        source = "" if cell.suite.embedded else cell.manifest.source
        result = dataclasses.replace(
            result, seen=seen, left_out=cell.manifest.left_out, source=source
        )
        return result, made

    def add(self, job: Job, suite: Suite, result: SubsetResult, made: Iterable[Made]) -> None:
        """Puts a result into its record and writes that, with what others have added since."""
        record = self._recorder.with_result(self.of(job, suite), result, made)
        self._own[id(job), suite.name].add(result.subset)
        path = record_path(self.settings.out, record)
        with waited_for(path.with_suffix(".lock")):
            with contextlib.suppress(FileNotFoundError):
                if path.read_bytes() != self._written.get(path):
                    own = self._own[id(job), suite.name]
                    record = self._recorder.taken_over(record, load_record(path), but=own)
            save_record(self.settings.out, record)
            self._written[path] = path.read_bytes()
        self._records[id(job), suite.name] = record

    def _on_disk(self, job: Job, suite: Suite) -> RunRecord:
        record = RunRecord(
            detector=job.spec.name,
            title=job.spec.title,
            version=job.spec.version,
            variant=job.loaded.variant,
            suite=suite.name,
            weights=job.weights,
            preprocess=str(parse(job.preprocess_for(suite.name))),
            perturbation=str(parse_perturbation(job.perturbation_for(suite.name))),
            published_preprocess=str(parse(job.spec.preprocess_for(suite.name))),
            precision=self.settings.compute.precision,
            decode=DECODE_VERSION,
            threshold=job.spec.score.threshold,
            score_kind=job.spec.score.kind,
            published_ap=job.spec.score.published_ap,
            limit=self.settings.limit,
            subsets=tuple(not_scored(subset) for subset in suite.subsets),
            resampling=self.settings.resampling,
            origin=registry.origin(job.spec),
            protocol=job.protocol,
        )
        path = record_path(self.settings.out, record)
        if path.exists():
            record = self._recorder.taken_over(record, load_record(path))
        return record


def seen_in_training(loaded: LoadedWeights, samples: Sequence[Sample], subset: Subset) -> str:
    """``generator gan_tconv``, ``12 images``, both, or "" where nothing was seen.

    Only of weights that this harness trained is it known which images they saw; of others the
    answer is "" too, and their ``trained_on`` says in words what they know. Away from their run
    folder trained weights still know the generators, and no longer the images.

    Args:
        loaded: the weights.
        samples: the subset's images.
        subset: says what made the fakes that do not say it themselves.
    """
    known = loaded.ref.recipe.get("generators")
    if not isinstance(known, list):
        return ""
    fakes = [sample for sample in samples if sample.label == FAKE]
    made_by = {sample.generator for sample in fakes}
    if "" in made_by:
        made_by |= set(subset.generators)
    parts = [f"generator {name}" for name in sorted(made_by & set(known) - {""})]
    images = trained_on(loaded.run) if loaded.run else frozenset()
    count = sum(sample.sha256 in images for sample in samples)
    return ", ".join([*parts, f"{count} images"] if count else parts)
