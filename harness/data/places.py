"""What a folder is, wherever it lies: on a disk, in an archive, in a table of paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from harness.data.source import Source

LITTER = frozenset({"__macosx", "@eadir", "desktop.ini", "ehthumbs.db", "thumbs.db"})
"""Files and folders that archives, cameras' shares and desktops leave behind. With everything
hidden (``.git``, ``.DS_Store``, AppleDouble ``._x.png``) they are passed over in silence."""

ARCHIVES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".zip")
"""Endings of archives that are read in place, letter case ignored."""


class Folder(ABC):
    """A folder: names, and what is behind each.

    Attributes:
        is_archive: it is the top of an archive, which is opened when it is first listed.
    """

    is_archive = False

    @abstractmethod
    def entries(self) -> list[FolderEntry]:
        """What is in it, by name, without hidden files and :data:`LITTER`.

        Raises:
            DataError: it cannot be listed.
        """

    @property
    @abstractmethod
    def identity(self) -> object:
        """Equal for one folder that is reached by two ways.

        Raises:
            DataError: it cannot be opened.
        """

    @property
    def refused(self) -> tuple[str, ...]:
        """Things in it that are not read because they are not safe, in words; makes it an error
        to search this folder."""
        return ()

    @abstractmethod
    def __str__(self) -> str:
        """What messages call it."""


@dataclass(frozen=True)
class FolderEntry:
    """A name in a folder.

    Args:
        name: as it is kept; of an archive without its ending.
        source: its bytes.
        folder: what is below it; None for a file.
    """

    name: str
    source: Source
    folder: Folder | None = None


def is_kept(name: str) -> bool:
    """Whether a name is neither hidden nor litter."""
    return not name.startswith(".") and name.casefold() not in LITTER


def archive_stem(name: str) -> str:
    """An archive's name without its ending, "" for what is no archive."""
    ending = next((each for each in ARCHIVES if name.casefold().endswith(each)), "")
    return name[: -len(ending)] if ending else ""


@dataclass(frozen=True)
class WithPools(Folder):
    """A folder that seems to hold others, which lie elsewhere.

    Args:
        root: the folder.
        pools: (name, folder) of each of the others.
    """

    root: Folder
    pools: tuple[tuple[str, FolderEntry], ...]

    def entries(self) -> list[FolderEntry]:
        """What is in the folder, then the others."""
        names = {name for name, _ in self.pools}
        own = [entry for entry in self.root.entries() if entry.name not in names]
        return [*own, *(replace(entry, name=name) for name, entry in self.pools)]

    @property
    def identity(self) -> object:
        """The folder's own."""
        return self.root.identity

    @property
    def refused(self) -> tuple[str, ...]:
        """The folder's own."""
        return self.root.refused

    def __str__(self) -> str:
        return str(self.root)
