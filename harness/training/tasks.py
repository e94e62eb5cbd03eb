"""Which of the asked trainings are to be done, seen from what lies in their folders."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from harness.checkpoints.files import files_of
from harness.checkpoints.presence import weights_dir
from harness.errors import UsageError, WeightsMissingError
from harness.training import run_folder, savepoint, session
from harness.training.request import Training

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training and the folder it ends in."""

    training: Training
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is done about a folder that is not empty, and about a missing starting network.

    Args:
        overwrite: ``never``: any finished training stays; ``missing``: train what is not there in
            exactly this form, from where an interrupted one stopped; ``always``: train anew.
        replace_others: another training in the folder makes way; else it is an error.
        skip_unstartable: leave out what lacks the published network it starts from.
    """

    overwrite: str
    replace_others: bool
    skip_unstartable: bool

    def is_to_do(self, task: Task) -> bool:
        """Whether to train; says in the log why not, or why again.

        Raises:
            UsageError: the folder holds another training, which is not to be replaced.
            WeightsMissingError: a starting network is not here and nobody knows its sha256.
        """
        try:
            if not self._is_wanted(task):
                return False
            if not self.skip_unstartable or may_start(task.training):
                return True
            reason = f"{task.training.recipe.used.start} is not in {weights_dir()}"
        except WeightsMissingError as error:
            if not self.skip_unstartable:
                raise
            reason = error.message
        log.info("left out: %s, its starting network: %s", task.training.label, reason)
        return False

    def _is_wanted(self, task: Task) -> bool:
        if self.overwrite == "always":
            savepoint.discard(task.folder)
            return True
        found = run_folder.read(task.folder)
        wanted = session.identity(task.training)
        if found is None:
            changes = savepoint.differences(task.folder, wanted)
            if changes:
                self._refuse_to_replace(task, f"an unfinished training ({'; '.join(changes)})")
            return True
        changes = run_folder.differences(found, wanted)
        if not changes:
            return False
        if self.overwrite == "never":
            log.info("%s: kept, though it differs: %s", task.folder, "; ".join(changes))
            return False
        self._refuse_to_replace(task, f"another training ({'; '.join(changes)})")
        log.info("%s: trained anew: %s", task.folder, "; ".join(changes))
        return True

    def _refuse_to_replace(self, task: Task, what: str) -> None:
        if not self.replace_others:
            raise UsageError(
                f"{task.folder} holds {what}",
                hint="give another --out, or --overwrite always",
            )


def may_start(training: Training) -> bool:
    """Whether the files that training starts from seem to be there; none of them is read."""
    name, folder = training.recipe.used.start, weights_dir()
    if not name:
        return True
    there = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    names, sizes = {path.name for path in there}, {path.stat().st_size for path in there}
    entry = next(weights for weights in training.spec.pretrained if weights.name == name)
    return all(part.filename in names or part.size in sizes - {0} for part in files_of(entry))
