"""Members of zip archives."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from harness.data.remote import shown_place
from harness.data.source import AGAIN, LARGEST, Member, Source, openable
from harness.data.tars import damage
from harness.errors import DataError

_DOS, _UNIX, _NTFS = 0, 3, 10
_UTF8 = 0x800


@dataclass(frozen=True, slots=True)
class ZipSource(Source):
    """A member of a zip archive.

    Args:
        archive: its path.
        name: of the member, as the archive's directory has it.
        offset: of the member in the archive.
    """

    archive: str
    name: str
    offset: int

    kind = "zip"

    def read(self) -> bytes:
        """The member's bytes, checked against its CRC and declared size."""
        archive = _archive(self.archive, self.state())
        differs: tuple[type[Exception], ...] = (zipfile.BadZipFile, *damage())
        try:
            info = archive.getinfo(self.name)
            if info.file_size <= LARGEST:
                with archive.open(info) as member:
                    # Not read(): that would let a member inflate to any size before it is cut.
                    return member.read(info.file_size + 1)
        except differs as error:
            raise ValueError(f"differs from what the archive declares: {error}") from error
        except (RuntimeError, KeyError) as error:  # encrypted, an odd method, gone
            raise ValueError(str(error)) from error
        raise ValueError(f"declares {info.file_size:,} bytes; at most {LARGEST:,} are read")

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


def members(path: str, state: str) -> Iterator[Member]:
    """Every file of a zip archive.

    Raises:
        DataError: it is no whole zip archive.
    """
    for info in _archive(path, state).infolist():
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
        if kind not in (0, stat.S_IFREG):
            yield Member(_name(info), None, "a link or device")
        else:
            yield Member(_name(info), ZipSource(path, info.filename, info.header_offset))


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name as it would be unpacked."""
    name = info.filename
    if info.create_system == _UNIX and not info.flag_bits & _UTF8:
        # Unix tools keep the bytes of a name as they are, which zipfile takes for code page 437.
        name = name.encode("cp437", "surrogateescape").decode("utf-8", "surrogateescape")
    if info.create_system in (_DOS, _NTFS):
        name = name.replace("\\", "/")
    return name


@lru_cache(maxsize=16)
def _archive(path: str, _state: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(openable(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(
            f"{shown_place(path)}: no whole zip archive: {error}", hint=AGAIN
        ) from error
