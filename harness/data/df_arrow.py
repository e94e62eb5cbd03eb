"""The layout of ``nebula/DF-arrow``: a test set as a Hugging Face data set, with side files.

A folder as ``save_to_disk`` writes it (``data-00000-of-000NN.arrow``, ``state.json``), with
``mapping.json`` {image_path: row over all shards} and ``test.json`` {subset: {image_path: label}}.
The side files say which images a subset has and what their labels are. Here it is a folder like
any other: ``SUBSET/CLASS/FILE`` behind which lie rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from harness.data.archives import Tree
from harness.data.folders import class_of
from harness.data.hashing import file_state
from harness.data.places import Folder, FolderEntry
from harness.data.tables import ImageTable, RowSource, open_table, opened
from harness.errors import DataError, printable

MAPPING, TEST, STATE = "mapping.json", "test.json", "state.json"
RESERVED = frozenset({"all", "real", "fake"})
"""Names in ``test.json`` that are no subsets of their own."""

_SPLITS = frozenset({"train", "val", "test"})
_FOLDERS = ("0_real", "1_fake")


@dataclass(frozen=True, slots=True)
class DfArrowRow(RowSource):
    """A row; where its table has a column ``md5``, the image must fit it."""

    kind = "DF-arrow"

    def read(self) -> bytes:
        """The cell's bytes.

        Raises:
            ValueError: they do not have the row's md5.
        """
        data = RowSource.read(self)
        table = opened(self.file, self.state())
        if "md5" in table.schema.names:
            declared = table.cell(self.row, "md5")
            found = hashlib.md5(data, usedforsecurity=False).hexdigest()
            if declared != found:
                raise ValueError(f"md5 {found}, its row says {declared}")
        return data


def is_df_arrow(folder: Path) -> bool:
    """Whether a folder of the file system is laid out so."""
    return (folder / MAPPING).is_file() and (folder / STATE).is_file()


@dataclass(frozen=True)
class DfArrowFolder(Folder):
    """Such a folder; its side files are read when something is asked of it.

    Args:
        path: of the folder.
    """

    path: Path
    is_archive = True

    def entries(self) -> list[FolderEntry]:
        """One folder a subset.

        Raises:
            DataError: a side file or a shard is absent, damaged, or contradicts another.
        """
        states = [file_state(self.path / name) for name in (MAPPING, TEST) if self._has(name)]
        return _opened(self.path, " ".join(states)).entries()

    @property
    def identity(self) -> object:
        """The folder."""
        return str(self.path)

    def __str__(self) -> str:
        return printable(self.path)

    def _has(self, name: str) -> bool:
        if not (self.path / name).is_file():
            raise DataError(
                f"{self.path}: no {name}, which says which images a subset has",
                hint="fetch the folder again, with its side files",
            )
        return True


@lru_cache(maxsize=8)
def _opened(path: Path, _states: str) -> Tree:
    shards = _shards(path)
    rows = _object(path / MAPPING)
    tree = Tree(str(path))
    for subset, members in _object(path / TEST).items():
        if subset in RESERVED:
            continue
        if not isinstance(members, Mapping):
            raise DataError(f"{path / TEST}: {subset}: expected {{image_path: label}}")
        for image_path, label in members.items():
            name = f"{subset}/{_below(path, subset, image_path, label)}"
            tree.add(name, _source(path, shards, image_path, rows.get(image_path)))
    return tree


def _shards(path: Path) -> list[tuple[str, int, ImageTable]]:
    """(file, number of its first row, table) of every shard, in order."""
    state = _object(path / STATE)
    try:
        files = [path / each["filename"] for each in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path / STATE}: names no _data_files") from error
    tables = [open_table(file) for file in files]
    starts = [0, *accumulate(table.rows for table in tables)]
    return [(str(f), start, t) for f, start, t in zip(files, starts, tables, strict=False)]


def _source(
    path: Path, shards: list[tuple[str, int, ImageTable]], image_path: str, row: object
) -> RowSource:
    if not isinstance(row, int):
        raise DataError(f"{path / MAPPING}: no row of {image_path}, which {TEST} lists")
    for file, start, table in shards:
        if start <= row < start + table.rows:
            return DfArrowRow(file, row - start)
    raise DataError(
        f"{path / MAPPING}: {image_path} is row {row}; the shards have "
        f"{sum(table.rows for *_, table in shards)}"
    )


def _below(path: Path, subset: str, image_path: str, label: object) -> str:
    """An image's path below its subset's folder: as it is in the unpacked set.

    Raises:
        DataError: its class folder is not that of its label.
    """
    if label not in (0, 1):
        raise DataError(f"{path / TEST}: {subset}: {image_path} has label {label!r}, not 0 or 1")
    first, *rest = image_path.split("/")
    if rest and rest[0] in _SPLITS:
        rest = rest[1:]
    said = [found for part in rest[:-1] if (found := class_of(part)) is not None]
    if said and said[-1] != label:
        raise DataError(
            f"{path / TEST}: {subset}: {image_path} has label {label}, its folder says {said[-1]}"
        )
    if not said:
        rest = [_FOLDERS[int(str(label))], *(rest or [first])]
    # What lies in the folder of another subset is a pool that several share.
    return "/".join(rest if first.casefold() == subset.casefold() else [first, *rest])


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}", hint="get the file again") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected a JSON object")
    return found
