"""The run folder: whole or not there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.checkpoints import run_weights
from harness.data.sample import Manifest
from harness.training import run_folder

STATE = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.float64)}
RECORD = {
    "schema": run_folder.SCHEMA,
    "detector": "tiny",
    "variant": "",
    "seed": 3,
    "train": {"digest": "d" * 64},
    "recipe": {"lr": 0.1, "betas": (0.9, 0.999)},
    "environment": {"cpu": "x"},
}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = run_folder.write(tmp_path / "run", STATE, RECORD)
    weights = tmp_path / "run" / "weights.safetensors"
    assert written["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    state = load_file(weights)
    assert set(state) == {"a", "b"}
    assert all(torch.equal(state[name], value) for name, value in STATE.items())
    assert run_folder.read(tmp_path / "run") == json.loads(json.dumps(written))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "run.json",
        "weights.safetensors",
    ]


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    run_folder.write(tmp_path / "a", STATE, RECORD)
    run_folder.write(tmp_path / "b", dict(reversed(STATE.items())), RECORD)
    for name in ("weights.safetensors", "run.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_images_are_listed_under_the_digest_of_the_data(
    tmp_path: Path, train: Manifest
) -> None:
    odd = replace(train.samples[0], id="0_real/\udce9 \u00e9.png", sha256="f" * 64)
    manifest = Manifest("odd", (odd, *train.samples[1:]))
    assert run_weights.trained_on(tmp_path) == frozenset()
    run_folder.write(tmp_path, STATE, RECORD, manifest)
    listed = (tmp_path / "train_manifest.tsv").read_bytes()
    assert hashlib.sha256(listed).hexdigest() == manifest.digest
    assert run_weights.trained_on(tmp_path) == {sample.sha256 for sample in manifest.samples}


@pytest.mark.parametrize("failing_write", [1, 2, 3])
def test_a_stop_while_writing_leaves_no_finished_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Manifest, failing_write: int
) -> None:
    run_folder.write(tmp_path, STATE, RECORD)  # an older one must not shine through either
    original = run_folder.write_atomic
    calls = []

    def stopping(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == failing_write:
            raise KeyboardInterrupt
        original(path, content)

    monkeypatch.setattr(run_folder, "write_atomic", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_folder.write(tmp_path, {"b": torch.zeros(3)}, RECORD, train)
    assert run_folder.read(tmp_path) is None


@pytest.mark.parametrize(
    "damage", ["no weights", "other weights", "cut", "list", "schema", "recipe", "empty"]
)
def test_a_damaged_folder_is_not_finished(tmp_path: Path, damage: str) -> None:
    run_folder.write(tmp_path, STATE, RECORD)
    record, weights = tmp_path / "run.json", tmp_path / "weights.safetensors"
    if damage == "no weights":
        weights.unlink()
    elif damage == "other weights":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    elif damage == "cut":
        record.write_text(record.read_text()[:-20])
    elif damage == "list":
        record.write_text("[]")
    elif damage == "schema":
        record.write_text(record.read_text().replace('"schema": 1', '"schema": 0'))
    elif damage == "recipe":
        record.write_text(record.read_text().replace('"recipe"', '"recipes"'))
    else:
        record.write_text("")
    assert run_folder.read(tmp_path) is None


def test_no_folder_is_no_training(tmp_path: Path) -> None:
    assert run_folder.read(tmp_path / "absent") is None


def test_differences_name_the_field_and_look_at_identity_only(tmp_path: Path) -> None:
    run_folder.write(tmp_path, STATE, RECORD)
    found = run_folder.read(tmp_path)
    assert found is not None
    assert run_folder.differences(found, {**RECORD, "environment": {"cpu": "y"}}) == []
    changed = {**RECORD, "seed": 4, "recipe": {"lr": 0.2, "betas": (0.9, 0.999), "epochs": 5}}
    assert run_folder.differences(found, changed) == [
        "seed: 3 there, 4 asked",
        "recipe.epochs: None there, 5 asked",
        "recipe.lr: 0.1 there, 0.2 asked",
    ]


def test_a_record_of_before_a_field_existed_is_that_of_its_default(tmp_path: Path) -> None:
    run_folder.write(tmp_path, STATE, RECORD)
    found = run_folder.read(tmp_path)
    assert found is not None
    recipe = {**RECORD["recipe"], "eps": 1e-8, "schedule": "step", "balanced": False}
    assert run_folder.differences(found, {**RECORD, "recipe": recipe, "start": ""}) == []
    other = {**RECORD, "recipe": {**recipe, "balanced": True}, "start": "12345678"}
    assert run_folder.differences(found, other) == [
        "recipe.balanced: False there, True asked",
        "start:  there, 12345678 asked",
    ]
