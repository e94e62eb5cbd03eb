"""One's own images as suites: class folders, tables, shards, or a list.

Their names are made from where they lie, in a name space that no declared suite can enter.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from harness.api import REAL
from harness.data.adapters import list_classes, refuse_empty, sample_order
from harness.data.archives import ArchiveFolder
from harness.data.columns import Columns, TableFile, shard_name, table_files, table_samples
from harness.data.disk import folder_at, is_archive
from harness.data.folders import FolderLayout, class_of, layout, say_left_out
from harness.data.lists import list_samples
from harness.data.named import images_at
from harness.data.pairing import (
    RealPool,
    named_pools,
    paired,
    pools_of,
    require_fakes,
    with_pool,
    with_reals,
)
from harness.data.places import Folder, archive_stem
from harness.data.remote import is_url, path_of, shown_place
from harness.data.sample import Listing, Sample
from harness.data.suite import OWN, Selection, Subset, Suite
from harness.data.tables import ENDINGS
from harness.data.webdataset import TarShard, expand, read_shard, shard_samples
from harness.errors import DataError, UsageError, printable

log = logging.getLogger(__name__)

DEEPEST = 64
"""Levels of folders below an own folder in which class folders are looked for."""


def own_name(place: str | Path) -> str:
    """What one's own data is called: ``own-NAME-DIGEST``, fit for a file's name.

    NAME is the folder's or list's own; DIGEST is of the absolute path behind all links, so that
    ``a/test`` and ``b/test`` differ, and a folder has the same name however it is typed. An archive
    or a table has the name of the folder that it could be unpacked to.

    Args:
        place: a path, a pattern of shards, or a URL.
    """
    text, first = str(place), _first(str(place))
    full = path_of(first) if is_url(text) else str(Path(first).resolve())
    folder, _, name = full.rpartition("/")
    stem = archive_stem(name)
    if stem:
        name = shard_name(stem) if first != text else stem
    elif name.lower().endswith(ENDINGS) and table_files(text if is_url(text) else full):
        name = name.rpartition(".")[0]
    query = shown_place(first).removeprefix(full) if is_url(text) else ""
    digest = hashlib.sha256(os.fsencode(f"{folder}/{name}{query}")).hexdigest()[:8]
    shorter = name if Path(full).is_dir() else Path(name).stem if not stem else name
    readable = re.sub(r"[^\w.-]+", "-", printable(shorter)).strip("-.")[:40]
    return "-".join(filter(None, (OWN.rstrip("-"), readable, digest)))


def own_suite(place: str | Path, columns: Columns | None = None) -> Suite:
    """What ``--images`` names.

    Args:
        place: a folder or an archive with class folders, WebDataset shards (one, several as
            ``test-{000..007}.tar``, or a folder of them), a table of images (Parquet files, a data
            set as Hugging Face saves it), or a list of images; also by URL.
        columns: what its columns mean, where their names do not say it.

    Raises:
        DataError: it is absent, or is nothing of that.
    """
    columns = columns or Columns()
    text, path = str(place), Path(place)
    if _first(text) != text:
        return _shards_suite(text, [read_shard(name) for name in expand(text)], columns)
    if not is_url(text) and not path.exists():
        raise DataError(
            f"{place}: no such file or folder",
            hint="give a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
        )
    shards = _shards(text)
    if shards:
        return _shards_suite(text, shards, columns)
    if files := _tables(text):
        return _listed(text, table_samples(files, columns), "the table")
    if archive_stem(path_of(text)) or path.is_dir():
        return images_suite(place)
    return list_suite(text)


def own_selections(
    places: Sequence[str | Path], columns: Columns | None = None, reals: str = ""
) -> list[Selection]:
    """All of each own folder or list; one that is named twice is there once.

    Args:
        places: each as for :func:`own_suite`.
        columns: what their columns mean, where names do not say it.
        reals: the pool that groups of fakes alone take their reals from: a group of reals alone in
            one of the places, or a place of its own; "" = as the data says.

    Raises:
        DataError, UsageError: a place is absent or not readable, or the pool is not clear.
    """
    if reals and not places:
        raise UsageError("--reals is a pool for your own images", hint="--images PLACE")
    suites = {suite.name: suite for suite in (own_suite(each, columns) for each in places)}
    found = list(suites.values())
    if reals:
        require_fakes(found, reals)
        pool = _pool(reals, found, columns)
        found = [_with_reals(suite, pool) for suite in found]
    return [Selection(suite=suite, subsets=suite.subsets) for suite in found]


def _pool(reals: str, suites: Sequence[Suite], columns: Columns | None) -> RealPool:
    """What ``--reals`` names: a group of the data, else a place."""
    found = [
        (suite, subset) for suite in suites for subset in suite.subsets if subset.name == reals
    ]
    alone = [(suite, subset) for suite, subset in found if subset.labels == (REAL,)]
    if len(alone) == 1:
        ((suite, subset),) = alone
        return RealPool(name=reals, suite=suite, subsets=(subset,))
    if found or not (is_url(reals) or Path(_first(reals)).exists()):
        groups = sorted({s.name for suite in suites for s in suite.subsets if s.labels == (REAL,)})
        what = "is no group of the data and no place that exists"
        if found:
            what = "is a group of several of the places" if alone else "is a group that holds fakes"
        raise UsageError(
            f"--reals {printable(reals)}: {what}",
            hint=f"a group of reals alone ({', '.join(groups) or 'there is none'}), or a folder, "
            "an archive, a list or a table with reals; ./NAME is always a place",
        )
    suite = _pool_suite(reals, columns)
    subsets = tuple(s for s in suite.subsets if REAL in s.labels or not s.labels)
    return RealPool(name=suite.title, suite=suite, subsets=subsets)


def _pool_suite(place: str, columns: Columns | None) -> Suite:
    """A place with reals; in a folder without class folders all images are."""
    try:
        return own_suite(place, columns)
    except DataError:
        plain = Path(place).is_dir() or archive_stem(path_of(place))
        found = images_at(place).files if plain else ()
        sorted_out = any(class_of(part) is not None for f in found for part in f.id.split("/"))
        if not found or sorted_out:
            raise
    name = printable(own_title(place))
    reals = [Sample(id=f.id, label=REAL, source=f.source, subset=name) for f in found]
    return _listed(place, reals, "the folder")


def _with_reals(suite: Suite, pool: RealPool) -> Suite:
    """The suite with its groups of fakes paired; its numbers are others, and so is its name."""
    head, _, digest = suite.name.rpartition("-")
    inside = pool.suite.name == suite.name and len(pool.subsets) == 1
    source = pool.name if inside else f"{pool.suite.name}/{pool.name}"
    own = hashlib.sha256(f"{digest}\n{source}".encode()).hexdigest()[:8]
    return replace(paired(suite, pool), name=f"{head}-{own}")


def _shards(place: str) -> list[TarShard]:
    """The shards that a tar, or a folder of tars, is; none where labels lie in class folders."""
    path = Path(place)
    names = [place]
    if not is_url(place) and path.is_dir():
        tars = [each for each in path.iterdir() if is_archive(each) and ".tar" in each.name]
        if any(each.is_dir() and class_of(each.name) is not None for each in path.iterdir()):
            tars = []  # class folders with an archive beside them, which is named as not read
        names = [str(each) for each in sorted(tars)]
    if not names or not all(".tar" in path_of(name) or ".tgz" in path_of(name) for name in names):
        return []
    shards = [read_shard(name) for name in names]
    return shards if any(shard.labelled for shard in shards) else []


def _shards_suite(place: str, shards: Sequence[TarShard], columns: Columns) -> Suite:
    samples, broken = shard_samples(shards, columns)
    suite = _listed(place, samples, "the shards")

    def adapter(of: Suite, subset: Subset, root: Folder) -> list[Sample]:
        if subset.name in broken:
            raise broken[subset.name]
        return suite.adapter(of, subset, root)

    if not samples:
        nothing = DataError(f"{printable(shown_place(place))}: no image in the shards")
        raise next(iter(broken.values()), nothing)
    subsets = (*suite.subsets, *(_own_subset(name, set()) for name in broken))
    return replace(suite, subsets=subsets, adapter=adapter)


def _tables(place: str) -> list[TableFile]:
    """The files of a table of images; none of a folder that has class folders."""
    files, path = table_files(place), Path(place)
    if path.is_dir() and files and any(file.file.endswith(".parquet") for file in files):
        return [] if layout(folder_at(path), DEEPEST).classes else files
    return files


def _listed(place: str, samples: Sequence[Sample], kind: str, unit: str = "") -> Suite:
    """A suite of samples that were listed, a subset for each of theirs."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.subset, []).append(sample)

    labels = {name: {sample.label for sample in members} for name, members in groups.items()}
    pools = pools_of(labels, named_pools(groups))

    def adapter(suite: Suite, subset: Subset, root: Folder) -> list[Sample]:
        pool = pools.get(subset.name, "")
        return with_pool(groups[subset.name], groups.get(pool, ()), pool)

    def listed(name: str) -> Subset:
        subset = _own_subset(name, labels[name], unit)
        return with_reals(subset, pools[name], unit) if name in pools else subset

    full = place if is_url(place) else str(Path(_first(place)).resolve())
    return Suite(
        name=own_name(place),
        title=printable(own_title(place)),
        subsets=tuple(map(listed, groups)),
        adapter=adapter,
        folders=(full,),
        licence="your own data",
        obtain=f"{kind} {printable(shown_place(place))}",
    )


