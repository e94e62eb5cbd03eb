"""Scores that are there already: on disk, in a journal, or of the same image in another subset."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence

from harness.data.sample import Sample
from harness.errors import HarnessError, SchemaError
from harness.evaluate.plan import PlannedCell, Settings
from harness.evaluate.recorder import without_scores
from harness.evaluate.run_records import RunRecords
from harness.results.predictions import (
    Journal,
    Predictions,
    read_made,
    read_predictions,
    unit_of,
    write_predictions,
)
from harness.results.records import Made, PredictionKey

log = logging.getLogger(__name__)

Known = dict[str, tuple[float, tuple[Made, ...]]]
"""Content of an image -> its score, and what made it."""


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
        for name, score in zip(predictions.ids, predictions.scores.tolist(), strict=True):
            known[cell.content(sample_by_id[name])] = (score, made)
        if predictions.skipped and not self.settings.skip_bad:
            return  # the images left out are read again, the others are known
        predictions = _with_units(cell, predictions, samples, made)
        cell.done = self.records.result(cell, predictions, samples)

    def journal(self, cell: PlannedCell, samples: Sequence[Sample]) -> Journal:
        """The cell's journal, with the scores that other subsets have of its images.

        Raises:
            BusyError: another process is writing it.
        """
        journal = Journal(cell.journal_path, cell.key)
        if not self.settings.skip_bad:
            journal.skipped.clear()  # what was left out before is read again
        known = self._of(cell)
        for index, content in enumerate(map(cell.content, samples)):
            if index not in journal and content in known:
                score, made = known[content]
                journal.add([(index, score)], made)
        return journal

    def remember(self, cell: PlannedCell, journal: Journal, samples: Sequence[Sample]) -> None:
        """Notes what a journal holds, for other subsets."""
        known = self._of(cell)
        made = tuple(journal.made.values())
        for index, score in journal.scores.items():
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
