"""Reading Qt resource archives (.rcc), as shipped by GCompris.

Layout (big endian): magic "qres", version, then offsets of the tree, the data and the names.
A tree node is 14 bytes in version 1 and 22 bytes later: name offset (4), flags (2), and either
child count and first child (4 + 4) for a folder, or locale (4) and data offset (4) for a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_COMPRESSED_ZLIB = 1
_FOLDER = 2
_COMPRESSED_ZSTD = 4


class Archive:
    """A Qt resource archive held in memory."""

    def __init__(self, path: Path) -> None:
        """Read the file and its header; raises ValueError when it is no .rcc file."""
        self._bytes = path.read_bytes()
        if self._bytes[:4] != b"qres":
            raise ValueError(f"{path} is not a Qt resource archive")
        version, self._tree, self._data, self._names = struct.unpack(">IIII", self._bytes[4:20])
        self._node = 14 if version == 1 else 22

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file as (path starting with "/", content)."""
        yield from self._walk(0, "")

    def read(self, member: str) -> bytes:
        """Content of one file; raises KeyError when it is not there."""
        for path, content in self.files():
            if path == member:
                return content
        raise KeyError(member)

    def _walk(self, index: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        offset = self._tree + index * self._node
        name_offset, flags = struct.unpack(">IH", self._bytes[offset : offset + 6])
        path = f"{prefix}/{self._name(name_offset)}" if index else ""
        first, second = struct.unpack(">II", self._bytes[offset + 6 : offset + 14])
        if flags & _FOLDER:
            for child in range(second, second + first):
                yield from self._walk(child, path)
        else:
            yield path, self._content(second, flags)

    def _name(self, offset: int) -> str:
        start = self._names + offset
        (length,) = struct.unpack(">H", self._bytes[start : start + 2])
        return self._bytes[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    def _content(self, offset: int, flags: int) -> bytes:
        start = self._data + offset
        (length,) = struct.unpack(">I", self._bytes[start : start + 4])
        content = self._bytes[start + 4 : start + 4 + length]
        if flags & _COMPRESSED_ZSTD:
            raise ValueError("zstd-compressed resources are not supported")
        return zlib.decompress(content[4:]) if flags & _COMPRESSED_ZLIB else content
