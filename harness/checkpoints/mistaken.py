"""What lies under a checkpoint's name and is none: what a download gave in its place."""

from __future__ import annotations

import zipfile
from pathlib import Path

_HEAD = 1024  # bytes that are looked at
_SHOWN = 60  # characters of a text that are quoted
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}


def mistaken_for(path: Path) -> str:
    """What a file is that can be no checkpoint, in words that complete "it is ..."; "" else.

    Checkpoints are binary: a text is a server's answer, a page, or a pointer to the file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "an empty file"
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
    if packed:
        return f"a {packed} archive, to be unpacked"
    if zipfile.is_zipfile(path):
        return _unpacked(path)
    return _text(head)


def _unpacked(path: Path) -> str:
    """A zip archive that torch did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a damaged zip archive"
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        return ""
    return f"a zip archive of {len(names)} files ({', '.join(names[:5])}), to be unpacked"


def _text(head: bytes) -> str:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # a character cut by the limit is still text
            return ""
        text = head[: error.start].decode("utf-8-sig")
    if not all(char.isprintable() or char.isspace() for char in text):
        return ""
    start = text.strip()
    if start.lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<script")):
        return "a web page, such as a server sends in place of a file"
    if start.startswith("version https://git-lfs"):
        return "a pointer of git LFS, not the file that it points to (git lfs pull gets it)"
    line = start.splitlines()[0] if start else ""
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
    return f"text: {shown!r}"
