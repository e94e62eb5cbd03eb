"""From folders, as data sets are published, to samples.

A class folder is called ``0_real`` or ``1_fake`` (``folders.CLASS_FOLDERS`` has all names). It lies
directly in a subset's folder, or inside class or scene folders, which are pooled. Nothing is a
subset because it happens to be there: what is not declared is an extra folder, which ``check``
reports and nobody scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.api import FAKE, REAL
from harness.data.folders import (
    CLASS_FOLDERS,
    FolderLayout,
    class_files,
    find_folder,
    layout,
    say_left_out,
    walk_files,
)
from harness.data.places import Folder
from harness.data.sample import Listing, Sample
from harness.data.suite import Subset, Suite
from harness.errors import DataError, printable

MAX_DEPTH = 3
"""Levels of class or scene folders between a subset's folder and its class folders."""
SPLITS = ("train", "val", "test", "train2017", "val2017", "test2017")
"""What parts of a release are called of which one is tested."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a set is laid out, where that is not ``SUBSET/[CLASS/]{0_real,1_fake}``.

    Args:
        classes: names of class folders, in lower case, and their labels.
        split: the folder of the images that are tested (``val``), at any level above the class
            folders; other splits beside it are not read.
        bare: a folder without any class folder holds fakes alone, and a pool of reals reals alone.
    """

    classes: Mapping[str, int] = field(default_factory=lambda: CLASS_FOLDERS)
    split: str = ""
    bare: bool = False


def folder_adapter(
    suite: Suite, subset: Subset, root: Folder, *, style: Style | None = None
) -> Listing:
    """Samples of a subset that is a folder below the suite's folder.

    Where the folder has no reals of its own and ``subset.real_pool`` is declared, they come from
    ``<real_pool>/0_real`` (the original release of UniversalFakeDetect).

    Args:
        suite: the suite, for messages.
        subset: which one; ``folders`` are the accepted names, letter case ignored.
        root: the suite's folder.
        style: another layout than that.

    Returns:
        Samples sorted by label, then id; ids are POSIX paths below the subset's folder, or below
        ``root`` for pooled reals. A class without images is left empty.

    Raises:
        DataError: the folder is absent, has no class folder or no image in any, or some folder
            cannot be listed.
    """
    style = style or Style()
    name = f"{suite.name}:{subset.name}"
    folder = subset_folder(subset, root)
    if folder is None:
        words = f", or one that is called after {subset.words[0]}," if subset.words else ""
        raise DataError(f"{name}: no folder {' or '.join(subset.folders)}{words} in {root}")
    if style.bare:  # an archive often repeats its own name inside
        folder = subset_folder(subset, folder) or folder
    listing = _listed(name, folder, style, label=FAKE)
    if subset.real_pool and all(sample.label != REAL for sample in listing):
        pool = _pool(suite, subset, root, style)
        listing = Listing([*listing, *pool], left_out=(*listing.left_out, *pool.left_out))
    return Listing(
        sorted((_with_unit(subset, sample) for sample in listing), key=sample_order),
        left_out=listing.left_out,
    )


def _listed(name: str, folder: Folder, style: Style, *, label: int, base: str = "") -> Listing:
    """What is in a folder: in its class folders or, of a bare one, anywhere, with that label.

    Raises:
        DataError: nothing; says what lies there instead.
    """
    tested = find_folder(folder, style.split) if style.split else None
    top, below = (tested, "/".join(filter(None, (base, style.split)))) if tested else (folder, base)
    found = layout(top, MAX_DEPTH, base=below, classes=style.classes)
    cut = "" if tested or not style.split else _keep_split(name, folder, found, style.split)
    if found.classes or not style.bare:
        listing = list_classes(found, below=cut)
        refuse_empty(name, folder, found, listing)
        return listing
    files = list(walk_files(top, base=below))
    images = [Sample(id=f.id, label=label, source=f.source) for f in files if f.is_image]
    left_out = tuple(file.id for file in files if not file.is_image)
    if not images:
        rest = say_left_out(left_out)
        raise DataError(f"{name}: no image anywhere below {top}" + (f"; {rest}" if rest else ""))
    return Listing(images, left_out=left_out)


