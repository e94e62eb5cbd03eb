"""Curves for TensorBoard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.data.sample import Manifest
from harness.errors import UsageError
from harness.training import session
from harness.training.progress import curves_in
from tests.training import tiny


def test_without_the_extra_its_name_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.progress.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="extra 'tensorboard'") as caught, curves_in(tmp_path):
        pass
    assert ".[tensorboard]" in caught.value.hint


def test_no_folder_no_curves(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    session.run(tiny.training(train, val), tmp_path, tiny.CPU)
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own dependencies
def test_every_step_and_epoch_is_a_point(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    training = tiny.training(train, val)
    record = session.run(training, tmp_path, replace(tiny.CPU, tensorboard=True))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    names = ["train/loss", "train/rate", "val/acc", "val/ap", "val/loss"]
    assert sorted(events.Tags()["scalars"]) == names
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, 16))
    rates = [event.value for event in events.Scalars("train/rate")]
    assert rates == pytest.approx([0.02] * 10 + [0.01] * 5)
    found = [(event.step, event.value) for event in events.Scalars("val/ap")]
    expected = [(5 * e["epoch"], pytest.approx(e["val_ap"])) for e in record["epochs"]]
    assert found == expected
