"""Turning stages into rows, and rows into Parquet files with a manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from .catalogue import GENERATORS, PACKAGES
from .encoding import ENCODER, LENGTH, encode
from .packages import digest
from .photos import Photo, read_photos
from .plan import STAGES, TEST_TILES
from .stage import Arrays
from .stages import load_stage
from .tiles import COUNTS, CROP, crop

Row = dict[str, object]

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("label", pa.int8()),
        ("generator", pa.string()),
        ("group", pa.string()),
        ("photo", pa.string()),
        ("session", pa.string()),
        ("licence", pa.string()),
        ("attribution", pa.string()),
        ("sha256", pa.string()),
        ("pixels_sha256", pa.string()),
        ("width", pa.int16()),
        ("height", pa.int16()),
        ("image", pa.binary()),
    ]
)
"""Columns of every file."""

MAX_BYTES = 48_000_000
"""Most bytes that all files together may have."""

_ROW_GROUP = 64


def packed_counts() -> dict[str, int]:
    """How many images of every generator go into the test files, and pairs into the others."""
    counts = {generator.name: TEST_TILES for generator in GENERATORS}
    return counts | {"photo": COUNTS["test"]} | COUNTS


def collect(cache: Path) -> dict[str, list[Row]]:
    """Rows of every file from the finished stages.

    Returns:
        File stem (such as "test_gan") to rows; see `SCHEMA`.
    """
    photos = {photo.photo: photo for photo in read_photos()}
    tiles = load_stage("tiles", STAGES, cache)
    counts = packed_counts()
    trained = load_stage("gan_tconv", STAGES, cache)
    files: dict[str, list[Row]] = {}
    for split in ("train", "val"):
        real = _rows(split, "photo", "real", tiles[split][: counts[split]], tiles, photos)
        fake = _rows(split, "gan_tconv", "gan", trained[split][: counts[split]], tiles, photos)
        files[split] = [row for pair in zip(real, fake, strict=True) for row in pair]
    for generator in tqdm(GENERATORS, desc="pack", unit="set"):
        name, group = generator.name, generator.group
        made = tiles if name == "photo" else load_stage(name, STAGES, cache)
        images = made["test"][: counts[name]]
        rows = _rows("test", name, group, images, tiles, photos)
        files.setdefault(f"test_{group}", []).extend(rows)
    return files


def _rows(
    split: str,
    generator: str,
    group: str,
    images: NDArray[np.generic],
    tiles: Arrays,
    photos: dict[str, Photo],
) -> list[Row]:
    """Crop, encode and describe (N, 160, 160, 3) uint8 images that belong to the first tiles."""
    rows = []
    names = zip(tiles[f"{split}_photo"].tolist(), tiles[f"{split}_tile"].tolist(), strict=True)
    for image, (name, tile) in zip(images, names, strict=False):
        photo = photos[name]
        pixels = crop(image)
        content = encode(pixels)
        rows.append(
            {
                "id": f"{split}/{group}/{generator}/{name}-{tile}",
                "split": split,
                "label": 0 if group in ("real", "controls") else 1,
                "generator": generator,
                "group": group,
                "photo": name,
                "session": photo.session,
                "licence": photo.licence,
                "attribution": photo.attribution,
                "sha256": hashlib.sha256(content).hexdigest(),
                "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                "width": CROP,
                "height": CROP,
                "image": content,
            }
        )
    return rows


def write_files(files: dict[str, list[Row]], folder: Path, jobs: int) -> None:
    """Write the Parquet files and `manifest.json`; refuses more than MAX_BYTES.

    Args:
        files: rows by file stem.
        folder: the data folder.
        jobs: processes the build ran at a time, for the record.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stem, rows in files.items():
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        partial = folder / f"{stem}.parquet.partial"
        repeated = ["split", "generator", "group", "photo", "session", "licence", "attribution"]
        pq.write_table(
            table,
            partial,
            row_group_size=_ROW_GROUP,
            compression="zstd",
            use_dictionary=repeated,
            write_statistics=["id"],
        )
        partial.replace(folder / f"{stem}.parquet")
    manifest = describe(files, folder, jobs)
    total = manifest["total_bytes"]
    if not isinstance(total, int) or total > MAX_BYTES:
        raise ValueError(f"data has {total} bytes, more than {MAX_BYTES}")
    text = json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    partial = folder / "manifest.json.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / "manifest.json")


def describe(files: dict[str, list[Row]], folder: Path, jobs: int) -> dict[str, object]:
    """The content of `manifest.json`."""
    listed = {}
    for stem, rows in files.items():
        path = folder / f"{stem}.parquet"
        listed[path.name] = {
            "rows": len(rows),
            "bytes": path.stat().st_size,
            "sha256": digest(path),
            "generators": dict(Counter(str(row["generator"]) for row in rows)),
            "photos": len({row["photo"] for row in rows}),
            "sessions": len({row["session"] for row in rows}),
        }
    return {
        "schema": 1,
        "files": listed,
        "total_rows": sum(len(rows) for rows in files.values()),
        "total_bytes": sum((folder / name).stat().st_size for name in listed),
        "image": {"width": CROP, "height": CROP, "bytes": LENGTH, "encoder": ENCODER},
        "generators": {item.name: _generator(item.name) for item in GENERATORS},
        "packages": {
            item.name: {"version": item.version, "sha256": item.sha256, "licence": item.licence}
            for item in PACKAGES
        },
        "environment": environment(jobs),
    }


def _generator(name: str) -> dict[str, str]:
    """What the manifest says of one generator."""
    item = next(item for item in GENERATORS if item.name == name)
    said = {"group": item.group, "title": item.title}
    if item.package:
        held = next(held for held in PACKAGES if held.name == item.package)
        said |= {"package": held.name, "version": held.version, "licence": held.licence}
        said |= {"weights": item.weights, "weights_sha256": item.weights_sha256}
    return said


def environment(jobs: int) -> dict[str, object]:
    """Versions and the processor of this build."""
    versions = {}
    for name in ("numpy", "pillow", "torch", "ncnn", "pyarrow"):
        versions[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "threads": 1,
        "jobs": jobs,
        "versions": versions,
    }


def _cpu() -> str:
    """The processor's name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
