"""What lies in a folder: class folders, images, and what is neither, which is never silent.

Everything that depends on names is here, once: which folders are classes, which files are images
and what other systems leave behind. Letter case matters nowhere.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.api import FAKE, REAL
from harness.errors import DataError, printable

_Inode = tuple[int, int]

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

LITTER = frozenset({"__macosx", "@eadir", "desktop.ini", "ehthumbs.db", "thumbs.db"})
"""Files and folders that archives, cameras' shares and desktops leave behind. With everything
hidden (``.git``, ``.DS_Store``, AppleDouble ``._x.png``) they are passed over in silence."""


def class_of(name: str) -> int | None:
    """The label of a class folder of this name, None for any other folder."""
    return CLASS_FOLDERS.get(name.casefold())


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def expected_names() -> str:
    """The names of class folders, for messages."""
    return ", ".join(CLASS_FOLDERS)


@dataclass(kw_only=True)
class FolderLayout:
    """What a folder holds.

    Args:
        classes: class folders with their labels, in order.
        strays: image files that lie in none of them.
    """

    classes: list[tuple[Path, int]] = field(default_factory=list)
    strays: list[Path] = field(default_factory=list)


def layout(folder: Path, depth: int) -> FolderLayout:
    """Looks for class folders in a folder and up to ``depth`` levels below.

    Class folders are not searched on. What lies deeper is in none.

    Raises:
        DataError: some folder cannot be listed.
    """
    found = FolderLayout()
    _explore(folder, depth, frozenset(), found)
    return found


def _explore(folder: Path, depth: int, above: frozenset[_Inode], found: FolderLayout) -> None:
    """``above`` holds the folders on the way down: a link to one of them is a loop, while two
    links to one pool of reals are not."""
    above = above | {_inode(folder)}
    for entry in entries(folder):
        path = Path(entry.path)
        if not is_folder(entry):
            if is_image(entry.name):
                found.strays.append(path)
            continue
        if _inode(path) in above:
            continue
        label = class_of(entry.name)
        if label is not None and depth >= 0:
            found.classes.append((path, label))
        else:
            _explore(path, depth - 1, above, found)


def class_files(folder: Path, label: int) -> tuple[list[Path], list[Path]]:
    """The images of a class folder, everywhere below as ``ImageFolder`` lists them, and the rest.

    Raises:
        DataError: it cannot be listed, or a folder of the other class lies in it.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path in walk_files(folder):
        for part in path.relative_to(folder).parts[:-1]:
            if class_of(part) not in (None, label):
                raise DataError(
                    f"{folder} is the folder of one class and holds one of the other, {part}",
                    hint=f"rename the outer one; class folders are called {expected_names()}",
                )
        (images if is_image(path.name) else others).append(path)
    return images, others


def walk_images(folder: Path) -> Iterator[Path]:
    """Image files in ``folder`` and everywhere below it."""
    return (path for path in walk_files(folder) if is_image(path.name))


def walk_files(folder: Path, above: frozenset[_Inode] = frozenset()) -> Iterator[Path]:
    """Files in ``folder`` and everywhere below it, sorted, without litter."""
    above = above | {_inode(folder)}
    for entry in entries(folder):
        path = Path(entry.path)
        if not is_folder(entry):
            yield path
        elif _inode(path) not in above:
            yield from walk_files(path, above)


def _inode(folder: Path) -> _Inode:
    try:
        status = folder.stat()
    except OSError as error:
        raise DataError(f"{folder}: cannot be opened: {error.strerror or error}") from error
    return status.st_dev, status.st_ino


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; a link that points at itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder by name, without hidden ones and :data:`LITTER`.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            visible = [entry for entry in found if not _is_litter(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    return sorted(visible, key=lambda entry: entry.name)


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in LITTER


def find_folder(parent: Path, name: str) -> Path | None:
    """The folder ``name`` in ``parent``: spelt exactly so, or else in another letter case."""
    if (parent / name).is_dir():
        return parent / name
    if not parent.is_dir() or "/" in name:
        return None
    same = [entry.name for entry in entries(parent) if entry.name.casefold() == name.casefold()]
    return next((parent / each for each in same if (parent / each).is_dir()), None)


def file_id(path: Path, folder: Path) -> str:
    """A path below a folder as POSIX text, valid UTF-8 whatever bytes its name has."""
    return printable(path.relative_to(folder).as_posix())


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
