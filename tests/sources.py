"""The same images in every form in which sets are published: one writer a form."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def labels(images: Images) -> list[int]:
    """Of the images, by their class folder."""
    return [int(name.startswith("1_fake")) for name in images]


def parquet(images: Images, place: Path) -> Path:
    """``PLACE.parquet``, in small row groups, with the images as Hugging Face keeps them."""
    path = place.with_name(f"{place.name}.parquet")
    cells = [{"bytes": data, "path": name} for name, data in images.items()]
    table = pa.table({"image": cells, "label": labels(images)})
    pq.write_table(table, path, row_group_size=3)
    return path


def arrow(images: Images, place: Path) -> Path:
    """A folder as ``datasets`` saves it, in two shards, with names of the classes."""
    datasets.disable_progress_bars()
    features = datasets.Features(
        {
            "image": datasets.Image(decode=False),
            "label": datasets.ClassLabel(names=["fake", "real"]),
            # save_to_disk keeps only the last part of an image's own path.
            "file_name": datasets.Value("string"),
        }
    )
    rows = {
        "image": [{"bytes": data, "path": name} for name, data in images.items()],
        "label": [1 - label for label in labels(images)],
        "file_name": [*images],
    }
    datasets.Dataset.from_dict(rows, features).save_to_disk(str(place), num_shards=2)
    return place


def shards(images: Images, place: Path) -> Path:
    """A tar of samples as WebDataset reads them, with labels in ``.cls``."""
    path = place.with_name(f"{place.name}.tar")
    with tarfile.open(path, "w:") as archive:
        for name, label in zip(images, labels(images), strict=True):
            add(archive, f"{name.rpartition('.')[0]}.cls", str(label).encode())
            add(archive, name, images[name])
    return path


FORMS: dict[str, Callable[[Images, Path], Path]] = {
    "folder": folder,
    "zip": zipped,
    "stored zip": lambda images, place: zipped(images, place, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda images, place: tarred(images, place, "gz"),
    "tar.xz": lambda images, place: tarred(images, place, "xz"),
    "Parquet": parquet,
    "Arrow": arrow,
    "WebDataset": shards,
}
"""Each writes the images as a set whose folder would be ``place``, and returns what is given to
``--images``."""
