"""``run --shard``: journals side by side, merged by the run without it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.results.journal import Journal, shard_journals
from harness.results.store import load_records
from tests.conftest import write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images") / "data"
    for first, group in ((0, "a"), (100, "b")):
        write_images(root / group / "0_real", range(first, first + 10))
        write_images(root / group / "1_fake", range(first + 10, first + 20))
    return root


def run(images: Path, out: Path, *more: object) -> int:
    flags = ["--method", "chance", "--images", images, "--resamples", "0", "--out", out]
    return main(["run", *map(str, [*flags, *more])])


def kept(out: Path) -> dict[str, bytes]:
    found = sorted(out.rglob("predictions/**/*.parquet"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def plain(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("plain")
    assert run(images, out) == 0
    return kept(out)


def test_a_shard_leaves_journals_and_says_what_comes_next(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(images, tmp_path, "--shard", "1/2") == 0
    assert not kept(tmp_path)
    assert not load_records(tmp_path)
    journals = [path.name for path in tmp_path.rglob("*.journal")]
    assert len(journals) == 2
    assert all(name.endswith(".1-of-2.journal") for name in journals)
    said = capsys.readouterr().out
    assert "shard 1/2 is done" in said
    assert "the same command without --shard" in said


def test_shards_of_several_counts_are_merged_and_nothing_is_scored_twice(
    images: Path, plain: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for shard in ("1/2", "2/3", "3/5"):
        assert run(images, tmp_path / "one", "--shard", shard) == 0
    first = sum("scores computed" in line for line in caplog.messages)
    assert first == 3
    assert run(images, tmp_path / "two", "--shard", "2/2") == 0
    shutil.copytree(tmp_path / "two/predictions", tmp_path / "one/predictions", dirs_exist_ok=True)
    caplog.clear()
    assert run(images, tmp_path / "one") == 0
    assert "0 scores computed, 40 were on disk" in caplog.text
    assert kept(tmp_path / "one") == plain
    assert not list((tmp_path / "one").rglob("*.journal"))


def test_a_shard_leaves_out_what_others_have(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for shard in ("1/2", "2/2", "1/3", "2/3", "3/3"):
        caplog.clear()
        assert run(images, tmp_path, "--shard", shard) == 0
        assert (": 0 scores computed" in caplog.text) == shard.endswith("/3")
    assert not [path for path in tmp_path.rglob("*.journal") if "of-3" in path.name]


def test_a_journal_of_another_version_is_said_and_scored_again(
    images: Path, plain: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(images, tmp_path, "--shard", "1/2") == 0
    journal = next(tmp_path.rglob("*.journal"))
    head, rest = journal.read_bytes().split(b"\n", 1)
    wrong = b"\n".join(line.split(b"\t")[0] + b"\t0x1p+0" for line in rest.splitlines()[1:])
    journal.write_bytes(head.replace(b'"version": 1', b'"version": 0') + b"\n" + wrong + b"\n")
    assert run(images, tmp_path) == 0
    assert f"{journal}: a journal of another version or key; its images are scored" in caplog.text
    assert kept(tmp_path) == plain


def test_a_full_disk_keeps_what_was_written(
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    append = Journal._append
    written: list[bytes] = []

    def full(journal: Journal, lines: bytes) -> None:
        if len(written) > 12:
            raise OSError(errno.ENOSPC, "No space left on device", str(journal.path))
        written.append(lines)
        append(journal, lines)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_append", full)
        assert run(images, tmp_path) == 6
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "run the same command again" in said
    assert len(list(tmp_path.rglob("*.journal"))) == 1
    assert run(images, tmp_path) == 0
    assert kept(tmp_path) == plain


def test_journals_are_found_beside_theirs_alone(tmp_path: Path) -> None:
    for name in ("abc.1-of-2.journal", "abc.journal", "abcd.1-of-2.journal", "abc.parquet"):
        (tmp_path / name).touch()
    assert [p.name for p in shard_journals(tmp_path / "abc.journal")] == ["abc.1-of-2.journal"]
