"""Run records on disk: one JSON file for each detector, checkpoint, preprocessing and suite."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import SchemaError
from harness.results.paths import place_name
from harness.results.records import (
    SCHEMA,
    Calibration,
    Made,
    Metric,
    Origin,
    Resampling,
    RunRecord,
    SubsetResult,
    WeightsRef,
)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file so that a reader or a kill sees the old one or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(path, data)
    except OSError as error:
        error.filename = str(path)  # a full disk names none, and the temporary one says little
        raise


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def canonical_json(value: object) -> str:
    """The one JSON text of a value: sorted keys, no NaN, newline at the end."""
    return json.dumps(value, sort_keys=True, allow_nan=False, indent=1, ensure_ascii=False) + "\n"


def record_path(root: Path, record: RunRecord) -> Path:
    """Where a record is kept: a readable name plus a digest of what sets its row apart.

    A new version of a detector, a retrained checkpoint of the same label or another environment
    replaces the old record: a table must not show both as if they were two rows or two seeds.
    """
    identity = [
        record.detector,
        record.variant,
        record.weights.label,
        record.preprocess,
        record.perturbation,
        record.precision,
        record.limit,
        *([record.origin.kind, record.origin.place] if record.origin else []),
        *([record.protocol] if record.protocol else []),
    ]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", record.weights.label).strip("-")[-60:]
    stem = f"{record.detector}@{label}" if label else record.detector
    return root / "results" / place_name(record.suite) / f"{stem}.{digest}.json"


def save_record(root: Path, record: RunRecord) -> Path:
    """Writes a record below the output folder and returns its path."""
    path = record_path(root, record)
    write_atomic(path, canonical_json(record.fields()).encode())
    return path


def load_record(path: Path) -> RunRecord:
    """Reads one record; an older one keeps its schema, metrics and lack of intervals.

    Raises:
        SchemaError: the file is damaged or of a later schema.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not 1 <= raw["schema"] <= SCHEMA:
            raise SchemaError(
                f"{path}: record schema {raw['schema']}, this version reads 1 to {SCHEMA}",
                hint=f"delete {path} and run again, or use the version that wrote it",
            )
        return _record(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaError(
            f"{path}: not a run record ({type(error).__name__}: {error})",
            hint=f"delete {path} and run again",
        ) from error


def load_records(root: Path) -> list[RunRecord]:
    """All records below an output folder, sorted by path; empty when there is none.

    Hidden files (``._x.json``, which other systems leave beside every file) are no records.
    """
    paths = sorted((root / "results").glob("*/*.json"))
    return [load_record(path) for path in paths if not path.name.startswith(".")]


def _record(raw: dict[str, Any]) -> RunRecord:
    subsets = tuple(
        SubsetResult(
            **{
                **subset,
                "metrics": _metrics(subset["metrics"]),
                "skipped": tuple(subset["skipped"]),
                "also": tuple((real, fake) for real, fake in subset.get("also", ())),
                "left_out": tuple(subset.get("left_out", ())),
                "made": tuple(subset.get("made", ())),
            }
        )
        for subset in raw["subsets"]
    )
    # Before schema 3 these two were those of the last command, whatever had made the scores.
    known = {name: value for name, value in raw.items() if name not in ("environment", "config")}
    fields = {
        **known,
        "made": {name: Made(**made) for name, made in raw.get("made", {}).items()},
        "weights": WeightsRef(**raw["weights"]),
        "subsets": subsets,
        "mean": _metrics(raw["mean"]),
        "resampling": Resampling(**raw["resampling"]) if raw.get("resampling") else None,
        "calibration": Calibration(**raw["calibration"]) if raw.get("calibration") else None,
        "origin": Origin(**raw["origin"]) if raw.get("origin") else None,
    }
    return RunRecord(**fields)


def _metrics(raw: dict[str, dict[str, Any]]) -> dict[str, Metric]:
    return {name: Metric(**value) for name, value in raw.items()}
