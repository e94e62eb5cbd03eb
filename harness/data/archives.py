"""Zip and tar archives, read where they lie; nothing is ever written to the disk.

A zip is found by its directory. A tar has none: one pass over it makes an index of offsets, which
is kept (:mod:`harness.data.cache`). A compressed tar can only be read from its beginning: its
members are handed out in their own order, and who asks for an earlier one waits for a new start.

A member that could not be unpacked safely (a link, a device, an absolute name, one with ``..``) is
never read, and makes the folder that it is in an error. An archive that is damaged or cut short is
an error as a whole: what is missing is not known.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.data import tars, zips
from harness.data.places import Folder, FolderEntry, is_kept
from harness.data.remote import path_of, shown_place
from harness.data.source import FileSource, Source, state_of
from harness.errors import DataError, printable

log = logging.getLogger(__name__)


class Tree(Folder):
    """A folder inside a container, made from the paths of its members.

    Args:
        container: what messages call the container.
        path: of the folder in it, "" for the top.
    """

    def __init__(self, container: str, path: str = "") -> None:
        self.container = container
        self.path = path
        self._folders: dict[str, Tree] = {}
        self._files: dict[str, Source] = {}
        self._refused: list[str] = []

    def add(self, name: str, source: Source | None, refused: str = "") -> None:
        """Puts a member in.

        Args:
            name: its path, with ``/``; a later member of one name replaces an earlier one, as in
                unpacking.
            source: its bytes; None for one that is refused.
            refused: why.
        """
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            source, refused, parts = None, "an absolute name", []
        elif ".." in parts:
            source, refused, parts = None, "a name with ..", parts[: parts.index("..")]
        elif not parts or not all(map(is_kept, parts)):
            return
        folder = self
        for part in parts[:-1]:
            folder = folder._folders.setdefault(
                part, Tree(self.container, f"{folder.path}/{part}" if folder.path else part)
            )
        if source is None:
            folder._refused.append(f"{printable(name)} ({refused})")
        else:
            folder._files[parts[-1]] = source

    def entries(self) -> list[FolderEntry]:
        """As of :class:`Folder`."""
        nowhere = FileSource("")
        folders = [FolderEntry(name, nowhere, folder) for name, folder in self._folders.items()]
        files = [FolderEntry(name, source) for name, source in self._files.items()]
        return sorted([*folders, *files], key=lambda entry: entry.name)

    @property
    def identity(self) -> object:
        """The place in the container."""
        return self.container, self.path

    @property
    def refused(self) -> tuple[str, ...]:
        """Members of this folder that are not safe."""
        return tuple(self._refused)

    def __str__(self) -> str:
        return printable(f"{self.container}::{self.path}" if self.path else self.container)


@dataclass(frozen=True)
class ArchiveFolder(Folder):
    """The top of an archive; it is opened when something is asked of it.

    Args:
        path: of the archive; a URL as text.
    """

    path: Path | str
    is_archive = True

    def entries(self) -> list[FolderEntry]:
        """As of :class:`Folder`.

        Raises:
            DataError: the archive is damaged, cut short, or of a kind that cannot be read.
        """
        return self._top().entries()

    @property
    def identity(self) -> object:
        """The archive."""
        return str(self.path)

    @property
    def refused(self) -> tuple[str, ...]:
        """Members at the top that are not safe."""
        return self._top().refused

    def __str__(self) -> str:
        return printable(shown_place(str(self.path)))

    def _top(self) -> Tree:
        try:
            return _opened(str(self.path), state_of(str(self.path)))
        except OSError as error:
            raise DataError(f"{self}: cannot be opened: {error.strerror or error}") from error


@lru_cache(maxsize=64)
def _opened(path: str, state: str) -> Tree:
    """The members of an archive, as a folder."""
    tree = Tree(shown_place(path))
    read = zips.members if path_of(path).casefold().endswith(".zip") else tars.members
    for member in read(path, state):
        tree.add(member.name, member.source, member.refused)
    if tree.refused:
        log.warning("%s: members that are not read: %s", tree, ", ".join(tree.refused[:3]))
    return tree
