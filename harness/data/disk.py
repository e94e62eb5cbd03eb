"""Folders of a file system. An archive in one is a folder too, as good as unpacked.

A ``photos.zip`` (``.tar``, ``.tar.gz``) in a folder is a folder ``photos``. Where a folder of that
name lies beside it, the archive was unpacked, and counts as a file that nobody reads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.data.archives import ArchiveFolder
from harness.data.df_arrow import DfArrowFolder, is_df_arrow
from harness.data.places import Folder, FolderEntry, archive_stem, is_kept
from harness.data.source import FileSource
from harness.errors import DataError, printable


@dataclass(frozen=True)
class DiskFolder(Folder):
    """A folder of a file system.

    Args:
        path: whether or not it exists.
    """

    path: Path

    def entries(self) -> list[FolderEntry]:
        """As of :class:`Folder`."""
        try:
            with os.scandir(self.path) as listed:
                found = sorted((e.name, e.path, _is_folder(e)) for e in listed if is_kept(e.name))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be listed: {error.strerror or error}") from error
        folders = {name.casefold() for name, _, is_folder in found if is_folder}
        entries = [_entry(name, path, is_folder, folders) for name, path, is_folder in found]
        return sorted(entries, key=lambda entry: entry.name)

    @property
    def identity(self) -> object:
        """Device and inode."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be opened: {error.strerror or error}") from error
        return status.st_dev, status.st_ino

    def __str__(self) -> str:
        return printable(self.path)


def _entry(name: str, path: str, is_folder: bool, folders: set[str]) -> FolderEntry:
    if is_folder:
        return FolderEntry(name, FileSource(path), folder_at(Path(path)))
    stem = archive_stem(name)
    if not stem or stem.casefold() in folders:
        return FolderEntry(name, FileSource(path))
    return FolderEntry(stem, FileSource(path), ArchiveFolder(Path(path)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; a link that points at itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def folder_at(path: Path) -> Folder:
    """The folder that a path names: one on disk, an archive's top, or a table of paths."""
    if is_archive(path):
        return ArchiveFolder(path)
    return DfArrowFolder(path) if is_df_arrow(path) else DiskFolder(path)


def is_archive(path: Path) -> bool:
    """Whether a path names an archive that is read in place."""
    return bool(archive_stem(path.name)) and path.is_file()
