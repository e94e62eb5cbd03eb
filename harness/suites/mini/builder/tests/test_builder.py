"""The mini suite's builder: its pure parts, without torch, network or packages."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.suites.mini.builder import attribution, catalogue, encoding, packages, tiles
from harness.suites.mini.builder.photos import read_photos
from harness.suites.mini.builder.rcc import Archive
from harness.suites.mini.builder.stage import Stage
from harness.suites.mini.builder.stages import stage_key


def _noise(side: int, seed: int = 0) -> np.ndarray:
    """(side, side, 3) uint8 of smooth random texture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3))
    return np.kron(coarse, np.ones((8, 8, 1)))[:side, :side].astype(np.uint8)


def test_encoding_is_lossless_and_of_one_length() -> None:
    flat = np.full((128, 128, 3), 7, np.uint8)
    for pixels in (flat, _noise(128), _noise(128, seed=1)):
        content = encoding.encode(pixels)
        assert len(content) == encoding.LENGTH
        assert np.array_equal(encoding.decode(content), pixels)


def test_encoding_refuses_what_does_not_fit() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="cannot be padded"):
        encoding.encode(pixels)


def test_tiles_have_the_right_size_and_disjoint_crops() -> None:
    found = tiles.cut(_noise(600))
    assert [name for name, _ in found] == [f"{r:02d}{c:02d}" for r in range(4) for c in range(4)]
    assert all(tile.shape == (160, 160, 3) for _, tile in found)
    assert tiles.crop(found[0][1]).shape == (128, 128, 3)
    right, below = found[1][1], found[4][1]
    assert np.array_equal(found[0][1][:, 128:], right[:, :32])
    assert np.array_equal(found[0][1][128:], below[:32])


def test_small_photograph_gives_no_tile() -> None:
    assert tiles.cut(_noise(120)) == []


def test_flat_tiles_are_left_out() -> None:
    assert not tiles.has_content(np.full((160, 160, 3), 90, np.uint8))
    assert tiles.has_content(_noise(160))


def test_downsampling() -> None:
    pixels = _noise(200)
    assert tiles.downsample(pixels, 1) is pixels
    assert tiles.downsample(pixels, 2.5).shape == (80, 80, 3)


def test_choice_covers_photographs_first_and_keeps_the_cap() -> None:
    names = [(f"p{photo}", f"{tile:04d}") for photo in range(60) for tile in range(9)]
    chosen = [names[index] for index in tiles.choose(names, "test")]
    assert len(chosen) == len(set(chosen)) == tiles.COUNTS["test"]
    assert len({photo for photo, _ in chosen[:60]}) == 60
    assert max(Counter(photo for photo, _ in chosen).values()) <= tiles.CAPS["test"]
    shuffled = names[::-1]
    assert [shuffled[index] for index in tiles.choose(shuffled, "test")] == chosen


def _qt_archive(content: bytes, flags: int) -> bytes:
    """A Qt archive, version 1, that holds /a.txt."""
    names = struct.pack(">HI", 5, 0) + "a.txt".encode("utf-16-be")
    stored = content
    if flags & 1:
        stored = struct.pack(">I", len(content)) + zlib.compress(content)
    data = struct.pack(">I", len(stored)) + stored
    root = struct.pack(">IHII", 0, 2, 1, 1)
    leaf = struct.pack(">IHII", 0, flags, 0, 0)
    tree = root + leaf
    start = 20
    offsets = (start, start + len(tree), start + len(tree) + len(data))
    return b"qres" + struct.pack(">IIII", 1, *offsets) + tree + data + names


@pytest.mark.parametrize("flags", [0, 1])
def test_qt_archive(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "x.rcc"
    path.write_bytes(_qt_archive(b"hello", flags))
    assert list(Archive(path).files()) == [("/a.txt", b"hello")]
    assert Archive(path).read("/a.txt") == b"hello"
    with pytest.raises(KeyError):
        Archive(path).read("/b.txt")


def test_not_a_qt_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.rcc"
    path.write_bytes(b"zip!" + bytes(20))
    with pytest.raises(ValueError, match="not a Qt resource archive"):
        Archive(path)


def test_photo_list_uses_pinned_packages_and_known_licences() -> None:
    pinned = {item.name: item.version for item in catalogue.PACKAGES}
    photos = read_photos()
    assert len(photos) >= 24
    assert len({photo.photo for photo in photos}) == len(photos)
    for photo in photos:
        assert pinned[photo.package] == photo.version
        assert photo.licence in attribution.LICENCES
        assert photo.author and photo.source and photo.licence_source
        assert photo.factor >= 1
        assert len(photo.sha256) == 64


def test_attribution_is_generated_from_the_photo_list() -> None:
    committed = attribution.ATTRIBUTION.read_text(encoding="utf-8")
    assert committed == attribution.render(read_photos())


def test_packages_are_pinned_by_digest() -> None:
    names = [item.name for item in catalogue.PACKAGES]
    assert len(names) == len(set(names))
    for item in catalogue.PACKAGES:
        assert len(item.sha256) == 64 and item.licence and item.version
    for generator in catalogue.GENERATORS:
        assert bool(generator.package) == bool(generator.weights_sha256)
        if generator.package:
            assert packages.package(generator.package).name == generator.package
    with pytest.raises(packages.BuildError, match="not pinned"):
        packages.package("left-pad")


def test_wrong_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = packages.package("demosaicnet")

    def wrong(_: catalogue.Package, folder: Path) -> None:
        (folder / "demosaicnet.whl").write_bytes(b"not it")

    monkeypatch.setattr(packages, "_download", wrong)
    with pytest.raises(packages.BuildError, match="expected SHA-256 e50d502a"):
        packages.fetch(item, tmp_path)


def test_stage_key_follows_parameters_and_needs() -> None:
    def stages(size: int) -> dict[str, Stage]:
        first = Stage(name="a", needs=(), run=lambda *_: {}, parameters={"size": size})
        return {"a": first, "b": Stage(name="b", needs=("a",), run=lambda *_: {})}

    assert stage_key("b", stages(1)) == stage_key("b", stages(1))
    assert stage_key("b", stages(1)) != stage_key("b", stages(2))
    assert stage_key("a", stages(1)) != stage_key("b", stages(1))
