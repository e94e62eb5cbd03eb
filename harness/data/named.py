"""Images that a person names: a file, a folder, an archive, or a member of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.data.archives import ArchiveFolder
from harness.data.disk import folder_at, is_archive
from harness.data.folders import FoundFile, find_folder, is_image, walk_files
from harness.data.places import Folder
from harness.data.source import FileSource, Source
from harness.errors import DataError, UsageError, printable

INSIDE = "::"
"""Between a file and what is meant in it: ``photos.zip::inner/a.png``."""


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
        name: a file, a folder, an archive, or ``ARCHIVE::MEMBER``.

    Raises:
        UsageError: it does not exist, or there is no image below it.
        DataError: a folder or archive cannot be listed.
    """
    path = Path(name)
    if path.is_dir() or is_archive(path):
        files = list(walk_files(folder_at(path)))
        images = tuple(file for file in files if file.is_image)
        left_out = tuple(file.id for file in files if not file.is_image)
        if not images:
            raise UsageError(f"{name}: no image below this folder", hint="name a picture")
        return Named(files=images, left_out=left_out)
    if INSIDE not in name and not path.exists():
        raise UsageError(f"{name}: no such file or folder")
    source = source_at(name)
    return Named(files=(FoundFile(printable(Path(str(source)).name), source),))


def source_at(name: str, base: Path | None = None) -> Source:
    """One image, as lists and messages write it.

    Args:
        name: a file, or ``ARCHIVE::MEMBER``.
        base: the folder that it is relative to; None = the working folder.

    Raises:
        DataError: the archive cannot be read, or has no such member.
    """
    holder, inside, member = name.partition(INSIDE)
    path = (base or Path()) / holder
    if not inside or (base is not None and (base / name).exists()):
        return FileSource(str((base or Path()) / name))
    if not is_archive(path):
        raise DataError(f"{name}: {path} is no archive that can be read")
    return _member(ArchiveFolder(path), member, name)


def _member(folder: Folder | None, member: str, name: str) -> Source:
    *parents, last = member.split("/")
    for parent in parents:
        folder = find_folder(folder, parent) if folder else None
    files = {entry.name: entry.source for entry in folder.entries()} if folder else {}
    if last not in files or not is_image(last):
        raise DataError(f"{name}: the archive has no image {printable(member)}")
    return files[last]
