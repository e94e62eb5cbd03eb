"""Images a second, with and without reading them."""

from __future__ import annotations

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
from harness.training import throughput as throughput_module
from harness.training.throughput import Throughput, measure
from tests.training import tiny


class Clock:
    """Stands for the module ``time``: moved by what is measured, whatever the machine does."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_reading_counts_in_the_training_and_not_in_its_limit(
    train: Manifest, val: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, original = Clock(), data_module.decode

    class Slow(tiny.PlainDetector):
        def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
            clock.now += 0.01
            return super().loss(images, labels, generator)

    def slowly(raw: bytes, name: str) -> Image8:
        clock.now += 0.01
        return original(raw, name)

    monkeypatch.setattr(data_module, "decode", slowly)
    monkeypatch.setattr(throughput_module, "time", clock)
    found = measure(tiny.training(train, val, detector=Slow), tiny.CPU, seconds=0.2)
    # Eight images in 10 ms. Of training's first batch, which the limit has read already, as well;
    # of each of the three that 200 ms then hold, in 90 ms.
    assert found.limit == pytest.approx(800)
    assert found.training == pytest.approx(8 * 4 / (0.01 + 3 * 0.09))


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
    monkeypatch.setattr("harness.commands._train.measure", lambda *_: measure(*_, seconds=0.1))
    flags = ["--train-data", str(data / "train"), "--val-data", str(data / "val"), "--out", "run"]
    flags += ["--train-preprocess", "resize(24,24)", "--val-preprocess", "resize(24,24)"]
    assert main(["train", "--method", "gap", *flags, "--measure"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("gap seed 0\t") and "possible" in printed
    assert not Path("run").exists()
