"""``python -m harness train`` from flags to folders, also when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.training import run_folder
from tests.conftest import CHECKOUT
from tests.training import tiny

GEOMETRY = ["--train-preprocess", "native", "--val-preprocess", "native"]


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Data flags for eight pictures of 24x24, the smallest that the GAP network takes."""
    monkeypatch.chdir(tmp_path)  # the hash cache goes to ./runs
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # main() sets a handler
    tiny.write_class_folders(tmp_path / "train", 4, side=24)
    tiny.write_class_folders(tmp_path / "val", 2, first=50, side=24)
    return ["--train-data", "train", "--val-data", "val", *GEOMETRY, "--progress", "none"]


def train(*flags: str) -> int:
    return main(["train", *flags])


def record(folder: str) -> dict[str, object]:
    found = run_folder.read(Path(folder))
    assert found is not None
    return found


def test_one_training_ends_in_the_named_folder(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--method", "gap", *flags, "--out", "run", "--epochs", "1", "--seed", "7") == 0
    made = record("run")
    assert (made["detector"], made["seed"]) == ("gap", 7)
    output = capsys.readouterr().out
    assert output.startswith("run\tval ACC ") and output.count("\n") == 1
    changed = {change["field"] for change in made["deviations"]}  # type: ignore[index,union-attr]
    assert changed == {"epochs", "train_preprocess", "val_preprocess"}


def test_every_value_of_a_recipe_has_its_flag(flags: list[str]) -> None:
    values = {
        "epochs": "2",
        "batch-size": "4",
        "lr": "0.01",
        "optimiser": "sam",
        "betas": "0.8,0.99",
        "eps": "1e-7",
        "weight-decay": "0.1",
        "decay-vectors": "false",
        "schedule": "cosine",
        "lr-gamma": "0.5",
        "lr-step": "3",
        "min-lr": "0.001",
        "warmup": "1",
        "patience": "5",
        "monitor": "val_loss",
        "min-gain": "0.01",
        "keep": "best",
        "balanced": "true",
    }
    typed = [word for name, value in values.items() for word in (f"--{name}", value)]
    assert train("--method", "gap", *flags, *typed, "--start", "none", "--out", "run") == 0
    made = record("run")
    recipe = {name.replace("_", "-"): value for name, value in made["recipe"].items()}  # type: ignore[attr-defined]
    kept = {"start": "", "train-preprocess": "native", "val-preprocess": "native"}
    read = {
        name: json.loads(text) if text[0].isdigit() and "," not in text else text
        for name, text in values.items()
    }
    read |= {"betas": [0.8, 0.99], "decay-vectors": False, "balanced": True}
    assert recipe == {**kept, **read}
    assert made["weights_of"] == "best epoch by val_loss"


def test_a_finished_training_is_not_repeated_but_never_taken_for_another(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--method", "gap", *flags, "--out", "run"]
    assert train(*base, "--epochs", "1") == 0
    stamp = Path("run/run.json").stat().st_mtime_ns
    assert train(*base, "--epochs", "1") == 0
    assert Path("run/run.json").stat().st_mtime_ns == stamp
    capsys.readouterr()
    assert train(*base, "--epochs", "2") == 2  # own work is not replaced unasked
    assert "recipe.epochs: 1 there, 2 asked" in capsys.readouterr().err
    assert train(*base, "--epochs", "2", "--overwrite", "never") == 0
    assert Path("run/run.json").stat().st_mtime_ns == stamp
    assert train(*base, "--epochs", "2", "--overwrite", "always") == 0
    assert record("run")["recipe"]["epochs"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--method", "chance", "--out", "run"], "no recipe"),
        (["--method", "gpa", "--out", "run"], "did you mean 'gap'"),
        (["--method", "gap", "--variant", "released", "--out", "run"], "no variants"),
        (["--method", "lfm", "--variant", "relased", "--out", "run"], "did you mean 'released'"),
        (["--method", "gap"], "--out RUN"),
        (["--method", "gap", "--out", "run", "--epochs", "0"], "at least 1"),
        (["--method", "gap", "--out", "run", "--balanced", "yes"], "true|false"),
        (["--method", "gap", "--out", "run", "--optimiser", "sgd"], "adam|adamw|sam"),
        (["--method", "gap", "--out", "run", "--start", "imagenet"], "known: none"),
        (["--method", "gap", "--out", "run", "--suite", "mini-train"], "either --suite"),
    ],
)
def test_wrong_requests_end_with_code_2_and_a_hint(
    flags: list[str], capsys: pytest.CaptureFixture[str], wrong: list[str], message: str
) -> None:
    assert train(*flags, *wrong) == 2
    assert message in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.parametrize("seeds", ["1,1", "-1", "x"])
def test_bad_seeds_are_refused(flags: list[str], seeds: str) -> None:
    with pytest.raises(SystemExit) as caught:
        train("--method", "gap", *flags, "--out", "run", f"--seeds={seeds}")
    assert caught.value.code == 2


def test_a_diverging_training_fails_and_leaves_nothing(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--method", "gap", *flags, "--out", "run", "--batch-size", "2"]
    assert train(*flags, "--lr", "1e30", "--epochs", "20") == 1
    errors = capsys.readouterr().err
    assert "the loss is" in errors and "--lr 1e+29" in errors
    assert not Path("run").exists()


def test_several_trainings_are_child_processes_below_one_folder(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    flags = ["--method", "trivial", *flags, "--out", "many", "--seeds", "0,1", "--jobs", "2"]
    flags += ["--betas", "0.5,0.9", "--balanced", "false", "--start="]  # children take them too
    assert train(*flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["many/trivial/seed0", "many/trivial/seed1"]
    assert [record(f"many/trivial/seed{seed}")["seed"] for seed in (0, 1)] == [0, 1]
    capsys.readouterr()
    assert train(*flags) == 0  # nothing is left to do: no child starts
    assert "train" not in capsys.readouterr().err


@pytest.fixture
def half_done(flags: list[str]) -> Iterator[dict[int, subprocess.Popen[str]]]:
    """Two trainings in the middle of their epochs, each about to get its signal."""
    flags = [*flags[:-2], "--method", "gap", "--epochs", "300", "--progress", "lines"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    children = {
        number: subprocess.Popen(
            [sys.executable, "-m", "harness", "train", *flags, "--out", f"run{int(number)}"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in (signal.SIGKILL, signal.SIGINT)
    }
    yield children
    for child in children.values():
        child.kill()
        child.communicate()


def test_a_killed_training_leaves_nothing_and_runs_again(
    flags: list[str], half_done: dict[int, subprocess.Popen[str]]
) -> None:
    for number, child in half_done.items():
        assert child.stderr is not None
        assert any("@progress" in line for line in child.stderr), "it never started"
        child.send_signal(number)
        child.communicate(timeout=60)
    assert half_done[signal.SIGKILL].returncode == -signal.SIGKILL
    assert half_done[signal.SIGINT].returncode == 130
    for number in half_done:
        assert run_folder.read(Path(f"run{int(number)}")) is None
        assert not Path(f"run{int(number)}").exists()
    # Half a folder, as a kill between its two files would leave it, is made again too.
    half = Path(f"run{int(signal.SIGKILL)}")
    half.mkdir()
    (half / run_folder.WEIGHTS).write_bytes(b"half")
    assert train("--method", "gap", *flags, "--epochs", "2", "--out", str(half)) == 0
    assert json.loads((half / "run.json").read_text())["recipe"]["epochs"] == 2
