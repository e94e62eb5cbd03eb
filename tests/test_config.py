"""The command line: ``--config``, flags in full, nothing ignored."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import pytest

from harness.__main__ import command_line, command_names, main
from harness.commands._config import CommandLine
from harness.errors import UsageError
from tests.conftest import CHECKOUT


def parser() -> CommandLine:
    made = CommandLine("harness example")
    for flag in ("--method", "--batch-size", "--lr-step", "--seeds", "--betas", "--balanced"):
        made.add_argument(flag)
    made.add_argument("--seed", dest="seeds")
    made.add_argument("--images", action="append", default=[])
    made.add_argument("--skip-absent", action="store_true")
    made.add_argument("--measure", action="store_true")
    made.add_argument("paths", nargs="*")
    return made


def read(tmp_path: Path, text: str, *typed: str) -> argparse.Namespace:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return parser().read([*typed, "--config", str(file)])


def test_keys_are_flags_and_typed_flags_win(tmp_path: Path) -> None:
    text = 'method = "lfm"\nbatch-size = 4\nlr_step = 2\nseeds = [0, 1]\nbetas = [0.9, 0.99]'
    args = read(tmp_path, text, "--method", "gap", "a.png")
    assert (args.method, args.batch_size, args.lr_step) == ("gap", "4", "2")
    assert (args.seeds, args.betas, args.paths) == ("0,1", "0.9,0.99", ["a.png"])
    assert read(tmp_path, text, "--seed=7").seeds == "7"


def test_a_list_of_a_flag_that_repeats_is_several_and_typed_ones_replace_it(tmp_path: Path) -> None:
    text = 'images = ["a", "b,c"]'
    assert read(tmp_path, text).images == ["a", "b,c"]
    assert read(tmp_path, text, "--images", "d", "--images", "e").images == ["d", "e"]


def test_a_truth_is_a_bare_flag_or_a_value(tmp_path: Path) -> None:
    args = read(tmp_path, "balanced = false\nskip-absent = true\nmeasure = false")
    assert (args.balanced, args.skip_absent, args.measure) == ("false", True, False)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("form", [["--config", "{}"], ["--config={}"]], ids=" ".join)
def test_both_forms_and_a_byte_order_mark(tmp_path: Path, form: list[str], mark: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(mark + b'method = "lfm"\r\n')
    assert parser().read([text.format(file) for text in form]).method == "lfm"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", "cannot be read"),
        ("[method]\na = 1", "is a table"),
        ("methode = 1", "did you mean 'method'"),
        ("meth = 1", "unknown key"),
        ('config = "other.toml"', "unknown key"),
        ("help = true", "unknown key"),
        ("measure = 1", "true or false"),
    ],
)
def test_what_cannot_be_flags_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"settings\.toml") as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config"], "needs a file"),
        (["--config="], "needs a file"),
        (["--config", "--method"], "needs a file"),
        (["--config", "gone.toml"], "gone.toml cannot be read"),
        (["--config=gone.toml"], "gone.toml cannot be read"),
        (["--config", "a.toml", "--config=b.toml"], "given 2 times: a.toml, b.toml"),
        (["--conf", "gone.toml"], "did you mean '--config'"),
        (["--conf=gone.toml"], "did you mean '--config'"),
        (["--meth", "lfm"], "did you mean '--method'"),
        (["--method", "lfm", "--method=gap"], "--method takes one value and is given 2 times"),
        (["--seed", "1", "--method"], "--method: expected one argument"),
    ],
)
def test_wrong_command_lines_are_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser().read(arguments)
    assert said in str(caught.value)
    assert caught.value.hint


def test_behind_two_dashes_nothing_is_a_flag() -> None:
    assert parser().read(["--", "--config", "--conf"]).paths == ["--config", "--conf"]


@pytest.mark.parametrize("name", command_names())
def test_no_command_takes_part_of_a_flag_or_ignores_a_config(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [flag for flag in command_line(name)._option_string_actions if flag[:2] == "--"]
    for flag in flags:
        part = flag[:-1]
        if part not in ("--", *flags):
            assert main([*name.split(), part]) == 2
            assert f"unknown flag '{part}'" in capsys.readouterr().err
    for config in (["--config", "gone.toml"], ["--config=gone.toml"], ["--conf", "gone.toml"]):
        assert main([*name.split(), *config]) == 2
    assert "gone.toml cannot be read" in capsys.readouterr().err


def test_no_parser_of_ours_takes_abbreviations() -> None:
    """``argparse`` does unless told not to; every call is looked at."""
    for path in sorted((CHECKOUT / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                (".ArgumentParser", ".add_parser")
            ):
                assert "allow_abbrev=False" in ast.unparse(node), f"{path}:{node.lineno}"
