"""``python -m harness list`` and the command line around it."""

from __future__ import annotations

import json
import sys

import pytest

from harness.__main__ import command_names, main
from harness.commands._list import parameters
from harness.registry import detectors as registry
from harness.registry.suites import GROUPS, all_suites
from tests import program


def test_every_detector_and_suite_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in [*registry.detectors(), *all_suites()]:
        assert f"\n{name}" in f"\n{printed}"
    assert main(["list", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert {detector["name"] for detector in tree["detectors"]} == set(registry.detectors())
    paper = [s for s in tree["suites"] if s["name"] in GROUPS["paper"]]
    assert sum(len(s["subsets"]) for s in paper) == 38


def test_long_shows_deviations_and_how_to_obtain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--long", "lfm"]) == 0
    printed = capsys.readouterr().out
    for deviation in registry.detector("lfm").deviations:
        assert deviation.what in printed
    assert main(["list", "--long", "ufd"]) == 0
    assert "LAION" in capsys.readouterr().out
    assert main(["list", "--long", "lfn"]) == 2


def test_parameters_are_the_published_counts() -> None:
    assert parameters(registry.detector("lfm")) == 725_641
    assert parameters(registry.detector("npr")) == 1_437_761
    assert parameters(registry.detector("chance")) is None


def test_help_lists_every_command_and_unknown_ones_get_a_guess(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    for name in command_names():
        assert name.removeprefix("dev ") in printed
    assert main(["scor"]) == 2
    assert "did you mean 'score'" in capsys.readouterr().err


def test_run_module_is_the_run_command() -> None:
    done = program.run(sys.executable, "-m", "harness.run", "--method", "lfn", "--suite", "mini")
    assert done.returncode == 2
    assert "did you mean 'lfm'" in done.stderr


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m harness list | true"
    done = program.run("bash", "-o", "pipefail", "-c", command)
    assert (done.returncode, done.stderr) == (0, "")
