"""A file's SHA-256, and what tells without reading that the file is unchanged."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_state(path: Path) -> str:
    """Size, time of modification, time of the last change of any of these, and inode.

    No program can set the third back, and the fourth tells files exchanged by ``mv`` apart. What
    remains: a file written anew within the same tick of the clock (some milliseconds) and to the
    same size, and file systems that keep none of these.
    """
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
