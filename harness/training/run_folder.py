"""A training on disk: ``weights.safetensors`` and, written last, ``run.json``.

A folder counts as a finished training when ``run.json`` can be read and names the SHA-256 of the
weights beside it. Anything else (a kill between the two, a damaged file) is unfinished and is
made again. Nothing is written before a training has ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from harness.api import Recipe
from harness.results.store import canonical_json, write_atomic

SCHEMA = 1
WEIGHTS = "weights.safetensors"
RECORD = "run.json"

Record = dict[str, Any]

# What makes two trainings the same one; the rest of a record is what came of it, and where.
IDENTITY = (
    "schema",
    "detector",
    "version",
    "variant",
    "options",
    "seed",
    "recipe",
    "start",
    "train",
    "val",
    "code",
)


def write(folder: Path, state: Mapping[str, Tensor], record: Record) -> Record:
    """Writes a finished training and returns its record, now with ``weights_sha256``.

    A training that was in the folder is gone from the first moment on, so that no record can ever
    stand beside weights that are not its own.
    """
    weights = save(dict(sorted(state.items())))
    finished = {**record, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    text = canonical_json(finished)
    (folder / RECORD).unlink(missing_ok=True)
    write_atomic(folder / WEIGHTS, weights)
    write_atomic(folder / RECORD, text.encode())
    return finished


def read(folder: Path) -> Record | None:
    """The record of a finished training, or None where there is none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        weights = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    if not isinstance(record.get("recipe"), dict):
        return None
    if record.get("weights_sha256") != hashlib.sha256(weights).hexdigest():
        return None
    return record


def differences(found: Record, wanted: Record) -> list[str]:
    """How the training in a folder differs from the wanted one; empty when it is that very one."""
    found, wanted = _completed(found), _completed(wanted)
    lines = []
    for name in IDENTITY:
        before, after = found.get(name), wanted.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += [
                f"{name}.{key}: {before.get(key)} there, {after.get(key)} asked"
                for key in sorted({*before, *after})
                if before.get(key) != after.get(key)
            ]
        elif before != after:
            lines.append(f"{name}: {before} there, {after} asked")
    return lines


def _completed(record: Record) -> Record:
    """As stored, with what could not be said when it was written: defaults had their effect."""
    recipe = {
        field.name: field.default
        for field in fields(Recipe)
        if field.default is not MISSING and field.name != "source"
    }
    whole = {"start": "", **record, "recipe": {**recipe, **record["recipe"]}}
    completed: Record = json.loads(canonical_json(whole))  # tuples become lists
    return completed
