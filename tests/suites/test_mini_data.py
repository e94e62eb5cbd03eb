"""The committed data of the mini suite: complete, lossless, attributed, and split honestly."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

MINI = Path(__file__).resolve().parents[2] / "harness" / "suites" / "mini"
DATA = MINI / "data"

STEMS = (
    "train",
    "val",
    "test_real",
    "test_gan",
    "test_autoencoder",
    "test_super-resolution",
    "test_diffusion",
    "test_controls",
)

COLUMNS = {
    "id": pa.string(),
    "split": pa.string(),
    "label": pa.int8(),
    "generator": pa.string(),
    "group": pa.string(),
    "photo": pa.string(),
    "session": pa.string(),
    "licence": pa.string(),
    "attribution": pa.string(),
    "sha256": pa.string(),
    "pixels_sha256": pa.string(),
    "width": pa.int16(),
    "height": pa.int16(),
    "image": pa.binary(),
}

ALLOWED_LICENCES = {
    "CC0-1.0",
    "LicenseRef-public-domain",
    "CC-BY-2.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "BSD-3-Clause",
}

GROUPS = {
    "gan": {"gan_tconv", "gan_nearest", "cyclegan_vintage", "realesrgan_x4plus"},
    "autoencoder": {"ae_tconv", "ae_pixshuf", "vq_nearest"},
    "super-resolution": {"waifu_upconv_x2", "realcugan_x2", "animevideo_x4"},
    "diffusion": {"ffd_diff50", "pixddpm_img2img", "latddpm_img2img"},
    "controls": {"ctl_bicubic_x2", "ctl_resize1.3", "ctl_jpeg90", "ctl_demosaicnet"},
}

MAX_BYTES = 48_000_000


@pytest.fixture(scope="module")
def files() -> dict[str, list[dict[str, Any]]]:
    """Every row of every file."""
    return {stem: pq.read_table(DATA / f"{stem}.parquet").to_pylist() for stem in STEMS}


@pytest.fixture(scope="module")
def rows(files: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Every row of the suite."""
    return [row for stem in STEMS for row in files[stem]]


@pytest.fixture(scope="module")
def photos() -> dict[str, dict[str, str]]:
    """`photos.csv` by photo id."""
    with (MINI / "photos.csv").open(newline="", encoding="utf-8") as file:
        return {row["photo"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """`manifest.json`."""
    content: dict[str, Any] = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_exactly_these_files_are_there() -> None:
    assert {path.name for path in DATA.iterdir()} == {f"{stem}.parquet" for stem in STEMS} | {
        "manifest.json"
    }


def test_everything_together_is_at_most_48_mb() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= MAX_BYTES


@pytest.mark.parametrize("stem", STEMS)
def test_schema_and_small_row_groups(stem: str) -> None:
    file = pq.ParquetFile(DATA / f"{stem}.parquet")
    assert dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True)) == COLUMNS
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    assert max(sizes) <= 64


def test_ids_are_unique_and_say_what_they_are(rows: list[dict[str, Any]]) -> None:
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        start = f"{row['split']}/{row['group']}/{row['generator']}/{row['photo']}-"
        assert row["id"].startswith(start)


@pytest.mark.parametrize(("stem", "least"), [("train", 300), ("val", 60)])
def test_train_and_val_are_paired(
    files: dict[str, list[dict[str, Any]]], stem: str, least: int
) -> None:
    tiles: dict[str, list[str]] = {"photo": [], "gan_tconv": []}
    for row in files[stem]:
        assert row["split"] == stem
        assert row["group"] == {"photo": "real", "gan_tconv": "gan"}[row["generator"]]
        tiles[row["generator"]].append(row["id"].rsplit("/", 1)[1])
    assert tiles["photo"] == tiles["gan_tconv"]
    assert len(tiles["photo"]) >= least


def test_test_sets_share_the_real_tiles(files: dict[str, list[dict[str, Any]]]) -> None:
    real = [row["id"].rsplit("/", 1)[1] for row in files["test_real"]]
    assert 150 <= len(real) <= 200
    assert {row["generator"] for row in files["test_real"]} == {"photo"}
    for group, generators in GROUPS.items():
        made = files[f"test_{group}"]
        assert {row["generator"] for row in made} == generators
        for generator in generators:
            tiles = [row["id"].rsplit("/", 1)[1] for row in made if row["generator"] == generator]
            assert 100 <= len(tiles) <= 200
            assert tiles == real[: len(tiles)]


