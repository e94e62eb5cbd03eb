"""The registry when an extra is not installed: nothing else suffers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.registry import detectors as registry
from tests.conftest import CHECKOUT


@pytest.fixture
def without_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EXTRAS", {"clip": "no_such_module"})


@pytest.mark.usefixtures("without_clip")
def test_all_leaves_out_what_cannot_be_built() -> None:
    names = {spec.name for spec in registry.usable("all")}
    left_out = set(registry.detectors()) - names
    assert left_out == {s.name for s in registry.detectors().values() if "clip" in s.requires}
    assert "ojha" in left_out


@pytest.mark.usefixtures("without_clip")
@pytest.mark.parametrize(
    "command",
    [
        ["cost", "--method", "ojha"],
        ["train", "--method", "ojha", "--train-suite", "mini-train"],
        ["dev", "contract", "ojha"],
        ["dev", "docs"],
    ],
)
def test_a_named_detector_names_its_extra(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    assert "pip install -e '.[clip]'" in capsys.readouterr().err


@pytest.mark.usefixtures("without_clip")
@pytest.mark.parametrize("command", [["run", "--suite", "mini"], ["score", "README.md"]])
def test_missing_weights_do_not_hide_a_missing_extra(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    assert main([*command, "--method", "ojha"]) == 3
    text = capsys.readouterr().err
    assert "fc_weights.pth" in text
    assert "pip install -e '.[clip]'" in text


@pytest.mark.usefixtures("without_clip")
def test_list_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "needs extra clip" in capsys.readouterr().out
