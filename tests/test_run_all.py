"""The recipe's own command line (the recipe itself is run by people and by CI's machine)."""

from __future__ import annotations

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
