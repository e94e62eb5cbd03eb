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
from harness.data.folders import FolderLayout, file_id, layout, say_left_out
from harness.data.sample import Listing, Sample
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
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
    stem = place.name if place.is_dir() else place.stem
    readable = re.sub(r"[^\w.-]+", "-", printable(stem)).strip("-.")[:40]
    return "-".join(filter(None, (OWN.rstrip("-"), readable, digest)))


def own_suite(path: Path) -> Suite:
    """What ``--images`` names: a folder (:func:`images_suite`) or a list (:func:`list_suite`)."""
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder",
            hint="give a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
        )
    return images_suite(path) if path.is_dir() else list_suite(path)


def own_selections(paths: Sequence[Path]) -> list[Selection]:
    """All of each own folder or list; one that is named twice is there once."""
    suites = {suite.name: suite for suite in map(own_suite, paths)}
    return [Selection(suite=suite, subsets=suite.subsets) for suite in suites.values()]


def images_suite(folder: Path) -> Suite:
    """A suite out of somebody's own folder.

    ``0_real`` / ``1_fake`` may lie at any depth. All in one place: one subset, named after the
    folder. In several places: one subset for each, named by its path below the folder. A place of
    reals alone is a control: it shows false alarms and enters no mean.

    Raises:
        DataError: the folder cannot be listed or has no class folder anywhere below.
    """
    folder = folder.resolve()
    found = layout(folder, DEEPEST)
    labels: dict[Path, set[int]] = defaultdict(set)
    for path, label in found.classes:
        labels[path.parent].add(label)
    if not labels:
        rest = say_left_out(_ids(found.strays, folder))
        raise DataError(
            f"{folder}: no folder 0_real or 1_fake anywhere below" + (f"; {rest}" if rest else ""),
            hint="sort the images into 0_real and 1_fake, or give a CSV with path,label,group",
        )
    places = _named(sorted(labels), folder)

    def adapter(suite: Suite, subset: Subset, root: Path) -> Listing:
        place = places[subset.name]
        mine = FolderLayout(
            classes=[each for each in found.classes if each[0].parent == place],
            strays=[path for path in found.strays if _nearest(path, labels) == place],
        )
        listing = list_classes(mine, place)
        refuse_empty(f"{suite.name}:{subset.name}", place, mine, listing)
        return Listing(sorted(listing, key=sample_order), left_out=listing.left_out)

    strays = [path for path in found.strays if _nearest(path, labels) is None]
    suite = Suite(
        name=own_name(folder),
        title=printable(folder.name) or "images",
        subsets=tuple(_own_subset(name, labels[place]) for name, place in places.items()),
        adapter=adapter,
        folders=(str(folder),),
        licence="your own data",
        obtain=f"the folder {printable(folder)}",
        left_out=_ids(strays, folder),
    )
    if suite.left_out:
        log.warning("%s: %s", printable(folder), say_left_out(suite.left_out))
    return suite


def _ids(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    return tuple(file_id(path, folder) for path in paths)


def _own_subset(name: str, labels: set[int], unit: str = "") -> Subset:
    return Subset(name=name, group="controls" if labels == {REAL} else "", unit=unit)


def _nearest(path: Path, places: Container[Path]) -> Path | None:
    """The innermost of the places that a file lies in."""
    return next((parent for parent in path.parents if parent in places), None)


def _named(places: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Subset names of the places below a folder; DataError where two would be equal."""
    own = printable(folder.name) or "images"
    names = {place: own if len(places) == 1 else file_id(place, folder) for place in places}
    if names.get(folder) == "." and own not in names.values():
        names[folder] = own
    named: dict[str, Path] = {}
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

    def adapter(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
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
        path=file.parent / path,
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
