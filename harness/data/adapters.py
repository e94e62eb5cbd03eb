"""From folders, as data sets are published, to samples.

A class folder is called ``0_real`` or ``1_fake``. It lies directly in a subset's folder, or inside
class or scene folders, which are pooled. Nothing is a subset because it happens to be there: what
is not declared is an extra folder, which ``check`` reports and nobody scores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from harness.api import FAKE, REAL
from harness.data.sample import Sample
from harness.data.suite import Subset, Suite
from harness.errors import DataError, UsageError

_Inode = tuple[int, int]

CLASS_FOLDERS = {"0_real": REAL, "1_fake": FAKE}
MAX_DEPTH = 3
"""Levels of class or scene folders between a subset's folder and its class folders."""

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as an image, in lower case: the list of torchvision's ``ImageFolder``, on which the
releases run, and ``.gif``, which they would pass over. A GIF among the images is scored here rather
than lost in silence; no published set is known to hold one."""


def folder_adapter(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
    """Samples of a subset that is a folder below the suite's folder.

    Where the folder has no reals of its own and ``subset.real_pool`` is declared, they come from
    ``<real_pool>/0_real`` (the original release of UniversalFakeDetect).

    Args:
        suite: the suite, for messages.
        subset: which one; ``folders`` are the accepted names, letter case ignored.
        root: the suite's folder.

    Returns:
        Samples sorted by label, then id; ids are POSIX paths below the subset's folder, or below
        ``root`` for pooled reals. A class without images is left empty.

    Raises:
        DataError: the folder is absent or has no class folder, or some folder cannot be listed.
    """
    folder = subset_folder(subset, root)
    if folder is None:
        names = " or ".join(subset.folders)
        raise DataError(f"{suite.name}:{subset.name}: no folder {names} in {root}")
    samples = list(class_samples(folder))
    if subset.real_pool and all(sample.label != REAL for sample in samples):
        samples += _pool(suite, subset, root)
    if not samples and not any(_class_folders(folder, MAX_DEPTH)):
        raise DataError(
            f"{suite.name}:{subset.name}: {folder} has no folder 0_real or 1_fake, directly or up "
            f"to {MAX_DEPTH} levels below"
        )
    return sorted(samples, key=sample_order)


def _pool(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
    pool = find_folder(root, subset.real_pool)
    if pool is None:
        raise DataError(
            f"{suite.name}:{subset.name}: no reals: {root} has neither {subset.folders[0]}/0_real "
            f"nor the pool {subset.real_pool}/0_real"
        )
    return [sample for sample in class_samples(pool, below=root) if sample.label == REAL]


def sample_order(sample: Sample) -> tuple[int, str]:
    """Sort key of a manifest: label, then id."""
    return sample.label, sample.id


def subset_folder(subset: Subset, root: Path) -> Path | None:
    """The subset's folder below the suite's, by the first of its names that is there."""
    found = (find_folder(root, name) for name in subset.folders)
    return next((folder for folder in found if folder is not None), None)


def find_folder(parent: Path, name: str) -> Path | None:
    """The folder ``name`` in ``parent``: spelt exactly so, or else in another letter case."""
    if (parent / name).is_dir():
        return parent / name
    if not parent.is_dir() or "/" in name:
        return None
    same = [entry.name for entry in _entries(parent) if entry.name.casefold() == name.casefold()]
    return next((parent / each for each in same if (parent / each).is_dir()), None)


def class_samples(folder: Path, *, below: Path | None = None) -> Iterator[Sample]:
    """Samples in the class folders of ``folder``, with ids relative to it or to ``below``."""
    for class_folder, label in _class_folders(folder, MAX_DEPTH):
        for path in walk_images(class_folder):
            yield Sample(id=_id(path, below or folder), label=label, path=path)


def _id(path: Path, folder: Path) -> str:
    """A path below a folder as text that is valid UTF-8 whatever bytes the name has."""
    raw = os.fsencode(path.relative_to(folder).as_posix())
    return raw.decode("utf-8", "backslashreplace")


def _class_folders(folder: Path, depth: int) -> Iterator[tuple[Path, int]]:
    """Class folders in ``folder`` and up to ``depth`` levels below, which are not searched on."""
    for path in _walk(folder, depth):
        if path.name in CLASS_FOLDERS:
            yield path, CLASS_FOLDERS[path.name]


def _walk(folder: Path, depth: int, above: frozenset[_Inode] = frozenset()) -> Iterator[Path]:
    """Folders below ``folder``, sorted; class folders are not entered, nor symlink loops.

    ``above`` holds the folders on the way down: a link to one of them is a loop, while two links
    to one pool of reals are not.
    """
    above = above | {_inode(folder)}
    for entry in _entries(folder):
        path = Path(entry.path)
        if not _is_folder(entry) or _inode(path) in above:
            continue
        yield path
        if depth > 0 and entry.name not in CLASS_FOLDERS:
            yield from _walk(path, depth - 1, above)


def walk_images(folder: Path, above: frozenset[_Inode] = frozenset()) -> Iterator[Path]:
    """Image files in ``folder`` and everywhere below it, as ``ImageFolder`` lists them."""
    above = above | {_inode(folder)}
    for entry in _entries(folder):
        path = Path(entry.path)
        if not _is_folder(entry):
            if path.suffix.lower() in EXTENSIONS:
                yield path
        elif _inode(path) not in above:
            yield from walk_images(path, above)


def _inode(folder: Path) -> _Inode:
    try:
        status = folder.stat()
    except OSError as error:
        raise DataError(f"{folder}: cannot be opened: {error.strerror or error}") from error
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder by name, without hidden ones (``.git``, AppleDouble ``._x.png``)."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    return sorted(
        (entry for entry in visible if entry.name != "__MACOSX"), key=lambda entry: entry.name
    )


def extra_folders(suite: Suite, root: Path) -> list[str]:
    """Names of folders in the suite's folder that are neither a subset nor a pool of reals."""
    declared = {name.casefold() for subset in suite.subsets for name in subset.folders}
    declared |= {subset.real_pool.casefold() for subset in suite.subsets if subset.real_pool}
    entries = _entries(root) if root.is_dir() else []
    return [
        entry.name
        for entry in entries
        if _is_folder(entry) and entry.name.casefold() not in declared
    ]


