"""Predictions on disk: one row an image (id, label, raw float64 score), and the journal before it.

While a subset is being scored its scores go to a journal, one line an image, flushed after every
batch; a kill loses at most the batch in flight and the next run goes on behind it. When the last
image is scored the rows become a Parquet file and the journal is deleted. Both carry the key that
made them; equal keys give byte-equal Parquet files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import SchemaError
from harness.results.lock import open_locked
from harness.results.paths import MEASURED, place_name
from harness.results.records import PREDICTIONS_SCHEMA, Made, PredictionKey, SubsetResult
from harness.results.store import canonical_json, write_atomic

_METADATA = b"lfm_bench"


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Kept scores of one detector on one subset.

    Args:
        key: what made them.
        ids: image ids, in manifest order; skipped images are absent.
        labels: (N,) int8, 0 real, 1 fake.
        scores: (N,) float64, raw, larger = more fake.
        units: what images that are not independent share, one text an image: the sample's unit, or
            16 hex digits of its content hash where none is known.
        unit: what a unit is, in words; "" where images are taken as independent.
        skipped: ids of unreadable images (``--on-bad-image skip``).
        digest: sha256 of the file; "" before it is one.
    """

    key: PredictionKey
    ids: tuple[str, ...]
    labels: np.ndarray[Any, np.dtype[np.int8]]
    scores: np.ndarray[Any, np.dtype[np.float64]]
    units: tuple[str, ...] = ()
    unit: str = ""
    skipped: tuple[str, ...] = ()
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.units:  # of a file that knows none: every image by itself
            object.__setattr__(self, "units", self.ids)


def prediction_path(root: Path, key: PredictionKey) -> Path:
    """``predictions/<suite>/<subset>/<detector>/<digest of the key>.parquet`` below ``root``."""
    digest = hashlib.sha256(_key_json(key).encode()).hexdigest()[:16]
    # Own data may name its groups anything, a path or dots included.
    suite, subset = place_name(key.suite), place_name(key.subset)
    return root / "predictions" / suite / subset / key.detector / f"{digest}.parquet"


class Listed(Protocol):
    """An image as a manifest lists it: its id, label (0 real, 1 fake), content hash and unit."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> int: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102


def unit_of(sample: Listed) -> str:
    """What the image is drawn by: its unit, or its content where no unit is known."""
    return sample.unit or sample.sha256[:16] or sample.id


def write_predictions(path: Path, predictions: Predictions, made: Iterable[Made] = ()) -> str:
    """Writes atomically; the same predictions give the same bytes. Returns their sha256.

    What made them goes to a file of its own beside them, which names that sha256: equal scores of
    two machines stay equal files.
    """
    table = pa.table(
        {
            "id": pa.array(predictions.ids, pa.string()),
            "label": pa.array(predictions.labels, pa.int8()),
            "score": pa.array(predictions.scores, pa.float64()),
            "unit": pa.array(predictions.units, pa.string()),
        }
    )
    head = {
        "schema": PREDICTIONS_SCHEMA,
        "key": dataclasses.asdict(predictions.key),
        "skipped": list(predictions.skipped),
        "unit": predictions.unit,
    }
    table = table.replace_schema_metadata({_METADATA: json.dumps(head, sort_keys=True).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    sessions = {each.digest: dataclasses.asdict(each) for each in made}
    write_atomic(
        made_path(path),
        canonical_json({"scores": digest, "made": list(sessions.values())}).encode(),
    )
    write_atomic(path, buffer.getvalue())
    return digest


def made_path(path: Path) -> Path:
    """Where stands what made a prediction file."""
    return path.with_suffix(".made.json")


def read_made(path: Path, digest: str) -> tuple[Made, ...]:
    """The sessions that made the prediction file at ``path``; an empty one where none is known.

    Args:
        path: of the prediction file.
        digest: its sha256: a note about other scores is none about these.
    """
    try:
        note = json.loads(made_path(path).read_text(encoding="utf-8"))
        if note["scores"] == digest and note["made"]:
            return tuple(Made(**each) for each in note["made"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return (Made(),)


def digest_of(path: Path) -> str:
    """The sha256 of a prediction file, "" where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def read_predictions(path: Path) -> Predictions:
    """Reads a prediction file.

    Raises:
        SchemaError: gone, damaged, or not written by a schema that is known here.
    """
    try:
        data = path.read_bytes()
        table = pq.read_table(io.BytesIO(data))
        head = json.loads((table.schema.metadata or {})[_METADATA])
        if not 1 <= head["schema"] <= PREDICTIONS_SCHEMA:
            raise SchemaError(
                f"{path}: prediction schema {head['schema']}, expected {PREDICTIONS_SCHEMA}"
            )
        key = {name: value for name, value in head["key"].items() if name != "on_bad_image"}
        return Predictions(
            key=PredictionKey(**key),
            ids=tuple(table["id"].to_pylist()),
            labels=table["label"].to_numpy(),
            scores=table["score"].to_numpy(),
            units=tuple(table["unit"].to_pylist()) if head["schema"] > 1 else (),
            unit=head.get("unit", ""),
            skipped=tuple(head["skipped"]),
            digest=hashlib.sha256(data).hexdigest(),
        )
    except FileNotFoundError as error:
        raise SchemaError(f"{path}: the scores are gone", hint="run again") from error
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"{path}: not a prediction file of this version ({type(error).__name__}: {error})",
            hint=f"delete {path} and run again",
        ) from error


