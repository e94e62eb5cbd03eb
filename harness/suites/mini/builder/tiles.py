"""Cutting 160x160 tiles from photographs and choosing those of each split.

Generators see the whole 160x160 tile; both classes are centre-cropped to 128x128 when packed, so
no generator's border treatment is visible. Windows move by 128, so the packed crops never overlap.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from .encoding import lossless_bytes
from .photos import Photo, load_photo, read_photos

TILE = 160
"""Side of a tile, in pixels."""

CROP = 128
"""Side of a packed image, in pixels, and the distance between tiles."""

MARGIN = (TILE - CROP) // 2

CAPS = {"train": 10, "val": 6, "test": 5}
"""Most tiles that one photograph may give to a split."""

COUNTS = {"train": 330, "val": 64, "test": 150}
"""Tiles wanted in a split; every photograph gives one before any gives two."""

MAX_LOSSLESS_BYTES = 21_000
"""Tiles whose crop takes more than this (grass, gravel) are not packed: 48 MB are all there is.
Which class an image belongs to plays no part, because fakes are made from the chosen tiles."""

MAX_TRAINING_TILES = 16
"""Most tiles of one train photograph that the toy generators are trained on."""


def downsample(pixels: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Shrink (H, W, 3) uint8 by `factor` with an anti-aliased Lanczos filter; 1 changes nothing."""
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (round(width / factor), round(height / factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The packed part of an image: (160, 160, 3) uint8 -> (128, 128, 3) uint8."""
    return np.ascontiguousarray(image[MARGIN:-MARGIN, MARGIN:-MARGIN])


def has_content(tile: NDArray[np.uint8]) -> bool:
    """Whether the packed part of a tile is more than sky or blur: spread >= 12, gradient >= 2."""
    grey = crop(tile).astype(np.float64).mean(axis=2)
    return bool(grey.std() >= 12 and np.abs(np.diff(grey, axis=1)).mean() >= 2)


def cut(pixels: NDArray[np.uint8]) -> list[tuple[str, NDArray[np.uint8]]]:
    """All tiles with content of one down-sampled photograph, as (row and column, tile)."""
    height, width = pixels.shape[:2]
    rows, columns = (max(0, (side - TILE) // CROP + 1) for side in (height, width))
    top = (height - (rows - 1) * CROP - TILE) // 2
    left = (width - (columns - 1) * CROP - TILE) // 2
    tiles = []
    for row in range(rows):
        for column in range(columns):
            y, x = top + row * CROP, left + column * CROP
            tile = pixels[y : y + TILE, x : x + TILE]
            if has_content(tile):
                tiles.append((f"{row:02d}{column:02d}", tile))
    return tiles


def _order(text: str) -> str:
    """A fixed pseudo-random sort key."""
    return hashlib.sha256(f"lfm-mini-1/{text}".encode()).hexdigest()


def choose(names: list[tuple[str, str]], split: str) -> list[int]:
    """Indices of the tiles a split uses, first one from every photograph, then a second, ...

    Args:
        names: (photo, tile) of every tile of the split.
        split: "train", "val" or "test".

    Returns:
        Up to COUNTS[split] indices, at most CAPS[split] a photograph; any prefix covers as many
        photographs as it can.
    """
    rank: dict[str, int] = {}
    ranked = []
    for index in sorted(range(len(names)), key=lambda i: _order("/".join(names[i]))):
        photo = names[index][0]
        rank[photo] = rank.get(photo, 0) + 1
        if rank[photo] <= CAPS[split]:
            ranked.append((rank[photo], _order(photo), index))
    return [index for _, _, index in sorted(ranked)[: COUNTS[split]]]


def build_training(cache: Path) -> dict[str, NDArray[np.generic]]:
    """Cut the tiles that the toy generators are trained on.

    Returns:
        `training` (N, 160, 160, 3) uint8, from train photographs only.
    """
    training = []
    for photo in tqdm(read_photos(), desc="training tiles", unit="photo"):
        if photo.split != "train":
            continue
        tiles = cut(downsample(load_photo(photo, cache), photo.factor))
        some = sorted(tiles, key=lambda item: _order(f"{photo.photo}/{item[0]}"))
        training += [tile for _, tile in some[:MAX_TRAINING_TILES]]
    return {"training": np.stack(training)}


def build_tiles(cache: Path) -> dict[str, NDArray[np.generic]]:
    """Cut and choose the tiles of every split.

    Returns:
        For each split `<split>` (N, 160, 160, 3) uint8 with `<split>_photo` and `<split>_tile`
        (N,) strings.
    """
    found: dict[str, list[tuple[Photo, str, NDArray[np.uint8]]]] = {split: [] for split in COUNTS}
    for photo in tqdm(read_photos(), desc="tiles", unit="photo"):
        for name, tile in cut(downsample(load_photo(photo, cache), photo.factor)):
            if lossless_bytes(crop(tile)) <= MAX_LOSSLESS_BYTES:
                found[photo.split].append((photo, name, tile))
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, entries in found.items():
        chosen = choose([(photo.photo, name) for photo, name, _ in entries], split)
        arrays[split] = np.stack([entries[index][2] for index in chosen])
        arrays[f"{split}_photo"] = np.array([entries[index][0].photo for index in chosen])
        arrays[f"{split}_tile"] = np.array([entries[index][1] for index in chosen])
    return arrays