def test_labels_and_controls_are_real(files: dict[str, list[dict[str, Any]]]) -> None:
    for stem, content in files.items():
        for row in content:
            fake = row["group"] not in ("real", "controls")
            assert row["label"] == int(fake), row["id"]
            if stem.startswith("test_"):
                assert (row["split"], row["group"]) == ("test", stem.removeprefix("test_"))


@pytest.mark.parametrize("column", ["photo", "session"])
def test_splits_share_no_photograph_and_no_session(rows: list[dict[str, Any]], column: str) -> None:
    owners: dict[str, set[str]] = {}
    for row in rows:
        owners.setdefault(row[column], set()).add(row["split"])
    assert {key: splits for key, splits in owners.items() if len(splits) > 1} == {}


def test_photo_list_splits_by_session(photos: dict[str, dict[str, str]]) -> None:
    splits: dict[str, set[str]] = {}
    for photo in photos.values():
        splits.setdefault(photo["session"], set()).add(photo["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert len({photo["sha256"] for photo in photos.values()}) == len(photos)


def test_no_pixel_identical_image_across_splits_or_classes(rows: list[dict[str, Any]]) -> None:
    seen: dict[str, set[tuple[str, int]]] = {}
    for row in rows:
        seen.setdefault(row["pixels_sha256"], set()).add((row["split"], row["label"]))
    assert {key: found for key, found in seen.items() if len(found) > 1} == {}


def test_images_are_lossless_rgb_and_digests_are_right(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        content = row["image"]
        assert hashlib.sha256(content).hexdigest() == row["sha256"], row["id"]
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (128, 128))
            pixels = np.asarray(image)
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixels_sha256"], row["id"]
        assert (row["width"], row["height"]) == (128, 128)


def test_metadata_cannot_tell_the_classes_apart(rows: list[dict[str, Any]]) -> None:
    """Container, chunk order and length in bytes are the same for every image."""
    seen = set()
    for row in rows:
        content = row["image"]
        length = int.from_bytes(content[16:20], "little")
        follows = 20 + length + length % 2
        chunks = (content[:4], content[8:16], content[follows : follows + 4])
        seen.add((len(content), int.from_bytes(content[4:8], "little"), chunks))
        assert not any(content[follows + 8 :]), row["id"]
    assert len(seen) == 1
    size, riff, chunks = seen.pop()
    assert riff == size - 8
    assert chunks == (b"RIFF", b"WEBPVP8L", b"PADD")


def test_every_photograph_is_listed_licensed_and_attributed(
    rows: list[dict[str, Any]], photos: dict[str, dict[str, str]]
) -> None:
    attribution = (MINI / "ATTRIBUTION.md").read_text(encoding="utf-8")
    listed = [line for line in attribution.splitlines() if line.startswith("| ")]
    for row in rows:
        photo = photos[row["photo"]]
        assert row["licence"] in ALLOWED_LICENCES
        assert (row["licence"], row["session"]) == (photo["licence"], photo["session"])
        assert row["split"] == photo["split"]
        for said in (photo["author"], photo["licence"], photo["source"]):
            assert said and said in row["attribution"], row["id"]
    for name, photo in photos.items():
        lines = [line for line in listed if line.startswith(f"| {name} |")]
        assert len(lines) == 1, name
        for column in ("author", "licence", "source", "licence_source"):
            assert photo[column] in lines[0], (name, column)


def test_manifest_describes_the_files(
    files: dict[str, list[dict[str, Any]]], manifest: dict[str, Any]
) -> None:
    assert set(manifest["files"]) == {f"{stem}.parquet" for stem in STEMS}
    for stem, content in files.items():
        path = DATA / f"{stem}.parquet"
        said = manifest["files"][path.name]
        assert said["rows"] == len(content)
        assert said["bytes"] == path.stat().st_size
        assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert said["generators"] == dict(Counter(row["generator"] for row in content))
    assert manifest["total_rows"] == sum(len(content) for content in files.values())
    assert manifest["total_bytes"] == sum(said["bytes"] for said in manifest["files"].values())


def test_manifest_says_what_every_generator_is(
    rows: list[dict[str, Any]], manifest: dict[str, Any]
) -> None:
    for generator in {row["generator"] for row in rows}:
        said = manifest["generators"][generator]
        assert said["title"]
        if "package" in said:
            assert len(said["weights_sha256"]) == 64
            assert said["licence"] == manifest["packages"][said["package"]]["licence"]
    assert manifest["environment"]["threads"] == 1


def test_no_photograph_fills_a_split(files: dict[str, list[dict[str, Any]]]) -> None:
    for stem, most in (("train", 10), ("val", 6), ("test_real", 5)):
        real = Counter(row["photo"] for row in files[stem] if row["generator"] == "photo")
        assert max(real.values()) <= most
