"""Scores of a subset that is not whole yet.

While a subset is being scored its scores go to a journal, one line an image, handed to the
operating system with every call; a kill loses at most what was being scored, and the next run goes
on behind it. When the last image is scored the rows become a prediction file and the journal is
deleted. ``--shard K/N`` leaves journals of its own beside the usual one, which the same run without
it merges.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.results.lock import open_locked
from harness.results.predictions import (
    Listed,
    Predictions,
    key_json,
    unit_of,
    write_predictions,
)
from harness.results.records import Made, PredictionKey

log = logging.getLogger(__name__)

Scores = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass
class _Lines:
    """What the lines of a journal say.

    Args:
        size: images of the subset; lines of others are no lines of it.
    """

    size: int
    scores: Scores = field(init=False)
    skipped: set[int] = field(default_factory=set)
    made: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scores = np.full(self.size, np.nan)

    def read(self, lines: bytes) -> None:
        for line in lines.splitlines():
            index, _, score = line.partition(b"\t")
            if index == b"made":
                session = Made(**json.loads(score))
                self.made[session.digest] = session
            elif score == b"skip":
                self.skipped.add(int(index))
            else:
                self.scores[int(index)] = float.fromhex(score.decode())
                self.skipped.discard(int(index))  # read the second time


class Journal:
    """Scores of an unfinished subset, one line an image: ``index<TAB>score as a hex float``.

    The first line is the key. An image that was skipped has ``skip`` in place of its score. A line
    ``made<TAB>{...}`` stands before the first score of each session that added some. A last line
    cut short by a kill is ignored. The file is locked while it is open.

    Args:
        path: of the file, made if absent.
        key: what makes the scores; a journal of another key is started anew.
        size: images of the subset.
        elsewhere: (size,) images that are none of this journal's: others score them, or have.

    Attributes:
        scores: (size,) float64 by index in the manifest, NaN for what is not scored.
        skipped: indices of skipped images.
        made: the sessions that made the scores, by name.

    Raises:
        BusyError: another process has it open.
    """

    def __init__(
        self, path: Path, key: PredictionKey, size: int, elsewhere: Flags | None = None
    ) -> None:
        self.path = path
        self._lines = _Lines(size)
        self.elsewhere = np.zeros(size, np.bool_) if elsewhere is None else elsewhere
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_locked(path)
        try:
            self._load(_head(key))
        except BaseException:
            self.close()
            raise

    @property
    def scores(self) -> Scores:
        """By index, NaN for what is not scored."""
        return self._lines.scores

    @property
    def skipped(self) -> set[int]:
        """Indices of images that were left out."""
        return self._lines.skipped

    @property
    def made(self) -> dict[str, Made]:
        """The sessions that made the scores, by name."""
        return self._lines.made

    def _load(self, head: bytes) -> None:
        self._file.seek(0)
        content = self._file.read()
        keep = content.rfind(b"\n") + 1
        if not content.startswith(head):
            if keep:
                log.warning(
                    "%s: a journal of another version or key; its images are scored again",
                    self.path,
                )
            keep = 0
        self._file.truncate(keep)
        if not keep:
            self._append(head)
            return
        self._lines.read(content[len(head) : keep])

    def add(self, scores: Iterable[tuple[int, float]], made: Iterable[Made] = ()) -> None:
        """Appends finite scores, and what made them; hands them to the operating system."""
        lines = []
        for session in made:
            if session.digest not in self.made:
                self.made[session.digest] = session
                text = json.dumps(dataclasses.asdict(session), sort_keys=True)
                lines.append(f"made\t{text}\n")
        for index, score in scores:
            if not math.isfinite(score):
                raise ValueError(f"score of image {index} is {score}")
            self.scores[index] = score
            lines.append(f"{index}\t{score.hex()}\n")
        self._append("".join(lines).encode())

    def skip(self, index: int) -> None:
        """Notes that an unreadable image was left out."""
        self.skipped.add(index)
        self._append(f"{index}\tskip\n".encode())

    def take_over(self, path: Path, key: PredictionKey, *, skipped: bool) -> None:
        """Adds what another journal of the key holds and this one lacks, and deletes that one.

        Args:
            path: of the other.
            key: of both.
            skipped: whether images that were left out there are left out here.

        Raises:
            BusyError: another process is writing it.
        """
        with open_journal(path, key, len(self.scores)) as other:
            self.add(
                (
                    (index, score)
                    for index, score in scored(other.scores)
                    if index not in self or index in self.skipped
                ),
                other.made.values(),
            )
            self.skipped.difference_update(np.flatnonzero(~np.isnan(self.scores)).tolist())
            for index in sorted(other.skipped) if skipped else ():
                if index not in self:
                    self.skip(index)
            path.unlink()

    def _append(self, lines: bytes) -> None:
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as error:
            error.filename = str(self.path)  # a full disk names none
            raise

    def __contains__(self, index: int) -> bool:
        return bool(
            not math.isnan(self.scores[index]) or index in self.skipped or self.elsewhere[index]
        )

    def done(self, among: Flags | None = None) -> int:
        """How many images are done: scored, left out or elsewhere; of all or among (size,)."""
        done = self.elsewhere | ~np.isnan(self.scores)
        done[sorted(self.skipped)] = True
        return int(np.count_nonzero(done if among is None else done & among))

    def close(self) -> None:
        """Closes and unlocks; the file stays."""
        with contextlib.suppress(OSError):  # every line was flushed, and a refusal raised, before
            self._file.close()

    def delete(self) -> None:
        """Closes, and leaves no file."""
        self.path.unlink()
        self.close()

    def finish(
        self, path: Path, key: PredictionKey, samples: Sequence[Listed], unit: str = ""
    ) -> Predictions:
        """Turns a complete journal into the prediction file at ``path`` and deletes the journal.

        Args:
            path: of the prediction file.
            key: what made the scores.
            samples: the scored images, in manifest order.
            unit: what their units are, in words.

        Raises:
            ValueError: an image has no score.
        """
        rows = [i for i in range(len(samples)) if i not in self.skipped]
        scores = self.scores[rows]
        if np.isnan(scores).any():
            raise ValueError(f"{self.path}: {samples[int(np.argmax(np.isnan(scores)))].id}: none")
        predictions = Predictions(
            key=key,
            ids=tuple(samples[i].id for i in rows),
            labels=np.array([samples[i].label for i in rows], dtype=np.int8),
            scores=scores,
            units=tuple(unit_of(samples[i]) for i in rows),
            unit=unit,
            skipped=tuple(samples[i].id for i in sorted(self.skipped)),
        )
        digest = write_predictions(path, predictions, self.made.values())
        self.delete()
        return dataclasses.replace(predictions, digest=digest)


@contextlib.contextmanager
def open_journal(path: Path, key: PredictionKey, size: int) -> Iterator[Journal]:
    """A journal that is closed whatever happens."""
    journal = Journal(path, key, size)
    try:
        yield journal
    finally:
        journal.close()


def shard_path(path: Path, index: int, count: int) -> Path:
    """Where shard ``index`` of ``count`` keeps its part of the journal at ``path``."""
    return path.with_suffix(f".{index}-of-{count}.journal")


def shard_journals(path: Path) -> list[Path]:
    """What shards left beside the journal at ``path``."""
    return sorted(path.parent.glob(f"{path.stem}.*-of-*.journal"))


def done_in(paths: Iterable[Path], key: PredictionKey, size: int) -> Flags:
    """(size,) images that journals have a score of; others may be writing them meanwhile."""
    done = np.zeros(size, np.bool_)
    head = _head(key)
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        if content.startswith(head):
            lines = _Lines(size)
            lines.read(content[len(head) : content.rfind(b"\n") + 1])
            done |= ~np.isnan(lines.scores)
    return done


def scored(scores: Scores) -> Iterator[tuple[int, float]]:
    """(index, score) of what is scored."""
    indices = np.flatnonzero(~np.isnan(scores))
    return zip(indices.tolist(), scores[indices].tolist(), strict=True)


def _head(key: PredictionKey) -> bytes:
    return key_json(key).encode() + b"\n"
