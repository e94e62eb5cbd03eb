"""Releases of test sets: which files are meant, which are there, and what came from where."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from harness.data.hashing import file_state
from harness.data.suite import PublishedFile, Release, Selection, Suite
from harness.errors import DataError, HarnessError, OutputError, unknown_name
from harness.fetching.download import Remote, download, part_of
from harness.fetching.hub import look_up
from harness.fetching.progress import ByteProgress, together
from harness.results.lock import waited_for
from harness.results.store import canonical_json, write_atomic

log = logging.getLogger(__name__)

FETCHED = ".fetched.json"
"""In the data root: what was fetched from where. {suite: {source: {...}}}"""

_one_thread = threading.Lock()  # the file's lock is between processes, and is looked at seldom


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file of a release and where it goes.

    Args:
        target: where.
        remote: where it comes from.
        there: it is at its place, and right.
    """

    target: Path
    remote: Remote
    there: bool = False

    @property
    def missing(self) -> int:
        """Bytes that are to come, as far as its size is known."""
        part = part_of(self.target)
        have = part.stat().st_size if part.exists() else 0
        return 0 if self.there else max(0, self.remote.size - have)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What fetching a selection of one suite means.

    Args:
        selection: the subsets that are wanted.
        release: where from.
        root: the data root.
        revision: the commit of a Hugging Face repository, "" elsewhere.
        files: all of them, also those that are there.
    """

    selection: Selection
    release: Release
    root: Path
    revision: str
    files: tuple[Wanted, ...]


def choose(suite: Suite, name: str = "") -> Release:
    """The release of this name, or the suite's first.

    Raises:
        UsageError: it has none of this name.
        DataError: only a person can open it; the hint says what to do.
    """
    known = {release.name: release for release in suite.releases}
    if name and name not in known:
        raise unknown_name(f"source of {suite.name}", name, known)
    if not known:
        raise DataError(f"{suite.name}: no source that could be fetched", hint=suite.obtain)
    release = known[name] if name else suite.releases[0]
    if not release.files:
        raise DataError(
            f"{suite.name}: only a person can open its source {release.name}, {release.page}",
            hint=release.by_hand,
        )
    return release


def place_order(selection: Selection, release: Release, root: Path) -> Order:
    """Looks up what a release holds, and which of it is there.

    A repository without a published commit is taken as it is at the first fetch; the commit is
    kept in ``.fetched.json``, and taken again from then on.

    Raises:
        DataError: the publisher cannot be reached, has something else, or a file of another
            content stands in the way.
    """
    suite = selection.suite
    kept = _entry(_read(root), suite, release)
    wanted = _wanted_names(selection, release)
    revision = ""
    if release.repo:
        commit = look_up(release, release.revision or str(kept.get("revision", "")), wanted)
        revision, remotes = commit.revision, commit.files
    else:
        remotes = {file.name: _plain(file) for file in wanted}
    files = []
    for path, remote in remotes.items():
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise DataError(f"{release.page}: {path!r} is no name for a file below {root}")
        target = root / release.folder / parts
        there = _is_there(target, remote, kept.get("files", {}).get(path, {}))
        files.append(Wanted(target=target, remote=remote, there=there))
    return Order(
        selection=selection, release=release, root=root, revision=revision, files=tuple(files)
    )


def _wanted_names(selection: Selection, release: Release) -> tuple[PublishedFile, ...]:
    """The files that hold the chosen subsets."""
    chosen = {subset.name for subset in selection.subsets}
    return tuple(file for file in release.files if not file.subsets or chosen & {*file.subsets})


def _plain(file: PublishedFile) -> Remote:
    return Remote(
        url=file.url,
        size=file.size,
        sha256=file.sha256,
        by_hand=f"download {file.url} by hand",
        on_refusal=f"open {file.url} in a browser: it may want a login or its terms accepted",
    )


def _is_there(target: Path, remote: Remote, kept: Mapping[str, Any]) -> bool:
    """Whether a file is at its place and right; what was checked once is not read again."""
    if not target.exists():
        return False
    state = file_state(target)
    if kept.get("state") == state:
        digest = str(kept["sha256"])
        if digest.startswith(remote.sha256.lower()):
            return True
    log.info("%s: checking what is there", target)
    if remote.is_right(target):
        return True
    found = f"{target.stat().st_size:,} bytes"
    raise DataError(
        f"{target}: another file has its name ({found}), expected {remote.wanted()}"
        + (f", {remote.size:,} bytes" if remote.size else ""),
        hint=f"move {target} away and fetch again",
    )


def check_space(root: Path, files: Iterable[Wanted]) -> None:
    """Compares what is to come with what is free.

    Raises:
        OutputError: it does not fit; names both numbers.
    """
    missing = sum(file.missing for file in files)
    place = root.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if missing > free:
        raise OutputError(
            f"{root}: {missing:,} bytes are to come, and {free:,} bytes are free there",
            hint="make room, or name a folder on another disk",
        )


def fetch(orders: Sequence[Order], jobs: int) -> list[tuple[Wanted, Path | HarnessError]]:
    """Fetches what is missing of several releases, several files at once.

    Returns:
        Every file that was missing, with its path or why it did not come.

    Raises:
        OutputError: it would not fit on the disk.
        OSError: the disk takes nothing more.
    """
    todo = [(order, file) for order in orders for file in order.files if not file.there]
    for root in {order.root for order, _ in todo}:
        check_space(root, [file for order, file in todo if order.root == root])
    for each in orders:
        _note(each)  # before the first byte: going on means the same commit
    sized = [file for _, file in todo if file.remote.size]
    total = sum(file.remote.size for file in sized)
    with ByteProgress(total, [part_of(file.target) for file in sized]) as progress:
        tasks = [partial(_bring, order, file, progress) for order, file in todo]
        outcomes = together(tasks, jobs, progress)
    return [(file, outcome) for (_, file), outcome in zip(todo, outcomes, strict=True)]


def _bring(order: Order, file: Wanted, progress: ByteProgress) -> Path:
    digest = download(file.remote, file.target, progress)
    _note(order, file.target, digest)
    return file.target


def _note(order: Order, target: Path | None = None, sha256: str = "") -> None:
    """Keeps which commit is meant and, of a file that has come, what it is."""
    path = order.root / FETCHED
    with _one_thread, waited_for(order.root / f"{FETCHED}.lock"):
        notes = _read(order.root)
        entry = _entry(notes, order.selection.suite, order.release)
        if order.release.repo:
            entry |= {
                "repository": order.release.repo,
                "revision": order.revision,
                "revision_is_published_pin": bool(order.release.revision),
            }
        if target is None:
            entry.setdefault("files", {})
        else:
            inside = target.relative_to(order.root / order.release.folder).as_posix()
            entry.setdefault("files", {})[inside] = {
                "sha256": sha256,
                "size": target.stat().st_size,
                "state": file_state(target),
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
        write_atomic(path, canonical_json(notes).encode())


def _entry(notes: dict[str, Any], suite: Suite, release: Release) -> dict[str, Any]:
    entry: dict[str, Any] = notes.setdefault(suite.name, {}).setdefault(release.name, {})
    return entry


def _read(root: Path) -> dict[str, Any]:
    path = root / FETCHED
    if not path.exists():
        return {}
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
        if not all(
            isinstance(entry, dict) for source in notes.values() for entry in source.values()
        ):
            raise ValueError("no table of tables")
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: damaged ({error})",
            hint=f"move {path} away: files that are there are then checked anew",
        ) from error
    found: dict[str, Any] = notes
    return found
