"""Names of suites, subsets and detectors as names of files: one rule for everything on disk."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from harness.installed import TABLES as TABLES

MEASURED = TABLES / "measured"
"""Records and scores of official files that are committed; an output folder like any other."""
REFERENCES = TABLES / "references"
"""Published numbers, a folder a reference; ``paper`` is the one whose tables are printed."""
PROTOCOLS = TABLES / "protocols"
"""How published comparisons were made, a file each."""
LONGEST = 160
"""Bytes of a name on disk. File systems take 255, and suffixes and temporary names need some."""


def place_name(text: str) -> str:
    """A name as one component of a path: equal for equal names, different for different ones.

    Letters, digits, ``_ . - ~`` and blanks stay, everything else is percent-encoded; no result is
    hidden, empty, ``.`` or ``..``. (Quoting never leaves a ``%`` without two digits, so ``%`` and
    ``%~`` are free for the two cases below.) What is longer than :data:`LONGEST` is cut and ends in
    a digest of the whole name.
    """
    # surrogatepass: whatever text there is has a name, names that are not UTF-8 included.
    quoted = quote(text, safe=" ", errors="surrogatepass").replace("..", "%2E.")
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= LONGEST:
        return quoted or "%"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{quoted[: LONGEST - 18]}%~{digest}"