def _keep_split(name: str, folder: Folder, found: FolderLayout, split: str) -> str:
    """Takes away what is in no folder of the split.

    Returns:
        The one folder that all of it lies in, which ids then leave out; "" where there is none.

    Raises:
        DataError: there are other splits alone.
    """
    parents = {each.id: each.parent.split("/") for each in found.classes}
    kept = [each for each in found.classes if split in map(str.casefold, parents[each.id])]
    there = {part for parts in parents.values() for part in parts}
    there |= {printable(entry.name) for entry in folder.entries() if entry.folder}
    others = {part for part in there if part.casefold() in SPLITS}
    if others and not kept:
        raise DataError(
            f"{name}: {folder} has {' and '.join(sorted(others))}, and no {split}",
            hint=f"the images in {split} are tested: unpack them too",
        )
    if not kept:
        return ""
    found.classes = kept
    levels = [[part.casefold() for part in parents[each.id]].index(split) for each in kept]
    above = {"/".join(parents[each.id][:level]) for each, level in zip(kept, levels, strict=True)}
    cut = above.pop() if len(above) == 1 else ""
    found.strays = [file for file in found.strays if not cut or file.id.startswith(f"{cut}/")]
    return cut


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
        images, others = class_files(class_folder, found.names)
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
            f"no folder {_class_names(found.names)} (any of {', '.join(found.names)}, "
            "letter case ignored), "
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


def _class_names(names: Mapping[str, int]) -> str:
    """``0_real or 1_fake``: the first name of each class."""
    return " or ".join(next(name for name in names if names[name] == k) for k in (REAL, FAKE))


def _pool(suite: Suite, subset: Subset, root: Folder, style: Style) -> Listing:
    name = f"{suite.name}:{subset.name}"
    pool = subset_folder(Subset(name=subset.name, folders=(subset.real_pool,)), root)
    if pool is None:
        raise _no_pool(suite, subset, root)
    listing = _listed(name, pool, replace(style, split=""), label=REAL, base=subset.real_pool)
    reals = [sample for sample in listing if sample.label == REAL]
    return Listing(reals, left_out=listing.left_out)


def _no_pool(suite: Suite, subset: Subset, root: Folder) -> DataError:
    places = next((each.folders for each in suite.pools if each.name == subset.real_pool), ())
    if places:
        return DataError(
            f"{suite.name}:{subset.name}: no reals: neither in {subset.folders[0]} nor as "
            f"{' or '.join(places)} in {root} or the data root",
            hint=suite.obtain,
        )
    return DataError(
        f"{suite.name}:{subset.name}: no reals: {root} has neither {subset.folders[0]}/0_real "
        f"nor the pool {subset.real_pool}/0_real"
    )


def sample_order(sample: Sample) -> tuple[int, str]:
    """Sort key of a manifest: label, then id."""
    return sample.label, sample.id


def subset_folder(subset: Subset, root: Folder) -> Folder | None:
    """The subset's folder below the suite's, by the first of its names that is there, or else the
    one that has one of its words in its name.

    Raises:
        DataError: the suite's folder cannot be listed, or several have such a word.
    """
    found = (find_folder(root, name) for name in subset.folders)
    exact = next((folder for folder in found if folder is not None), None)
    if exact is not None or not subset.words:
        return exact
    like = [each for each in root.entries() if each.folder and _is_like(subset, each.name)]
    if len(like) > 1:
        names = ", ".join(printable(each.name) for each in like)
        raise DataError(
            f"{root}: {names}: each may be the subset {subset.name}",
            hint=f"call the right one {subset.folders[0]}",
        )
    return like[0].folder if like else None


def _is_like(subset: Subset, name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.casefold())
    return any(word in plain for word in subset.words)


def extra_folders(suite: Suite, root: Folder) -> list[str]:
    """Names of folders in the suite's folder that are neither a subset nor a pool of reals.

    Raises:
        DataError: the suite's folder cannot be listed.
    """
    declared = {name.casefold() for subset in suite.subsets for name in subset.folders}
    declared |= {subset.real_pool.casefold() for subset in suite.subsets if subset.real_pool}
    declared |= {n.partition("/")[0].casefold() for pool in suite.pools for n in pool.folders}
    return [
        printable(entry.name)
        for entry in root.entries()
        if entry.folder
        and entry.name.casefold() not in declared
        and not any(_is_like(subset, entry.name) for subset in suite.subsets)
    ]


def refuse_duplicates(name: str, samples: Iterable[Sample]) -> None:
    """Raises DataError, naming ``name`` and the id, where two samples have one id."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"{name}: {sample.id} is listed twice")
        seen.add(sample.id)
