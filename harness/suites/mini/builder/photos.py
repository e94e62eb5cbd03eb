"""The list of real photographs, `photos.csv`, and reading one of them."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .packages import BuildError, fetch, package
from .rcc import Archive

PHOTOS_CSV = Path(__file__).resolve().parent.parent / "photos.csv"
"""The committed list, one row a photograph."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One row of `photos.csv`.

    Attributes:
        photo: short unique id.
        session: photographer (or project); all photographs of a session are in one split.
        split: "train", "val" or "test".
        package, version: pinned package it comes from.
        path: path in the package; "archive.rcc!/member" for a file in a Qt archive.
        sha256: digest of the image file.
        licence: SPDX id.
        author, source: who made it and where it was published.
        licence_source: where in the package the licence is stated.
        factor: down-sampling factor applied before tiles are cut.
    """

    photo: str
    session: str
    split: str
    package: str
    version: str
    path: str
    sha256: str
    licence: str
    author: str
    source: str
    licence_source: str
    factor: float

    @property
    def attribution(self) -> str:
        """One line that names author, source and licence."""
        return f"{self.author}, {self.licence}, {self.source}"


def read_photos(path: Path = PHOTOS_CSV) -> list[Photo]:
    """All photographs in file order."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    photos = []
    for row in rows:
        factor = float(row.pop("factor"))
        photos.append(Photo(**row, factor=factor))
    return photos


@lru_cache(maxsize=2)
def _archive(path: Path) -> dict[str, bytes]:
    return dict(Archive(path).files())


def load_photo(photo: Photo, cache: Path) -> NDArray[np.uint8]:
    """Decode one photograph at its own resolution.

    Args:
        photo: its row.
        cache: the builder's cache folder.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    folder = fetch(package(photo.package), cache)
    outer, _, member = photo.path.partition("!")
    content = _archive(folder / outer)[member] if member else (folder / outer).read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != photo.sha256:
        raise BuildError(f"{photo.photo}: expected SHA-256 {photo.sha256}, got {got}")
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))
