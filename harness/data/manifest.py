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
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from harness.data.adapters import refuse_duplicates, sample_order
from harness.data.cache import write_parts
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
_PART = 1 << 14  # rows that are Python's objects at a time


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
    hasher = hasher or partial(_by_threads, workers)
    hashed = hash_samples(samples, cache_file, name=name, subset=subset.name, hasher=hasher)
    return Manifest(name, tuple(sorted(hashed, key=sample_order)), subset.unit, left_out)


@cache
def _say(text: str, _root: str) -> None:
    log.warning("%s", text)


def hash_samples(
    samples: Iterable[Sample],
    cache_file: Path,
    *,
    name: str = "",
    subset: str = "",
    hasher: Hasher | None = None,
) -> list[Sample]:
    """The samples, each with its content hash, in the given order.

    Args:
        samples: those that have a hash already (from Parquet) keep it.
        cache_file: Parquet file, read if there and replaced when something was added.
        name: shown beside the progress bar.
        subset: that they are samples of, "" = as they say.
        hasher: hashes what is not remembered; None = some threads.
    """
    samples = list(samples)
    sources = list(dict.fromkeys(sample.source for sample in samples if not sample.sha256))
    hasher = hasher or partial(_by_threads, 4)
    digests = _digests(sources, cache_file, name, hasher) if sources else {}
    return [
        replace(s, sha256=s.sha256 or digests[s.source], subset=subset or s.subset) for s in samples
    ]


def _digests(
    sources: list[Source], cache_file: Path, name: str, hasher: Hasher
) -> dict[Source, str]:
    """The content hash of every source, remembered or read."""
    holders = {source.holder: source for source in sources}
    states = {holder: source.state() for holder, source in holders.items()}
    cache = _read_cache(cache_file)
    digests: dict[Source, str] = {}
    for source, (cached_state, digest) in zip(sources, _cached(sources, cache), strict=True):
        state = states[source.holder]
        if state == cached_state or not state:
            digests[source] = digest if state else UNREADABLE
    todo = [source for source in sources if source not in digests]
    try:
        for source, digest in _read_all(todo, name, hasher):
            digests[source] = digest
    finally:  # what was hashed before an interruption is kept
        fresh = [
            source
            for source in todo
            if states[source.holder] and digests.get(source, UNREADABLE) != UNREADABLE
        ]
        if fresh:
            write_parts(cache_file, _SCHEMA, _remembered(cache, fresh, states, digests))
    return digests


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


def _read_cache(file: Path) -> pa.Table:
    """Remembered hashes; a damaged or foreign cache counts as empty."""
    try:
        return pq.read_table(file, schema=_SCHEMA)
    except (OSError, pa.ArrowException):
        return _SCHEMA.empty_table()


def _cached(sources: list[Source], cache: pa.Table) -> Iterator[tuple[str, str]]:
    """State and hash that are remembered of each source, two "" where none are."""
    if not len(cache):
        yield from (("", "") for _ in sources)
        return
    keys = pa.array((os.fsencode(source.key()) for source in sources), pa.binary())
    found = cache.take(pc.index_in(keys, value_set=cache.column("path").combine_chunks()))
    for batch in found.select(["state", "sha256"]).to_batches(max_chunksize=_PART):
        for state, digest in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            # An older cache has no states, and an empty one equals none.
            yield state or "", digest or ""


def _remembered(
    cache: pa.Table, fresh: list[Source], states: dict[str, str], digests: dict[Source, str]
) -> Iterator[pa.Table]:
    """The cache with fresh hashes, in parts: a million rows at once would be a gigabyte."""
    if len(cache):
        paths = pa.array((os.fsencode(source.key()) for source in fresh), pa.binary())
        yield cache.filter(pc.invert(pc.is_in(cache.column("path"), value_set=paths)))
    for start in range(0, len(fresh), _PART):
        part = fresh[start : start + _PART]
        columns = [
            [os.fsencode(source.key()) for source in part],
            [states[source.holder] for source in part],
            [digests[source] for source in part],
        ]
        yield pa.table(columns, schema=_SCHEMA)