def images_suite(folder: Path) -> Suite:
    """A suite named ``images`` out of somebody's own folder (``--images DIR``).

    ``0_real`` / ``1_fake`` may lie at any depth. All in one place: one subset, named after the
    folder. In several places: one subset for each, named by its path below the folder.

    Raises:
        DataError: the folder cannot be listed or has no class folder anywhere below.
    """
    folder = folder.resolve()
    places = sorted({path.parent for path, _ in _class_folders(folder, depth=64)})
    if not places:
        raise DataError(
            f"{folder}: no folder 0_real or 1_fake anywhere below",
            hint="sort the images into 0_real and 1_fake, or give a CSV with path,label,group",
        )
    named = {_place_name(place, folder, alone=len(places) == 1): place for place in places}

    def adapter(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
        here = [
            Sample(id=_id(path, named[subset.name]), label=label, path=path)
            for class_folder, label in _class_folders(named[subset.name], depth=0)
            for path in walk_images(class_folder)
        ]
        return sorted(here, key=sample_order)

    return Suite(
        name="images",
        title=folder.name,
        subsets=tuple(Subset(name=name) for name in named),
        adapter=adapter,
        folders=(str(folder),),
        licence="your own data",
        obtain=f"the folder {folder}",
    )


def _place_name(place: Path, folder: Path, *, alone: bool) -> str:
    if alone or place == folder:
        return folder.name or "images"
    return _id(place, folder)


_LABEL_WORDS = {"0": REAL, "real": REAL, "1": FAKE, "fake": FAKE}


def manifest_suite(file: Path) -> Suite:
    """A suite named after a CSV or Parquet file of columns path, label and, if wished, group.

    A label is 0, 1, real or fake; relative paths are relative to the file; each group is a subset,
    in the order of first appearance. Whether the images exist is found out when they are read.

    Raises:
        DataError: the file cannot be read, a column is missing, a label is unknown, or a path is
            listed twice in a group.
    """
    file = file.resolve()
    groups: dict[str, list[Sample]] = {}
    for number, row in enumerate(_manifest_rows(file), start=1):
        label = _LABEL_WORDS.get(row["label"].strip().lower())
        if label is None:
            raise DataError(
                f"{file}, row {number}: label {row['label']!r}; expected 0, 1, real or fake"
            )
        sample = Sample(id=row["path"], label=label, path=file.parent / row["path"])
        groups.setdefault(row.get("group", "") or file.stem, []).append(sample)
    for name, samples in groups.items():
        refuse_duplicates(f"{file}, group {name}", samples)

    def adapter(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
        return sorted(groups[subset.name], key=sample_order)

    return Suite(
        name=file.stem,
        title=file.stem,
        subsets=tuple(Subset(name=name) for name in groups),
        adapter=adapter,
        folders=(str(file),),
        licence="your own data",
        obtain=f"the manifest {file}",
    )


def _manifest_rows(file: Path) -> list[dict[str, str]]:
    try:
        if file.suffix.lower() == ".csv":
            frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        elif file.suffix.lower() == ".parquet":
            frame = pd.read_parquet(file).astype(str)
        else:
            raise UsageError(f"{file}: a manifest is a .csv or a .parquet file")
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as a manifest: {error}") from error
    missing = {"path", "label"} - set(frame.columns)
    if missing or frame.empty:
        found = ", ".join(map(str, frame.columns)) or "none"
        wanted = f"no column {' and no column '.join(sorted(missing))}" if missing else "no rows"
        raise DataError(f"{file}: {wanted}; columns found: {found}; needed: path, label [, group]")
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def refuse_duplicates(name: str, samples: list[Sample]) -> None:
    """Raises DataError, naming ``name`` and the id, where two samples have one id."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"{name}: {sample.id} is listed twice")
        seen.add(sample.id)


def own_suite(path: Path) -> Suite:
    """What ``--images`` names: a folder (:func:`images_suite`) or a manifest file."""
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder",
            hint="give a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
        )
    return images_suite(path) if path.is_dir() else manifest_suite(path)
