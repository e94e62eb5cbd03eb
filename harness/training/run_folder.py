"""A training on disk: ``weights.safetensors``, what it saw, and, written last, ``run.json``.

A folder counts as a finished training when ``run.json`` can be read and names the SHA-256 of the
weights beside it. Anything else (a kill between the two, a damaged file) is unfinished: it goes on
from ``state.pt`` (see ``harness.training.savepoint``), or is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from harness.api import Recipe
from harness.checkpoints.run_weights import IMAGES, RECORD, WEIGHTS, Mark
from harness.data.sample import Manifest
from harness.errors import OutputError
from harness.results.store import canonical_json, write_atomic
from harness.training.request import Numerics

SCHEMA = 1
STATE = "state.pt"

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
    "numerics",
    "on_bad_image",
    "code",
)


def write(
    folder: Path, state: Mapping[str, Tensor], record: Record, train: Manifest | None = None
) -> Record:
    """Writes a finished training and returns its record, now with ``weights_sha256``.

    A training that was in the folder is gone from the first moment on, so that no record can ever
    stand beside weights that are not its own.

    Args:
        folder: the run folder.
        state: the weights.
        record: everything else that is known of the training.
        train: the images it was made of, listed for ``run_weights.trained_on``.

    Raises:
        OutputError: the disk does not take it; the training's last state is still there.
    """
    weights = save(dict(sorted(state.items())), metadata=Mark.of(record).header)
    finished = {**record, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    text = canonical_json(finished)
    (folder / RECORD).unlink(missing_ok=True)
    write_file(folder / WEIGHTS, weights)
    if train:
        write_file(folder / IMAGES, _lines(train))
    write_file(folder / RECORD, text.encode())
    (folder / STATE).unlink(missing_ok=True)
    return finished


def write_file(path: Path, data: bytes) -> None:
    """Writes a file of a run folder, whole or not at all; OutputError when the disk refuses."""
    try:
        write_atomic(path, data)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({len(data):,} bytes): {error.strerror or error}",
            hint="make room, then run the same command again: it goes on from the last saved state",
        ) from error


def _lines(manifest: Manifest) -> bytes:
    lines = (f"{s.id}\t{s.label}\t{s.sha256}\n" for s in manifest.samples)
    return "".join(lines).encode("utf-8", "surrogateescape")


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
    defaults = {"start": "", "numerics": asdict(Numerics()), "on_bad_image": "error"}
    return parse(canonical_json({**defaults, **record, "recipe": {**recipe, **record["recipe"]}}))


def parse(text: str) -> Record:
    """A record as it is read back: tuples have become lists."""
    record: Record = json.loads(text)
    return record
