"""A file that one process at a time may write.

The lock is the operating system's, so it ends with the process, however that ends. Some file
systems know no locks (NFS without a lock service, many FUSE mounts): there the file is opened all
the same, and a warning says what nobody watches.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

from harness.errors import UsageError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Between two looks whether another process is done with a file."""

if sys.platform == "win32":
    import msvcrt

    _HELD = PermissionError

    def _lock(file: BinaryIO) -> None:
        # Windows locks bytes, and nobody else may read those: one far behind every end is taken.
        file.seek(0x7FFF_FFFE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
else:
    import fcntl

    _HELD = BlockingIOError

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class BusyError(UsageError):
    """Another process is writing the same file."""


def open_locked(path: Path) -> BinaryIO:
    """Opens a file for reading and appending, made if absent, and locks it until it is closed.

    A process that deletes the file while it holds it leaves nothing to the next one: that one gets
    a new file under the name, never the deleted one.

    Raises:
        BusyError: another process has it open in this way.
        OSError: it cannot be opened.
    """
    while True:
        file = path.open("a+b")
        try:
            _lock(file)
        except _HELD:
            file.close()
            raise BusyError(
                f"{path} is being written by another process",
                hint="wait for it, or give this run another --out",
            ) from None
        except OSError as error:
            _warn(error.strerror or str(error))
            return file
        if _is_at(file, path):
            return file
        file.close()


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Holds a file's lock, once no other process does; a file that was made for it goes again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            file = open_locked(path)
            break
        except BusyError:
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows keeps files that are open
            if not path.stat().st_size:
                path.unlink()
        file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file still bears this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@cache  # said once, not for every file
def _warn(reason: str) -> None:
    log.warning(
        "files cannot be locked here (%s): start no second process that writes to the same --out",
        reason,
    )
