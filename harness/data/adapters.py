"""From folders, as data sets are published, to samples.

A class folder is called ``0_real`` or ``1_fake`` (``folders.CLASS_FOLDERS`` has all names). It lies
directly in a subset's folder, or inside class or scene folders, which are pooled. Nothing is a
subset because it happens to be there: what is not declared is an extra folder, which ``check``
reports and nobody scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from harness.api import REAL
from harness.data.folders import (
    FolderLayout,
    class_files,
    expected_names,
    find_folder,
    layout,
    say_left_out,
)
from harness.data.places import Folder
from harness.data.sample import Listing, Sample
from harness.data.suite import Subset, Suite
from harness.errors import DataError, printable

MAX_DEPTH = 3
"""Levels of class or scene folders between a subset's folder and its class folders."""


def folder_adapter(suite: Suite, subset: Subset, root: Folder) -> Listing:
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
        DataError: the folder is absent, has no class folder or no image in any, or some folder
            cannot be listed.
    """
    folder = subset_folder(subset, root)
    if folder is None:
        names = " or ".join(subset.folders)
        raise DataError(f"{suite.name}:{subset.name}: no folder {names} in {root}")
    found = layout(folder, MAX_DEPTH)
    listing = list_classes(found)
    if subset.real_pool and all(sample.label != REAL for sample in listing):
        pool = _pool(suite, subset, root)
        listing = Listing([*listing, *pool], left_out=(*listing.left_out, *pool.left_out))
    refuse_empty(f"{suite.name}:{subset.name}", folder, found, listing)
    return Listing(
        sorted((_with_unit(subset, sample) for sample in listing), key=sample_order),
        left_out=listing.left_out,
    )


def list_classes(found: FolderLayout, *, below: str = "") -> Listing:
    """Samples in the class folders of a layout, and the files that are not read.

    Args:
        found: class folders, and images in none.
        below: the folder that ids are relative to, as a path in the layout.

    Raises:
        DataError: a folder cannot be listed, or holds an archive that cannot be opened.
    """
    for error in found.broken.values():
        raise error
    cut = len(below) + 1 if below else 0
    samples: list[Sample] = []
    left_out = [file.id[cut:] for file in found.strays]
    for class_folder in found.classes:
        images, others = class_files(class_folder)
        samples += [
            Sample(id=file.id[cut:], label=class_folder.label, source=file.source)
            for file in images
        ]
        left_out += [file.id[cut:] for file in others]
    return Listing(samples, left_out=tuple(left_out))


def refuse_empty(name: str, folder: object, found: FolderLayout, listing: Listing) -> None:
    """Raises DataError, saying what lies there instead, where a subset has no image at all."""
    if listing:
        return
    what = "no image in its class folders"
    if not found.classes:
        what = (
            f"no folder 0_real or 1_fake (any of {expected_names()}, letter case ignored), "
            f"directly or up to {MAX_DEPTH} levels below"
        )
    rest = say_left_out(listing.left_out)
    raise DataError(f"{name}: {folder} has {what}" + (f"; {rest}" if rest else ""))


def _with_unit(subset: Subset, sample: Sample) -> Sample:
    """The sample with the unit that the subset reads off its file name."""
    if not subset.unit_pattern:
        return sample
    found = re.match(subset.unit_pattern, sample.id.rpartition("/")[2])
    return replace(sample, unit=found[1]) if found else sample


def _pool(suite: Suite, subset: Subset, root: Folder) -> Listing:
    pool = subset_folder(replace(subset, folders=(subset.real_pool,)), root)
    if pool is None:
        raise DataError(
            f"{suite.name}:{subset.name}: no reals: {root} has neither {subset.folders[0]}/0_real "
            f"nor the pool {subset.real_pool}/0_real"
        )
    listing = list_classes(layout(pool, MAX_DEPTH, base=subset.real_pool))
    reals = [sample for sample in listing if sample.label == REAL]
    return Listing(reals, left_out=listing.left_out)


def sample_order(sample: Sample) -> tuple[int, str]:
    """Sort key of a manifest: label, then id."""
    return sample.label, sample.id


def subset_folder(subset: Subset, root: Folder) -> Folder | None:
    """The subset's folder below the suite's, by the first of its names that is there.

    Raises:
        DataError: the suite's folder cannot be listed.
    """
    found = (find_folder(root, name) for name in subset.folders)
    return next((folder for folder in found if folder is not None), None)


def extra_folders(suite: Suite, root: Folder) -> list[str]:
    """Names of folders in the suite's folder that are neither a subset nor a pool of reals.

    Raises:
        DataError: the suite's folder cannot be listed.
    """
    declared = {name.casefold() for subset in suite.subsets for name in subset.folders}
    declared |= {subset.real_pool.casefold() for subset in suite.subsets if subset.real_pool}
    return [
        printable(entry.name)
        for entry in root.entries()
        if entry.folder and entry.name.casefold() not in declared
    ]


def refuse_duplicates(name: str, samples: Iterable[Sample]) -> None:
    """Raises DataError, naming ``name`` and the id, where two samples have one id."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"{name}: {sample.id} is listed twice")
        seen.add(sample.id)
