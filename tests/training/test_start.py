"""Trainings that start from a published network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.api import DetectorSpec, Weights
from harness.data.sample import Manifest
from harness.errors import DetectorError, WeightsError
from harness.training import run_folder, session
from harness.training.outcome import seeded_build
from harness.training.recipe import resolve
from tests.training import tiny

MACHINE = session.Machine(device=torch.device("cpu"), progress="none")


def published(folder: Path, state: dict[str, Tensor], **changes: object) -> Weights:
    torch.save(state, folder / "tiny.pth")
    facts = {
        "name": "imagenet",
        "filename": "tiny.pth",
        "url": "https://example.org/tiny.pth",
        "sha256": hashlib.sha256((folder / "tiny.pth").read_bytes()).hexdigest(),
        "size": (folder / "tiny.pth").stat().st_size,
        "licence": "MIT",
        "trained_on": "ImageNet",
    }
    return Weights(**{**facts, **changes})


def spec_with(weights: Weights) -> DetectorSpec:
    recipe = replace(tiny.RECIPE, epochs=1, start="imagenet")
    return replace(tiny.spec(), recipe=recipe, pretrained=(weights,))


def training(
    spec: DetectorSpec, train: Manifest, val: Manifest, **overrides: object
) -> session.Training:
    return session.Training(
        spec=spec,
        variant="",
        recipe=resolve(spec, overrides=overrides),
        seed=0,
        trained_on="a test",
        train=train,
        val=val,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of published files."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def backbone() -> dict[str, Tensor]:
    """A published network without the classifier."""
    state = seeded_build(tiny.spec(), {}, 77).state_dict()
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def test_training_starts_from_the_file_and_the_record_names_it(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    spec = spec_with(published(folder, backbone))
    # A rate too small to move a float: the weights are still those that training started with.
    record = session.run(training(spec, train, val, lr=1e-30), tmp_path / "run", MACHINE)
    state = load_file(tmp_path / "run" / "weights.safetensors")
    assert torch.equal(state["conv.weight"], backbone["conv.weight"])
    first = seeded_build(spec, {}, 0).state_dict()
    assert torch.equal(state["fc.weight"], first["fc.weight"])  # not in the file
    digest = spec.pretrained[0].sha256
    assert record["start"] == digest
    assert record["started_from"]["sha256"] == digest
    assert record["started_from"]["label"] == "imagenet"
    assert record["recipe"]["start"] == "imagenet"
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == record


def test_random_first_weights_are_a_recorded_change_and_another_training(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    spec = spec_with(published(folder, backbone))
    started, free = training(spec, train, val), training(spec, train, val, start="")
    record = session.run(free, tmp_path / "run", MACHINE)
    assert record["deviations"] == [
        {"field": "start", "published": "imagenet", "used": "", "by": "--start"}
    ]
    assert (record["start"], record["started_from"]) == ("", None)
    lines = run_folder.differences(record, session.identity(started))
    assert [line.split(":")[0] for line in lines] == ["recipe.start", "start"]
    assert "start imagenet -> none (--start)" in "\n".join(session.describe(free))


def test_another_file_is_another_training(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest
) -> None:
    one = training(spec_with(published(folder, backbone)), train, val)
    before = session.identity(one)
    backbone["conv.weight"] = backbone["conv.weight"] + 1
    other = session.identity(training(spec_with(published(folder, backbone)), train, val))
    assert [line.split(":")[0] for line in run_folder.differences(before, other)] == ["start"]


def test_identity_needs_the_file_only_where_its_digest_is_not_published(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest
) -> None:
    known = published(folder, backbone)
    unknown = replace(known, sha256="")
    also = replace(known, also=(replace(known, filename="head.pth", sha256="87654321"),))
    assert training(spec_with(unknown), train, val).start_digest == known.sha256
    (folder / "tiny.pth").unlink()
    assert training(spec_with(known), train, val).start_digest == known.sha256
    assert training(spec_with(also), train, val).start_digest == f"{known.sha256}+87654321"
    with pytest.raises(WeightsError, match="absent"):
        _ = training(spec_with(unknown), train, val).start_digest


def test_an_absent_or_unfitting_file_ends_training_before_it_begins(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    absent = spec_with(published(folder, backbone))
    (folder / "tiny.pth").unlink()
    with pytest.raises(WeightsError, match=r"tiny\.pth") as caught:
        session.run(training(absent, train, val), tmp_path / "run", MACHINE)
    assert "weights --fetch tiny:imagenet" in caught.value.hint
    misfit = spec_with(published(folder, {**backbone, "conv.wait": torch.ones(1)}))
    with pytest.raises(WeightsError, match=r"does not fit tiny: .*conv\.wait"):
        session.run(training(misfit, train, val), tmp_path / "run", MACHINE)
    assert not (tmp_path / "run").exists()


def test_a_detector_that_cannot_start_from_a_network_says_so(
    folder: Path, backbone: dict[str, Tensor], train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    class Stubborn:
        module = nn.Linear(1, 1)

    spec = replace(spec_with(published(folder, backbone)), build=Stubborn)
    with pytest.raises(DetectorError, match=r"no start_from\(\)"):
        session.run(training(spec, train, val), tmp_path / "run", MACHINE)
