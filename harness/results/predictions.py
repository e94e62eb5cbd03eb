"""Predictions on disk: one row an image (id, label, raw float64 score).

A file carries the key that made it; equal keys give byte-equal Parquet files. Before it is whole
its scores are in a journal (:mod:`harness.results.journal`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import SchemaError
from harness.parquet import in_arrows_memory
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
    digest = hashlib.sha256(key_json(key).encode()).hexdigest()[:16]
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
        "key": predictions.key.fields(),
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
        table = pq.read_table(in_arrows_memory(data))
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


def key_json(key: PredictionKey) -> str:
    """A key as text: what names its files, and the first line of its journals."""
    # Schema 1 had a field more; its usual value keeps the files of that schema where they are.
    return json.dumps({**key.fields(), "on_bad_image": "error"}, sort_keys=True)


def scores_root(out: Path, result: SubsetResult) -> Path | None:
    """The output folder that holds just the scores that a result was made from; None = gone."""
    for root in (out, MEASURED):
        if result.predictions and digest_of(root / result.predictions) == result.scores:
            return root
    return None
