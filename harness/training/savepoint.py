"""``state.pt`` in the run folder: where an unfinished training stands, to go on from there.

Written whole or not at all, and gone when the training has ended. It is read with
``weights_only``: tensors and plain values, never a program.
"""

from __future__ import annotations

import io
import logging
import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import torch

from harness.results.store import canonical_json
from harness.training import run_folder
from harness.training.processes import ALONE, Ranks

FORMAT = 1
"""Raised when the content changes its meaning: an older state is then of no use."""

State = dict[str, Any]

log = logging.getLogger(__name__)


class Savepoint:
    """The saved state of one training.

    Args:
        folder: the run folder; None keeps nothing.
        identity: of the training (``session.identity``): the state of another one is not taken.
        minutes: between two saves that :meth:`is_due` asks for.
        ranks: the first process reads and writes.
    """

    def __init__(
        self,
        folder: Path | None,
        identity: run_folder.Record,
        *,
        minutes: float = 5.0,
        ranks: Ranks = ALONE,
    ) -> None:
        self.folder = folder
        self.identity = identity
        self.minutes = minutes
        self._ranks = ranks
        self._last = time.monotonic()

    def load(self) -> State | None:
        """The saved content, tensors on the CPU; None where there is none of this training."""
        path = self.folder / run_folder.STATE if self.folder else None
        there = path is not None and self._ranks.is_first and path.is_file()
        raw = self._ranks.word_of_first(path.read_bytes() if path and there else None)
        if path is None or raw is None:
            return None
        content = _read(io.BytesIO(raw))
        if content is None:
            log.warning("%s: damaged, the training starts anew", path)
            return None
        changes = _changes(content, self.identity)
        if changes:
            log.info("%s: of another training (%s): starts anew", path, "; ".join(changes))
            return None
        return content

    def is_due(self) -> bool:
        """Whether the last save, or the start, is long enough ago."""
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, content: State) -> None:
        """Writes the content.

        Raises:
            HarnessError: the disk does not take it; what was saved before is still there.
        """
        self._last = time.monotonic()
        if self.folder is None or not self._ranks.is_first:
            return
        facts = {"format": FORMAT, "identity": canonical_json(self.identity)}
        file = io.BytesIO()
        torch.save({**facts, **content}, file)
        run_folder.write_file(self.folder / run_folder.STATE, file.getvalue())


def differences(folder: Path, identity: run_folder.Record) -> list[str]:
    """How the unfinished training in a folder differs; empty without one, or if it is this one."""
    path = folder / run_folder.STATE
    content = _read(path) if path.is_file() else None
    return _changes(content, identity) if content else []


def discard(folder: Path) -> None:
    """Forgets an unfinished training."""
    (folder / run_folder.STATE).unlink(missing_ok=True)


def _read(source: Path | io.BytesIO) -> State | None:
    """The content, or None when it is damaged; of a file, tensors are not read before used."""
    if not zipfile.is_zipfile(source):
        return None
    if isinstance(source, io.BytesIO):
        source.seek(0)  # looking for a zip file's end has moved it
    lazily = isinstance(source, Path)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True, mmap=lazily)
    except (RuntimeError, OSError, ValueError, pickle.UnpicklingError):
        return None
    known = isinstance(content, dict) and {"format", "identity"} <= content.keys()
    return content if known else None


def _changes(content: State, identity: run_folder.Record) -> list[str]:
    if content["format"] != FORMAT:
        return [f"state format: {content['format']} there, {FORMAT} asked"]
    return run_folder.differences(run_folder.parse(content["identity"]), identity)
