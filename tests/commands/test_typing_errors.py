"""A typing error is said first: before data that is absent, before anything is read or scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main

ABSENT = ("--suite", "diffusion")  # no machine of ours has it
SCORING = ("run", "robustness", "dev stability", "tsne", "explain")


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LFM_DATA", raising=False)
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([part for word in words for part in word.split()]) == 2
    assert not list(Path().iterdir())
    return capsys.readouterr().err


@pytest.mark.parametrize("command", SCORING)
def test_of_a_method(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'lfm'" in refused(capsys, command, "--method", "lfn", *ABSENT)


@pytest.mark.parametrize("command", ["run", "robustness"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "chance", "--suite", "difusion"), "did you mean 'diffusion'"),
        (("--method", "lfm", "--suite", "difusion"), "did you mean 'diffusion'"),
        (("--method", "chance", *ABSENT, "--preprocess", "resise(2)"), "resise"),
        (("--method", "chance"), "say what to run on"),
    ],
)
def test_of_other_flags(
    command: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, command, *words)


@pytest.mark.parametrize(
    ("flag", "said"), [("--twin=jpg96", "did you mean 'jpeg96'"), ("--shard=3/2", "K from 1 to N")]
)
def test_of_what_only_run_takes(flag: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, "run", "--method", "chance", *ABSENT, flag)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "lfn"), "did you mean 'lfm'"),
        (("--method", "lfm", "--balanced", "yes"), "true|false"),
    ],
)
def test_in_a_training(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--train-data", "gone", "--val-data", "gone", "--out", "run")
    assert said in refused(capsys, "train", *words, *data)
