"""One file from a web server: resumed, checked, and never a wrong one under the right name."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.data.hashing import file_sha256
from harness.errors import DataError, output_error
from harness.fetching.progress import ByteProgress
from harness.results.lock import BusyError, open_locked

CHUNK = 1 << 18
ATTEMPTS = 5
PER_ATTEMPT = 64 << 20
"""Bytes: a file gets another attempt for every so many that have arrived."""
TIMEOUT_S = 30.0
LONGEST_WAIT_S = 300.0
"""What a server may ask to be waited for; beyond it the command ends and says so."""

_HEAD = 1024  # bytes that are looked at
_SHOWN = 60  # characters of a text that are quoted
_DIGITS = 64  # of a sha256
_FEWEST = 8  # that are taken for one: enough against a mix-up, not against malice
_REFUSED = (http.client.UNAUTHORIZED, http.client.FORBIDDEN)


class DownloadError(DataError):
    """A file did not come, or another one came."""


def text_in_place(path: Path) -> str:
    """What a text is, in words that complete "it is ..."; "" for a file that is none.

    Archives and checkpoints are binary: a text is a server's answer, a page, or a pointer.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return describe_text(file.read(_HEAD))


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file on a web server and what is known of its bytes.

    Args:
        url: http or https.
        size: bytes, 0 where not known.
        sha256: hex digest, or its first digits; "" where not known.
        git_blob: the SHA-1 under which git keeps the same bytes, "" where not known.
        expected: what it must be where no digest says so, in words.
        mistaken: what a file is that cannot be the right one, in words; "" of any other.
        headers: sent to this server and not to another to which it forwards.
        by_hand: how a person gets it, as a hint.
        on_refusal: what to do where the server answers 401 or 403, as a hint.
    """

    url: str
    size: int = 0
    sha256: str = ""
    git_blob: str = ""
    expected: str = "a file that is no text"
    mistaken: Callable[[Path], str] = text_in_place
    headers: Mapping[str, str] = field(default_factory=dict)
    by_hand: str = ""
    on_refusal: str = ""

    @property
    def vouched(self) -> bool:
        """Whether a right file can be told from a wrong one."""
        return bool(self.sha256 or self.git_blob)

    def wanted(self) -> str:
        """What its bytes must be, for people."""
        if self.sha256:
            return f"sha256 {self.sha256}{'...' if len(self.sha256) < _DIGITS else ''}"
        return f"git's SHA-1 {self.git_blob}" if self.git_blob else self.expected

    def is_right(self, path: Path, digest: str = "") -> bool:
        """Whether a file has the bytes that the digests name; False where nothing vouches.

        Args:
            path: the file.
            digest: its sha256 where that is known already.
        """
        if self.size and path.stat().st_size != self.size:
            return False
        if self.sha256:
            known = self.sha256.lower()
            return len(known) >= _FEWEST and (digest or file_sha256(path)).startswith(known)
        return bool(self.git_blob) and git_blob(path) == self.git_blob


def git_blob(path: Path) -> str:
    """The SHA-1 under which git keeps a file's bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(remote: Remote, target: Path, progress: ByteProgress) -> str:
    """Brings a file to ``target``, which must not exist.

    What has arrived is kept as ``NAME.part`` and continued by the next call (HTTP ranges); a
    finished file takes its name only when its digest is right, else it is kept as ``NAME.bad``.

    Returns:
        The file's sha256.

    Raises:
        DownloadError: the server cannot be reached or has no such file, what it sends is another
            file, or another process fetches the same one.
        Stopped: the whole command is to end.
        OSError: the disk does not take it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _held(target):
        part = part_of(target)
        _complete(remote, part, progress)
        return accept(remote, part, target)


def part_of(target: Path) -> Path:
    """Where a file's bytes are until all of them are there."""
    return target.with_name(f"{target.name}.part")


@contextlib.contextmanager
def _held(target: Path) -> Iterator[None]:
    """One process at a time fetches a file: two that append to one ``.part`` would spoil it."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        file = open_locked(lock)
    except BusyError as error:
        raise DownloadError(
            f"{target}: another process is fetching it",
            hint="wait for it, then run the same command again",
        ) from error
    try:
        if target.exists():
            raise DownloadError(
                f"{target}: another process has just fetched it",
                hint="run the same command again: it is checked, and not fetched twice",
            )
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows keeps files that are open
            lock.unlink(missing_ok=True)
        file.close()


class _WrongFile(Exception):
    """The server offers something else; asking again cannot help."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class AskedToWait(Exception):
    """The server has too much to do; it says how long it wants to be left alone.

    Args:
        status: what it answered, as text.
        seconds: None where it does not say.
    """

    def __init__(self, status: str, seconds: float | None) -> None:
        super().__init__(status)
        self.seconds = seconds


