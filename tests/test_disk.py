"""What the disk refuses: a plain error, exit code 6, and nothing that was computed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from tests import program
from tests.conftest import write_images

FULL = Path("/dev/full")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_images(folder / "0_real", range(12))
    write_images(folder / "1_fake", range(20, 32))
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = program.run("mount", "-t", "tmpfs", "-o", "size=64k", "none", folder)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    assert program.run("umount", folder).returncode == 0


def command(name: str, images: Path, out: Path) -> list[str]:
    """A command that writes below ``out``."""
    arguments = {
        "run": ["--method", "chance", "--images", images, "--out", out],
        "robustness": ["--method", "chance", "--images", images, "--out", out],
        "audit": ["--images", images, "--out", out],
        "tables": ["--out", images.parent / "nothing", "--to", out],
        "report": ["--out", images.parent / "nothing", "--to", out],
        "dev docs": ["--to", out],
        "train": ["--method=trivial", f"--train-data={images}", f"--val-data={images}"],
    }
    to = ["--out", out] if name == "train" else []
    return [*name.split(), *map(str, [*arguments[name], *to])]


WRITING = ("run", "robustness", "audit", "tables", "report", "dev docs", "train")


@pytest.mark.parametrize("below", ["", "folder"])
@pytest.mark.parametrize("name", WRITING)
def test_a_file_in_the_place_of_a_folder(
    name: str, below: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(command(name, images, tmp_path / "file" / below)) == 6
    said = capsys.readouterr().err
    assert f"error: {tmp_path / 'file'}" in said
    assert "next: a file stands where a folder is needed" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_weights_folder_that_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path / "file"))
    assert main(["weights", "--fetch", "lfm:released"]) == 6
    assert f"error: {tmp_path / 'file'}" in capsys.readouterr().err


def test_check_needs_no_folder_to_write_to(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("mine")
    flags = ["check", "--images", str(images), "--json"]
    assert main([*flags, "--out", str(tmp_path / "out")]) == 0
    expected = capsys.readouterr().out
    assert main([*flags, "--out", str(tmp_path / "file")]) == 0
    assert capsys.readouterr().out == expected
    said = [text for text in caplog.messages if "is not remembered" in text]
    assert len(said) == 1
    assert str(tmp_path / "file") in said[0]


@pytest.mark.slow
def test_a_full_disk_loses_no_score(images: Path, tmp_path: Path, small_disk: Path) -> None:
    """Full at the first score, behind the last one, at the record: each run goes on from there."""
    whole = program.run(*program.HARNESS, *command("run", images, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    filler = small_disk / "filler"
    for pages in (1, 2, 3):
        filler.write_bytes(bytes(64 * 1024 - 4096 * pages))
        full = program.run(*program.HARNESS, *command("run", images, small_disk / "out"))
        filler.unlink()
        assert full.returncode == 6, full.stderr
        assert "No space left on device" in full.stderr
        assert "next: make room, then run the same command again" in full.stderr
        assert "Traceback" not in full.stderr
        assert "Exception ignored" not in full.stderr
    again = program.run(*program.HARNESS, *command("run", images, small_disk / "out"))
    assert again.returncode == 0, again.stderr
    assert "0 scores computed, 24 were on disk" in again.stderr
    assert again.stdout == whole.stdout
    left = {path.suffix for path in small_disk.rglob("*") if path.is_file()}
    assert left == {".parquet", ".json"}


@pytest.mark.parametrize("name", ["run", "tables", "audit"])
def test_files_that_may_not_grow(name: str, images: Path, tmp_path: Path) -> None:
    """As on a full disk, without one: no file of this process may exceed 1 KiB."""
    words = [*program.HARNESS, *command(name, images, tmp_path / "out")]
    done = program.run("bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *words)
    assert done.returncode == 6, done.stderr
    assert f"error: {tmp_path / 'out'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").rglob(".*.json.*"))


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_results_that_cannot_be_printed_are_an_error() -> None:
    with FULL.open("w") as full:
        done = program.run(*program.HARNESS, "list", stdout=full)
    assert done.returncode == 6
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    done = program.run("bash", "-c", f'"$@" {closed}', "bash", *program.HARNESS, "list")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
