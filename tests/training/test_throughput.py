"""Images a second, with and without reading them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.__main__ import main
from harness.data.decode import Image8
from harness.data.sample import Manifest
from harness.errors import DetectorError
from harness.training import data as data_module
from harness.training.throughput import Throughput, measure
from tests.training import tiny


class Slow(tiny.PlainDetector):
    """A step takes a hundredth of a second."""

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        time.sleep(0.01)
        return super().loss(images, labels, generator)


def test_reading_counts_in_the_training_and_not_in_its_limit(
    train: Manifest, val: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = data_module.decode

    def slowly(raw: bytes, name: str) -> Image8:
        time.sleep(0.01)  # eight a step: reading takes eight times as long as the step
        return original(raw, name)

    monkeypatch.setattr(data_module, "decode", slowly)
    found = measure(tiny.training(train, val, detector=Slow), tiny.CPU, seconds=0.2)
    # Eight images in 10 ms and more: at most 800 a second; in 90 ms and more: at most 89. A batch
    # that the limit has read already is not read again: 5 steps, one of them without reading.
    assert 0 < found.limit <= 800
    assert 0 < found.training <= 8 * 5 / (5 * 0.01 + 4 * 0.08)
    assert found.training < found.limit


def test_a_fit_has_no_steps(train: Manifest, val: Manifest) -> None:
    class Fitted:
        pass

    training = tiny.training(train, val)
    hollow = replace(training, spec=replace(tiny.spec(), build=Fitted))
    with pytest.raises(DetectorError, match="no steps to measure"):
        measure(hollow, tiny.CPU)


def test_the_share_is_of_what_is_possible() -> None:
    text = str(Throughput(training=30.0, limit=40.0))
    assert text == "30.0 images/s of 40.0 possible (75 %)"


def test_the_command_measures_and_trains_nothing(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("harness.commands.train.measure", lambda *_: measure(*_, seconds=0.1))
    flags = ["--train-data", str(data / "train"), "--val-data", str(data / "val"), "--out", "run"]
    flags += ["--train-preprocess", "resize(24,24)", "--val-preprocess", "resize(24,24)"]
    assert main(["train", "--method", "gap", *flags, "--measure"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("gap seed 0\t") and "possible" in printed
    assert not Path("run").exists()
