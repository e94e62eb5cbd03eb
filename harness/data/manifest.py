"""Content hashes of images, remembered by file state, so that a manifest says which data exactly.

``<out>/cache/hashes/<suite>.parquet`` holds (place, state) -> SHA-256 of the encoded image. It is
not read again while the state of the file that holds it (``harness.data.hashing.file_state``) is
the same; deleting ``<out>/cache/hashes`` makes everything be read again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from harness.data.adapters import refuse_duplicates, sample_order
from harness.data.cache import write_table
from harness.data.folders import say_left_out
from harness.data.loader import Outcome, ordered_map
from harness.data.places import Folder
from harness.data.sample import UNREADABLE, Listing, Manifest, Sample
from harness.data.source import UNREAD, Source
from harness.data.suite import Subset, Suite

log = logging.getLogger(__name__)

Hasher = Callable[[Sequence[Source]], Iterator[Outcome[Source, str]]]
"""The content hash of each source, in any order; OSError and ValueError mean that it cannot be
read."""

_SCHEMA = pa.schema([("path", pa.binary()), ("state", pa.string()), ("sha256", pa.string())])


def load_manifest(
    suite: Suite,
    subset: Subset,
    root: Folder,
    out: Path,
    *,
    workers: int = 4,
    hasher: Hasher | None = None,
) -> Manifest:
    """The images of a subset with their content hashes, sorted by label, then id.

    Files that lie there and are not read are said in the log, once.

    Args:
        suite: the suite.
        subset: one of its subsets.
        root: the suite's own folder, from ``harness.registry.suites.find_root``.
        out: output folder; the hash cache lives in ``<out>/cache``.
        workers: threads that read files.
        hasher: hashes in their place.

    Raises:
        DataError: the subset is absent or two of its images have one id.
    """
    samples = suite.adapter(suite, subset, root)
    left_out = samples.left_out if isinstance(samples, Listing) else ()
    name = f"{suite.name}/{subset.name}"
    if left_out:
        _say(f"{name}: {say_left_out(left_out)}", str(root))
    refuse_duplicates(name, samples)
    cache_file = out / "cache" / "hashes" / f"{suite.name}.parquet"
    hashed = hash_samples(
        samples, cache_file, name=name, hasher=hasher or partial(_by_threads, workers)
    )
    named = (replace(sample, subset=subset.name) for sample in hashed)
    return Manifest(name, tuple(sorted(named, key=sample_order)), subset.unit, left_out)


@cache
def _say(text: str, _root: str) -> None:
    log.warning("%s", text)


def hash_samples(
    samples: Iterable[Sample], cache_file: Path, *, name: str = "", hasher: Hasher | None = None
) -> list[Sample]:
    """The samples, each with its content hash, in the given order.

    Args:
        samples: those that have a hash already (from Parquet) keep it.
        cache_file: Parquet file, read if there and replaced when something was added.
        name: shown beside the progress bar.
        hasher: hashes what is not remembered; None = some threads.
    """
    samples = list(samples)
    sources = dict.fromkeys(sample.source for sample in samples if not sample.sha256)
    if not sources:
        return samples
    holders = {source.holder: source for source in sources}
    states = {holder: source.state() for holder, source in holders.items()}
    known = _read_cache(cache_file)
    digests: dict[Source, str] = {}
    for source in sources:
        state = states[source.holder]
        cached_state, digest = known.get(source.key(), ("", ""))
        if state == cached_state or not state:
            digests[source] = digest if state else UNREADABLE
    todo = [source for source in sources if source not in digests]
    try:
        for source, digest in _read_all(todo, name, hasher or partial(_by_threads, 4)):
            digests[source] = digest
    finally:  # what was hashed before an interruption is kept
        fresh = {
            source.key(): (state, digests[source])
            for source in todo
            if (state := states[source.holder]) and digests.get(source, UNREADABLE) != UNREADABLE
        }
        if fresh:
            _remember(cache_file, {**known, **fresh})
    return [s if s.sha256 else replace(s, sha256=digests[s.source]) for s in samples]


def _read_all(sources: list[Source], name: str, hasher: Hasher) -> Iterator[tuple[Source, str]]:
    hidden = not sources
    bar = tqdm(total=len(sources), desc=f"hash {name}", unit="file", leave=False, disable=hidden)
    ordered = sorted(sources, key=lambda source: source.order)
    with bar:
        for outcome in hasher(ordered):
            bar.update()
            unreadable = isinstance(outcome.error, UNREAD)
            yield outcome.item, UNREADABLE if unreadable else outcome.get()


def _by_threads(workers: int, sources: Sequence[Source]) -> Iterator[Outcome[Source, str]]:
    return ordered_map(content_hash, sources, workers=workers)


def content_hash(source: Source) -> str:
    """SHA-256 of an image's encoded bytes, as hex digits."""
    return hashlib.sha256(source.read()).hexdigest()


def _read_cache(file: Path) -> dict[str, tuple[str, str]]:
    """Remembered hashes by key of the source; a damaged or foreign cache counts as empty."""
    try:
        table = pq.read_table(file, schema=_SCHEMA)
    except (OSError, pa.ArrowException):
        return {}
    columns = [table.column(name).to_pylist() for name in _SCHEMA.names]
    # An older cache has no states, and an empty one equals none.
    return {os.fsdecode(key): (state or "", sha) for key, state, sha in zip(*columns, strict=True)}


def _remember(file: Path, known: dict[str, tuple[str, str]]) -> None:
    rows = [
        {"path": os.fsencode(key), "state": state, "sha256": digest}
        for key, (state, digest) in sorted(known.items())
    ]
    write_table(file, pa.Table.from_pylist(rows, schema=_SCHEMA))
