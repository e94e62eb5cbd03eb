"""Where an image's encoded bytes are: a file, a member of an archive, a row of a table, a URL.

Everything behind it (hash, decode, audit, training, pages) asks a :class:`Source` for bytes and
knows no more of it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from harness.data.hashing import file_state


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
            OSError, ValueError: they cannot be read; the message says why.
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
        return os.path.abspath(str(self))  # noqa: PTH100  # a place inside a file is no path

    def state(self) -> str:
        """What tells without reading that the holder is unchanged, "" when it cannot be reached."""
        try:
            return file_state(Path(self.holder))
        except (OSError, ValueError):
            return ""


@dataclass(frozen=True, slots=True)
class FileSource(Source):
    """A file of its own.

    Args:
        path: as the file system has it.
    """

    path: str

    def read(self) -> bytes:
        """The file's bytes."""
        return Path(self.path).read_bytes()

    def __str__(self) -> str:
        return self.path

    @property
    def holder(self) -> str:
        """The file itself."""
        return self.path


LARGEST = 1 << 30
"""Bytes of the largest image file that is read out of an archive."""

AGAIN = "get the archive again, or unpack what can be unpacked by hand"


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
