"""Where published files lie, which of them are there, and how to get the others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.api import Weights
from harness.checkpoints.files import DIGITS, FILE_TYPES, files_of, is_published, sha256_of

UNVERIFIED = "not verified: the sha256 of the published file is not known here"
ANOTHER = "under the published name {name}, its sha256 is not the published one"


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Whether a published file, or a checkpoint with all its files, is at hand.

    Args:
        paths: the files, the entry's own first; empty while one of them is missing.
        state: a word on it; one on each of several files that are not all simply present.
    """

    paths: tuple[Path, ...]
    state: str

    @property
    def path(self) -> Path | None:
        """The entry's own file, or None while one of its files is missing."""
        return self.paths[0] if self.paths else None


def weights_dir() -> Path:
    """The folder of published checkpoints, absolute: the environment's LFM_WEIGHTS, or ``weights``
    in the current folder."""
    given = os.environ.get("LFM_WEIGHTS")
    return Path(given or "weights").expanduser().absolute()


def presence(weights: Weights, folder: Path) -> Presence:
    """Looks for a published checkpoint in a folder: for each of its files."""
    parts = files_of(weights)
    found = [file_presence(part, folder) for part in parts]
    paths = tuple(path for one in found for path in one.paths)
    state = found[0].state
    if any(one.state != state for one in found):
        named = zip(parts, found, strict=True)
        state = ", ".join(f"{part.filename}: {one.state}" for part, one in named)
    return Presence(paths=paths if len(paths) == len(parts) else (), state=state)


def file_presence(weights: Weights, folder: Path) -> Presence:
    """Looks for an entry's own file, by name and then by size and sha256."""
    named = folder / weights.filename
    if not weights.sha256:
        if named.is_file():
            return Presence(paths=(named,), state=f"present, {UNVERIFIED}")
        return Presence(paths=(), state="absent")
    for path in (named, *_same_size(weights, folder)):
        if path.is_file() and is_published(weights, sha256_of(path)):
            return Presence(paths=(path,), state="present" if path == named else f"as {path.name}")
    if named.is_file():
        return Presence(paths=(), state=f"another file has its name (sha256 {sha256_of(named)})")
    return Presence(paths=(), state="absent")


def by_hand(folder: Path, *parts: Weights) -> str:
    """How to get the own files of entries without this program's help.

    Args:
        folder: the weights folder.
        parts: entries of one address.
    """
    first = parts[0]
    targets = " and ".join(_target(part, folder) for part in parts)
    if first.archive:
        return f"download {first.url} by hand and unpack it to {targets}"
    published = _published_name(first)
    rename = ""
    if is_direct(first) and published != first.filename:
        rename = f" (under that name, not as {published})"
    return f"download {first.url} by hand to {targets}{rename}"


def is_direct(weights: Weights) -> bool:
    """Whether the address looks like a file's and not like a page's for people."""
    published = _published_name(weights)
    known = published in (weights.filename, weights.archive or weights.filename)
    return " " not in weights.url and (known or published.endswith(FILE_TYPES))


def _published_name(weights: Weights) -> str:
    return unquote(urlsplit(weights.url).path).rpartition("/")[2]


def _target(weights: Weights, folder: Path) -> str:
    size = f", {weights.size:,} bytes" if weights.size else ""
    expected = f", sha256 {digits(weights)}" if weights.sha256 else ""
    return f"{folder / weights.filename}{size}{expected}"


def digits(weights: Weights) -> str:
    """What is known of the sha256, for people: a part of it ends in dots."""
    return weights.sha256 + ("..." if 0 < len(weights.sha256) < DIGITS else "")


def _same_size(weights: Weights, folder: Path) -> list[Path]:
    if not weights.size or not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in FILE_TYPES and path.is_file() and path.stat().st_size == weights.size
    )
