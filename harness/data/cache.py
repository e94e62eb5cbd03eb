"""Tables that are remembered for files, for as long as a file is unchanged."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_STATE = b"state"


_kept_in: Path | None = None


def keep_in(folder: Path | None) -> None:
    """From now on tables are kept below ``folder``, and found there again; None = they are not."""
    global _kept_in
    _kept_in = folder


class Cache:
    """One table a file, in a folder of its own.

    Args:
        name: of that folder.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, path: str, state: str, schema: pa.Schema) -> pa.Table | None:
        """What is remembered of a file in this state; a damaged table counts as none."""
        import pyarrow as pa  # here: a program that reads no archive does without
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self._file(path)) if _kept_in and state else None
        except (OSError, pa.ArrowException):
            return None
        if table is None or (table.schema.metadata or {}).get(_STATE) != state.encode():
            return None
        return table if table.schema.equals(schema) else None

    def write(self, path: str, state: str, table: pa.Table) -> None:
        """Remembers a table; a full or read-only disk costs time later, and no result."""
        if _kept_in and state:
            write_table(self._file(path), table.replace_schema_metadata({_STATE: state}))

    def _file(self, path: str) -> Path:
        digest = hashlib.sha256(os.fsencode(Path(path).absolute())).hexdigest()[:16]
        return (_kept_in or Path()) / self.name / f"{digest}.parquet"


def write_table(file: Path, table: pa.Table) -> None:
    """Writes a table where that is possible, whole or not at all."""
    write_parts(file, table.schema, [table])


def write_parts(file: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Writes a table that comes in parts where that is possible, whole or not at all."""
    import pyarrow as pa  # here: a program that reads no archive does without
    import pyarrow.parquet as pq

    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with pq.ParquetWriter(temporary, schema) as writer:
                for part in parts:
                    writer.write_table(part)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
            pa.default_memory_pool().release_unused()
    except OSError as error:
        _say(f"{file}: is not remembered: {error.strerror or error}")


@cache
def _say(text: str) -> None:
    log.warning("%s", text)
