"""The recipe's own command line (the recipe itself is run by people and by CI's machine)."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import CompletedProcess

from tests import program


def run_all(*arguments: str) -> CompletedProcess[str]:
    return program.run("bash", program.CHECKOUT / "run_all.sh", *arguments)


def test_help_names_every_flag_and_variable() -> None:
    done = run_all("--help")
    assert done.returncode == 0
    for word in ("--quick", "--data-root", "--out", "test", "LFM_DATA", "LFM_WEIGHTS", "PYTHON"):
        assert word in done.stdout


def test_unknown_arguments_are_refused_before_anything_happens() -> None:
    done = run_all("--fast")
    assert done.returncode == 2
    assert "unknown argument --fast" in done.stderr


SKIPPED = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_a(number):
    pytest.skip("nothing is here")

def test_b():
    pytest.importorskip("no_such_module")

def test_c():
    pass
"""


def test_the_last_line_says_what_was_not_tested_and_why(tmp_path: Path) -> None:
    """Behind the closing line of pytest, which stays as it is."""
    (tmp_path / "test_some.py").write_text(SKIPPED)
    command = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", tmp_path)
    done = program.run(*command, tmp_path / "test_some.py")
    assert done.returncode == 0, done.stdout
    *_, closing, last = done.stdout.splitlines()
    assert "1 passed, 4 skipped in" in closing
    assert last.startswith("not tested: 4 tests: 3 because nothing is here; 1 because could not")
    assert "no_such_module" in last
    whole = program.run(*command, tmp_path / "test_some.py", "-k", "test_c")
    assert "not tested" not in whole.stdout
