"""Content hashes made on the nodes of a cluster: what takes longest before anything is scored."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.cluster.crew import Crew, Seats, UnfitNodeError
from harness.cluster.deck import Deck
from harness.cluster.session import Cluster
from harness.data.loader import Outcome, ordered_map
from harness.data.manifest import content_hash
from harness.data.source import FileSource, Source

CHUNK = 256
LEAST = 16 * CHUNK
"""Fewer images are hashed here before a worker has started there."""
PROBED = 16
"""Images that this process hashes itself, and a node must have as well."""

_Chunk = tuple[tuple[Source, int], ...]
"""Sources, each with the size of its file, -1 where it is no file of its own."""


class ClusterHashes:
    """Hashes sources on a cluster, many at a time.

    A node with other data would put its own hashes into the manifest. So it is asked for some that
    this process has hashed, and every file must have the size that it has here.

    Args:
        cluster: where.
        seats: workers, as many threads each as it has cores.
    """

    def __init__(self, cluster: Cluster, seats: Seats) -> None:
        self.cluster = cluster
        self.seats = seats

    def __call__(self, sources: Sequence[Source]) -> Iterator[Outcome[Source, str]]:
        """Each source with its hash, in any order.

        Raises:
            HarnessError: no node has the data that is here.
        """
        threads = self.seats.cores
        if len(sources) < LEAST:
            yield from ordered_map(content_hash, sources, workers=threads)
            return
        probed = sources[:: max(1, len(sources) // PROBED)][:PROBED]
        known = [each for each in map(_attempt, probed) if each is not None]
        make = partial(HashWorker, str(Path.cwd()), tuple(known), threads)
        chunks = (
            tuple((source, _size(source)) for source in sources[first : first + CHUNK])
            for first in range(0, len(sources), CHUNK)
        )
        with Crew(self.cluster, make, Seats(cores=threads)) as crew:
            for dealt in crew.deal(Deck(chunks, _halves)):
                if dealt.answer is None:  # whatever it is that a node cannot do
                    here = [source for source, _ in dealt.part]
                    yield from ordered_map(content_hash, here, workers=threads)
                    continue
                for (source, _), (digest, error) in zip(dealt.part, dealt.answer, strict=True):
                    yield Outcome(
                        item=source,
                        value=digest or None,
                        error=None if digest else OSError(error),
                    )


@dataclass(frozen=True)
class HashWorker:
    """A node's side.

    Args:
        folder: the driver's working folder, where relative paths begin.
        known: sources with the driver's hashes of them.
        threads: that read.
    """

    folder: str
    known: tuple[tuple[Source, str], ...]
    threads: int

    def about(self) -> None:
        """UnfitNodeError where this node has other data."""
        with contextlib.suppress(OSError):
            os.chdir(self.folder)
        for source, digest in self.known:
            try:
                found = content_hash(source)
            except (OSError, ValueError) as error:
                raise UnfitNodeError(
                    f"it lacks data that the driver has: {source}: {error}"
                ) from None
            if found != digest:
                raise UnfitNodeError(f"it has other data: {source}")

    def work(self, part: _Chunk) -> list[tuple[str, str]]:
        """(hash, "") of each source, ("", why not) of one that cannot be read."""
        for source, size in part:
            if size >= 0 and size != _size(source):
                raise UnfitNodeError(
                    f"it has other data: {source} has {_size(source)} bytes, the driver's {size}"
                )
        answers = []
        for outcome in ordered_map(content_hash, (s for s, _ in part), workers=self.threads):
            if isinstance(outcome.error, (OSError, ValueError)):
                answers.append(("", str(outcome.error)))
            else:
                answers.append((outcome.get(), ""))
        return answers


def _size(source: Source) -> int:
    if isinstance(source, FileSource):
        with contextlib.suppress(OSError, ValueError):
            return Path(source.path).stat().st_size
    return -1


def _attempt(source: Source) -> tuple[Source, str] | None:
    with contextlib.suppress(OSError, ValueError):
        return source, content_hash(source)
    return None


def _halves(part: _Chunk) -> list[_Chunk]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]] if middle else [part]
