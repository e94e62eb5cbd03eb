"""The same images in every form in which sets are published: one writer a form."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

Images = Mapping[str, bytes]
"""Path below the set's folder -> encoded file."""


def picture(seed: int, side: int = 24) -> bytes:
    """A PNG file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def odd_images() -> dict[str, bytes]:
    """Names with spaces, unicode, two dots and upper case; a duplicate; a file cut short."""
    return {
        "0_real/ein Bild.png": picture(1),
        "0_real/図 1.png": picture(2),
        "0_real/a.b.png": picture(3),
        "0_real/UPPER.PNG": picture(4),
        "0_real/same.png": picture(5),
        "1_fake/same.png": picture(5),
        "1_fake/broken.png": picture(6)[:-40],
        "1_fake/x.png": picture(7),
        "1_fake/y.png": picture(8),
        "1_fake/z z.png": picture(9),
    }


def folder(images: Images, place: Path) -> Path:
    """A folder of files."""
    for name, data in images.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def zipped(images: Images, place: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """``PLACE.zip``, in the order of a folder that was filled backwards."""
    path = place.with_name(f"{place.name}.zip")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in reversed(images):
            archive.writestr(name, images[name])
    return path


def tarred(images: Images, place: Path, kind: str = "") -> Path:
    """``PLACE.tar``, or with ``kind`` (gz, bz2, xz) a compressed one."""
    path = place.with_name(f"{place.name}.tar{'.' if kind else ''}{kind}")
    with tarfile.open(path, f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name in reversed(images):
            add(archive, name, images[name])
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes, **fields: object) -> None:
    """Puts a member into a tar; ``fields`` are attributes of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(data))


FORMS: dict[str, Callable[[Images, Path], Path]] = {
    "folder": folder,
    "zip": zipped,
    "stored zip": lambda images, place: zipped(images, place, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda images, place: tarred(images, place, "gz"),
    "tar.xz": lambda images, place: tarred(images, place, "xz"),
}
"""Each writes the images as a set whose folder would be ``place``, and returns what is given to
``--images``."""