class Journal:
    """Scores of an unfinished subset, one line an image: ``index<TAB>score as a hex float``.

    The first line is the key. An image that was skipped has ``skip`` in place of its score. A line
    ``made<TAB>{...}`` stands before the first score of each session that added some. A last line
    cut short by a kill is ignored. The file is locked while it is open.

    Attributes:
        scores: index in the manifest -> score.
        skipped: indices of skipped images.
        made: the sessions that made the scores, by name.
    """

    def __init__(self, path: Path, key: PredictionKey) -> None:
        self.path = path
        self.scores: dict[int, float] = {}
        self.skipped: set[int] = set()
        self.made: dict[str, Made] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_locked(path)
        self._load(_key_json(key).encode() + b"\n")

    def _load(self, head: bytes) -> None:
        self._file.seek(0)
        content = self._file.read()
        keep = content.rfind(b"\n") + 1
        if not content.startswith(head):
            keep = 0
        self._file.truncate(keep)
        if not keep:
            self._append(head)
            return
        for line in content[len(head) : keep].splitlines():
            index, _, score = line.partition(b"\t")
            if index == b"made":
                session = Made(**json.loads(score))
                self.made[session.digest] = session
            elif score == b"skip":
                self.skipped.add(int(index))
            else:
                self.scores[int(index)] = float.fromhex(score.decode())

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

    def _append(self, lines: bytes) -> None:
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as error:
            error.filename = str(self.path)  # a full disk names none
            raise

    def __contains__(self, index: int) -> bool:
        return index in self.scores or index in self.skipped

    def close(self) -> None:
        """Closes and unlocks; the file stays."""
        with contextlib.suppress(OSError):  # every line was flushed, and a refusal raised, before
            self._file.close()

    def finish(
        self, path: Path, key: PredictionKey, samples: Sequence[Listed], unit: str = ""
    ) -> Predictions:
        """Turns a complete journal into the prediction file at ``path`` and deletes the journal.

        Args:
            path: of the prediction file.
            key: what made the scores.
            samples: the scored images, in manifest order.
            unit: what their units are, in words.
        """
        rows = [i for i in range(len(samples)) if i not in self.skipped]
        predictions = Predictions(
            key=key,
            ids=tuple(samples[i].id for i in rows),
            labels=np.array([samples[i].label for i in rows], dtype=np.int8),
            scores=np.array([self.scores[i] for i in rows], dtype=np.float64),
            units=tuple(unit_of(samples[i]) for i in rows),
            unit=unit,
            skipped=tuple(samples[i].id for i in sorted(self.skipped)),
        )
        digest = write_predictions(path, predictions, self.made.values())
        self.path.unlink()
        self.close()
        return dataclasses.replace(predictions, digest=digest)


@contextlib.contextmanager
def open_journal(path: Path, key: PredictionKey) -> Iterator[Journal]:
    """A journal that is closed whatever happens."""
    journal = Journal(path, key)
    try:
        yield journal
    finally:
        journal.close()


def _key_json(key: PredictionKey) -> str:
    # Schema 1 had a field more; its usual value keeps the files of that schema where they are.
    return json.dumps({**dataclasses.asdict(key), "on_bad_image": "error"}, sort_keys=True)


def scores_root(out: Path, result: SubsetResult) -> Path | None:
    """The output folder that holds just the scores that a result was made from; None = gone."""
    for root in (out, MEASURED):
        if result.predictions and digest_of(root / result.predictions) == result.scores:
            return root
    return None
