"""Zip and tar archives read where they lie: what is found, what is refused, what is damaged."""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import cache, tars
from harness.data.adapters import folder_adapter
from harness.data.archives import ArchiveFolder
from harness.data.disk import folder_at
from harness.data.folders import walk_files
from harness.data.manifest import load_manifest
from harness.data.named import images_at
from harness.data.sample import UNREADABLE
from harness.data.source import Source
from harness.data.suite import Subset, Suite
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root, get_suite
from tests.sources import Images, add, picture, tarred, zipped

IMAGES = {f"{c}/{i}.png": picture(10 * k + i) for k, c in enumerate(("0_real", "1_fake"))
          for i in range(3)}  # fmt: skip
GAN = Subset(name="gan", folders=("gan",))
OTHER = Subset(name="other", folders=("other",))
SUITE = Suite(
    name="toy", title="Toy", subsets=(GAN, OTHER), adapter=folder_adapter, folders=("toy",)
)


def found(path: Path) -> dict[str, bytes]:
    """Every file of an archive, read."""
    return {file.id: file.source.read() for file in walk_files(folder_at(path))}


def sources(path: Path) -> list[Source]:
    return [file.source for file in walk_files(folder_at(path))]


def raw_zip(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in members:
            archive.writestr(info, data)
    return path


def raw_tar(path: Path, *members: tuple[str, bytes, dict[str, object]], **options: object) -> Path:
    with tarfile.open(path, "w:", **options) as archive:  # type: ignore[call-overload]
        for name, data, fields in members:
            add(archive, name, data, **fields)
    return path


# What is found


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read(tmp_path: Path, format: int) -> None:
    long = "0_real/" + "x" * 90 + ".png"
    members = [(long, b"1", {}), ("1_fake/図.png", b"22", {})]
    path = raw_tar(tmp_path / "a.tar", *members, format=format)
    assert found(path) == {long: b"1", "1_fake/図.png": b"22"}


@pytest.mark.parametrize("ending", [".tar", ".TAR", ".tar.gz", ".tgz", ".zip"])
def test_the_contents_of_a_tar_say_whether_it_is_compressed(tmp_path: Path, ending: str) -> None:
    if ending == ".zip":
        path = zipped(IMAGES, tmp_path / "a")
    else:
        path = tarred(IMAGES, tmp_path / "a", "gz").rename(tmp_path / f"b{ending}")
    assert found(path) == IMAGES


def test_hard_links_are_the_file_that_they_name(tmp_path: Path) -> None:
    link = {"type": tarfile.LNKTYPE, "linkname": "0_real/a.png"}
    path = raw_tar(tmp_path / "a.tar", ("0_real/a.png", b"abc", {}), ("1_fake/b.png", b"", link))
    assert found(path) == {"0_real/a.png": b"abc", "1_fake/b.png": b"abc"}


def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path) -> None:
    path = raw_tar(tmp_path / "a.tar", ("x.png", b"old", {}), ("./x.png", b"new", {}))
    assert found(path) == {"x.png": b"new"}


def test_names_as_windows_and_old_unix_tools_write_them(tmp_path: Path) -> None:
    dos = zipfile.ZipInfo("x")
    dos.filename, dos.create_system = "0_real\\a.png", 0
    old = zipfile.ZipInfo("1_fake/" + "图.png".encode().decode("cp437"))
    old.create_system = 3
    path = raw_zip(tmp_path / "a.zip", (dos, b"1"), (old, b"2"))
    data = bytearray(path.read_bytes())
    # zipfile marks every such name as UTF-8 and writes it so: put the raw bytes back.
    name = old.filename.encode()
    raw = "1_fake/图.png".encode()
    fixed = bytes(data).replace(name, raw + b"_" * (len(name) - len(raw)))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = fixed.rfind(magic)
        flags = struct.unpack_from("<H", fixed, start + at)[0] & ~0x800
        fixed = fixed[: start + at] + struct.pack("<H", flags) + fixed[start + at + 2 :]
    path.write_bytes(fixed)
    names = sorted(found(path))
    assert names[0] == "0_real/a.png"
    assert names[1].startswith("1_fake/图.png")


