"""Images that a person names: a file, a folder, an archive, a member, a row, a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.data.archives import ArchiveFolder
from harness.data.disk import folder_at, is_archive
from harness.data.folders import FoundFile, walk_files
from harness.data.places import archive_stem
from harness.data.remote import is_url, path_of, shown_place
from harness.data.source import FileSource, Source
from harness.data.tables import ENDINGS, RowSource, image_column
from harness.errors import DataError, UsageError, printable

INSIDE = "::"
"""Between a file and what is meant in it: ``photos.zip::inner/a.png``."""

_ROW = re.compile(r"row=(\d+)")


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a name stands for.

    Args:
        files: images, sorted; ids are paths below what was named.
        left_out: ids of files beside them that are no image by name.
    """

    files: tuple[FoundFile, ...]
    left_out: tuple[str, ...] = ()


def images_at(name: str) -> Named:
    """The images that a name on the command line stands for.

    Args:
        name: a file, a folder, an archive, ``ARCHIVE::MEMBER``, ``TABLE::row=N``, or a URL of one.

    Raises:
        UsageError: it does not exist, or there is no image below it.
        DataError: a folder or archive cannot be listed, or has no such member.
    """
    path = Path(name)
    remote_archive = is_url(name) and bool(archive_stem(path_of(name))) and INSIDE not in name
    if remote_archive or (not is_url(name) and (path.is_dir() or is_archive(path))):
        top = ArchiveFolder(name) if remote_archive else folder_at(path)
        files = list(walk_files(top))
        images = tuple(file for file in files if file.is_image)
        left_out = tuple(file.id for file in files if not file.is_image)
        if not images:
            raise UsageError(f"{top}: no image below this folder", hint="name a picture")
        return Named(files=images, left_out=left_out)
    if INSIDE not in name and not is_url(name) and not path.exists():
        raise UsageError(f"{name}: no such file or folder")
    source = Places("").source(name, "")
    return Named(files=(FoundFile(printable(str(source).rpartition("/")[2]), source),))


class Places:
    """Reads places as lists and messages write them; each archive is listed once.

    Args:
        base: the folder (or URL) that they are relative to; "" = the working folder.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self._archives: dict[str, dict[str, Source] | DataError] = {}
        self._columns: dict[str, str] = {}

    def source(self, place: str, where: str) -> Source:
        """Where an image is.

        Args:
            place: a file, ``ARCHIVE::MEMBER``, ``TABLE::row=N``, or a URL of one.
            where: what an error begins with, "" = the place.

        Raises:
            DataError: it is in nothing that can be read in place, or a table has no image column.
        """
        if is_url(self.base) and (place.startswith("/") or place.lower().startswith("file:")):
            raise DataError(
                f"{where or place}: {printable(place)} is a file of this machine, in a list by URL",
                hint="download the list, look at what it names, and give the file",
            )
        holder, inside, member = place.partition(INSIDE)
        if not inside or (not is_url(place) and Path(self._full(place)).exists()):
            return FileSource(self._full(place))
        full, about = self._full(holder), where or shown_place(place)
        row = _ROW.fullmatch(member)
        if row and path_of(full).lower().endswith(ENDINGS):
            if full not in self._columns:
                self._columns[full] = image_column(full)
            return RowSource(full, int(row[1]), self._columns[full])
        if not archive_stem(path_of(full)):
            raise DataError(
                f"{about}: {shown_place(holder)} is no archive or table that is read in place",
                hint="ARCHIVE.zip::MEMBER, ARCHIVE.tar::MEMBER or TABLE.parquet::row=N",
            )
        return self._member(full, member, about)

    def _full(self, place: str) -> str:
        if is_url(place) or place.startswith("/") or not self.base:
            return place
        return f"{self.base}/{place}" if is_url(self.base) else str(Path(self.base) / place)

    def _member(self, archive: str, member: str, about: str) -> Source:
        if archive not in self._archives:
            self._archives[archive] = _members(archive)
        found = self._archives[archive]
        if isinstance(found, DataError):
            return Unreachable(archive, member, found.message)
        if member not in found:
            raise DataError(f"{about}: {shown_place(archive)} has no file {printable(member)}")
        return found[member]


def _members(archive: str) -> dict[str, Source] | DataError:
    try:
        return {file.id: file.source for file in walk_files(ArchiveFolder(archive))}
    except DataError as error:
        return error


@dataclass(frozen=True, slots=True)
class Unreachable(Source):
    """A member of an archive that cannot be opened: whatever reads it is told why."""

    archive: str
    name: str
    reason: str

    def read(self) -> bytes:
        """Nothing.

        Raises:
            DataError: always; it is of the whole archive, and no bad image to be passed over.
        """
        raise DataError(self.reason)

    def __str__(self) -> str:
        return f"{shown_place(self.archive)}::{self.name}"

    @property
    def holder(self) -> str:
        """The archive."""
        return self.archive
