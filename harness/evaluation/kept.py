"""Scores that are there already: on disk, in a journal, or of the same image in another subset."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.data.sample import UNREADABLE, Sample
from harness.errors import HarnessError, SchemaError
from harness.evaluation.plan import PlannedCell, Settings
from harness.evaluation.recorder import without_scores
from harness.evaluation.run_records import RunRecords
from harness.evaluation.shards import Shard
from harness.results.journal import (
    Flags,
    Journal,
    done_in,
    scored,
    shard_journals,
    shard_path,
)
from harness.results.predictions import (
    Predictions,
    read_made,
    read_predictions,
    unit_of,
    write_predictions,
)
from harness.results.records import Made, PredictionKey

log = logging.getLogger(__name__)

Heads = np.ndarray[Any, np.dtype[np.uint64]]
_NONE: Heads = np.zeros(0, np.uint64)

Known = dict[str, tuple[float, tuple[Made, ...]]]
"""Content of an image -> its score, and what made it."""


class Contents:
    """Contents of images that stand in several subsets; a few others may be taken for one.

    Args:
        heads: (N,) the first 8 bytes of their hashes, sorted.
    """

    def __init__(self, heads: Heads | None = None) -> None:
        self._heads = frozenset() if heads is None else frozenset(heads.tolist())

    @classmethod
    def in_several(cls, subsets: Iterable[Sequence[Sample]]) -> Contents:
        """Those of subsets; 8 bytes an image while it counts."""
        each = [np.unique(np.fromiter(map(_head, samples), np.uint64)) for samples in subsets]
        heads, counts = np.unique(np.concatenate([*each, _NONE]), return_counts=True)
        return cls(heads[counts > 1])

    def __bool__(self) -> bool:
        return bool(self._heads)

    def __contains__(self, sha256: str) -> bool:
        readable = sha256 != UNREADABLE
        return readable and bool(self._heads) and int(sha256[:16], 16) in self._heads


def _head(sample: Sample) -> int:
    return 0 if sample.sha256 == UNREADABLE else int(sample.sha256[:16], 16)


class KeptScores:
    """Finds what need not be scored again.

    Args:
        settings: of the run.
        records: its records.
    """

    def __init__(self, settings: Settings, records: RunRecords) -> None:
        self.settings = settings
        self.records = records
        # The same real photographs stand in many subsets of a suite (in all of mini's): by their
        # content they are scored once a detector, whatever file and subset they are in.
        self._known: dict[PredictionKey, Known] = {}
        self._shared = Contents()

    def expect(self, subsets: Iterable[Sequence[Sample]]) -> None:
        """What is going to be scored: only what is in several of these need be remembered."""
        self._shared = Contents.in_several(subsets)

    def reuse(self, cell: PlannedCell, samples: Sequence[Sample]) -> None:
        """Takes the cell's result from disk where the overwrite policy allows it."""
        if not cell.path.exists():
            result = self.records.of(cell.job, cell.suite).result(cell.subset.name)
            if self.settings.overwrite == "never" and result and result.status == "failed":
                cell.done = result, ()
            return
        try:
            predictions = read_predictions(cell.path)
        except SchemaError as error:
            if self.settings.overwrite == "never":
                fail(cell, error)
            else:
                log.warning("%s; its images are scored again", error.message)
            return
        made = read_made(cell.path, predictions.digest)
        sample_by_id = {sample.id: sample for sample in samples}
        known = self._of(cell)
        again = bool(predictions.skipped) and not self.settings.skip_bad
        for name, score in zip(predictions.ids, predictions.scores.tolist(), strict=True):
            sample = sample_by_id[name]
            if again or sample.sha256 in self._shared:
                known[cell.content(sample)] = (score, made)
        if again:
            return  # the images left out are read again, the others are known
        predictions = _with_units(cell, predictions, samples, made)
        cell.done = self.records.result(cell, predictions, samples)

    def journal(self, cell: PlannedCell, samples: Sequence[Sample]) -> Journal:
        """The cell's journal, with the scores that other subsets have of its images.

        Raises:
            BusyError: another process is writing it.
        """
        size = len(samples)
        if self.settings.shard is None:
            journal = Journal(cell.journal_path, cell.key, size)
        else:
            journal = self._of_shard(self.settings.shard, cell, samples)
        try:
            if not self.settings.skip_bad:
                journal.skipped.clear()  # what was left out before is read again
            if self.settings.shard is None:
                for path in shard_journals(cell.journal_path):
                    journal.take_over(path, cell.key, skipped=self.settings.skip_bad)
            found: dict[int, tuple[tuple[Made, ...], list[tuple[int, float]]]] = {}
            known = self._of(cell)
            for index, content in enumerate(map(cell.content, samples)) if known else ():
                if content in known and index not in journal:
                    score, made = known[content]
                    found.setdefault(id(made), (made, []))[1].append((index, score))
            for made, scores in found.values():
                journal.add(scores, made)
        except BaseException:
            journal.close()
            raise
        return journal

    def _of_shard(self, shard: Shard, cell: PlannedCell, samples: Sequence[Sample]) -> Journal:
        """A shard's own journal: all images are elsewhere but its own that nobody has scored."""
        path = shard_path(cell.journal_path, shard.index, shard.count)
        others = {cell.journal_path, *shard_journals(cell.journal_path)} - {path}
        elsewhere: Flags = done_in(sorted(others), cell.key, len(samples))
        return Journal(path, cell.key, len(samples), elsewhere | ~shard.of(samples))

    def remember(self, cell: PlannedCell, journal: Journal, samples: Sequence[Sample]) -> None:
        """Notes what a journal holds, for other subsets."""
        known = self._of(cell)
        made = tuple(journal.made.values())
        for index, score in scored(journal.scores) if self._shared else ():
            if samples[index].sha256 in self._shared:
                known.setdefault(cell.content(samples[index]), (score, made))

    def _of(self, cell: PlannedCell) -> Known:
        """What is known under keys that differ in subset and manifest only."""
        key = dataclasses.replace(cell.key, suite="", subset="", manifest="", limit=0)
        return self._known.setdefault(key, {})


def fail(cell: PlannedCell, error: HarnessError) -> None:
    """Ends the cell with an error."""
    log.warning("%s/%s %s: %s", cell.key.suite, cell.key.subset, cell.job.label, error.message)
    cell.done = without_scores(cell.subset, error, cell.key.manifest), ()


def _with_units(
    cell: PlannedCell, predictions: Predictions, samples: Sequence[Sample], made: Iterable[Made]
) -> Predictions:
    """The predictions with the units that the data set names today, on disk too."""
    unit_by_id = {sample.id: unit_of(sample) for sample in samples}
    units = tuple(unit_by_id[name] for name in predictions.ids)
    if (units, cell.manifest.unit) == (predictions.units, predictions.unit):
        return predictions
    predictions = dataclasses.replace(predictions, units=units, unit=cell.manifest.unit)
    digest = write_predictions(cell.path, predictions, made)
    return dataclasses.replace(predictions, digest=digest)