def _complete(remote: Remote, part: Path, progress: ByteProgress) -> None:
    """Asks again for the rest as long as each attempt brings some."""
    attempt = 0
    while attempt < ATTEMPTS + _size(part) // PER_ATTEMPT:
        attempt += 1
        have = _size(part)
        if remote.size and have == remote.size:
            progress.begin(part, have, have)
            return
        try:
            _receive(remote, part, progress)
            return
        except _WrongFile as error:
            hint = error.hint or remote.by_hand
            raise DownloadError(f"{remote.url}: {error}", hint=hint) from error
        except AskedToWait as error:
            reason: Exception = error
            wait_as_asked(remote.url, error, attempt, progress)
            continue
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and output_error(error):
                error.filename = error.filename or str(part)
                raise  # the disk is full: another attempt ends in the same way
            reason = error
        if _size(part) <= have:
            break
    kept = f"; {_size(part):,} bytes are kept in {part.name}" if _size(part) else ""
    raise DownloadError(
        f"{remote.url}: download stopped ({type(reason).__name__}: {reason}){kept}",
        hint="run the same command again to go on"
        + (f", or {remote.by_hand}" if remote.by_hand else ""),
    ) from reason


def wait_as_asked(url: str, asked: AskedToWait, attempt: int, progress: ByteProgress) -> None:
    """Waits for as long as a server asks, or a little longer each time where it does not say.

    Raises:
        DownloadError: that would be too long.
        Stopped: the whole command is to end.
    """
    seconds = 2.0**attempt if asked.seconds is None else asked.seconds
    if seconds > LONGEST_WAIT_S:
        raise DownloadError(
            f"{url}: {asked}: the server asks to be left alone for {seconds:,.0f} s; no more than "
            f"{LONGEST_WAIT_S:,.0f} s are waited for",
            hint="run the same command again after that time: what has arrived is kept",
        )
    progress.wait(seconds, f"{asked}: waiting {seconds:,.0f} s, as {urlsplit(url).netloc} asks")


def _receive(remote: Remote, part: Path, progress: ByteProgress) -> None:
    """One request for what is missing; appends it to ``part``."""
    have = _size(part)
    if remote.size and have > remote.size:
        part.unlink()
        have = 0
    with _open(remote, have) as response:
        if have and not _continues(response, have):
            have = 0  # the server knows no ranges and sends everything again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        if remote.size and total not in (None, remote.size):
            raise _WrongFile(f"offers {total:,} bytes, expected {remote.size:,}")
        progress.begin(part, have, total)
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress.at(part, file.tell())
                if remote.size and file.tell() > remote.size:
                    raise _WrongFile(f"sends more than the expected {remote.size:,} bytes")
            file.flush()
            os.fsync(file.fileno())
    if total is not None and _size(part) < total:
        raise ConnectionError(f"closed after {_size(part):,} of {total:,} bytes")


def _open(remote: Remote, start: int) -> Any:
    if " " in remote.url:
        raise _WrongFile("this is an address of a page for people, not of a file")
    if urlsplit(remote.url).scheme not in ("http", "https"):
        raise _WrongFile("only http and https addresses are fetched")
    headers = {"User-Agent": "lfm-bench", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(remote.url, headers=headers)
    for name, value in remote.headers.items():
        request.add_unredirected_header(name, value)  # a token is not for a store elsewhere
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(remote, 0)
        raise _meaning(remote, error) from error


def _meaning(remote: Remote, error: urllib.error.HTTPError) -> Exception:
    """What an answer that is no file calls for."""
    said = f"HTTP {error.code} {error.reason}"
    asked = retry_after(error.headers.get("Retry-After"))
    if error.code == http.client.TOO_MANY_REQUESTS or (error.code >= 500 and asked is not None):
        return AskedToWait(said, asked)
    if error.code >= 500:
        return ConnectionError(said)
    return _WrongFile(said, hint=remote.on_refusal if error.code in _REFUSED else "")


def retry_after(text: str | None) -> float | None:
    """The seconds of a ``Retry-After`` (a number or a date); None where it says nothing."""
    if not text:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(int(text)))
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())


def _continues(response: Any, start: int) -> bool:
    sent: str = response.headers.get("Content-Range", "")
    partial: bool = response.status == http.client.PARTIAL_CONTENT
    return partial and sent.startswith(f"bytes {start}-")


def accept(remote: Remote, part: Path, target: Path) -> str:
    """Gives a whole file its name, or sets it aside; returns its sha256.

    Raises:
        DownloadError: it is another file.
    """
    digest, mistaken = file_sha256(part), remote.mistaken(part)
    if remote.is_right(part, digest) or not (remote.vouched or mistaken):
        part.replace(target)
        return digest
    bad = target.with_name(f"{target.name}.bad")
    part.replace(bad)
    came = f"it is {mistaken}, sha256 {digest}" if mistaken else f"sha256 {digest}"
    raise DownloadError(
        f"{target.name}: what the server sent is another file: {came}, expected "
        f"{remote.wanted()}; it is kept as {bad}",
        hint="run the same command again; if it ends so twice, the publisher changed the file or "
        "gives a page in its place",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def describe_text(head: bytes) -> str:
    """What a file is whose first bytes are text, in words that complete "it is ..."; "" else."""
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
