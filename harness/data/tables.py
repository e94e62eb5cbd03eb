"""Images in the rows of tables: Parquet files, and Arrow files as Hugging Face writes them."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.remote import is_url, path_of, shown_place
from harness.data.source import Source, open_binary, openable
from harness.errors import DataError, UsageError

GROUPS_KEPT = 256 << 20
"""Bytes of row groups of one Parquet file that stay in memory; at least one does."""

ENDINGS = (".arrow", ".parquet")

_STREAM_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_FILE_MAGIC = b"ARROW1"


@dataclass(frozen=True, slots=True)
class RowSource(Source):
    """A row of a Parquet or Arrow file.

    Args:
        file: its path.
        row: from 0 on, over the whole file.
        column: holds the encoded bytes, or a struct with a field ``bytes`` that does.
    """

    file: str
    row: int
    column: str = "image"

    kind = "table"

    def read(self) -> bytes:
        """The cell's bytes."""
        return image_bytes(opened(self.file, self.state()).cell(self.row, self.column))

    def __str__(self) -> str:
        return f"{shown_place(self.file)}::row={self.row}"

    @property
    def holder(self) -> str:
        """The table's file."""
        return self.file

    @property
    def order(self) -> tuple[str, int]:
        """Rows in their own order."""
        return self.file, self.row


def image_bytes(cell: object) -> bytes:
    """The encoded image in a cell.

    Raises:
        ValueError: there is none; says what is there.
    """
    if isinstance(cell, dict):
        if not cell.get("bytes") and cell.get("path"):
            raise ValueError(f"holds only the path {cell['path']}, no image")
        cell = cell.get("bytes")
    if cell is None:
        raise ValueError("holds no image (null)")
    if not isinstance(cell, bytes):
        raise ValueError(f"holds {type(cell).__name__}, no image")
    return cell


class ImageTable:
    """A table on disk, of which cells are read at random by several threads.

    Attributes:
        schema: its columns.
        rows: how many.
    """

    schema: pa.Schema
    rows: int

    def cell(self, row: int, column: str) -> Any:
        """One value as Python has it.

        Raises:
            IndexError, KeyError: there is no such row or column.
        """
        raise NotImplementedError

    def columns(self, names: list[str]) -> pa.Table:
        """Whole columns, for those that are small."""
        raise NotImplementedError


class _Parquet(ImageTable):
    def __init__(self, file: str) -> None:
        self._file = pq.ParquetFile(openable(file), memory_map=True)
        # What a URL gives is Python's own memory: no thread of Arrow's may hold it (parquet.py).
        self._threads = not is_url(file)
        self.schema = self._file.schema_arrow
        meta = self._file.metadata
        self.rows = meta.num_rows
        sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._groups: OrderedDict[tuple[int, str], pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    def cell(self, row: int, column: str) -> Any:
        if not 0 <= row < self.rows:
            raise IndexError(f"there is no row {row} of {self.rows}")
        group = bisect_right(self._starts, row) - 1
        return self._group(group, column)[row - self._starts[group]].as_py()

    def columns(self, names: list[str]) -> pa.Table:
        return self._file.read(names, use_threads=self._threads)

    def _group(self, group: int, column: str) -> pa.ChunkedArray:
        key = group, column
        with self._lock:
            if key not in self._groups:
                found = self._file.read_row_group(group, [column], use_threads=self._threads)
                self._groups[key] = found.column(column)
                while len(self._groups) > 1 and self._size() > GROUPS_KEPT:
                    self._groups.popitem(last=False)
            self._groups.move_to_end(key)
            return self._groups[key]

    def _size(self) -> int:
        return sum(array.nbytes for array in self._groups.values())


class _Arrow(ImageTable):
    """Memory-mapped: what is not asked for is never read."""

    def __init__(self, file: str) -> None:
        with open_binary(file) as stream:
            is_file = stream.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            stream.seek(-min(len(_STREAM_END), stream.seek(0, 2)), 2)
            if not is_file and stream.read() != _STREAM_END:
                raise ValueError("cut short: no end of stream")
        source = pa.PythonFile(open_binary(file)) if is_url(file) else pa.memory_map(file)
        opener = pa.ipc.open_file if is_file else pa.ipc.open_stream
        self._table = opener(source).read_all()
        self.schema = self._table.schema
        self.rows = self._table.num_rows

    def cell(self, row: int, column: str) -> Any:
        if not 0 <= row < self.rows:
            raise IndexError(f"there is no row {row} of {self.rows}")
        return self._table.column(column)[row].as_py()

    def columns(self, names: list[str]) -> pa.Table:
        return self._table.select(names)


@lru_cache(maxsize=32)
def opened(file: str, _state: str) -> ImageTable:
    """A table by its path; opened again when the file's state is another.

    Raises:
        OSError, ValueError: it is no such table, or damaged.
    """
    return (_Parquet if path_of(file).lower().endswith(".parquet") else _Arrow)(file)


def open_table(file: Path | str) -> ImageTable:
    """A table, for listing.

    Raises:
        DataError: it is none, damaged, or cut short.
    """
    try:
        return opened(str(file), RowSource(str(file), 0).state())
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{shown_place(str(file))}: cannot be read as a table: {error}",
            hint="get the file again",
        ) from error


def image_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold encoded images: a struct with bytes, or bytes that are no file's name."""
    return [f.name for f in schema if _is_image(f.type) and f.name != "path"]


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_image(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def image_column(file: Path | str, asked: str = "") -> str:
    """The column of a table that holds its images.

    Args:
        file: the table.
        asked: its name, where a person gave it.

    Raises:
        DataError: the file cannot be read.
        UsageError: there is no such column, or which one it is is not clear.
    """
    schema = open_table(file).schema
    found = image_columns(schema)
    if asked in found:
        return asked
    if not asked and ("image" in found or len(found) == 1):
        return "image" if "image" in found else found[0]
    raise column_in_doubt(file, "image", asked, found or schema.names)


def column_in_doubt(file: Path | str, what: str, asked: str, names: Sequence[str]) -> UsageError:
    """That a column's meaning must be said."""
    said = f"no {what} column {asked}" if asked else f"which column holds the {what} is not clear"
    return UsageError(
        f"{shown_place(str(file))}: {said}: {', '.join(names)}", hint=f"--{what}-column NAME"
    )
