"""The matrix: detectors x suites -> predictions -> metrics -> run records, cell by cell.

Nothing that is on disk is computed again; a cell that breaks is recorded with its error and the
others go on; the record of a suite is written after every subset.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness import recording
from harness.data.decode import DECODE_VERSION
from harness.data.index import load_manifest
from harness.data.perturb import Perturbation, parse_perturbation
from harness.data.preprocess import Preprocess, parse
from harness.data.sample import Manifest, Sample
from harness.data.suite import Subset, Suite
from harness.data.suites import Selection, find_root
from harness.engine import Compute, Job, Scorer
from harness.env import environment
from harness.errors import HarnessError
from harness.predict import Journal, Predictions, prediction_path, read_predictions
from harness.results.records import PredictionKey, Resampling, RunRecord, SubsetResult
from harness.results.store import load_record, record_path, save_record
from harness.scoring import SubsetScoring, Task
from harness.seen import seen_in_training

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is asked to do, beyond which detectors and which suites.

    Args:
        out: output folder.
        data_root: folder of the official suites, None when not given.
        compute: device, precision, batch size, workers.
        limit: images of each class to score, 0 = all; results are then ``partial``.
        overwrite: ``missing`` scores what has no result or a failed one, ``never`` leaves failed
            results too, ``always`` scores everything again.
        skip_bad: leave unreadable images out, counted and listed.
        resampling: how intervals are made, None = no intervals.
        config: the resolved command line, stored with results.
    """

    out: Path
    compute: Compute
    data_root: Path | None = None
    limit: int = 0
    overwrite: str = "missing"
    skip_bad: bool = False
    resampling: Resampling | None = dataclasses.field(default_factory=Resampling)
    config: dict[str, object] = dataclasses.field(default_factory=dict)


@dataclass(kw_only=True)
class Cell:
    """One detector on one subset, on its way to a result.

    Args:
        job: the detector and its weights.
        preprocess: its geometry here.
        perturbation: what happens to the images before.
        key, path: what decides its scores, and where they are kept.
        result: set when the cell is done.
    """

    job: Job
    suite: Suite
    subset: Subset
    preprocess: Preprocess
    perturbation: Perturbation
    key: PredictionKey
    path: Path
    result: SubsetResult | None = None

    @property
    def journal_path(self) -> Path:
        """Where scores are kept while the subset is unfinished."""
        return self.path.with_suffix(".journal")

    def picture(self, sample: Sample) -> str:
        """What samples of equal score share: their content, and the id where it draws noise."""
        return f"{sample.sha256} {sample.id}" if self.perturbation.is_random else sample.sha256


