"""What lies in a folder: class folders, images, and what is neither, which is never silent.

Everything that depends on names is here, once: which folders are classes, which files are images
and what other systems leave behind. Letter case matters nowhere. A folder may lie on a disk or in
an archive (:mod:`harness.data.archives`); nothing below asks which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from harness.api import FAKE, REAL
from harness.data.places import Folder
from harness.data.source import Source
from harness.errors import DataError, printable

CLASS_FOLDERS: Mapping[str, int] = {"0_real": REAL, "real": REAL, "1_fake": FAKE, "fake": FAKE}
"""Names of class folders -> label."""

_WEB = (".avif", ".gif", ".heic", ".heif", ".webp")
_JPEG = (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo")
_PLAIN = (".bmp", ".pgm", ".png", ".ppm", ".tif", ".tiff")
EXTENSIONS = frozenset((*_WEB, *_JPEG, *_PLAIN))
"""What counts as an image: the list of torchvision's ``ImageFolder``, on which the releases run,
and the other names under which Pillow reads the formats of ``harness.data.decode``. The releases
would pass over those; here they are scored rather than lost. No published set is known to hold
one. HEIC needs the extra ``heif``: without it such a file is a bad image, not an absent one."""


def class_of(name: str, classes: Mapping[str, int] = CLASS_FOLDERS) -> int | None:
    """The label of a class folder of this name, None for any other folder."""
    return classes.get(name.casefold())


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


@dataclass(frozen=True)
class FoundFile:
    """A file that was found.

    Args:
        id: its path below the folder that was searched, POSIX text, valid UTF-8 whatever bytes its
            name has.
        source: its bytes.
    """

    id: str
    source: Source

    @property
    def is_image(self) -> bool:
        """Whether its name says so."""
        return is_image(self.id)


@dataclass(frozen=True)
class ClassFolder:
    """A class folder that was found: its path below the folder that was searched, and its label."""

    id: str
    folder: Folder
    label: int

    @property
    def parent(self) -> str:
        """Path of the folder that it lies in, "" for the one that was searched."""
        return self.id.rpartition("/")[0]


@dataclass(kw_only=True)
class FolderLayout:
    """What a folder holds.

    Args:
        classes: class folders, in order.
        strays: image files that lie in none of them.
        broken: archives that cannot be opened: path -> why.
        names: of class folders.
    """

    classes: list[ClassFolder] = field(default_factory=list)
    strays: list[FoundFile] = field(default_factory=list)
    broken: dict[str, DataError] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=lambda: CLASS_FOLDERS)


def layout(
    folder: Folder, depth: int, *, base: str = "", classes: Mapping[str, int] = CLASS_FOLDERS
) -> FolderLayout:
    """Looks for class folders in a folder and up to ``depth`` levels below.

    Class folders are not searched on. What lies deeper is in none.

    Args:
        folder: to search.
        depth: levels.
        base: what paths begin with.
        classes: names of class folders, in lower case, and their labels.

    Raises:
        DataError: some folder cannot be listed. Archives below that cannot be are in ``broken``.
    """
    found = FolderLayout(names=classes)
    _explore(folder, base, depth, frozenset(), found)
    return found


def _explore(
    folder: Folder, path: str, depth: int, above: frozenset[object], found: FolderLayout
) -> None:
    """``above`` holds the folders on the way down: a link to one of them is a loop, while two
    links to one pool of reals are not."""
    above = above | {folder.identity}
    _refuse_unsafe(folder)
    for entry in folder.entries():
        below = _join(path, entry.name)
        if entry.folder is None:
            if is_image(entry.name):
                found.strays.append(FoundFile(below, entry.source))
            continue
        if entry.folder.identity in above:
            continue
        label = class_of(entry.name, found.names)
        if label is not None and depth >= 0:
            found.classes.append(ClassFolder(below, entry.folder, label))
            continue
        try:
            _explore(entry.folder, below, depth - 1, above, found)
        except DataError as error:
            if not entry.folder.is_archive:
                raise
            found.broken[below] = error


def class_files(
    found: ClassFolder, classes: Mapping[str, int] = CLASS_FOLDERS
) -> tuple[list[FoundFile], list[FoundFile]]:
    """The images of a class folder, everywhere below as ``ImageFolder`` lists them, and the rest.

    Raises:
        DataError: it cannot be listed, or a folder of the other class lies in it.
    """
    images: list[FoundFile] = []
    others: list[FoundFile] = []
    for file in walk_files(found.folder, base=found.id):
        for part in file.id[len(found.id) :].split("/")[1:-1]:
            if class_of(part, classes) not in (None, found.label):
                raise DataError(
                    f"{found.folder} is the folder of one class and holds one of the other, {part}",
                    hint=f"rename the outer one; class folders are called {', '.join(classes)}",
                )
        (images if file.is_image else others).append(file)
    return images, others


def walk_images(folder: Folder) -> Iterator[FoundFile]:
    """Image files in ``folder`` and everywhere below it."""
    return (file for file in walk_files(folder) if file.is_image)


def walk_files(
    folder: Folder, *, base: str = "", above: frozenset[object] = frozenset()
) -> Iterator[FoundFile]:
    """Files in ``folder`` and everywhere below it, sorted, without litter.

    Args:
        folder: to search.
        base: what their paths begin with.
        above: folders that are on the way down already.

    Raises:
        DataError: some folder cannot be listed.
    """
    above = above | {folder.identity}
    _refuse_unsafe(folder)
    for entry in folder.entries():
        below = _join(base, entry.name)
        if entry.folder is None:
            yield FoundFile(below, entry.source)
        elif entry.folder.identity not in above:
            yield from walk_files(entry.folder, base=below, above=above)


def _refuse_unsafe(folder: Folder) -> None:
    if folder.refused:
        more = f" and {len(folder.refused) - 1} more" if len(folder.refused) > 1 else ""
        raise DataError(
            f"{folder}: has a member that is not read: {folder.refused[0]}{more}",
            hint="unpack the archive by hand, look at what it is, and give the folder",
        )


def _join(path: str, name: str) -> str:
    return f"{path}/{printable(name)}" if path else printable(name)


def find_folder(parent: Folder, name: str) -> Folder | None:
    """The folder ``name`` in ``parent``: spelt exactly so, or else in another letter case.

    Raises:
        DataError: the parent cannot be listed.
    """
    folders = {entry.name: entry.folder for entry in parent.entries() if entry.folder}
    if name in folders:
        return folders[name]
    return next((f for each, f in folders.items() if each.casefold() == name.casefold()), None)


def say_left_out(names: Sequence[str]) -> str:
    """``Manifest.left_out`` in words: how many files of what kind are not read, and an example.

    Args:
        names: files that are no image by name, and images that lie in no class folder.
    """
    strays = [name for name in names if is_image(name)]
    others = [name for name in names if not is_image(name)]
    parts = []
    if others:
        kinds = _counted(PurePosixPath(name).suffix.lower() or "without suffix" for name in others)
        parts.append(f"{kinds} (no image by its name, such as {others[0]})")
    if strays:
        folders = _counted(str(PurePosixPath(name).parent) for name in strays)
        parts.append(f"images in no class folder: {folders} (such as {strays[0]})")
    return f"not read: {'; '.join(parts)}" if parts else ""


def _counted(values: Iterable[str]) -> str:
    """``3 .heic, 1 .txt``: the commonest first, at most five."""
    counts = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(counts) - 5} more kinds" if len(counts) > 5 else ""
    return ", ".join(f"{count} {value}" for value, count in counts[:5]) + more
