"""The matrix: detectors x suites -> predictions -> metrics -> run records, cell by cell.

Nothing that is on disk is computed again (:mod:`harness.evaluate.kept`). A cell that breaks is
recorded with its error and the others go on. The record of a suite is written after every subset
(:mod:`harness.evaluate.run_records`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from harness.data.manifest import load_manifest
from harness.data.places import Folder
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.engine.scorer import Job
from harness.env import environment
from harness.errors import DataError, HarnessError
from harness.evaluate.images import Share, SubsetScoring
from harness.evaluate.kept import KeptScores, fail
from harness.evaluate.plan import Done, PlannedCell, Settings, cell_of, take
from harness.evaluate.recorder import without_scores
from harness.evaluate.run_records import RunRecords
from harness.evaluate.scorers import Scorers
from harness.registry.suites import find_root
from harness.results.lock import BusyError, waited_for
from harness.results.records import Made, RunRecord

log = logging.getLogger(__name__)


class Matrix:
    """Runs detectors over suites.

    Args:
        jobs: the detectors with their weights.
        settings: see :class:`Settings`.

    Attributes:
        computed, reused: scores that networks gave, and scores that were there already (on disk,
            or for the same image in another subset).
        skipped: unreadable images that were left out, of every detector.
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings) -> None:
        self.jobs = jobs
        self.settings = settings
        self.computed = 0
        self.reused = 0
        self.skipped = 0
        self._records = RunRecords(settings)
        self._kept = KeptScores(settings, self._records)
        self._scorers = Scorers(settings.compute)
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
                    self._records.add(job, suite, result, made)
        return self._records.all()

    def record(self, job: Job, suite: str) -> RunRecord:
        """A job's record on a suite that was run."""
        return self._records.named(job, suite)

    def _manifest(self, suite: Suite, subset: Subset, root: Folder) -> Manifest | HarnessError:
        try:
            return load_manifest(suite, subset, root, self.settings.out)
        except HarnessError as error:
            log.warning("%s/%s: %s", suite.name, subset.name, error.message)
            return error

    def _subset(
        self, suite: Suite, subset: Subset, manifest: Manifest | HarnessError, bar: tqdm[Any]
    ) -> list[Done]:
        """One result for each job, with what made its scores."""
        if isinstance(manifest, HarnessError):
            return [(without_scores(subset, manifest), ())] * len(self.jobs)
        samples = take(manifest, self.settings.limit)
        if not samples:
            empty = DataError(f"{suite.name}:{subset.name}: no images in its class folders")
            return [(without_scores(subset, empty), ())] * len(self.jobs)
        cells = [
            cell_of(job, suite, subset, manifest, self._records.of(job, suite), self.settings.out)
            for job in self.jobs
        ]
        for cell in cells:
            if self.settings.overwrite == "always":
                cell.path.unlink(missing_ok=True)
                cell.journal_path.unlink(missing_ok=True)
            self._reuse(cell, samples, bar)
        # Checkpoints may be equal (seeds of a fit that draws nothing): one file, scored once.
        pending = {cell.path: cell for cell in cells if cell.done is None}
        self._score(list(pending.values()), samples, bar)
        while busy := [cell for cell in pending.values() if cell.done is None]:
            self._wait(busy[0])
            self._reuse(busy[0], samples, bar)
            self._score([cell for cell in busy if cell.done is None], samples, bar)
        for cell in cells:
            if cell.done is None:
                cell.done = pending[cell.path].done
                self._count_reused(len(samples), bar)
        return [cell.done for cell in cells if cell.done is not None]

    def _reuse(self, cell: PlannedCell, samples: Sequence[Sample], bar: tqdm[Any]) -> None:
        self._kept.reuse(cell, samples)
        if cell.done is not None:
            self._count_reused(len(samples), bar)

    def _count_reused(self, count: int, bar: tqdm[Any]) -> None:
        self.reused += count
        bar.update(count)

    def _wait(self, cell: PlannedCell) -> None:
        """Until no other process writes a cell's scores."""
        name = f"{cell.key.suite}/{cell.key.subset} {cell.job.label}"
        log.info("%s: another process is scoring it; waiting for that one", name)
        with waited_for(cell.journal_path):
            pass

    def _score(self, cells: list[PlannedCell], samples: tuple[Sample, ...], bar: tqdm[Any]) -> None:
        """Scores the cells that are not done, all from one pass over the images."""
        shares: list[tuple[PlannedCell, Share]] = []

        def tick(scored: int, skipped: int = 0) -> None:
            self.computed += scored
            self.skipped += skipped
            bar.update(scored + skipped)

        try:
            for cell in cells:
                try:
                    shares.append((cell, self._share(cell, samples, bar)))
                except BusyError:
                    continue  # waited for when the others are done
                except HarnessError as error:
                    fail(cell, error)
            SubsetScoring(
                samples,
                [share for _, share in shares],
                self.settings.compute,
                skip_bad=self.settings.skip_bad,
                tick=tick,
            ).run()
            for cell, share in shares:
                self._finish(cell, share, samples)
        finally:
            for _, share in shares:
                share.journal.close()

    def _share(self, cell: PlannedCell, samples: tuple[Sample, ...], bar: tqdm[Any]) -> Share:
        scorer = self._scorers.of(cell.job)
        journal = self._kept.journal(cell, samples)
        self._count_reused(len(journal.scores) + len(journal.skipped), bar)
        return Share(
            scorer=scorer,
            preprocess=cell.preprocess,
            perturbation=cell.perturbation,
            journal=journal,
            made=self._session,
        )

    def _finish(self, cell: PlannedCell, share: Share, samples: tuple[Sample, ...]) -> None:
        self._kept.remember(cell, share.journal, samples)
        if share.error is not None:
            fail(cell, share.error)
            return
        predictions = share.journal.finish(cell.path, cell.key, samples, cell.manifest.unit)
        cell.done = self._records.result(cell, predictions, samples)
