"""Fetches a published checkpoint, or takes it out of the archive that it is published in."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from harness.api import Weights
from harness.checkpoints.files import mistaken_for
from harness.checkpoints.presence import by_hand, digits, file_presence
from harness.errors import WeightsError
from harness.fetching.download import DownloadError, Remote, accept, download, part_of
from harness.fetching.progress import ByteProgress


def fetch(
    weights: Weights,
    folder: Path,
    *,
    accept_unverified: bool = False,
    progress: ByteProgress | None = None,
) -> Path:
    """The entry's own file, downloaded into ``folder`` unless it is there already.

    Args:
        weights: which file.
        folder: the weights folder.
        accept_unverified: take a file whose sha256 is not known, as long as it can be a checkpoint;
            every record made with it says that nothing vouches for it.
        progress: the bar that it shares with other files; None = one of its own.

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
    try:
        with contextlib.nullcontext(progress) if progress else ByteProgress() as bar:
            _bring(weights, target, bar)
    except DownloadError as error:
        raise WeightsError(error.message, hint=error.hint) from error
    return target


def _bring(weights: Weights, target: Path, progress: ByteProgress) -> None:
    remote = Remote(
        url=weights.url,
        size=weights.size,
        sha256=weights.sha256,
        expected="a checkpoint",
        mistaken=mistaken_for,
        by_hand=by_hand(target.parent, weights),
    )
    if not weights.archive:
        download(remote, target, progress)
        return
    archive = target.with_name(weights.archive)  # it stays for the other files in it
    if not archive.exists():
        whole = Remote(
            url=weights.url, expected="a zip archive", mistaken=_no_zip, by_hand=remote.by_hand
        )
        download(whole, archive, progress)
    _unpack(weights, archive, part_of(target))
    accept(remote, part_of(target), target)


def _no_zip(path: Path) -> str:
    return "" if zipfile.is_zipfile(path) else mistaken_for(path) or "no zip archive"


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
