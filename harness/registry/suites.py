"""Which suites there are, what ``--suite`` text means, and where a suite's folder lies."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from types import ModuleType

from harness.data.adapters import subset_folder
from harness.data.archives import ArchiveFolder
from harness.data.disk import folder_at
from harness.data.folders import find_folder
from harness.data.places import Folder, FolderEntry, WithPools, archive_stem
from harness.data.remote import is_url
from harness.data.suite import OWN, Selection, Suite
from harness.errors import DataError, HarnessError, UsageError, unknown_name

log = logging.getLogger(__name__)

GROUPS = {"paper": ("forensynths", "gangen", "diffusion", "ufd", "diffusion1k")}
"""Names that stand for several suites. ``paper``: Test Set 1 to 5 of the paper, in order."""

# The embedded group that resembles a suite most, offered where its data is absent.
_STAND_IN = {
    "forensynths": "mini:gan",
    "gangen": "mini:gan",
    "diffusion": "mini:diffusion",
    "ufd": "mini:diffusion",
    "diffusion1k": "mini:diffusion",
}


@lru_cache(maxsize=1)
def all_suites() -> Mapping[str, Suite]:
    """Every suite by name: the scan of ``harness/suites`` for modules with a ``SUITE``, sorted.

    Raises:
        HarnessError: two files define one name, alias or group, or one is a name of own data.
    """
    package = importlib.import_module("harness.suites")
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    ]
    return collect(modules)


def collect(modules: Iterable[ModuleType]) -> Mapping[str, Suite]:
    """Suites of these modules by name, sorted; see :func:`all_suites`."""
    suites: dict[str, Suite] = {}
    owners = dict.fromkeys(GROUPS, __file__)
    for module in modules:
        suite = getattr(module, "SUITE", None)
        if not isinstance(suite, Suite):
            continue
        for name in (suite.name, *suite.aliases):
            if name.startswith(OWN):
                raise HarnessError(f"{module.__file__}: {name!r}: {OWN}... are names of own data")
            if name in owners:
                raise HarnessError(
                    f"the suite name {name!r} is defined twice: {owners[name]} and "
                    f"{module.__file__}"
                )
            owners[name] = str(module.__file__)
        suites[suite.name] = suite
    return dict(sorted(suites.items()))


def get_suite(name: str) -> Suite:
    """The suite of this name or alias.

    Raises:
        UsageError: unknown, says what exists and what was probably meant; or a name of own data.
    """
    suites = all_suites()
    by_name = {alias: suite for suite in suites.values() for alias in suite.aliases} | dict(suites)
    if name.startswith(OWN):
        raise UsageError(
            f"{name}: own data is found by its place, and scores that were imported have no images",
            hint="--images PLACE, where the images are at hand",
        )
    if name not in by_name:
        raise unknown_name("suite", name, [*by_name, *GROUPS])
    return by_name[name]


def parse_selection(text: str, data_root: Path | None = None) -> list[Selection]:
    """``--suite`` text -> what to score.

    Args:
        text: comma-separated ``SUITE``, ``GROUP`` (``paper``) or ``SUITE:SELECTOR``, where a
            selector is a subset or a group of subsets: ``mini:gan``, ``forensynths:biggan``.
        data_root: folder of the test sets, for suites whose subsets the data itself names.

    Returns:
        One selection a suite, in order of first mention; mentions of one suite are united.

    Raises:
        UsageError: an unknown or empty name.
        DataError: the data that would name the subsets cannot be read; where it is absent, only if
            a subset of it is asked for.
    """
    chosen: dict[str, tuple[Suite, set[str]]] = {}
    for part in text.split(","):
        name, colon, selector = part.strip().partition(":")
        if not name or (colon and not selector):
            raise UsageError(
                f"--suite {text!r}: an empty name", hint="for example --suite mini:gan"
            )
        if name in GROUPS and colon:
            raise UsageError(f"--suite {part.strip()!r}: a group of suites takes no selector")
        for known in map(get_suite, GROUPS.get(name, (name,))):
            suite = _with_found(known, data_root, selector)
            names = chosen.setdefault(suite.name, (suite, set()))[1]
            names.update(_selected(suite, selector))
    return [
        Selection(suite=suite, subsets=tuple(s for s in suite.subsets if s.name in names))
        for suite, names in chosen.values()
    ]


def as_found(suite: Suite, data_root: Path | None) -> Suite:
    """The suite with its subsets, of one whose subsets the data itself names; any other as it is.

    Raises:
        DataError: the data is absent or cannot be read.
    """
    if suite.as_found is None or suite.subsets:
        return suite
    root, count = find_root(suite, data_root), suite.as_found.count
    subsets = suite.as_found.subsets(suite, root)
    if count is not None and len(subsets) != count:
        _say(f"{suite.name}: {len(subsets)} subsets in {root}, {count} published")
    return replace(suite, subsets=subsets)


@cache
def _say(text: str) -> None:
    log.warning("%s", text)


def _with_found(suite: Suite, data_root: Path | None, selector: str) -> Suite:
    """As :func:`as_found`; data that is absent is missed by whoever reads it, if all is meant."""
    if suite.as_found is not None and not selector and not _places(suite, data_root):
        return suite
    return as_found(suite, data_root)


def _selected(suite: Suite, selector: str) -> list[str]:
    if not selector:
        return [subset.name for subset in suite.subsets]
    found = [subset.name for subset in suite.subsets if selector in (subset.name, subset.group)]
    if not found:
        known = {name for subset in suite.subsets for name in (subset.name, subset.group) if name}
        raise unknown_name(
            "subset or group", selector, known, said=f"suite {suite.name} has no subset or group"
        )
    return found


def find_root(suite: Suite, data_root: Path | None) -> Folder:
    """The suite's own folder, on disk or the archive of it, with its pools of reals.

    Looked for, by each of the suite's folder names and ignoring letter case: in the data root, in
    its ``Generalization_Test`` (LFM's layout), and from the data root itself where it bears a
    level's name; each level also with its name repeated inside, as archives unpack. A place that
    holds a declared subset wins over one that does not. An embedded suite, or one's own data, needs
    no data root.

    Raises:
        DataError: says where it was looked for, how to obtain it, and what runs without it.
    """
    found = _places(suite, data_root)
    holding = [place for place in found if _holds(place, suite)]
    if holding or found:
        return _with_pools(suite, (holding or found)[0], data_root)
    raise _absent(suite, data_root)


def _with_pools(suite: Suite, root: Folder, data_root: Path | None) -> Folder:
    """The folder as if the suite's pools of reals lay in it, of which some may lie beside it."""
    around = [root]
    if suite.pools and data_root is not None:
        around += [folder_at(data_root)]
        if root == folder_at(data_root):  # the suite's own folder was given as the data root
            around += [folder_at(data_root.resolve().parent)]
    pools = []
    for pool in suite.pools:
        paths = [PurePosixPath(folder).parts for folder in pool.folders]
        found = (entry for top in around for path in paths if (entry := _entry(top, path)))
        entry = next(found, None)
        if entry is not None and entry.folder is not None:
            pools.append((pool.name, _entry(entry.folder, (entry.name,)) or entry))
    return WithPools(root, tuple(pools)) if pools else root


def _entry(top: Folder, path: Sequence[str]) -> FolderEntry | None:
    """The folder at a path below another, letter case ignored; None where none is."""
    entry = None
    for part in path:
        try:
            there = [each for each in top.entries() if each.folder]
        except DataError:
            return None
        like = [each for each in there if each.name.casefold() == part.casefold()]
        entry = next((each for each in like if each.name == part), next(iter(like), None))
        if entry is None or entry.folder is None:
            return None
        top = entry.folder
    return entry


def _holds(place: Folder, suite: Suite) -> bool:
    """Whether a folder has a subset; not of one that cannot be listed, or is a list."""
    try:
        return any(subset_folder(subset, place) for subset in suite.subsets if subset.folders)
    except DataError:
        return False


def _absent(suite: Suite, data_root: Path | None) -> DataError:
    names = ", ".join(suite.folders)
    if Path(suite.folders[0]).is_absolute():
        return DataError(f"suite {suite.name}: no {names}", hint=suite.obtain)
    looked = f"no folder {names} in {data_root}" if data_root else "no data root is set"
    stand_in = _STAND_IN.get(suite.name)
    offer = f"; or, without any download: --suite {stand_in}" if stand_in else ""
    return DataError(
        f"suite {suite.name} ({suite.title}): its data is absent: {looked}",
        hint=f"obtain {suite.obtain}; then give --data-root or set LFM_DATA{offer}",
    )


def _places(suite: Suite, data_root: Path | None) -> list[Folder]:
    """Where the suite's folder is there, the likeliest first."""
    if any(map(is_url, suite.folders)):
        return [ArchiveFolder(folder) for folder in suite.folders]
    absolute = [Path(folder) for folder in suite.folders if Path(folder).is_absolute()]
    if data_root is None or absolute:
        return [folder_at(path) for path in absolute if path.exists()]
    root = folder_at(data_root)
    declared = [PurePosixPath(folder).parts for folder in suite.folders]
    places: list[Folder] = []
    for parent in filter(None, (root, _child(root, "Generalization_Test"))):
        for levels in declared:
            places += _descend([parent], levels)
    name = data_root.resolve().name
    here = (archive_stem(name) or name).casefold()
    for levels in declared:
        for depth, level in enumerate(levels, start=1):
            if level.casefold() == here:
                places += _descend(_and_repeated(root, level), levels[depth:])
    return places


def _descend(folders: list[Folder], levels: Sequence[str]) -> list[Folder]:
    """Folders that lie ``levels`` below, ignoring letter case; each may repeat its name inside."""
    for level in levels:
        found = [_child(folder, level) for folder in folders]
        folders = [place for folder in found if folder for place in _and_repeated(folder, level)]
    return folders


def _and_repeated(folder: Folder, name: str) -> list[Folder]:
    """A folder, and the one of its own name inside it, as archives unpack."""
    inner = _child(folder, name)
    return [folder, inner] if inner else [folder]


def _child(folder: Folder, name: str) -> Folder | None:
    """The folder of this name in another; None too where that one cannot be listed: whoever reads
    it says why."""
    try:
        return find_folder(folder, name)
    except DataError:
        return None
