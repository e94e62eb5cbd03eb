"""Unreadable images: an error that names one, or left out and listed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.checkpoints import run_weights
from harness.data.sample import Manifest
from harness.errors import BadImageError, DataError
from harness.training import run_folder, session
from harness.training.data import readable
from tests.training import tiny


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Path:
    """A copy of the data with one damaged and one empty training image, and a damaged other."""
    shutil.copytree(data, tmp_path / "data")
    for name, kept in (("train/0_real/003.png", 60), ("train/1_fake/005.png", 0)):
        file = tmp_path / "data" / name
        file.write_bytes(file.read_bytes()[:kept])
    (tmp_path / "data" / "val" / "1_fake" / "101.png").write_text("no picture")
    return tmp_path / "data"


def manifests(folder: Path) -> tuple[Manifest, Manifest]:
    return tiny.manifest(folder / "train"), tiny.manifest(folder / "val", "test/val")


def test_an_unreadable_image_is_an_error(broken: Path, tmp_path: Path) -> None:
    training = tiny.training(*manifests(broken))
    with pytest.raises(BadImageError, match=r"(003|005)\.png"):
        session.run(training, tmp_path / "run", tiny.CPU)
    assert run_folder.read(tmp_path / "run") is None


@pytest.mark.parametrize("workers", [0, 2])
def test_or_is_left_out_and_listed(
    broken: Path, tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    train, val = manifests(broken)
    training = replace(tiny.training(train, val), on_bad_image="skip")
    record = session.run(training, tmp_path / "run", replace(tiny.CPU, workers=workers))
    assert record["skipped"] == {
        "train": ["0_real/003.png", "1_fake/005.png"],
        "val": ["1_fake/101.png"],
    }
    assert "test/train: 2 unreadable images are left out" in caplog.text
    # The weights are those of the same data without these files.
    for name, ids in record["skipped"].items():
        for each in ids:
            (broken / name / each).unlink()
    without = session.run(tiny.training(*manifests(broken)), tmp_path / "without", tiny.CPU)
    assert without["last"] == record["last"]
    made, same = (load_file(tmp_path / f / run_weights.WEIGHTS) for f in ("run", "without"))
    assert all(torch.equal(value, same[name]) for name, value in made.items())
    # The request, with the files in it, is what a repeated command compares with.
    assert run_folder.differences(record, session.identity(training)) == []
    assert record["train"]["digest"] == train.digest
    strict = replace(training, on_bad_image="error")
    assert run_folder.differences(record, session.identity(strict)) == [
        "on_bad_image: skip there, error asked"
    ]


def test_a_class_must_be_left(broken: Path) -> None:
    for file in (broken / "train" / "1_fake").iterdir():
        file.write_bytes(b"")
    training = replace(tiny.training(*manifests(broken)), on_bad_image="skip")
    with pytest.raises(DataError, match="no readable image of one of the two classes"):
        readable(training, tiny.CPU)
