"""The matrix: detectors x suites -> predictions -> metrics -> run records, cell by cell.

Nothing that is on disk is computed again (:mod:`harness.evaluation.kept`). A cell that breaks is
recorded with its error and the others go on. The record of a suite is written after every subset
(:mod:`harness.evaluation.run_records`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness.data.manifest import load_manifest
from harness.data.places import Folder
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.engine.scorer import Job
from harness.errors import DataError, HarnessError
from harness.evaluation.kept import KeptScores, fail
from harness.evaluation.plan import Done, PlannedCell, Settings, cell_of, take
from harness.evaluation.recorder import without_scores
from harness.evaluation.run_records import RunRecords
from harness.evaluation.work import CellWork, Engine, Local, OpenSubset
from harness.registry.suites import find_root
from harness.results.journal import shard_journals
from harness.results.lock import BusyError, waited_for
from harness.results.records import RunRecord

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class _Planned:
    """A subset on its way: its cells once it was opened, and those of them that need scores."""

    suite: Suite
    subset: Subset
    samples: tuple[Sample, ...]
    manifest: Manifest | None = None
    error: HarnessError | None = None
    cells: list[PlannedCell] = field(default_factory=list)
    pending: dict[Path, PlannedCell] = field(default_factory=dict)


class Matrix:
    """Runs detectors over suites.

    Args:
        jobs: the detectors with their weights.
        settings: see :class:`Settings`.
        engine: who scores; None = this process.

    Attributes:
        computed, reused: scores that networks gave, and scores that were there already (on disk,
            or for the same image in another subset).
        skipped: unreadable images that were left out, of every detector.
        failures: of a shard, which has no records to keep them in.
    """

    def __init__(
        self, jobs: Sequence[Job], settings: Settings, engine: Engine | None = None
    ) -> None:
        self.jobs = jobs
        self.settings = settings
        self.computed = 0
        self.reused = 0
        self.skipped = 0
        self.failures: list[HarnessError] = []
        self._records = RunRecords(settings)
        self._kept = KeptScores(settings, self._records)
        self._engine = engine or Local(settings.compute, settings.config)

    def run(self, selections: Sequence[Selection]) -> list[RunRecord]:
        """Scores every cell that is not on disk and returns one record a job and suite.

        With ``settings.shard`` only the shard's images are scored, and no record is written.

        Raises:
            DataError: a suite's folder is absent.
        """
        roots = [find_root(selection.suite, self.settings.data_root) for selection in selections]
        planned = [
            self._planned(selection.suite, subset, root)
            for selection, root in zip(selections, roots, strict=True)
            for subset in selection.subsets
        ]
        if self._engine.largest_first:
            planned.sort(key=lambda each: -len(each.samples))
        self._kept.expect([each.samples for each in planned])
        self._engine.expect(self.jobs, [each.samples for each in planned])
        total = sum(self._mine(each.samples) * len(self.jobs) for each in planned)
        with tqdm(total=total, desc="score", unit="score", smoothing=0.05) as bar:
            todo = planned
            while todo:
                todo = self._pass(todo, bar)
        return self._records.all()

    def record(self, job: Job, suite: str) -> RunRecord:
        """A job's record on a suite that was run."""
        return self._records.named(job, suite)

    def _planned(self, suite: Suite, subset: Subset, root: Folder) -> _Planned:
        try:
            manifest = load_manifest(
                suite, subset, root, self.settings.out, hasher=self._engine.hasher
            )
        except HarnessError as error:
            log.warning("%s/%s: %s", suite.name, subset.name, error.message)
            return _Planned(suite=suite, subset=subset, samples=(), error=error)
        samples = take(manifest, self.settings.limit)
        planned = _Planned(suite=suite, subset=subset, samples=samples, manifest=manifest)
        if not samples:
            planned.error = DataError(f"{suite.name}:{subset.name}: no images in its class folders")
        return planned

    def _pass(self, planned: Sequence[_Planned], bar: tqdm[Any]) -> list[_Planned]:
        """Scores what no other process is scoring; returns the subsets that still lack cells,
        when what they lack is free.
        """
        opened: dict[int, _Planned] = {}

        def tick(scored: int, skipped: int = 0) -> None:
            self.computed += scored
            self.skipped += skipped
            if self._engine.progress:
                bar.set_postfix_str(self._engine.progress, refresh=False)
            bar.update(scored + skipped)

        def work() -> Iterator[OpenSubset]:
            for each in planned:
                bar.set_description(f"{each.suite.name}/{each.subset.name}")
                subset = self._open(each, bar)
                opened[id(subset)] = each
                yield subset

        for subset in self._engine.run(work(), tick):
            self._close(opened.pop(id(subset)), subset, bar)
        if self.settings.shard is not None:
            return []
        left = [each for each in planned if any(c.done is None for c in each.pending.values())]
        if left:
            self._wait(next(cell for cell in left[0].pending.values() if cell.done is None))
        return left

    def _open(self, planned: _Planned, bar: tqdm[Any]) -> OpenSubset:
        """The subset's cells that need scores, with their journals, as far as they are free."""
        if planned.manifest is not None and not planned.error and not planned.cells:
            self._find_cells(planned, planned.manifest)
        self._reuse(planned, bar)
        tasks: list[CellWork] = []
        try:
            for cell in planned.pending.values():
                if cell.done is None and (task := self._task(cell, planned.samples, bar)):
                    tasks.append(task)
        except BaseException:
            for task in tasks:
                task.journal.close()
            raise
        return OpenSubset(samples=planned.samples, tasks=tasks, skip_bad=self.settings.skip_bad)

    def _reuse(self, planned: _Planned, bar: tqdm[Any]) -> None:
        """Takes from disk what is there; what is not becomes pending."""
        for cell in planned.cells:
            if cell.done is None and planned.pending.get(cell.path, cell) is cell:
                self._kept.reuse(cell, planned.samples)
                if cell.done is not None:
                    self._count_reused(self._mine(planned.samples), bar)
        # Checkpoints may be equal (seeds of a fit that draws nothing): one file, scored once.
        for cell in planned.cells:
            if cell.done is None:
                planned.pending.setdefault(cell.path, cell)

    def _mine(self, samples: Sequence[Sample]) -> int:
        """Images of a subset that this run answers for."""
        shard = self.settings.shard
        return len(samples) if shard is None else int(shard.of(samples).sum())

    def _find_cells(self, planned: _Planned, manifest: Manifest) -> None:
        for job in self.jobs:
            record = self._records.of(job, planned.suite)
            cell = cell_of(job, planned.suite, planned.subset, manifest, record, self.settings.out)
            if self.settings.overwrite == "always":
                cell.path.unlink(missing_ok=True)
                for path in (cell.journal_path, *shard_journals(cell.journal_path)):
                    path.unlink(missing_ok=True)
            planned.cells.append(cell)

    def _task(
        self, cell: PlannedCell, samples: Sequence[Sample], bar: tqdm[Any]
    ) -> CellWork | None:
        """The cell with its journal; None while another process writes that."""
        shard = self.settings.shard
        try:
            journal = self._kept.journal(cell, samples)
        except BusyError:
            if shard is not None:
                raise  # the same shard, started twice
            return None
        except HarnessError as error:
            fail(cell, error)
            return None
        there = journal.done() if shard is None else journal.done(shard.of(samples))
        self._count_reused(there, bar)
        return CellWork(cell=cell, journal=journal)

    def _count_reused(self, count: int, bar: tqdm[Any]) -> None:
        self.reused += count
        bar.update(count)

    def _wait(self, cell: PlannedCell) -> None:
        """Until no other process writes a cell's scores."""
        name = f"{cell.key.suite}/{cell.key.subset} {cell.job.label}"
        log.info("%s: another process is scoring it; waiting for that one", name)
        with waited_for(cell.journal_path):
            pass

    def _close(self, planned: _Planned, subset: OpenSubset, bar: tqdm[Any]) -> None:
        """Finishes the journals; when all cells are done their results go into the records."""
        if self.settings.shard is not None:
            self._close_shard(planned, subset)
            return
        for task in subset.tasks:
            self._finish(task, subset.samples)
        if any(cell.done is None for cell in planned.pending.values()):
            return  # of another process
        for cell in planned.cells:
            if cell.done is None:
                cell.done = planned.pending[cell.path].done
                self._count_reused(len(planned.samples), bar)
        for number, job in enumerate(self.jobs):
            if planned.error is not None:
                done: Done = without_scores(planned.subset, planned.error), ()
            else:
                found = planned.cells[number].done
                assert found is not None
                done = found
            self._records.add(job, planned.suite, *done)

    def _close_shard(self, planned: _Planned, subset: OpenSubset) -> None:
        """Leaves the journals to the run that merges them."""
        if planned.error is not None:
            self.failures.append(planned.error)
        for task in subset.tasks:
            if task.error is not None:
                key = task.cell.key
                about = f"{key.suite}/{key.subset} {task.cell.job.label}"
                error = HarnessError(f"{about}: {task.error.message}", hint=task.error.hint)
                self.failures.append(error)
            if not task.journal.done(~task.journal.elsewhere):
                task.journal.delete()

    def _finish(self, task: CellWork, samples: Sequence[Sample]) -> None:
        self._kept.remember(task.cell, task.journal, samples)
        if task.error is not None:
            fail(task.cell, task.error)
            return
        cell = task.cell
        predictions = task.journal.finish(cell.path, cell.key, samples, cell.manifest.unit)
        cell.done = self._records.result(cell, predictions, samples)
