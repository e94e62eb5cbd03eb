"""The printed scripts, in the shells that they are for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from harness.commands._catalogue import command_names
from tests import program

TRY = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"
_shtab_lfm_bench
printf '%s\\n' "${COMPREPLY[@]}"
"""
QUICK = """
import sys
from harness.__main__ import main
assert main(["completion", "bash"]) == 0
loaded = [name for name in sys.argv[1:] if name in sys.modules]
assert not loaded, loaded
"""


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is printed for a shell, in a file with its name; skips where the shell is not."""
    path: Path = tmp_path_factory.mktemp("completion") / request.param
    done = program.run(*program.HARNESS, "completion", request.param)
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param} here")
    return path


def completed(script: Path, typed: str) -> set[str]:
    """What the tab key offers behind ``typed``, of which the last word may be a part."""
    words = typed.split(" ")
    if script.name == "bash":
        done = program.run("bash", "-c", TRY, "bash", script, *words)
    else:
        code = 'function lfm-bench; end; source $argv[1]; complete -C "$argv[2]"'
        done = program.run("fish", "--no-config", "-c", code, script, typed)
    assert not done.stderr
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


def test_the_shell_accepts_the_script(script: Path) -> None:
    done = program.run(script.name, "-n", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_flags_and_values_are_completed(script: Path) -> None:
    if script.name == "zsh":
        done = program.run("zsh", "-f", "-c", f"compdef() {{ echo $@; }}; eval \"$(<'{script}')\"")
        assert done.stdout.startswith("_shtab_lfm_bench "), done.stderr
        assert done.stdout.endswith(" lfm-bench\n")
        return
    public = {name for name in command_names() if " " not in name}
    assert completed(script, "lfm-bench ") >= {*public, "dev"}
    assert completed(script, "lfm-bench robu") == {"robustness"}
    assert completed(script, "lfm-bench dev kill") == {"kill-test"}
    assert completed(script, "lfm-bench run --preci") == {"--precision"}
    assert completed(script, "lfm-bench run --precision b") == {"bf16"}


def test_a_file_is_completed_as_a_file(script: Path, tmp_path: Path) -> None:
    if script.name == "zsh":
        assert "--config[a TOML file of flags\\; typed flags win]:FILE:_files" in script.read_text()
        return
    (tmp_path / "my-settings.toml").touch()
    found = completed(script, f"lfm-bench run --config {tmp_path}/my-set")
    assert found == {f"{tmp_path}/my-settings.toml"}


def test_it_takes_no_time() -> None:
    done = program.run(sys.executable, "-c", QUICK, "torch", "numpy", "pandas", "pyarrow", "PIL")
    assert done.returncode == 0, done.stderr
