"""Parquet files that are held in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def in_arrows_memory(data: bytes) -> pa.BufferReader:
    """A file's bytes in Arrow's own memory, to be read from.

    Arrow's threads may let go of what they read while Python ends. Of memory that Python owns
    (``io.BytesIO``) that aborts the program: seen with pyarrow 26 on Python 3.11, at the end of one
    of ten runs of ``diff``.
    """
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, np.uint8)[:] = np.frombuffer(data, np.uint8)
    return pa.BufferReader(buffer)
