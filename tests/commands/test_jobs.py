"""``--method``, ``--weights``, ``--variant``: which rows they ask for, and what they refuse."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.commands import _flags, _jobs
from harness.errors import UsageError
from harness.registry import detectors as registry
from tests.conftest import write_images


def selected(*flags: str) -> list[tuple[str, str, str]]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--method")
    _flags.add_weights(parser)
    return [(row.spec.name, *row[1:]) for row in _jobs.selected(parser.parse_args(flags))]


def test_weights_are_of_the_methods_that_name_none() -> None:
    assert selected("--method", "lfm:released,npr", "--weights", "x.pth") == [
        ("lfm", "released", ""),
        ("npr", "x.pth", ""),
    ]
    assert selected("--method", "lfm", "--weights", "x.pth", "--variant", "released") == [
        ("lfm", "x.pth", "released")
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("lfm:released", "--weights", "x.pth"), "--weights x.pth would not be used"),
        (("lfm:released,npr:released", "--weights", "x.pth"), "names its own weights"),
        (("lfm,npr", "--weights", "x.pth", "--variant", "released"), "names several"),
        (("lfm,lfm",), "names a detector twice"),
    ],
)
def test_what_would_be_ignored_is_refused(flags: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        selected("--method", *flags)


COMMANDS = [
    ("score", "{images}/0_real/000.png"),
    ("run", "--images", "{images}"),
    ("robustness", "--images", "{images}"),
    ("dev", "stability", "--images", "{images}"),
    ("tsne", "--images", "{images}"),
    ("explain", "{images}/0_real/000.png"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_every_command_refuses_weights_that_it_would_not_use(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("0_real", "1_fake"):
        write_images(tmp_path / "images" / label, range(1))
    words = [word.format(images=tmp_path / "images") for word in command]
    flags = ["--method", "lfm:released", "--weights", str(tmp_path / "x.pth")]
    if command[0] != "score":
        flags += ["--out", str(tmp_path / "out")]
    assert main([*words, *flags]) == 2
    assert "would not be used" in capsys.readouterr().err


def test_a_trained_file_says_its_variant_or_asks_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    state = registry.detector("lfm").build().state_dict()
    path = tmp_path / "mine.safetensors"
    save_file({name: value.clone() for name, value in state.items()}, path)
    write_images(tmp_path, range(1))
    command = ["score", str(tmp_path / "000.png"), "--csv", "--method", "lfm"]
    command += ["--weights", str(path)]
    assert main(command) == 2
    assert "does not say which variant of lfm" in capsys.readouterr().err
    scores = set()
    for variant in ("algorithm1", "released"):
        assert main([*command, "--variant", variant]) == 0
        scores.add(capsys.readouterr().out)
    assert len(scores) == 2
