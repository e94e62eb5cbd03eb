"""Two processes train what one does, and validate every image once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.__main__ import main
from harness.checkpoints import run_weights
from harness.errors import UsageError
from harness.training import processes as ranks_module
from harness.training import run_folder, session
from harness.training.outcome import seeded_build
from harness.training.request import Numerics
from tests import program
from tests.conftest import CHECKOUT
from tests.training import parallel_worker, tiny

LAUNCH = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def torchrun(*command: str, cwd: Path) -> CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    return program.run(*LAUNCH, *command, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parallel")
    done = torchrun("-m", "tests.training.parallel_worker", str(data), str(folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / run_weights.WEIGHTS)


def of_rank(out: Path, name: str, rank: int) -> dict[str, Any]:
    seen: dict[str, Any] = torch.load(out / f"{name}.{rank}.pt", weights_only=True)
    return seen


@pytest.mark.parametrize("name", ["plain", "sam", "parts"])
def test_two_processes_train_like_one(out: Path, data: Path, tmp_path: Path, name: str) -> None:
    training = parallel_worker.case(name, data, processes=1)
    alone = session.run(training, tmp_path, tiny.CPU)
    for key, value in weights(tmp_path).items():
        torch.testing.assert_close(weights(out / name)[key], value, rtol=0, atol=1e-5)
    together = run_folder.read(out / name)
    assert together is not None and together["numerics"]["processes"] == 2
    for one, other in zip(together["epochs"], alone["epochs"], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-5)


def test_two_processes_are_two_parts_to_the_bit(out: Path, data: Path, tmp_path: Path) -> None:
    # The same parts with the same draws, added up in the same order.
    training = parallel_worker.case("plain", data, processes=1)
    session.run(replace(training, numerics=Numerics(accumulate=2)), tmp_path, tiny.CPU)
    for key, value in weights(tmp_path).items():
        assert torch.equal(weights(out / "plain")[key], value)


@pytest.mark.parametrize("name", list(parallel_worker.CASES))
def test_validation_loses_no_image_and_doubles_none(out: Path, data: Path, name: str) -> None:
    training = parallel_worker.case(name, data, processes=2)
    detector = seeded_build(training.spec, {}, 0)
    detector.load_state_dict(weights(out / name))
    detector.module.eval()
    pictures = [tiny.picture(s.label, int(s.id[-7:-4])) for s in training.val.samples]
    with torch.inference_mode():
        expected = torch.cat(
            [detector.score(torch.from_numpy(p).movedim(-1, 0)[None] / 255) for p in pictures]
        )
    record = run_folder.read(out / name)
    assert record is not None
    first, second = (of_rank(out, name, rank) for rank in (0, 1))
    for mine, other in zip(first["scores"], second["scores"], strict=True):
        assert torch.equal(mine, other) and len(mine) == len(expected)
    found = first["scores"][record["weights_epoch"] - 1]
    torch.testing.assert_close(found, expected.double(), rtol=0, atol=1e-5)
    assert first["epochs"] == second["epochs"] == record["epochs"]


def test_a_stop_asked_of_one_process_stops_both_in_one_step(out: Path) -> None:
    assert (out / "stopped in 0").exists() and (out / "stopped in 1").exists()
    # The fourth step is done by both; the one-image batches are of the first process alone.
    assert of_rank(out, "stopped", 0)["steps"] == 10
    assert of_rank(out, "stopped", 1)["steps"] == 8
    for key, value in weights(out / "plain").items():
        assert torch.equal(weights(out / "stopped")[key], value)


def test_statistics_and_gradients_are_weighted_by_images(out: Path) -> None:
    first, second = (of_rank(out, "exchange", rank) for rank in (0, 1))
    for seen in (first, second):
        assert seen["mean"].tolist() == [0.75 * 1 + 0.25 * 2] * 8
        assert seen["batches"] == 7 and seen["unused"] is None
    assert torch.equal(first["gradient"], second["gradient"])
    assert first["loss"] == second["loss"] > 0


def test_what_is_exchanged(out: Path) -> None:
    for rank in (0, 1):
        seen = of_rank(out, "exchange", rank)
        assert seen["total"].tolist() == [3.0] * 3
        assert (seen["grid"] == 1).all() and seen["word"] == b"of 0"


def test_the_command_under_torchrun(data: Path, tmp_path: Path) -> None:
    tiny.write_class_folders(tmp_path / "train", 4, side=24)
    tiny.write_class_folders(tmp_path / "val", 2, first=50, side=24)
    flags = ["--train-data", "train", "--val-data", "val", "--out", "run", "--epochs", "1"]
    flags += ["--train-preprocess", "native", "--val-preprocess", "native", "--device", "cpu"]
    command = ["-m", "harness", "train", "--method", "gap", *flags]
    done = torchrun(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("val ACC") == 1  # one process speaks
    record = run_folder.read(tmp_path / "run")
    assert record is not None and record["numerics"]["processes"] == 2


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    cpu = torch.device("cpu")
    with ranks_module.joined(cpu) as ranks:
        assert ranks is ranks_module.ALONE and ranks.is_first
    assert ranks_module.local_device(torch.device("cuda")) == torch.device("cuda")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert ranks_module.local_device(torch.device("cuda")) == torch.device("cuda:1")
    assert ranks_module.local_device(cpu) == cpu
    with pytest.raises(UsageError, match="cannot train on mps"):
        ranks_module.local_device(torch.device("mps"))


def test_torchrun_takes_one_training_only(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def two(_: torch.device) -> Iterator[ranks_module.Ranks]:
        yield ranks_module.Ranks(rank=0, size=2)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.commands._train.joined", two)
    flags = ["--train-data", str(data / "train"), "--val-data", str(data / "val"), "--out", "run"]
    assert main(["train", "--method", "gap", *flags, "--seeds", "0,1"]) == 2
    assert "got 2 trainings" in capsys.readouterr().err
