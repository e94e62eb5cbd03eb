from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from image_files import write

from harness.data.adapters import folder_adapter
from harness.data.disk import DiskFolder
from harness.data.manifest import hash_samples, load_manifest
from harness.data.sample import UNREADABLE, Sample
from harness.data.source import FileSource
from harness.data.suite import Subset, Suite
from harness.data.tables import RowSource
from harness.errors import DataError

GAN = Subset(name="gan", folders=("gan",))
SUITE = Suite(name="toy", title="Toy", subsets=(GAN,), adapter=folder_adapter)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        write(tmp_path / f"data/gan/0_real/{number}.png", seed=number)
        write(tmp_path / f"data/gan/1_fake/{number}.png", seed=10 + number)
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read, in a list that grows."""
    read: list[Path] = []
    original = FileSource.read

    def counted(source: FileSource) -> bytes:
        read.append(Path(source.path))
        return original(source)

    monkeypatch.setattr(FileSource, "read", counted)
    return read


def test_a_manifest_has_the_hashes_of_the_files(root: Path, tmp_path: Path) -> None:
    manifest = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert manifest.name == "toy/gan"
    assert (manifest.n_real, manifest.n_fake) == (3, 3)
    for sample in manifest.samples:
        assert sample.sha256 == hashlib.sha256(sample.source.read()).hexdigest()
    assert len(manifest.digest) == 64


def test_a_second_call_reads_no_file(root: Path, tmp_path: Path, reads: list[Path]) -> None:
    first = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert len(reads) == 6
    assert load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out") == first
    assert len(reads) == 6


def test_a_changed_file_is_read_again(root: Path, tmp_path: Path, reads: list[Path]) -> None:
    before = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    reads.clear()
    write(root / "gan/1_fake/1.png", height=9)  # another size
    touched = root / "gan/0_real/2.png"
    data = touched.read_bytes()
    touched.write_bytes(data[:-1] + b"\x83")  # the same size, another time
    os.utime(touched, ns=(1, 1))
    after = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert sorted(path.name for path in reads) == ["1.png", "2.png"]
    assert after.digest != before.digest


def test_files_of_one_size_and_time_that_change_places_are_read_again(
    tmp_path: Path, reads: list[Path]
) -> None:
    """Bitmaps of one size, unpacked with one time, ``0_real`` and ``1_fake`` exchanged by mv."""
    folder = tmp_path / "data/gan"
    for number in range(4):
        write(folder / f"0_real/{number}.bmp", seed=number)
        write(folder / f"1_fake/{number}.bmp", seed=10 + number)
    for path in folder.rglob("*.bmp"):
        os.utime(path, ns=(1, 1))
    before = load_manifest(SUITE, GAN, DiskFolder(tmp_path / "data"), tmp_path / "out")
    for old, new in (("0_real", "x"), ("1_fake", "0_real"), ("x", "1_fake")):
        (folder / old).rename(folder / new)
    reads.clear()
    after = load_manifest(SUITE, GAN, DiskFolder(tmp_path / "data"), tmp_path / "out")
    assert len(reads) == 8
    hashes = [[s.sha256 for s in manifest.samples] for manifest in (before, after)]
    assert hashes[1] == hashes[0][4:] + hashes[0][:4]


def test_a_file_rewritten_to_the_same_size_and_time_is_read_again(
    root: Path, tmp_path: Path, reads: list[Path]
) -> None:
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    touched = root / "gan/0_real/2.png"
    status, data = touched.stat(), touched.read_bytes()
    touched.write_bytes(data[:-1] + b"\x83")
    os.utime(touched, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert touched.stat().st_mtime_ns == status.st_mtime_ns
    reads.clear()
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert reads == [touched]


def test_an_older_cache_is_not_believed(root: Path, tmp_path: Path, reads: list[Path]) -> None:
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    (cache,) = (tmp_path / "out/cache").rglob("*.parquet")
    old = pq.read_table(cache).drop_columns(["state"])
    pq.write_table(old, cache)
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert len(reads) == 12


def test_an_output_folder_that_cannot_be_written_costs_time_only(
    root: Path, tmp_path: Path, reads: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").touch()  # a file
    first = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out") == first
    assert len(reads) == 12
    assert "is not remembered" in caplog.text


def test_the_digest_does_not_depend_on_where_or_when(root: Path, tmp_path: Path) -> None:
    before = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    moved = root.rename(tmp_path / "moved")
    for path in moved.rglob("*.png"):
        os.utime(path, ns=(5, 5))
    assert load_manifest(SUITE, GAN, DiskFolder(moved), tmp_path / "out").digest == before.digest
    (moved / "gan/0_real/0.png").rename(moved / "gan/0_real/renamed.png")
    assert load_manifest(SUITE, GAN, DiskFolder(moved), tmp_path / "out").digest != before.digest


@pytest.mark.parametrize("garbage", [b"", b"PAR1 not really", b"\0" * 100])
def test_a_damaged_cache_counts_as_empty(
    root: Path, tmp_path: Path, reads: list[Path], garbage: bytes
) -> None:
    first = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    (cache,) = (tmp_path / "out/cache").rglob("*.parquet")
    cache.write_bytes(garbage)
    assert load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out") == first
    assert len(reads) == 12


def test_what_was_hashed_before_an_interruption_is_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FileSource.read

    def interrupted(source: FileSource) -> bytes:
        if "1_fake" in source.path:
            raise KeyboardInterrupt
        return original(source)

    monkeypatch.setattr(FileSource, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out", workers=0)
    again: list[str] = []
    monkeypatch.setattr(FileSource, "read", lambda each: again.append(each.path) or original(each))
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert all("1_fake" in path for path in again)
    assert len(again) == 3


def test_a_file_that_cannot_be_read_does_not_stop_the_others(root: Path, tmp_path: Path) -> None:
    (root / "gan/0_real/gone.png").symlink_to(tmp_path / "nowhere")
    (root / "gan/0_real/loop.png").symlink_to(root / "gan/0_real/loop.png")
    manifest = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    hashes = {sample.id: sample.sha256 for sample in manifest.samples}
    assert hashes.pop("0_real/gone.png") == hashes.pop("0_real/loop.png") == UNREADABLE
    assert len(set(hashes.values())) == 6
    (root / "gan/0_real/loop.png").unlink()
    assert load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out").digest != manifest.digest


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_marked(root: Path, tmp_path: Path) -> None:
    (root / "gan/0_real/0.png").chmod(0)
    manifest = load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    assert [s.id for s in manifest.samples if s.sha256 == UNREADABLE] == ["0_real/0.png"]


def test_samples_that_have_a_hash_keep_it_and_cost_nothing(tmp_path: Path) -> None:
    sample = Sample(
        id="a", label=0, source=RowSource(str(tmp_path / "x.parquet"), 0), sha256="ab" * 32
    )
    assert hash_samples([sample], tmp_path / "cache.parquet") == [sample]
    assert not (tmp_path / "cache.parquet").exists()


def test_two_images_of_one_id_are_refused(root: Path, tmp_path: Path) -> None:
    doubled = Suite(
        name="toy",
        title="Toy",
        subsets=(GAN,),
        adapter=lambda suite, subset, root: folder_adapter(suite, subset, root) * 2,
    )
    with pytest.raises(DataError, match=r"toy/gan: 0_real/0\.png is listed twice"):
        load_manifest(doubled, GAN, DiskFolder(root), tmp_path / "out")


def test_nothing_but_the_cache_is_left_in_the_output_folder(root: Path, tmp_path: Path) -> None:
    load_manifest(SUITE, GAN, DiskFolder(root), tmp_path / "out")
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*")]
    assert files == [Path("cache/hashes/toy.parquet")]