def take(manifest: Manifest, limit: int) -> tuple[Sample, ...]:
    """At most ``limit`` images of each class, evenly spread over the sorted list; 0 = all."""
    if not limit:
        return manifest.samples
    chosen: list[Sample] = []
    for label in (0, 1):
        samples = [sample for sample in manifest.samples if sample.label == label]
        count = min(limit, len(samples))
        chosen += [samples[i * len(samples) // count] for i in range(count)]
    return tuple(chosen)


class Matrix:
    """Runs detectors over suites.

    Args:
        jobs: the detectors with their weights.
        settings: see :class:`Settings`.

    Attributes:
        computed, reused: scores that networks gave, and scores that were there already (on disk,
            or for the same picture in another subset).
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings) -> None:
        self.jobs = jobs
        self.settings = settings
        self.computed = 0
        self.reused = 0
        self._recorder = recording.Recorder(settings.out, settings.resampling)
        self._records: dict[tuple[int, str], RunRecord] = {}
        self._scorers: dict[int, Scorer | HarnessError] = {}
        # Scores by content: the same picture in several subsets (shared reals) is scored once.
        self._seen: dict[PredictionKey, dict[str, float]] = {}

    def run(self, selections: Sequence[Selection]) -> list[RunRecord]:
        """Scores every cell that is not on disk and returns one record a job and suite.

        Raises:
            DataError: a suite's folder is absent.
        """
        roots = [find_root(selection.suite, self.settings.data_root) for selection in selections]
        planned = [
            (selection.suite, subset, self._manifest(selection.suite, subset, root))
            for selection, root in zip(selections, roots, strict=True)
            for subset in selection.subsets
        ]
        total = sum(
            len(take(manifest, self.settings.limit)) * len(self.jobs)
            for _, _, manifest in planned
            if isinstance(manifest, Manifest)
        )
        with tqdm(total=total, desc="score", unit="score", smoothing=0.05) as bar:
            for suite, subset, manifest in planned:
                bar.set_description(f"{suite.name}/{subset.name}")
                results = self._subset(suite, subset, manifest, bar)
                for job, result in zip(self.jobs, results, strict=True):
                    record = self._recorder.with_result(self._record(job, suite), suite, result)
                    save_record(self.settings.out, record)
                    self._records[id(job), suite.name] = record
        return list(self._records.values())

    def record(self, job: Job, suite: str) -> RunRecord:
        """A job's record on a suite that was run."""
        return self._records[id(job), suite]

    def _manifest(self, suite: Suite, subset: Subset, root: Path) -> Manifest | HarnessError:
        try:
            return load_manifest(suite, subset, root, self.settings.out)
        except HarnessError as error:
            log.warning("%s/%s: %s", suite.name, subset.name, error.message)
            return error

    def _subset(
        self, suite: Suite, subset: Subset, manifest: Manifest | HarnessError, bar: tqdm[Any]
    ) -> list[SubsetResult]:
        """One result for each job."""
        if isinstance(manifest, HarnessError):
            return [recording.without_scores(subset, manifest)] * len(self.jobs)
        samples = take(manifest, self.settings.limit)
        cells = [self._cell(job, suite, subset, manifest) for job in self.jobs]
        for cell in cells:
            self._reuse(cell, samples)
            if cell.result is not None:
                self._skip(len(samples), bar)
        # Checkpoints may be equal (seeds of a fit that draws nothing): one file, scored once.
        pending = {cell.path: cell for cell in cells if cell.result is None}
        self._score(list(pending.values()), samples, bar)
        for cell in cells:
            if cell.result is None:
                cell.result = pending[cell.path].result
                self._skip(len(samples), bar)
        return [cell.result for cell in cells if cell.result is not None]

    def _cell(self, job: Job, suite: Suite, subset: Subset, manifest: Manifest) -> Cell:
        preprocess = parse(job.preprocess_for(suite.name))
        perturbation = parse_perturbation(job.perturbation_for(suite.name))
        key = PredictionKey(
            suite=suite.name,
            subset=subset.name,
            manifest=manifest.digest,
            detector=job.spec.name,
            version=job.spec.version,
            variant=job.loaded.variant,
            weights=job.weights.sha256,
            preprocess=str(preprocess),
            perturbation=str(perturbation),
            precision=self.settings.compute.precision,
            decode=DECODE_VERSION,
            limit=self.settings.limit,
            on_bad_image="skip" if self.settings.skip_bad else "error",
        )
        path = prediction_path(self.settings.out, key)
        return Cell(
            job=job,
            suite=suite,
            subset=subset,
            preprocess=preprocess,
            perturbation=perturbation,
            key=key,
            path=path,
        )

    def _reuse(self, cell: Cell, samples: Sequence[Sample]) -> None:
        """Takes the cell's result from disk where the overwrite policy allows it."""
        if self.settings.overwrite == "always":
            cell.path.unlink(missing_ok=True)
            cell.journal_path.unlink(missing_ok=True)
        if cell.path.exists():
            predictions = read_predictions(cell.path)
            pictures = {sample.id: cell.picture(sample) for sample in samples}
            for name, score in zip(predictions.ids, predictions.scores.tolist(), strict=True):
                self._known(cell)[pictures[name]] = score
            cell.result = self._result(cell, predictions, samples)
        elif self.settings.overwrite == "never":
            known = self._kept_result(cell)
            cell.result = known if known.status == "failed" else None

    def _score(self, cells: list[Cell], samples: tuple[Sample, ...], bar: tqdm[Any]) -> None:
        """Scores the cells that are not done, all from one pass over the images."""
        tasks: list[tuple[Cell, Task]] = []

        def tick(count: int) -> None:
            self.computed += count
            bar.update(count)

        try:
            for cell in cells:
                try:
                    tasks.append((cell, self._task(cell, samples, bar)))
                except HarnessError as error:
                    self._fail(cell, error)
            SubsetScoring(
                samples,
                [task for _, task in tasks],
                self.settings.compute,
                skip_bad=self.settings.skip_bad,
                tick=tick,
            ).run()
            for cell, task in tasks:
                self._finish(cell, task, samples)
        finally:
            for _, task in tasks:
                task.journal.close()

    def _skip(self, count: int, bar: tqdm[Any]) -> None:
        self.reused += count
        bar.update(count)

    def _task(self, cell: Cell, samples: tuple[Sample, ...], bar: tqdm[Any]) -> Task:
        scorer = self._scorer(cell.job)
        journal = Journal(cell.journal_path, cell.key)
        known = self._known(cell)
        journal.add(
            (index, known[picture])
            for index, picture in enumerate(map(cell.picture, samples))
            if index not in journal and picture in known
        )
        self._skip(len(journal.scores) + len(journal.skipped), bar)
        return Task(
            scorer=scorer,
            preprocess=cell.preprocess,
            perturbation=cell.perturbation,
            journal=journal,
        )

    def _finish(self, cell: Cell, task: Task, samples: tuple[Sample, ...]) -> None:
        known = self._known(cell)
        known.update({cell.picture(samples[i]): score for i, score in task.journal.scores.items()})
        if task.error is not None:
            self._fail(cell, task.error)
            return
        predictions = task.journal.finish(cell.path, cell.key, samples)
        cell.result = self._result(cell, predictions, samples)

    def _result(
        self, cell: Cell, predictions: Predictions, samples: Sequence[Sample]
    ) -> SubsetResult:
        path = cell.path.relative_to(self.settings.out).as_posix()
        kept = self._kept_result(cell)
        if kept.predictions == path and self.settings.overwrite != "always":
            metrics = kept.metrics
        else:
            record = self._record(cell.job, cell.suite)
            metrics = self._recorder.metrics_of(predictions, record, path)
        result = recording.scored(cell.subset, predictions, metrics, path)
        return dataclasses.replace(result, seen=seen_in_training(cell.job.loaded, samples))

    def _kept_result(self, cell: Cell) -> SubsetResult:
        """What the record of the cell's suite holds of its subset."""
        record = self._record(cell.job, cell.suite)
        return {result.subset: result for result in record.subsets}[cell.subset.name]

    def _fail(self, cell: Cell, error: HarnessError) -> None:
        log.warning("%s/%s %s: %s", cell.key.suite, cell.key.subset, cell.job.label, error.message)
        cell.result = recording.without_scores(cell.subset, error, cell.key.manifest)

    def _scorer(self, job: Job) -> Scorer:
        """Built when first needed; what went wrong is remembered and raised again."""
        # By weights: the treatments of a detector's images share its network.
        found = self._scorers.get(id(job.loaded))
        if found is None:
            try:
                found = Scorer(job.spec, job.loaded, self.settings.compute)
            except HarnessError as error:
                found = error
            self._scorers[id(job.loaded)] = found
        if isinstance(found, HarnessError):
            raise found
        return found

    def _known(self, cell: Cell) -> dict[str, float]:
        """Content hash -> score, for keys that differ in subset and manifest only."""
        key = dataclasses.replace(cell.key, suite="", subset="", manifest="", limit=0)
        return self._seen.setdefault(key, {})

    def _record(self, job: Job, suite: Suite) -> RunRecord:
        """A job's record on a suite: what is on disk of it, under today's environment."""
        known = self._records.get((id(job), suite.name))
        if known is None:
            known = self._records[id(job), suite.name] = self._record_on_disk(job, suite)
        return known

    def _record_on_disk(self, job: Job, suite: Suite) -> RunRecord:
        compute = self.settings.compute
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
            precision=compute.precision,
            threshold=job.spec.score.threshold,
            score_kind=job.spec.score.kind,
            limit=self.settings.limit,
            subsets=tuple(recording.not_scored(subset) for subset in suite.subsets),
            environment={
                **environment(compute.device),
                "runtime": compute.runtime,
                "batch_size": str(compute.batch_size),
            },
            config=self.settings.config,
            resampling=self.settings.resampling,
        )
        path = record_path(self.settings.out, record)
        if path.exists():
            record = self._taken_over(record, load_record(path))
        return record

    def _taken_over(self, record: RunRecord, old: RunRecord) -> RunRecord:
        """A record with the results of an old one, brought up to date from their scores."""
        current = self._recorder.is_current(old) and _judged(old) == _judged(record)
        kept = {
            result.subset: result
            for result in old.subsets
            if current
            or not result.predictions
            or (self.settings.out / result.predictions).exists()
        }
        subsets = tuple(kept.get(result.subset, result) for result in record.subsets)
        calibration = old.calibration if _judged(old) == _judged(record) else None
        mean = old.mean if subsets == old.subsets else {}
        record = dataclasses.replace(record, subsets=subsets, mean=mean, calibration=calibration)
        return record if current else self._recorder.rescored(record)


def _judged(record: RunRecord) -> tuple[object, ...]:
    """What metrics depend on beside the scores."""
    return record.threshold, record.score_kind, record.weights.sha256
