"""Fetches a published checkpoint: resumable, and never a wrong file under the right name."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from harness.api import Weights
from harness.checkpoint_files import is_published, sha256_of
from harness.errors import WeightsError, output_error
from harness.presence import by_hand, digits, file_presence

CHUNK = 1 << 18
ATTEMPTS = 5
TIMEOUT_S = 30.0


def fetch(weights: Weights, folder: Path) -> Path:
    """The entry's own file, downloaded into ``folder`` unless it is there already.

    What has arrived is kept as ``NAME.part`` and continued by the next call (HTTP ranges); a
    finished file takes its name only when its sha256 is right, else it is kept as ``NAME.bad``.

    Raises:
        WeightsError: its sha256 is not known, another file has its name, the server cannot be
            reached or has no such file, or what it sends is not the published file.
    """
    found = file_presence(weights, folder)
    if found.path is not None:
        return found.path
    if not weights.sha256:
        raise WeightsError(
            f"{weights.filename}: not fetched, because its sha256 is not known here and nothing "
            "could tell a right file from a wrong one",
            hint=by_hand(weights, folder),
        )
    target = folder / weights.filename
    if target.exists():
        raise WeightsError(
            f"{target}: {found.state}, expected sha256 {digits(weights)}",
            hint=f"move {target} away and fetch again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    _complete(weights, part, folder)
    return _accept(weights, part, target)


class _WrongFile(Exception):
    """The server offers something else; asking again cannot help."""


def _complete(weights: Weights, part: Path, folder: Path) -> None:
    """Asks again for the rest as long as each attempt brings some."""
    for _ in range(ATTEMPTS):
        have = _size(part)
        if weights.size and have == weights.size:
            return
        try:
            _receive(weights, part)
            return
        except _WrongFile as error:
            raise WeightsError(f"{weights.url}: {error}", hint=by_hand(weights, folder)) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and output_error(error):
                raise  # the disk is full: another attempt ends in the same way
            reason = error
        if _size(part) <= have:
            break
    kept = f"; {_size(part):,} bytes are kept in {part.name}" if _size(part) else ""
    raise WeightsError(
        f"{weights.url}: download stopped ({type(reason).__name__}: {reason}){kept}",
        hint=f"run the same command again to go on, or {by_hand(weights, folder)}",
    ) from reason


def _receive(weights: Weights, part: Path) -> None:
    """One request for what is missing; appends it to ``part``."""
    have = _size(part)
    if weights.size and have > weights.size:
        part.unlink()
        have = 0
    with _open(weights.url, have) as response:
        if have and not _continues(response, have):
            have = 0  # the server knows no ranges and sends everything again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        if weights.size and total not in (None, weights.size):
            raise _WrongFile(f"offers {total:,} bytes, expected {weights.size:,}")
        bar = tqdm(
            total=total,
            initial=have,
            desc=weights.filename,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
        )
        with bar, part.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if weights.size and file.tell() > weights.size:
                    raise _WrongFile(f"sends more than the expected {weights.size:,} bytes")
            file.flush()
            os.fsync(file.fileno())
    if total is not None and _size(part) < total:
        raise ConnectionError(f"closed after {_size(part):,} of {total:,} bytes")


def _open(url: str, start: int) -> Any:
    if urlsplit(url).scheme not in ("http", "https"):
        raise _WrongFile("only http and https addresses are fetched")
    headers = {"User-Agent": "lfm-bench", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)
        kind = ConnectionError if error.code >= 500 else _WrongFile
        raise kind(f"HTTP {error.code} {error.reason}") from error


def _continues(response: Any, start: int) -> bool:
    sent: str = response.headers.get("Content-Range", "")
    partial: bool = response.status == http.client.PARTIAL_CONTENT
    return partial and sent.startswith(f"bytes {start}-")


def _accept(weights: Weights, part: Path, target: Path) -> Path:
    digest = sha256_of(part)
    if is_published(weights, digest):
        part.replace(target)
        return target
    bad = target.with_name(f"{target.name}.bad")
    part.replace(bad)
    raise WeightsError(
        f"{weights.url}: sha256 {digest}, expected {digits(weights)}; what came is kept as {bad}",
        hint="run the same command again; if it ends so twice, the publisher changed the file",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
