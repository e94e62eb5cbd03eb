"""One process at a time writes a journal, and file systems without locks are no obstacle."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.results import lock
from harness.results.lock import open_locked
from tests import program

fcntl = pytest.importorskip("fcntl", reason="the locks of Windows are another module's")


@pytest.fixture(autouse=True)
def unsaid() -> None:
    """A warning is given once a process: each test is the first."""
    lock._warn.cache_clear()


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_the_second_one_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = open_locked(tmp_path / "journal")
    with pytest.raises(UsageError, match="is being written by another process"):
        open_locked(tmp_path / "journal")
    first.write(b"one")
    first.close()
    with open_locked(tmp_path / "journal") as second:
        second.seek(0)
        assert second.read() == b"one"


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from harness.results.lock import open_locked
file = open_locked(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""
    streams = {"stdin": program.subprocess.PIPE, "stdout": program.subprocess.PIPE}
    path = tmp_path / "journal"
    with program.started(sys.executable, "-c", code, path, **streams) as child:
        assert child.stdout.readline() == b"locked\n"  # type: ignore[union-attr]
        with pytest.raises(UsageError):
            open_locked(path)
        child.kill()
        child.wait()
        open_locked(path).close()


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EIO]
)
def test_without_locks_it_goes_on_and_says_so_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, number)
    for name in ("one", "two"):
        with open_locked(tmp_path / name) as file:
            file.write(b"kept")
    assert (tmp_path / "two").read_bytes() == b"kept"
    (said,) = caplog.messages
    assert os.strerror(number) in said
    assert "another process" not in said


def test_a_file_that_was_deleted_meanwhile_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking the first process ends its work and deletes the file."""
    path, flock = tmp_path / "journal", fcntl.flock
    deleted = []

    def late(*arguments: object) -> None:
        if not deleted:
            deleted.append(path.unlink())
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", late)
    with open_locked(path) as file:
        file.write(b"kept")
    assert path.read_bytes() == b"kept"
