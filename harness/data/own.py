"""One's own images as suites: a folder with class folders below, or a CSV / Parquet list.

Their names are made from where they lie, in a name space that no declared suite can enter.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.api import FAKE, REAL
from harness.data.adapters import (
    list_classes,
    refuse_duplicates,
    refuse_empty,
    sample_order,
)
from harness.data.disk import folder_at, is_archive
from harness.data.folders import FolderLayout, layout, say_left_out
from harness.data.places import Folder, archive_stem
from harness.data.sample import Listing, Sample
from harness.data.source import FileSource
from harness.data.suite import OWN, Selection, Subset, Suite
from harness.errors import DataError, UsageError, printable

log = logging.getLogger(__name__)

DEEPEST = 64
"""Levels of folders below an own folder in which class folders are looked for."""

UNIT_COLUMNS = ("unit", "photo", "video")
"""Columns of a list that name what images share which are not independent; the first one there."""

_LABEL_WORDS = {"0": REAL, "real": REAL, "1": FAKE, "fake": FAKE}


def own_name(path: Path) -> str:
    """What one's own data is called: ``own-NAME-DIGEST``, fit for a file's name.

    NAME is the folder's or list's own; DIGEST is of the absolute path behind all links, so that
    ``a/test`` and ``b/test`` differ, and a folder has the same name however it is typed.
    """
    place = path.resolve()
    if is_archive(place):  # as good as the folder that it unpacks to, down to the name
        place = place.with_name(archive_stem(place.name))
        stem = place.name
    else:
        stem = place.name if place.is_dir() else place.stem
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
    readable = re.sub(r"[^\w.-]+", "-", printable(stem)).strip("-.")[:40]
    return "-".join(filter(None, (OWN.rstrip("-"), readable, digest)))


def own_suite(path: Path) -> Suite:
    """What ``--images`` names: a folder (:func:`images_suite`) or a list (:func:`list_suite`)."""
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder",
            hint="give a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
        )
    return images_suite(path) if path.is_dir() or is_archive(path) else list_suite(path)


def own_selections(paths: Sequence[Path]) -> list[Selection]:
    """All of each own folder or list; one that is named twice is there once."""
    suites = {suite.name: suite for suite in map(own_suite, paths)}
    return [Selection(suite=suite, subsets=suite.subsets) for suite in suites.values()]


def images_suite(path: Path) -> Suite:
    """A suite out of somebody's own folder, or an archive of one.

    ``0_real`` / ``1_fake`` may lie at any depth. All in one place: one subset, named after the
    folder. In several places: one subset for each, named by its path below the folder. A place of
    reals alone is a control: it shows false alarms and enters no mean. An archive below that cannot
    be opened is a place too, whose listing fails.

    Raises:
        DataError: the folder cannot be listed or has no class folder anywhere below.
    """
    path = path.resolve()
    folder = folder_at(path)
    name = archive_stem(path.name) if is_archive(path) else path.name
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
        folders=(str(path),),
        licence="your own data",
        obtain=f"the folder {folder}",
        left_out=tuple(f.id for f in found.strays if _nearest(f.id, labels) is None),
    )
    if suite.left_out:
        log.warning("%s: %s", folder, say_left_out(suite.left_out))
    return suite


def _own_subset(name: str, labels: set[int], unit: str = "") -> Subset:
    return Subset(name=name, group="controls" if labels == {REAL} else "", unit=unit)


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


def list_suite(file: Path) -> Suite:
    """A suite out of a CSV or Parquet file of columns path, label and, if wished, group and unit.

    A label is 0, 1, real or fake; relative paths are relative to the file; each group is a subset,
    in the order of first appearance. A unit (also called ``photo`` or ``video``) names what images
    share that are not independent. Whether the images exist is found out when they are read.

    Raises:
        DataError: the file cannot be read, a column or a cell is missing, a label is unknown, or a
            path is listed twice in a group.
    """
    file = file.resolve()
    rows = _rows(file)
    unit = next((name for name in UNIT_COLUMNS if name in rows[0]), "")
    groups: dict[str, list[Sample]] = {}
    for number, row in enumerate(rows, start=1):
        group = printable(row.get("group") or file.stem)
        sample = _sample(file, f"{file}, row {number}", row, unit)
        groups.setdefault(group, []).append(replace(sample, subset=group))
    for name, samples in groups.items():
        refuse_duplicates(f"{file}, group {name}", samples)
    _refuse_one_place(file, groups)

    def adapter(suite: Suite, subset: Subset, root: Folder) -> list[Sample]:
        return sorted(groups[subset.name], key=sample_order)

    return Suite(
        name=own_name(file),
        title=printable(file.stem),
        subsets=tuple(
            _own_subset(name, {sample.label for sample in samples}, unit)
            for name, samples in groups.items()
        ),
        adapter=adapter,
        folders=(str(file),),
        licence="your own data",
        obtain=f"the list {printable(file)}",
    )


def _sample(file: Path, where: str, row: Mapping[str, str | None], unit: str) -> Sample:
    """A row's image.

    Raises:
        DataError: says in which row what is wrong.
    """
    for name in ("path", "label"):
        if not row[name]:
            raise DataError(f"{where}: no {name}")
    for name, value in row.items():
        if "\0" in (value or ""):
            raise DataError(
                f"{where}: the {name} holds a NUL character",
                hint="save the list as plain UTF-8 text (not UTF-16)",
            )
    path, word = row["path"] or "", row["label"] or ""
    label = _LABEL_WORDS.get(word.strip().lower())
    if label is None:
        raise DataError(f"{where}: label {word!r}; expected 0, 1, real or fake")
    return Sample(
        id=printable(path),
        label=label,
        source=FileSource(str(file.parent / path)),
        unit=printable(row.get(unit) or ""),
    )


def _refuse_one_place(file: Path, groups: Mapping[str, Sequence[Sample]]) -> None:
    """Group ``a`` with path ``b/c`` and group ``a/b`` with path ``c`` would share a place."""
    seen: dict[str, str] = {}
    for samples in groups.values():
        for sample in samples:
            if seen.setdefault(sample.place, sample.subset) != sample.subset:
                raise DataError(
                    f"{file}: {sample.place} is an image of group {seen[sample.place]} and one of "
                    f"group {sample.subset}",
                    hint="rename one of the groups",
                )


def _rows(file: Path) -> list[dict[str, str | None]]:
    """The rows of a list as text; a cell without value is None (Parquet) or "" (CSV)."""
    import pandas as pd  # here: it takes a while to import

    try:
        if file.suffix.lower() == ".csv":
            import pandas as pd  # here: it takes half a second, and few name such a file

            frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            columns, rows = list(frame.columns), frame.to_dict("records")
        elif file.suffix.lower() == ".parquet":
            table = pq.read_table(file)
            columns, rows = table.column_names, table.to_pylist()
        else:
            raise UsageError(f"{file}: a list of images is a .csv or a .parquet file")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{file}: cannot be read as a list of images: {error}") from error
    missing = {"path", "label"} - {*map(str, columns)}
    if missing or not rows:
        found = ", ".join(map(str, columns)) or "none"
        wanted = f"no column {' and no column '.join(sorted(missing))}" if missing else "no rows"
        raise DataError(
            f"{file}: {wanted}; columns found: {found}; needed: path, label [, group] [, unit]"
        )
    return [{str(key): _text(value) for key, value in row.items()} for row in rows]


def _text(value: object) -> str | None:
    """A cell as text. Bytes are a name as the file system has it, UTF-8 or not."""
    if value is None or value != value:  # NaN
        return None
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
