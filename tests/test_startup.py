"""What a command imports before it has anything to do: modules are counted, not seconds."""

from __future__ import annotations

import argparse
import sys

import pytest

from harness.__main__ import command_line, command_names
from harness.commands.train import RECIPE
from harness.data.perturb import CHAINS
from harness.engine.accelerate import FORMS
from harness.env import DEVICES
from harness.evaluation.twins import TWINS
from harness.training.datasets import DECLARED
from harness.training.recipe import OVERRIDABLE, flag, form
from tests import program

HEAVY = ("torch", "torchvision", "numpy", "scipy", "sklearn", "pandas", "pyarrow", "matplotlib")
HELPS = """
import sys
from harness.__main__ import command_names, main
for words in [[], ["dev"], *(name.split() for name in command_names())]:
    try:
        main([*words, "--help"])
    except SystemExit as done:
        assert done.code == 0, words
    loaded = sys.argv[1:] and [name for name in sys.argv[1:] if name in sys.modules]
    assert not loaded, (words, loaded)
"""
LISTED = """
import sys
from harness.__main__ import main
assert main(["list"]) == 0
assert "torch" in sys.modules
loaded = [name for name in sys.argv[1:] if name in sys.modules]
assert not loaded, loaded
"""


def test_help_imports_nothing_that_takes_time() -> None:
    done = program.run(sys.executable, "-c", HELPS, *HEAVY)
    assert done.returncode == 0, done.stderr
    assert "--precision" in done.stdout


def test_list_builds_no_network() -> None:
    others = [*(set(HEAVY) - {"torch", "numpy", "pyarrow"}), "timm", "open_clip"]
    done = program.run(sys.executable, "-c", LISTED, *others)
    assert done.returncode == 0, done.stderr
    assert "lfm" in done.stdout


@pytest.mark.parametrize("name", command_names())
def test_every_flag_has_help_with_its_default(name: str) -> None:
    text = "".join(command_line(name).format_help().split())
    for action in command_line(name)._actions:
        assert action.help, action.dest
        if action.help == argparse.SUPPRESS or action.nargs == 0:
            continue
        if action.option_strings and action.default not in (None, "", 0, [], "==SUPPRESS=="):
            assert "default" in action.help or f"(default:{action.default})" in text, action.dest


def _help(name: str) -> str:
    return " ".join(command_line(name).format_help().split())


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("run", TWINS),
        ("run", dict.fromkeys(DEVICES)),
        ("robustness", CHAINS),
        ("bench", FORMS),
        ("train", DECLARED),
    ],
)
def test_help_names_all_that_can_be_typed(command: str, names: dict[str, object]) -> None:
    """The names live where the work is; help, which does not import it, writes them again."""
    for name in names:
        assert name in _help(command)


def test_every_value_of_a_recipe_has_a_flag() -> None:
    typed = [(f"--{name}", what) for name, what, _ in RECIPE]
    assert sorted(typed) == sorted((flag(name), form(name)) for name in OVERRIDABLE)
