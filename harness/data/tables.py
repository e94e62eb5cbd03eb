"""Images in the rows of a Parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq

from harness.data.source import Source


@dataclass(frozen=True, slots=True)
class RowSource(Source):
    """A row of a Parquet file.

    Args:
        file: the Parquet file.
        row: from 0 on, over all its row groups.
        column: holds the encoded bytes.
    """

    file: str
    row: int
    column: str = "image"

    def read(self) -> bytes:
        """The cell's bytes."""
        data: bytes = _column(self.file, self.column, self.state())[self.row].as_py()
        return data

    def __str__(self) -> str:
        return f"{self.file}::row={self.row}"

    @property
    def holder(self) -> str:
        """The Parquet file."""
        return self.file

    @property
    def order(self) -> tuple[str, int]:
        """Rows in their own order."""
        return self.file, self.row


@lru_cache(maxsize=16)
def _column(file: str, column: str, _state: str) -> Any:
    return pq.read_table(file, columns=[column]).column(column).combine_chunks()
