"""Content hashes of images, remembered by file state, so that a manifest says which data exactly.

``<out>/cache/hashes/<suite>.parquet`` holds (path, state) -> SHA-256 of the encoded file. A file is
not read again while its state (``harness.data.hashing.file_state``) is the same; deleting
``<out>/cache/hashes`` makes everything be read again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from harness.data.adapters import refuse_duplicates, sample_order
from harness.data.folders import say_left_out
from harness.data.hashing import file_sha256, file_state
from harness.data.loader import ordered_map
from harness.data.sample import Listing, Manifest, Sample
from harness.data.suite import Subset, Suite

log = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""Stands for the hash of a file that cannot be read: the manifest still has a digest, and reading
the image raises BadImageError, which the run treats like any other bad image."""

_SCHEMA = pa.schema([("path", pa.binary()), ("state", pa.string()), ("sha256", pa.string())])


def load_manifest(
    suite: Suite, subset: Subset, root: Path, out: Path, *, workers: int = 4
) -> Manifest:
    """The images of a subset with their content hashes, sorted by label, then id.

    Files that lie there and are not read are said in the log, once.

    Args:
        suite: the suite.
        subset: one of its subsets.
        root: the suite's own folder, from ``harness.registry.suites.find_root``.
        out: output folder; the hash cache lives in ``<out>/cache``.
        workers: threads that read files.

    Raises:
        DataError: the subset is absent or two of its images have one id.
    """
    samples = suite.adapter(suite, subset, root)
    left_out = samples.left_out if isinstance(samples, Listing) else ()
    name = f"{suite.name}/{subset.name}"
    if left_out:
        _say(f"{name}: {say_left_out(left_out)}", root)
    refuse_duplicates(name, samples)
    cache_file = out / "cache" / "hashes" / f"{suite.name}.parquet"
    hashed = hash_samples(samples, cache_file, name=name, workers=workers)
    named = (replace(sample, subset=subset.name) for sample in hashed)
    return Manifest(name, tuple(sorted(named, key=sample_order)), subset.unit, left_out)


@cache
def _say(text: str, _root: Path) -> None:
    log.warning("%s", text)


def hash_samples(
    samples: Iterable[Sample], cache_file: Path, *, name: str = "", workers: int = 4
) -> list[Sample]:
    """The samples, each with its content hash, in the given order.

    Args:
        samples: those that have a hash already (from Parquet) keep it.
        cache_file: Parquet file, read if there and replaced when something was added.
        name: shown beside the progress bar.
        workers: threads that read files.
    """
    samples = list(samples)
    states = {sample.path: _state(sample.path) for sample in samples if not sample.sha256}
    if not states:
        return samples
    known = _read_cache(cache_file)
    digests: dict[Path, str] = {}
    for path, state in states.items():
        cached_state, digest = known.get(os.fsencode(path.absolute()), ("", ""))
        if state == cached_state or not state:
            digests[path] = digest if state else UNREADABLE
    todo = [path for path in states if path not in digests]
    try:
        for path, digest in _read_all(todo, name, workers):
            digests[path] = digest
    finally:  # what was hashed before an interruption is kept
        fresh = {
            os.fsencode(path.absolute()): (state, digests[path])
            for path in todo
            if (state := states[path]) and digests.get(path, UNREADABLE) != UNREADABLE
        }
        if fresh:
            _remember(cache_file, {**known, **fresh})
    return [s if s.sha256 else replace(s, sha256=digests[s.path]) for s in samples]


def _read_all(paths: list[Path], name: str, workers: int) -> Iterator[tuple[Path, str]]:
    bar = tqdm(total=len(paths), desc=f"hash {name}", unit="file", leave=False, disable=not paths)
    with bar:
        for outcome in ordered_map(file_sha256, paths, workers=workers):
            bar.update()
            unreadable = isinstance(outcome.error, OSError)
            yield outcome.item, UNREADABLE if unreadable else outcome.get()


def _state(path: Path) -> str:
    """What tells that a file is unchanged, "" of one that cannot be reached."""
    try:
        return file_state(path)
    except (OSError, ValueError):
        return ""


def _read_cache(file: Path) -> dict[bytes, tuple[str, str]]:
    """Remembered hashes by absolute path; a damaged or foreign cache counts as empty."""
    try:
        table = pq.read_table(file, schema=_SCHEMA)
    except (OSError, pa.ArrowException):
        return {}
    columns = [table.column(name).to_pylist() for name in _SCHEMA.names]
    # An older cache has no states, and an empty one equals none.
    return {path: (state or "", sha) for path, state, sha in zip(*columns, strict=True)}


def _remember(file: Path, known: dict[bytes, tuple[str, str]]) -> None:
    """Keeps the hashes where that is possible; a full or read-only disk costs time, no result."""
    try:
        _write_cache(file, known)
    except OSError as error:
        _say(f"{file}: hashes are not remembered: {error.strerror or error}", file)


def _write_cache(file: Path, known: dict[bytes, tuple[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"path": path, "state": state, "sha256": digest}
        for path, (state, digest) in sorted(known.items())
    ]
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
