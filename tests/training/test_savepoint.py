"""Going on from a saved state: bit for bit, whatever stopped the training, and only its own."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.checkpoints import run_weights
from harness.data.sample import Manifest
from harness.errors import HarnessError
from harness.training import run_folder, savepoint, session
from harness.training.loop import Keepers
from harness.training.outcome import Trained
from harness.training.processes import Stop, held_back
from harness.training.progress import Curves
from harness.training.request import Machine, Numerics, Training
from harness.training.savepoint import Savepoint
from tests.training import tiny

EVERY_STEP = replace(tiny.CPU, save_every=0.0)


class Stopping(tiny.TinyDetector):
    """Asks to stop, as Ctrl-C does, in the step of this number; counts the steps."""

    at = 0
    steps = 0

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        type(self).steps += 1
        if self.steps == self.at:
            signal.raise_signal(signal.SIGINT)
        return super().loss(images, labels, generator)


@pytest.fixture(autouse=True)
def _stopping() -> None:
    Stopping.at = Stopping.steps = 0


def point(folder: Path, training: Training) -> Savepoint:
    return Savepoint(folder, session.identity(training))


def stopped_at(step: int, training: Training, folder: Path) -> None:
    """Trains to that step, counted over all epochs, and is then stopped."""
    Stopping.at, Stopping.steps = step, 0
    with pytest.raises(KeyboardInterrupt):
        tiny.descend(training, savepoint=point(folder, training))
    Stopping.at = 0


def content(folder: Path) -> dict[str, Any]:
    return torch.load(folder / run_folder.STATE, weights_only=True)


def same(first: Trained, second: Trained) -> None:
    assert tiny.equal(first, second)
    assert first.epochs == second.epochs
    assert (first.kept, first.best_val_epoch, first.ended) == (
        second.kept,
        second.best_val_epoch,
        second.ended,
    )


# 40 images, 8 a batch: five steps an epoch, three epochs.
@pytest.mark.parametrize("step", [1, 3, 5, 6, 14, 15])
def test_a_stopped_training_goes_on_to_the_bit(
    train: Manifest, val: Manifest, tmp_path: Path, step: int
) -> None:
    training = tiny.training(train, val, detector=Stopping)
    whole = tiny.descend(training)
    stopped_at(step, training, tmp_path)
    state = content(tmp_path)
    assert 5 * len(state["epochs"]) + state["step"] == step
    Stopping.steps = 0
    same(tiny.descend(training, savepoint=point(tmp_path, training)), whole)
    assert Stopping.steps == 15 - step


@pytest.mark.parametrize(
    ("recipe", "numerics"),
    [
        ({"optimiser": "sam"}, {}),
        ({"optimiser": "adamw", "schedule": "cosine", "warmup": 1}, {"accumulate": 2}),
        ({"keep": "best", "patience": 1, "monitor": "val_loss", "epochs": 6}, {}),
        ({"balanced": True}, {"precision": "bf16"}),
        ({}, {"precision": "fp16"}),
        (
            {
                "schedule": "plateau",
                "patience": 1,
                "lr_gamma": 0.5,
                "min_gain": 0.4,
                "monitor": "val_acc",
            },
            {},
        ),
    ],
)
def test_so_does_every_optimiser_schedule_and_precision(
    train: Manifest,
    val: Manifest,
    tmp_path: Path,
    recipe: dict[str, Any],
    numerics: dict[str, Any],
) -> None:
    training = tiny.training(
        train,
        val,
        detector=Stopping,
        recipe=replace(tiny.RECIPE, **recipe),
        numerics=Numerics(**numerics),
    )
    whole = tiny.descend(training)
    stopped_at(8, training, tmp_path)
    stopped_at(4, training, tmp_path)  # and again, four passes later
    same(tiny.descend(training, savepoint=point(tmp_path, training)), whole)


def test_the_state_is_saved_in_time_and_at_the_end_of_every_epoch(
    train: Manifest, val: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[int, int]] = []
    monkeypatch.setattr(
        Savepoint, "save", lambda self, state: saved.append((len(state["epochs"]), state["step"]))
    )
    training = tiny.training(train, val)
    tiny.descend(training, savepoint=Savepoint(tmp_path, {}, minutes=60))
    assert saved == [(1, 0), (2, 0), (3, 0)]
    saved.clear()
    tiny.descend(training, savepoint=Savepoint(tmp_path, {}, minutes=0))
    assert saved[:7] == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 0), (1, 1)]
    assert not Savepoint(tmp_path, {}, minutes=1).is_due()


def test_the_state_is_gone_when_the_training_has_ended(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    training = tiny.training(train, val)
    session.run(training, tmp_path, EVERY_STEP)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "run.json",
        "train_manifest.tsv",
        "weights.safetensors",
    ]


def test_a_state_of_another_training_is_not_taken(
    train: Manifest, val: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = tiny.training(train, val, detector=Stopping)
    other = replace(one, seed=4)
    stopped_at(3, one, tmp_path)
    assert savepoint.differences(tmp_path, session.identity(one)) == []
    assert savepoint.differences(tmp_path, session.identity(other)) == ["seed: 0 there, 4 asked"]
    with caplog.at_level("INFO"):
        same(tiny.descend(other, savepoint=point(tmp_path, other)), tiny.descend(other))
    assert "seed: 0 there, 4 asked" in caplog.text and "starts anew" in caplog.text
    savepoint.discard(tmp_path)
    assert savepoint.differences(tmp_path, session.identity(other)) == []


@pytest.mark.parametrize("damage", [lambda raw: raw[:-200], lambda raw: b"", lambda raw: b"text"])
def test_a_damaged_state_is_no_state(
    train: Manifest,
    val: Manifest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    training = tiny.training(train, val, detector=Stopping)
    stopped_at(3, training, tmp_path)
    file = tmp_path / run_folder.STATE
    file.write_bytes(damage(file.read_bytes()))
    assert savepoint.differences(tmp_path, session.identity(training)) == []
    assert point(tmp_path, training).load() is None
    assert "damaged" in caplog.text


def test_a_program_in_a_state_file_is_not_run(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"format": 1, "identity": Program()}, tmp_path / run_folder.STATE)
    assert Savepoint(tmp_path, {}).load() is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", [run_folder.STATE, run_weights.WEIGHTS])
def test_a_full_disk_is_said_and_the_last_state_kept(
    train: Manifest,
    val: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    training = tiny.training(train, val)
    whole = session.run(training, tmp_path / "whole", tiny.CPU)
    original, writes = run_folder.write_atomic, []

    def full(path: Path, data: bytes) -> None:
        writes.append(path.name)
        if path.name == file and (file == run_weights.WEIGHTS or len(writes) > 4):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)

    monkeypatch.setattr(run_folder, "write_atomic", full)
    with pytest.raises(HarnessError, match=rf"{file} cannot be written .*No space") as caught:
        session.run(training, tmp_path / "run", EVERY_STEP)
    assert "make room" in caught.value.hint and "same command" in caught.value.hint
    state = content(tmp_path / "run")
    assert (len(state["epochs"]), state["step"]) == (
        (3, 0) if file == run_weights.WEIGHTS else (0, 4)
    )
    monkeypatch.setattr(run_folder, "write_atomic", original)
    again = session.run(training, tmp_path / "run", tiny.CPU)
    assert again["weights_sha256"] == whole["weights_sha256"]


def test_signals_wait_for_the_end_of_a_step(capfd: pytest.CaptureFixture[str]) -> None:
    stop = Stop()
    before = signal.getsignal(signal.SIGTERM)
    with held_back(stop):
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        signal.raise_signal(signal.SIGTERM)  # a parent's, after the terminal's: not impatience
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before
    stop = Stop()
    with held_back(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
    assert "Ctrl-C again" in capfd.readouterr().err


def test_a_stop_during_validation_saves_the_epochs_steps(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    class Impatient(tiny.TinyDetector):
        scored = 0

        def score(self, images: Tensor) -> Tensor:
            if not self.module.training:
                type(self).scored += 1
                if self.scored == 2:  # the first is the check before training
                    signal.raise_signal(signal.SIGTERM)
            return super().score(images)

    training = tiny.training(train, val, detector=Impatient)
    with pytest.raises(KeyboardInterrupt):
        tiny.descend(training, savepoint=point(tmp_path, training))
    state = content(tmp_path)
    assert (len(state["epochs"]), state["step"]) == (0, 5)
    whole = tiny.descend(training)
    same(tiny.descend(training, savepoint=point(tmp_path, training)), whole)


def test_progress_does_not_count_what_was_done_before(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    class Counting:
        skipped = advanced = 0

        def advance(self, images: int, shown: dict[str, float]) -> None:
            self.advanced += images

        def skip(self, images: int) -> None:
            self.skipped += images

    training = tiny.training(train, val, detector=Stopping)
    stopped_at(7, training, tmp_path)
    progress = Counting()
    keepers = Keepers(progress=progress, savepoint=point(tmp_path, training), curves=Curves())
    tiny.descend(training, keepers=keepers)
    assert (progress.skipped, progress.advanced) == (56, 64)


def test_machines_may_differ(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    # How often is saved and who reads ahead is no part of what is trained.
    training = tiny.training(train, val, detector=Stopping)
    stopped_at(8, training, tmp_path)
    other = Machine(device=torch.device("cpu"), workers=2, progress="none")
    resumed = tiny.descend(training, other, point(tmp_path, training))
    same(resumed, tiny.descend(training))