def test_hidden_files_and_litter_are_passed_over(tmp_path: Path) -> None:
    names = ("__MACOSX/0_real/._a.png", ".DS_Store", "0_real/._a.png", "0_real/a.png")
    assert [*found(raw_zip(tmp_path / "a.zip", *((name, b"x") for name in names)))] == [
        "0_real/a.png"
    ]


def test_an_archive_beside_the_folder_that_it_was_unpacked_to_is_not_read_twice(
    tmp_path: Path,
) -> None:
    for name, data in IMAGES.items():
        (tmp_path / "toy/gan" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toy/gan" / name).write_bytes(data)
    zipped({"0_real/other.png": b"x"}, tmp_path / "toy/gan")
    listing = folder_adapter(SUITE, GAN, find_root(SUITE, tmp_path))
    assert [sample.id for sample in listing] == [*IMAGES]


def test_an_archive_in_an_archive_is_named_and_not_read(tmp_path: Path) -> None:
    inner = zipped(IMAGES, tmp_path / "inner").read_bytes()
    zipped({"gan/0_real/inner.zip": inner, "gan/0_real/a.png": b"x"}, tmp_path / "toy")
    listing = folder_adapter(SUITE, GAN, find_root(SUITE, tmp_path))
    assert listing.left_out == ("0_real/inner.zip",)


@pytest.mark.parametrize(
    "lies",
    [
        "ForenSynths/biggan.tar.gz",
        "ForenSynths/biggan.zip",
        "ForenSynths.zip::biggan",
        "CNN_synth_testset.zip::biggan",
        "cnn_synth_testset.ZIP::CNN_synth_testset/biggan",
        "Generalization_Test/ForenSynths.tar::biggan",
        "Generalization_Test.tar::ForenSynths/biggan",
    ],
)
def test_a_suite_is_found_however_it_is_packed(tmp_path: Path, lies: str) -> None:
    archive, _, inside = lies.partition("::")
    images = {f"{inside}/{name}" if inside else name: data for name, data in IMAGES.items()}
    path = tmp_path / archive
    path.parent.mkdir(exist_ok=True)
    kind = "gz" if archive.endswith("gz") else ""
    made = (zipped if archive.lower().endswith("zip") else tarred)(images, tmp_path / "made")
    if kind:
        made = tarred(images, tmp_path / "packed", kind)
    made.rename(path)
    suite = get_suite("forensynths")
    biggan = next(subset for subset in suite.subsets if subset.name == "biggan")
    manifest = load_manifest(suite, biggan, find_root(suite, tmp_path), tmp_path / "out")
    assert [sample.id for sample in manifest.samples] == [*IMAGES]
    assert UNREADABLE not in {sample.sha256 for sample in manifest.samples}


def test_the_data_root_may_be_an_archive(tmp_path: Path) -> None:
    path = zipped({f"toy/gan/{name}": data for name, data in IMAGES.items()}, tmp_path / "data")
    assert len(folder_adapter(SUITE, GAN, find_root(SUITE, path))) == 6


def test_one_member_is_named_as_messages_write_it(tmp_path: Path) -> None:
    path = zipped(IMAGES, tmp_path / "photos")
    (file,) = images_at(f"{path}::1_fake/0.png").files
    assert file.source.read() == IMAGES["1_fake/0.png"]
    assert str(file.source) == f"{path}::1_fake/0.png"
    assert len(images_at(str(path)).files) == 6
    with pytest.raises(DataError, match=r"has no file 1_fake/9\.png"):
        images_at(f"{path}::1_fake/9.png")
    with pytest.raises(UsageError, match=r"none\.zip: no such file"):
        images_at(str(tmp_path / "none.zip"))


# What is refused


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("gan/0_real/link.png")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


UNSAFE: dict[str, Callable[[Path], None]] = {
    "symlink in a zip": lambda root: _unsafe_zip(root, _link()),
    "dots in a zip": lambda root: _unsafe_zip(root, "gan/0_real/../../../evil.png"),
    "symlink in a tar": lambda root: _unsafe_tar(
        root, "gan/0_real/l.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
    ),
    "device in a tar": lambda root: _unsafe_tar(root, "gan/0_real/d", {"type": tarfile.CHRTYPE}),
    "dots in a tar": lambda root: _unsafe_tar(root, "gan/0_real/../x.png", {}),
}


def _whole_suite(unsafe: dict[str, bytes]) -> Images:
    both = {f"{s}/{name}": data for s in ("gan", "other") for name, data in IMAGES.items()}
    return {**both, **unsafe}


def _unsafe_zip(root: Path, info: zipfile.ZipInfo | str) -> None:
    raw_zip(root / "toy.zip", *_whole_suite({}).items(), (info, b"/etc/passwd"))


def _unsafe_tar(root: Path, name: str, fields: dict[str, object]) -> None:
    safe = [(each, data, {}) for each, data in _whole_suite({}).items()]
    raw_tar(root / "toy.tar", *safe, (name, b"", fields))


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_unsafe_member_is_an_error_of_its_subset_alone(tmp_path: Path, kind: str) -> None:
    UNSAFE[kind](tmp_path)
    root = find_root(SUITE, tmp_path)
    with pytest.raises(DataError, match="has a member that is not read"):
        folder_adapter(SUITE, GAN, root)
    assert len(folder_adapter(SUITE, OTHER, root)) == 6
    assert sorted(path.suffix for path in tmp_path.iterdir()) in ([".zip"], [".tar"])


@pytest.mark.parametrize("name", ["/etc/evil.png", "../evil.png"])
def test_a_name_out_of_a_subsets_own_archive_is_an_error_of_that_subset(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "toy").mkdir()
    raw_tar(tmp_path / "toy/gan.tar", *((n, d, {}) for n, d in IMAGES.items()), (name, b"x", {}))
    zipped(IMAGES, tmp_path / "toy/other")
    root = find_root(SUITE, tmp_path)
    with pytest.raises(DataError, match=r"evil\.png"):
        folder_adapter(SUITE, GAN, root)
    assert len(folder_adapter(SUITE, OTHER, root)) == 6


# What is damaged


def _places(path: Path) -> dict[str, int]:
    """Where a tar may be cut: in data, in a header, between members, before the end blocks."""
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    last = members[-1]
    end = last.offset_data + -(-last.size // 512) * 512
    return {
        "in data": members[2].offset_data + 5,
        "in a header": members[2].offset + 100,
        "between members": members[2].offset,
        "in the last data": last.offset_data + 5,
        "before the end blocks": end,
    }


@pytest.mark.parametrize("place", ["in data", "in a header", "between members",
                                   "in the last data", "before the end blocks"])  # fmt: skip
def test_a_tar_that_is_cut_short_is_an_error(tmp_path: Path, place: str) -> None:
    path = tarred(IMAGES, tmp_path / "a")
    os.truncate(path, _places(path)[place])
    with pytest.raises(DataError, match=r"a\.tar: damaged or cut short"):
        ArchiveFolder(path).entries()


def test_a_tar_with_a_damaged_header_is_an_error(tmp_path: Path) -> None:
    path = tarred(IMAGES, tmp_path / "a")
    data = bytearray(path.read_bytes())
    at = _places(path)["between members"]
    data[at : at + 10] = b"\xff" * 10
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged or cut short"):
        ArchiveFolder(path).entries()


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_compressed_tar_that_is_cut_short_or_damaged_is_an_error(
    tmp_path: Path, kind: str
) -> None:
    whole = tarred(IMAGES, tmp_path / "a", kind).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for number, data in enumerate((whole[: len(whole) // 2], whole[:-4], bytes(flipped))):
        path = tmp_path / f"{number}.tar.{kind}"
        path.write_bytes(data)
        with pytest.raises(DataError, match="damaged or cut short"):
            ArchiveFolder(path).entries()


def test_a_zip_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = zipped(IMAGES, tmp_path / "a")
    os.truncate(path, path.stat().st_size - 30)
    with pytest.raises(DataError, match=r"a\.zip: no whole zip archive"):
        ArchiveFolder(path).entries()


def _flip(path: Path, name: bytes) -> None:
    """Damages the stored bytes of one member."""
    data = bytearray(path.read_bytes())
    at = data.find(name) + len(name) + 40
    for place in range(at, at + 100):
        data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                    zipfile.ZIP_LZMA])  # fmt: skip
def test_a_damaged_member_is_an_unreadable_image(tmp_path: Path, method: int) -> None:
    path = zipped({f"gan/{n}": d for n, d in IMAGES.items()}, tmp_path / "toy", method)
    _flip(path, b"gan/0_real/1.png")
    manifest = load_manifest(SUITE, GAN, find_root(SUITE, tmp_path), tmp_path / "out")
    assert [s.id for s in manifest.samples if s.sha256 == UNREADABLE] == ["0_real/1.png"]


def _declare(path: Path, size: int) -> None:
    """Makes the only member of a zip declare another size, everywhere."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.find(b"PK\x03\x04") + 22, size)
    struct.pack_into("<I", data, data.rfind(b"PK\x01\x02") + 24, size)
    path.write_bytes(data)


def test_a_member_that_inflates_to_more_than_it_declares_is_cut_off(tmp_path: Path) -> None:
    import tracemalloc

    path = raw_zip(tmp_path / "a.zip", ("x.png", bytes(200 << 20)))
    _declare(path, 100)
    (source,) = sources(path)
    tracemalloc.start()
    with pytest.raises(ValueError, match="differs from what the archive declares"):
        source.read()
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_a_member_that_declares_too_much_is_not_read(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "a.zip", ("x.png", b"x"))
    _declare(path, (1 << 30) + 1)
    with pytest.raises(ValueError, match="at most 1,073,741,824 are read"):
        sources(path)[0].read()


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "a.zip", ("x.png", b"x" * 50))
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x03\x04") + 6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="encrypted"):
        sources(path)[0].read()


def test_an_unknown_compression_says_so(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "a.zip", ("x.png", b"x" * 50))
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.find(b"PK\x03\x04") + 8, 99)
    struct.pack_into("<H", data, data.rfind(b"PK\x01\x02") + 10, 99)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="compression"):
        sources(path)[0].read()


# Compressed tars and indices


def test_a_compressed_tar_is_read_once_in_its_own_order_by_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {f"{i:03d}.png": os.urandom(3000) for i in range(200)}
    path = tarred(images, tmp_path / "a", "gz")
    ordered = sorted(sources(path), key=lambda source: source.order)
    opened: list[str] = []
    original = tars._stream
    monkeypatch.setattr(tars, "_stream", lambda p: opened.append(p) or original(p))
    tars._reader.cache_clear()
    read: dict[str, bytes] = {}
    queue = iter(ordered)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                source = next(queue, None)
            if source is None:
                return
            read[str(source).rpartition("::")[2]] = source.read()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == images
    assert len(opened) == 1


def test_a_compressed_tar_gives_the_right_bytes_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tars, "BEHIND", 5000)
    images = {f"{i:03d}.png": os.urandom(3000) for i in range(30)}
    path = tarred(images, tmp_path / "a", "bz2")
    tars._reader.cache_clear()
    for source in (*sources(path)[::3], *sources(path)[::-4]):
        assert source.read() == images[str(source).rpartition("::")[2]]


def test_that_unpacking_is_faster_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found(tarred(IMAGES, tmp_path / "a", "gz"))
        assert "unpacking it is faster" in caplog.text
        caplog.clear()
        found(tarred(IMAGES, tmp_path / "b"))
        assert "unpacking" not in caplog.text


def test_an_index_is_made_once_and_again_for_a_changed_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[str] = []
    original = tars._scan
    monkeypatch.setattr(tars, "_scan", lambda path: scans.append(path) or original(path))
    monkeypatch.setattr(cache, "_kept_in", tmp_path / "cache")
    path = tarred(IMAGES, tmp_path / "a")

    def again() -> dict[str, bytes]:
        tars._index.cache_clear()
        from harness.data import archives

        archives._opened.cache_clear()
        return found(path)

    assert again() == again() == IMAGES
    assert len(scans) == 1
    (kept,) = (tmp_path / "cache/archives").iterdir()
    kept.write_bytes(b"garbage")
    assert again() == IMAGES
    assert len(scans) == 2
    fewer = {name: data for name, data in IMAGES.items() if "fake" in name}
    path.unlink()
    tarred(fewer, tmp_path / "a")
    assert again() == fewer
    assert len(scans) == 3


def test_zlib_bombs_in_a_tar_stop_at_the_largest_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tars, "LARGEST", 1 << 20)
    path = tmp_path / "a.tar.gz"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        add(archive, "x.png", bytes(2 << 20))
    packer = zlib.compressobj(wbits=31)
    path.write_bytes(packer.compress(buffer.getvalue()) + packer.flush())
    with pytest.raises(ValueError, match="at most 1,048,576 are read"):
        sources(path)[0].read()