def _first(place: str) -> str:
    """The first of the shards that a pattern stands for; what exists is no pattern."""
    return place if "{" not in place or Path(place).exists() else expand(place)[0]


def own_title(place: str) -> str:
    """The last part of a place, without an ending."""
    name = path_of(place).rstrip("/").rpartition("/")[2]
    return archive_stem(name) or (name if Path(place).is_dir() else Path(name).stem)


def list_suite(place: str | Path) -> Suite:
    """A suite out of a list; see :func:`harness.data.lists.list_samples`."""
    text = str(place) if is_url(str(place)) else str(Path(place).resolve())
    groups, unit = list_samples(text)
    samples = [sample for members in groups.values() for sample in members]
    return _listed(text, samples, "the list", unit)


def images_suite(place: str | Path) -> Suite:
    """A suite out of somebody's own folder, or an archive of one.

    ``0_real`` / ``1_fake`` may lie at any depth. All in one place: one subset, named after the
    folder. In several places: one subset for each, named by its path below the folder. A place of
    reals alone is a control: it shows false alarms and enters no mean. An archive below that cannot
    be opened is a place too, whose listing fails.

    Raises:
        DataError: the folder cannot be listed or has no class folder anywhere below.
    """
    path = str(place) if is_url(str(place)) else str(Path(place).resolve())
    folder = ArchiveFolder(path) if is_url(path) else folder_at(Path(path))
    name = own_title(path)
    found = layout(folder, DEEPEST)
    labels: dict[str, set[int]] = defaultdict(set)
    for each in found.classes:
        labels[each.parent].add(each.label)
    for broken in found.broken:
        labels[broken] = set()
    if not labels:
        rest = say_left_out([file.id for file in found.strays])
        raise DataError(
            f"{folder}: no folder 0_real or 1_fake anywhere below" + (f"; {rest}" if rest else ""),
            hint="sort the images into 0_real and 1_fake, or give a CSV with path,label,group",
        )
    places = _named(sorted(labels), printable(name) or "images", folder)

    def adapter(suite: Suite, subset: Subset, root: Folder) -> Listing:
        place = places[subset.name]
        mine = FolderLayout(
            classes=[each for each in found.classes if each.parent == place],
            strays=[file for file in found.strays if _nearest(file.id, labels) == place],
            broken={name: error for name, error in found.broken.items() if name == place},
        )
        listing = list_classes(mine, below=place)
        refuse_empty(f"{suite.name}:{subset.name}", place or folder, mine, listing)
        return Listing(sorted(listing, key=sample_order), left_out=listing.left_out)

    suite = Suite(
        name=own_name(path),
        title=printable(name) or "images",
        subsets=tuple(_own_subset(name, labels[place]) for name, place in places.items()),
        adapter=adapter,
        folders=(path,),
        licence="your own data",
        obtain=f"the folder {folder}",
        left_out=tuple(f.id for f in found.strays if _nearest(f.id, labels) is None),
    )
    if suite.left_out:
        log.warning("%s: %s", folder, say_left_out(suite.left_out))
    return suite


def _own_subset(name: str, labels: set[int], unit: str = "") -> Subset:
    group = "controls" if labels == {REAL} else ""
    return Subset(name=name, group=group, unit=unit, labels=tuple(sorted(labels)))


def _nearest(file: str, places: Container[str]) -> str | None:
    """The innermost of the places that a file lies in, "" being the folder itself."""
    path = file
    while path:
        path = path.rpartition("/")[0]
        if path in places:
            return path
    return None


def _named(places: Sequence[str], own: str, folder: Folder) -> dict[str, str]:
    """Subset names of the places below a folder; DataError where two would be equal."""
    names = {place: own if len(places) == 1 else place for place in places}
    if "" in names:
        names[""] = own if own not in places else "."
    named: dict[str, str] = {}
    for place, name in names.items():
        if named.setdefault(name, place) != place:
            raise DataError(f"{folder}: two of its folders are called {name}", hint="rename one")
    return named
