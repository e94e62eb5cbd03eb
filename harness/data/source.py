"""Where an image's encoded bytes are: a file, a member of an archive, a row of a table, a URL.

Everything behind it (hash, decode, audit, training, pages) asks a :class:`Source` for bytes and
knows no more of it. A file may be named by a path or by a URL everywhere here.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.data import remote
from harness.data.hashing import file_state

LARGEST = 1 << 30
"""Bytes of the largest image file that is read out of an archive."""

AGAIN = "get the archive again, or unpack what can be unpacked by hand"


UNREAD = (OSError, LookupError, ValueError)
"""What reading an image raises when it cannot be read."""


class Source(ABC):
    """Where one image is. Small, comparable, and the same in another process.

    Attributes:
        kind: what holds it, in a word.
        forward_only: reading in another order than :attr:`order` begins from the start each time.
    """

    __slots__ = ()
    forward_only = False
    kind = "file"

    @abstractmethod
    def read(self) -> bytes:
        """The encoded bytes, whole.

        Raises:
            OSError, LookupError, ValueError: they cannot be read; the message says why.
        """

    @abstractmethod
    def __str__(self) -> str:
        """What messages and lists call it; names of files may hold bytes that are no UTF-8."""

    @property
    @abstractmethod
    def holder(self) -> str:
        """The file (or URL) that holds it: what has to be unchanged for it to be unchanged."""

    @property
    def order(self) -> tuple[str, int]:
        """Sources sorted by it are read from one end of their holder to the other; of files alone
        any order is as good, and they keep theirs."""
        return "", 0

    def key(self) -> str:
        """Its name in caches: the same from every working folder."""
        text = str(self)
        return text if remote.is_url(text) else os.path.abspath(text)  # noqa: PTH100  # no path

    def state(self) -> str:
        """What tells without reading that the holder is unchanged, "" when it cannot be reached."""
        try:
            return state_of(self.holder)
        except (OSError, ValueError):
            return ""


@dataclass(frozen=True, slots=True)
class FileSource(Source):
    """A file of its own.

    Args:
        path: as the file system has it, or a URL.
    """

    path: str

    def read(self) -> bytes:
        """The file's bytes."""
        if remote.is_url(self.path):
            return remote.read_url(self.path)
        return Path(self.path).read_bytes()

    def __str__(self) -> str:
        return remote.shown_place(self.path)

    @property
    def holder(self) -> str:
        """The file itself."""
        return self.path


@dataclass(frozen=True)
class Member:
    """A member of an archive.

    Args:
        name: its path in the archive, with ``/``.
        source: its bytes; None for one that is not read.
        refused: why it is not.
    """

    name: str
    source: Source | None
    refused: str = ""


def state_of(place: str) -> str:
    """What tells that a file is unchanged; OSError where it cannot be reached."""
    return remote.url_state(place) if remote.is_url(place) else file_state(Path(place))


def open_binary(place: str) -> IO[bytes]:
    """Opens a file to read and seek in; OSError where that is not possible."""
    return remote.open_url(place) if remote.is_url(place) else Path(place).open("rb")


def openable(place: str) -> str | IO[bytes]:
    """What libraries that open paths by themselves are given."""
    return remote.open_url(place) if remote.is_url(place) else place


def read_range(place: str, start: int, size: int) -> bytes:
    """A part of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it ends before.
        DataError: the part of a URL does not come.
    """
    if remote.is_url(place):
        return remote.read_range(place, start, size)
    with Path(place).open("rb") as file:
        file.seek(start)
        return whole(file.read(size), size)


def whole(data: bytes, size: int) -> bytes:
    """The data; ValueError where it is not as long as it should be."""
    if len(data) != size:
        raise ValueError(f"ends after {len(data):,} of {size:,} bytes")
    return data
