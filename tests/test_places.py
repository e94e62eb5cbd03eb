"""Where the program runs: without a locale, a home, a terminal, and from a read-only checkout.

Real programs, and the tables that they make must be those that are made anywhere else.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import program
from tests.conftest import write_images
from tests.copies import contents, copy_checkout

pytestmark = pytest.mark.slow

STRANGER = "54321"  # a user id that no machine gives
AS_STRANGER = (
    *("setpriv", "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"),
    # The interpreter may lie where root alone may look.
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)
AS_BOUND = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override")
"""Root without the right to write what nobody may write."""
NO_TERMINAL = ("sh", "-c", 'exec "$@" <&-', "sh")
NOT_HERE = ("HOME", "USER", "LOGNAME", "LFM_DATA", "LFM_WEIGHTS", "MPLCONFIGDIR")
COMMANDS = (
    ("list",),
    ("score", "photos", "--method", "chance"),
    ("run", "--method", "chance", "--suite", "mini:gan", "--limit", "2"),
    ("tables",),
)


def harness(
    folder: Path, *words: object, before: tuple[str, ...] = (), **variables: str
) -> CompletedProcess[str]:
    """One command in a folder, of the checkout that PYTHONPATH names (default: this one)."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_HERE and not name.startswith(("LC_", "LANG", "XDG_"))
    }
    needed = {"PYTHONPATH": str(program.CHECKOUT), "OMP_NUM_THREADS": "1"}
    return program.run(
        *before, *program.HARNESS, *words, cwd=folder, env={**plain, **needed, **variables}
    )


def tables(folder: Path, before: tuple[str, ...] = (), **variables: str) -> dict[str, bytes]:
    """All commands one after the other in a new folder; the files of the tables they end in.

    And a figure, for which Matplotlib looks for a place of its own.
    """
    write_images(folder / "photos", range(2))
    folder.chmod(0o777)
    for words in (*COMMANDS, ("figures",)):
        done = harness(folder, *words, before=before, **variables)
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert done.stdout
    assert (folder / "runs" / "figures" / "mini-groups.svg").is_file()
    made = (folder / "runs" / "tables").iterdir()
    return {path.name: path.read_bytes() for path in sorted(made)}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of an ordinary place."""
    home = tmp_path_factory.mktemp("home")
    return tables(tmp_path_factory.mktemp("usual"), HOME=str(home), LANG="C.UTF-8")


def usable(before: tuple[str, ...]) -> tuple[str, ...]:
    """What is put before a command; the test is skipped where this user cannot do that."""
    if os.geteuid() or not shutil.which(before[0]):
        pytest.skip("only root can become somebody else, with setpriv")
    if program.run(*before, "true").returncode:
        pytest.skip("this machine does not let root become somebody else")
    return before


def test_no_locale(usual: dict[str, bytes], tmp_path: Path) -> None:
    ascii_only = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert tables(tmp_path, **ascii_only) == usual
    done = harness(tmp_path, "report", **ascii_only)
    assert done.returncode == 0, done.stderr
    assert "Δ" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_a_user_without_name_and_home(usual: dict[str, bytes], tmp_path: Path) -> None:
    before = usable(AS_STRANGER)
    code = "import os, pwd; assert os.path.expanduser('~') == '~'; pwd.getpwuid(os.getuid())"
    done = program.run(*before, program.HARNESS[0], "-c", code, env={})
    assert "uid not found" in done.stderr  # so the test means something
    assert tables(tmp_path, before) == usual


def test_a_home_that_cannot_be_made(usual: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "reader"
    assert tables(folder, HOME=str(tmp_path / "file" / "home")) == usual


def test_no_terminal_and_no_standard_input(usual: dict[str, bytes], tmp_path: Path) -> None:
    assert tables(tmp_path, NO_TERMINAL) == usual


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A copy of this checkout into which nobody may write."""
    folder = copy_checkout(tmp_path / "checkout")
    places = [folder, *folder.rglob("*")]
    for path in places:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield folder
    for path in places:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_a_read_only_checkout(usual: dict[str, bytes], read_only: Path, tmp_path: Path) -> None:
    before = usable(AS_BOUND) if os.geteuid() == 0 else ()
    assert program.run(*before, "touch", read_only / "x").returncode  # so the test means something
    found = contents(read_only)
    assert tables(tmp_path / "reader", before, PYTHONPATH=str(read_only)) == usual
    # Standing in it, output goes where a flag says, or the program says that it cannot go anywhere.
    words = ("run", "--method", "chance", "--suite", "mini:gan_tconv", "--limit", "1")
    here = harness(read_only, *words, "--out", tmp_path / "out", before=before)
    assert here.returncode == 0, here.stderr
    refused = harness(read_only, *words, before=before)
    assert refused.returncode == 6, refused.stderr
    assert "error: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert contents(read_only) == found
