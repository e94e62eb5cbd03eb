"""The matrix: detectors x suites -> predictions -> metrics -> run records, cell by cell.

Nothing that is on disk is computed again; a cell that breaks is recorded with its error and the
others go on; the record of a suite is written after every subset.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness.data.decode import DECODE_VERSION
from harness.data.manifest import load_manifest
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.engine.scorer import Job, Scorer
from harness.env import environment
from harness.errors import DataError, HarnessError, SchemaError
from harness.evaluate import recorder as recording
from harness.evaluate.images import SubsetScoring, Task
from harness.evaluate.plan import Cell, Done, Known, Settings, take
from harness.evaluate.seen import seen_in_training
from harness.registry.suites import find_root
from harness.results.lock import BusyError, waited_for
from harness.results.predictions import (
    Journal,
    Predictions,
    prediction_path,
    read_made,
    read_predictions,
    unit_of,
    write_predictions,
)
from harness.results.records import Made, PredictionKey, RunRecord, SubsetResult
from harness.results.store import load_record, record_path, save_record

log = logging.getLogger(__name__)


class Matrix:
    """Runs detectors over suites.

    Args:
        jobs: the detectors with their weights.
        settings: see :class:`Settings`.

    Attributes:
        computed, reused: scores that networks gave, and scores that were there already (on disk,
            or for the same picture in another subset).
        skipped: unreadable images that were left out, of every detector.
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings) -> None:
        self.jobs = jobs
        self.settings = settings
        self.computed = 0
        self.reused = 0
        self.skipped = 0
        self._recorder = recording.Recorder(settings.out, settings.resampling)
        self._records: dict[tuple[int, str], RunRecord] = {}
        self._scorers: dict[int, Scorer | HarnessError] = {}
        # Scores by content: the same picture in several subsets (shared reals) is scored once.
        self._seen: dict[PredictionKey, Known] = {}
        # The subsets of each record that this run has results of, and the record as last written.
        self._own: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._written: dict[Path, bytes] = {}
        self._session = Made(
            environment={
                **environment(settings.compute.device),
                "runtime": settings.compute.runtime,
                "batch_size": str(settings.compute.batch_size),
            },
            settings=dict(settings.config),
        )

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
                for job, (result, made) in zip(self.jobs, results, strict=True):
                    record = self._recorder.with_result(self._record(job, suite), result, made)
                    self._own[id(job), suite.name].add(subset.name)
                    self._records[id(job), suite.name] = self._saved(job, record)
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

    def _saved(self, job: Job, record: RunRecord) -> RunRecord:
        """Writes a record, with what another process has added to it since."""
        path = record_path(self.settings.out, record)
        with waited_for(path.with_suffix(".lock")):
            with contextlib.suppress(FileNotFoundError):
                if path.read_bytes() != self._written.get(path):
                    own = self._own[id(job), record.suite]
                    record = self._recorder.taken_over(record, load_record(path), but=own)
            save_record(self.settings.out, record)
            self._written[path] = path.read_bytes()
        return record

    def _subset(
        self, suite: Suite, subset: Subset, manifest: Manifest | HarnessError, bar: tqdm[Any]
    ) -> list[Done]:
        """One result for each job, with what made its scores."""
        if isinstance(manifest, HarnessError):
            return [(recording.without_scores(subset, manifest), ())] * len(self.jobs)
        samples = take(manifest, self.settings.limit)
        cells = [self._cell(job, suite, subset, manifest) for job in self.jobs]
        if not samples:
            empty = DataError(f"{suite.name}:{subset.name}: no images in its class folders")
            return [(recording.without_scores(subset, empty), ())] * len(cells)
        for cell in cells:
            if self.settings.overwrite == "always":
                cell.path.unlink(missing_ok=True)
                cell.journal_path.unlink(missing_ok=True)
            self._reuse(cell, samples)
            if cell.done is not None:
                self._skip(len(samples), bar)
        # Checkpoints may be equal (seeds of a fit that draws nothing): one file, scored once.
        pending = {cell.path: cell for cell in cells if cell.done is None}
        self._score(list(pending.values()), samples, bar)
        while busy := [cell for cell in pending.values() if cell.done is None]:
            self._wait(busy[0], samples)
            if busy[0].done is not None:
                self._skip(len(samples), bar)
            self._score([cell for cell in busy if cell.done is None], samples, bar)
        for cell in cells:
            if cell.done is None:
                cell.done = pending[cell.path].done
                self._skip(len(samples), bar)
        return [cell.done for cell in cells if cell.done is not None]

    def _wait(self, cell: Cell, samples: Sequence[Sample]) -> None:
        """Until no other process writes a cell's scores; then takes what that one left."""
        name = f"{cell.key.suite}/{cell.key.subset} {cell.job.label}"
        log.info("%s: another process is scoring it; waiting for that one", name)
        with waited_for(cell.journal_path):
            pass
        self._reuse(cell, samples)

    def _cell(self, job: Job, suite: Suite, subset: Subset, manifest: Manifest) -> Cell:
        preprocess = parse(job.preprocess_for(suite.name))
        perturbation = parse_perturbation(job.perturbation_for(suite.name))
        key = self._record(job, suite).key(subset.name, manifest.digest)
        path = prediction_path(self.settings.out, key)
        return Cell(
            job=job,
            suite=suite,
            subset=subset,
            manifest=manifest,
            preprocess=preprocess,
            perturbation=perturbation,
            key=key,
            path=path,
        )

    def _reuse(self, cell: Cell, samples: Sequence[Sample]) -> None:
        """Takes the cell's result from disk where the overwrite policy allows it."""
        if not cell.path.exists():
            known = self._kept_result(cell)
            if self.settings.overwrite == "never" and known.status == "failed":
                cell.done = known, ()
            return
        try:
            predictions = read_predictions(cell.path)
        except SchemaError as error:
            if self.settings.overwrite == "never":
                self._fail(cell, error)
            else:
                log.warning("%s; its images are scored again", error.message)
            return
        made = read_made(cell.path, predictions.digest)
        pictures = {sample.id: cell.picture(sample) for sample in samples}
        known_scores = self._known(cell)
        for name, score in zip(predictions.ids, predictions.scores.tolist(), strict=True):
            known_scores[pictures[name]] = (score, made)
        if predictions.skipped and not self.settings.skip_bad:
            return  # the images left out are read again, the others are known
        self._take(cell, self._with_units(cell, predictions, samples, made), samples)

    def _with_units(
        self,
        cell: Cell,
        predictions: Predictions,
        samples: Sequence[Sample],
        made: Sequence[Made],
    ) -> Predictions:
        """The predictions with the units that the data set names today, on disk too."""
        unit_by_id = {sample.id: unit_of(sample) for sample in samples}
        units = tuple(unit_by_id[name] for name in predictions.ids)
        if (units, cell.manifest.unit) == (predictions.units, predictions.unit):
            return predictions
        predictions = dataclasses.replace(predictions, units=units, unit=cell.manifest.unit)
        digest = write_predictions(cell.path, predictions, made)
        return dataclasses.replace(predictions, digest=digest)

    def _score(self, cells: list[Cell], samples: tuple[Sample, ...], bar: tqdm[Any]) -> None:
        """Scores the cells that are not done, all from one pass over the images."""
        tasks: list[tuple[Cell, Task]] = []

        def tick(scored: int, skipped: int = 0) -> None:
            self.computed += scored
            self.skipped += skipped
            bar.update(scored + skipped)

        try:
            for cell in cells:
                try:
                    tasks.append((cell, self._task(cell, samples, bar)))
                except BusyError:
                    continue  # waited for when the others are done
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
        if not self.settings.skip_bad:
            journal.skipped.clear()  # what was left out before is read again
        for index, picture in enumerate(map(cell.picture, samples)):
            if index not in journal and picture in known:
                score, made = known[picture]
                journal.add([(index, score)], made)
        self._skip(len(journal.scores) + len(journal.skipped), bar)
        return Task(
            scorer=scorer,
            preprocess=cell.preprocess,
            perturbation=cell.perturbation,
            journal=journal,
            made=self._session,
        )

    def _finish(self, cell: Cell, task: Task, samples: tuple[Sample, ...]) -> None:
        known = self._known(cell)
        made = tuple(task.journal.made.values())
        for index, score in task.journal.scores.items():
            known.setdefault(cell.picture(samples[index]), (score, made))
        if task.error is not None:
            self._fail(cell, task.error)
            return
        predictions = task.journal.finish(cell.path, cell.key, samples, cell.manifest.unit)
        self._take(cell, predictions, samples)

    def _take(self, cell: Cell, predictions: Predictions, samples: Sequence[Sample]) -> None:
        record = self._record(cell.job, cell.suite)
        blank = recording.not_scored(cell.subset)
        result, made = self._recorder.scored(record, blank, predictions)
        seen = seen_in_training(cell.job.loaded, samples, cell.subset)
        left_out = cell.manifest.left_out
        cell.done = dataclasses.replace(result, seen=seen, left_out=left_out), made

    def _kept_result(self, cell: Cell) -> SubsetResult:
        """What the record of the cell's suite holds of its subset."""
        record = self._record(cell.job, cell.suite)
        return {result.subset: result for result in record.subsets}[cell.subset.name]

    def _fail(self, cell: Cell, error: HarnessError) -> None:
        log.warning("%s/%s %s: %s", cell.key.suite, cell.key.subset, cell.job.label, error.message)
        cell.done = recording.without_scores(cell.subset, error, cell.key.manifest), ()

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

    def _known(self, cell: Cell) -> Known:
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
            decode=DECODE_VERSION,
            threshold=job.spec.score.threshold,
            score_kind=job.spec.score.kind,
            published_ap=job.spec.score.published_ap,
            limit=self.settings.limit,
            subsets=tuple(recording.not_scored(subset) for subset in suite.subsets),
            resampling=self.settings.resampling,
        )
        path = record_path(self.settings.out, record)
        if path.exists():
            record = self._recorder.taken_over(record, load_record(path))
        return record
