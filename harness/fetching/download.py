"""Fetches a published checkpoint: resumable, and never a wrong file under the right name."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from harness.api import Weights
from harness.checkpoints.files import is_published, mistaken_for, sha256_of
from harness.checkpoints.presence import by_hand, digits, file_presence
from harness.errors import WeightsError, output_error

CHUNK = 1 << 18
ATTEMPTS = 5
TIMEOUT_S = 30.0


def fetch(weights: Weights, folder: Path, *, accept_unverified: bool = False) -> Path:
    """The entry's own file, downloaded into ``folder`` unless it is there already.

    What has arrived is kept as ``NAME.part`` and continued by the next call (HTTP ranges); a
    finished file takes its name only when its sha256 is right, else it is kept as ``NAME.bad``.

    Args:
        weights: which file.
        folder: the weights folder.
        accept_unverified: take a file whose sha256 is not known, as long as it can be a checkpoint;
            every record made with it says that nothing vouches for it.

    Raises:
        WeightsError: its sha256 is not known and that is not accepted, another file has its name,
            the server cannot be reached or has no such file, or what it sends is not the published
            file.
    """
    found = file_presence(weights, folder)
    if found.path is not None:
        return found.path
    if not weights.sha256 and not accept_unverified:
        raise WeightsError(
            f"{weights.filename}: not fetched, because its sha256 is not known here and nothing "
            "could tell a right file from a wrong one",
            hint=f"{by_hand(folder, weights)}; or --accept-unverified fetches what there is",
        )
    target = folder / weights.filename
    if target.exists():
        raise WeightsError(
            f"{target}: {found.state}, expected sha256 {digits(weights)}",
            hint=f"move {target} away and fetch again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if weights.archive:
        _unpack(weights, _archive(weights, folder), part)
    else:
        _complete(weights, part, folder)
    return _accept(weights, part, target)


def _archive(weights: Weights, folder: Path) -> Path:
    """The archive that holds the file; it stays in the folder for the other files in it."""
    path = folder / weights.archive
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        _complete(replace(weights, filename=path.name, size=0, archive=""), part, folder)
        if not zipfile.is_zipfile(part):
            raise _set_aside(part, path, "expected a zip archive", mistaken_for(part))
        part.replace(path)
    return path


def _unpack(weights: Weights, archive: Path, part: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.namelist()
        name = next((m for m in members if PurePosixPath(m).name == weights.filename), None)
        if name is None:
            raise WeightsError(
                f"{archive}: expected {weights.filename} in it, it has {', '.join(members[:5])}",
                hint=f"move {archive} away and fetch again",
            )
        with packed.open(name) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file)


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
            raise WeightsError(f"{weights.url}: {error}", hint=by_hand(folder, weights)) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and output_error(error):
                error.filename = error.filename or str(part)
                raise  # the disk is full: another attempt ends in the same way
            reason = error
        if _size(part) <= have:
            break
    kept = f"; {_size(part):,} bytes are kept in {part.name}" if _size(part) else ""
    raise WeightsError(
        f"{weights.url}: download stopped ({type(reason).__name__}: {reason}){kept}",
        hint=f"run the same command again to go on, or {by_hand(folder, weights)}",
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
    if " " in url:
        raise _WrongFile("this is an address of a page for people, not of a file")
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
    digest, mistaken = sha256_of(part), mistaken_for(part)
    if is_published(weights, digest) or not (weights.sha256 or mistaken):
        part.replace(target)
        return target
    expected = f"expected sha256 {digits(weights)}" if weights.sha256 else "expected a checkpoint"
    raise _set_aside(part, target, expected, mistaken)


def _set_aside(part: Path, target: Path, expected: str, mistaken: str) -> WeightsError:
    """Keeps a wrong file under a name that nothing takes for the right one."""
    bad = target.with_name(f"{target.name}.bad")
    digest = sha256_of(part)
    part.replace(bad)
    came = f"it is {mistaken}, sha256 {digest}" if mistaken else f"sha256 {digest}"
    return WeightsError(
        f"{target.name}: what the server sent is another file: {came}, {expected}; it is kept as "
        f"{bad}",
        hint="run the same command again; if it ends so twice, the publisher changed the file or "
        "gives a page in its place",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
