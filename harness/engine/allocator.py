"""Keeps freed memory in the process: on a CPU networks train and run clearly faster with it."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to keep large freed blocks instead of giving them back each time.

    Every forward pass allocates the same activations of some tens of megabytes. By default each
    is a fresh mapping whose pages the kernel must fault in and clear again. Changes no result.

    Returns:
        Whether it took effect (glibc only).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(name, value) == 1 for name, value in settings)
