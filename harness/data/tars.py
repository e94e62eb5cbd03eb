"""Members of tar archives: an index of offsets made in one pass, and readers that use it."""

from __future__ import annotations

import importlib
import logging
import sys
import tarfile
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import IO, cast

import pyarrow as pa

from harness.data.cache import Cache
from harness.data.remote import shown_place
from harness.data.source import (
    AGAIN,
    LARGEST,
    Member,
    Source,
    open_binary,
    openable,
    read_range,
    whole,
)
from harness.errors import DataError

log = logging.getLogger(__name__)

BEHIND = 256 << 20
"""Bytes of members that a compressed archive was read past and that may still be asked for."""

_BLOCK = 512
# Modules by name: a Python may have been built without some of them.
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}

_SCHEMA = pa.schema(
    [
        ("name", pa.binary()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("refused", pa.string()),
    ]
)
_Row = tuple[bytes, int, int, str]
_indices = Cache("archives")


@dataclass(frozen=True, slots=True)
class TarSource(Source):
    """A member of a tar archive that is not compressed.

    Args:
        archive: its path.
        name: of the member.
        offset, size: of its bytes in the archive.
    """

    archive: str
    name: str
    offset: int
    size: int

    kind = "tar"

    def read(self) -> bytes:
        """The member's bytes."""
        _refuse_large(self.size)
        return read_range(self.archive, self.offset, self.size)

    def __str__(self) -> str:
        return f"{shown_place(self.archive)}::{self.name}"

    @property
    def holder(self) -> str:
        """The archive."""
        return self.archive

    @property
    def order(self) -> tuple[str, int]:
        """By place in the archive."""
        return self.archive, self.offset


@dataclass(frozen=True, slots=True)
class PackedTarSource(TarSource):
    """A member of a compressed tar archive; ``offset`` is in the unpacked one."""

    forward_only = True

    def read(self) -> bytes:
        """The member's bytes; everything before it is unpacked, unless it was just read."""
        _refuse_large(self.size)
        return _reader(self.archive, self.state()).read(self.offset, self.size)


def members(path: str, state: str) -> Iterator[Member]:
    """Every file of a tar archive, compressed or not.

    Args:
        path: of the archive.
        state: of the file, as of :func:`harness.data.hashing.file_state`.

    Raises:
        DataError: it is no tar archive, damaged, or cut short.
    """
    packed = _compression(path) is not None
    if packed:
        log.warning(
            "%s is compressed: it is read from its beginning, in its own order; unpacking it is "
            "faster",
            shown_place(path),
        )
    kind = PackedTarSource if packed else TarSource
    for raw, offset, size, refused in _index(path, state):
        name = raw.decode("utf-8", "surrogateescape")
        yield Member(name, None if refused else kind(path, name, offset, size), refused)


@lru_cache(maxsize=8)
def _index(path: str, state: str) -> list[_Row]:
    """The kept index, or one made now."""
    kept = _indices.read(path, state, _SCHEMA)
    if kept is not None:
        columns = [kept.column(name).to_pylist() for name in _SCHEMA.names]
        return cast(list[_Row], list(zip(*columns, strict=True)))
    try:
        rows = list(_scan(path))
    except damage() as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{shown_place(path)}: damaged or cut short: {reason}", hint=AGAIN
        ) from error
    names = dict(zip(_SCHEMA.names, zip(*rows, strict=True), strict=False)) if rows else {}
    _indices.write(path, state, pa.table({n: names.get(n, ()) for n in _SCHEMA.names}, _SCHEMA))
    return rows


def _scan(path: str) -> Iterator[_Row]:
    """One pass over an archive.

    Raises:
        tarfile.TarError, OSError, EOFError, ...: whatever says that it is damaged.
    """
    files: dict[str, tuple[int, int]] = {}
    with _stream(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
            if member.isdir():
                continue
            place, refused = (member.offset_data, member.size), ""
            if member.islnk() and member.linkname in files:
                place = files[member.linkname]  # the same file under a second name
            elif not member.isreg() or member.issparse():
                refused = "a link, a device or a sparse file"
            else:
                files[member.name] = place
            yield member.name.encode("utf-8", "surrogateescape"), *place, refused
        _refuse_unfinished(stream, archive.offset)


def _refuse_unfinished(stream: IO[bytes], end: int) -> None:
    """ValueError where the last member is not followed by the block of zeros that ends a tar:
    tarfile takes both a missing end and a damaged header for the end."""
    stream.seek(end)
    if stream.read(_BLOCK) != bytes(_BLOCK):
        raise ValueError(f"no end of archive after byte {end:,}")
    while stream.read(1 << 20):  # what comes after it; a compressed one ends with its checksum
        pass


class _Forward:
    """Reads members of a compressed archive in their own order, for several threads at once.

    Threads ask a little out of order: what was read past on the way to a later member waits for
    them, up to :data:`BEHIND` bytes.
    """

    def __init__(self, path: str, state: str) -> None:
        self._path = path
        self._places = sorted({row[1]: row[2] for row in _index(path, state) if not row[3]}.items())
        self._lock = Lock()
        self._stream: IO[bytes] | None = None
        self._behind: OrderedDict[int, bytes] = OrderedDict()
        self._room = BEHIND

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            if offset in self._behind:
                data = self._behind.pop(offset)
                self._room += len(data)
                return data
            try:
                return self._forward(offset, size)
            except damage() as error:
                self._stream = None
                raise ValueError(f"the archive is damaged: {error}") from error

    def _forward(self, offset: int, size: int) -> bytes:
        if self._stream is None or self._stream.tell() > offset:
            self._stream = _stream(self._path)
        stream = self._stream
        first = bisect_left(self._places, (stream.tell(), 0))
        for place, length in self._places[first : bisect_left(self._places, (offset, 0))]:
            stream.seek(place)
            self._keep(place, stream.read(length))
        stream.seek(offset)
        return whole(stream.read(size), size)

    def _keep(self, place: int, data: bytes) -> None:
        self._behind[place] = data
        self._room -= len(data)
        while self._room < 0:
            self._room += len(self._behind.popitem(last=False)[1])


@lru_cache(maxsize=4)
def _reader(path: str, state: str) -> _Forward:
    return _Forward(path, state)


def damage() -> tuple[type[Exception], ...]:
    """What reading a damaged archive raises; lzma, where it was loaded, has an error of its own."""
    known = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, ImportError)
    lzma = sys.modules.get("lzma")
    return (*known, lzma.LZMAError) if lzma else known


def _stream(path: str) -> IO[bytes]:
    module = _compression(path)
    if module is None:
        return open_binary(path)
    return cast(IO[bytes], importlib.import_module(module).open(openable(path), "rb"))


def _compression(path: str) -> str | None:
    """The module that unpacks a file, by its first bytes; None for one that is not compressed."""
    with open_binary(path) as file:
        start = file.read(6)
    return next(
        (opener for magic, opener in _COMPRESSIONS.items() if start.startswith(magic)), None
    )


def _refuse_large(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"has {size:,} bytes; at most {LARGEST:,} are read")
