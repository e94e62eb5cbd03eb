"""``python -m harness train`` from flags to folders, also when it is killed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.__main__ import main
from harness.checkpoints import run_weights
from harness.results.store import write_atomic
from harness.training import run_folder
from tests import program, sources
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
        (
            ["--method", "gap", "--out", "run", "--train-suite", "mini-train"],
            "either --train-suite",
        ),
        (["--method", "gap", "--out", "run", "--sync-bn"], "several processes on CUDA"),
        (["--method", "gap", "--out", "run", "--accumulate", "99"], "cannot be dealt"),
    ],
)
def test_wrong_requests_end_with_code_2_and_a_hint(
    flags: list[str], capsys: pytest.CaptureFixture[str], wrong: list[str], message: str
) -> None:
    assert train(*flags, *wrong) == 2
    assert message in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.parametrize("wrong", ["--seeds=1,1", "--seeds=-1", "--seeds=x", "--save-every=-1"])
def test_bad_seeds_and_minutes_are_refused(flags: list[str], wrong: str) -> None:
    assert train("--method", "gap", *flags, "--out", "run", wrong) == 2


def test_a_diverging_training_fails(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
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
    # Children take all of these too.
    flags += ["--betas", "0.5,0.9", "--balanced", "false", "--start=", "--accumulate", "2"]
    flags += ["--precision", "bf16", "--save-every", "0.5", "--on-bad-image", "skip"]
    flags += ["--workers", "1", "--device", "cpu", "--data-root", "."]
    assert train(*flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["many/trivial/seed0", "many/trivial/seed1"]
    assert [record(f"many/trivial/seed{seed}")["seed"] for seed in (0, 1)] == [0, 1]
    capsys.readouterr()
    assert train(*flags) == 0  # nothing is left to do: no child starts
    assert "train" not in capsys.readouterr().err


def test_packed_images_train_to_the_same_bytes(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {
        path.relative_to("train").as_posix(): path.read_bytes()
        for path in sorted(Path("train").rglob("*.png"))
    }
    for name in "ztpg":
        (tmp_path / name).mkdir()
    forms = {"train": Path("train"), "zip": sources.zipped(images, tmp_path / "z/train"),
             "tar": sources.tarred(images, tmp_path / "t/train"),
             "parquet": sources.parquet(images, tmp_path / "p/train")}  # fmt: skip
    found = {}
    for name, place in forms.items():
        wanted = ["--method", "gap", "--train-data", str(place), *flags[2:], "--epochs", "1"]
        assert train(*wanted, "--out", f"run-{name}") == 0
        found[name] = (Path(f"run-{name}") / run_weights.WEIGHTS).read_bytes()
    assert len(set(found.values())) == 1
    place = sources.tarred(images, tmp_path / "g/train", "gz")
    wanted = ["--method", "gap", "--train-data", str(place), *flags[2:], "--epochs", "1"]
    assert train(*wanted, "--out", "run-gz") == 2
    assert "training reads images in random order" in capsys.readouterr().err


STEPS = 50  # of an epoch of the training that is killed


@pytest.fixture
def half_done(flags: list[str]) -> Iterator[dict[int, subprocess.Popen[bytes]]]:
    """Two trainings in the middle of their first epoch, each about to get its signal."""
    tiny.write_class_folders(Path("many"), STEPS, side=24)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    command = [*program.HARNESS, "train", *flags[2:], *KILLED, "--save-every", "0"]
    with contextlib.ExitStack() as stack:
        yield {
            number: stack.enter_context(
                program.started(
                    *command, "--out", f"run{int(number)}", cwd=Path.cwd(), env=environment
                )
            )
            for number in (signal.SIGKILL, signal.SIGINT)
        }


# In place of the first two words of ``flags``.
KILLED = ["--method", "gap", "--train-data", "many", "--epochs", "2", "--batch-size", "2"]


def saved_step(folder: Path) -> int:
    """Steps done in the first epoch, as saved; 0 before the first and after the last."""
    file = folder / run_folder.STATE
    content = torch.load(file, weights_only=True) if file.exists() else {"step": 0}
    return int(content["step"])


def test_a_killed_training_goes_on_to_the_same_bytes(
    flags: list[str], half_done: dict[int, subprocess.Popen[bytes]]
) -> None:
    for number, child in half_done.items():
        folder = Path(f"run{int(number)}")
        while saved_step(folder) < 3:
            assert child.poll() is None, "it ended before it was stopped"
            time.sleep(0.02)
        child.send_signal(number)
        child.wait(timeout=program.DEADLINE_S)
        assert 3 <= saved_step(folder) < STEPS
        assert run_folder.read(folder) is None
    assert half_done[signal.SIGKILL].returncode == -signal.SIGKILL
    assert half_done[signal.SIGINT].returncode == 130
    for folder in ("whole", *(f"run{int(number)}" for number in half_done)):
        assert train(*flags[2:], *KILLED, "--out", folder) == 0
        assert not (Path(folder) / run_folder.STATE).exists()
        for name in (run_weights.WEIGHTS, run_weights.RECORD):
            assert (Path(folder) / name).read_bytes() == (Path("whole") / name).read_bytes()


def test_an_unfinished_training_of_ones_own_is_not_replaced_unasked(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ["--method", "gap", *flags, "--out", "run"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    original = run_folder.write
    monkeypatch.setattr(run_folder, "write", lambda *_: run_folder.write_file(Path("run/x"), b""))
    monkeypatch.setattr(
        run_folder,
        "write_atomic",
        lambda path, data: full() if path.name == "x" else write_atomic(path, data),
    )
    assert train(*base, "--epochs", "1") == 6  # trained, and then the disk is full
    assert "No space left on device" in capsys.readouterr().err
    monkeypatch.setattr(run_folder, "write", original)
    assert train(*base, "--epochs", "2") == 2
    assert "an unfinished training (recipe.epochs: 1 there, 2 asked)" in capsys.readouterr().err
    assert (Path("run") / run_folder.STATE).exists()
    assert train(*base, "--epochs", "2", "--overwrite", "always") == 0
    assert record("run")["recipe"]["epochs"] == 2  # type: ignore[index]


def test_half_a_folder_is_made_again(flags: list[str]) -> None:
    half = Path("half")  # as a kill between its files would leave it
    half.mkdir()
    (half / run_weights.WEIGHTS).write_bytes(b"half")
    assert train("--method", "gap", *flags, "--epochs", "1", "--out", str(half)) == 0
    assert record("half")["recipe"]["epochs"] == 1  # type: ignore[index]
