"""Corvi2023 and the network it shares: parity with the authors' numbers, its two strides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from baselines._backbones import resnet50
from baselines.corvi2023 import SPEC
from harness.checkpoints.resolve import load_into, resolve
from harness.cost.count import count_module
from harness.data.preprocess import to_tensor
from harness.errors import WeightsMissingError
from tests.goldens import pictures
from tests.goldens.stored import (
    close,
    golden,
    keys,
    keys_of,
    near,
    preprocessing_is_exact,
    published,
)


@pytest.fixture(scope="module")
def detector() -> Any:
    detector = SPEC.build()
    detector.load_state_dict(published("corvi2023"))
    detector.module.eval()
    return detector


def test_keys_are_the_published_ones(detector: Any) -> None:
    assert keys_of(detector.state_dict()) == keys("corvi2023")
    assert sum(p.numel() for p in detector.network.parameters()) == 23_510_081


@torch.no_grad()
def test_goldens(detector: Any) -> None:
    gold = golden("corvi2023")
    x = torch.from_numpy(gold["input"])
    close(detector.network(x), gold["logits_chirp"])
    close(detector.network(x[:, :, :1, :1]), gold["logits_1x1_chirp"])
    images = torch.stack([to_tensor(image) for image in gold["images_u8"]])
    close(detector.embed(images)[:, :64], gold["feat_chirp"])
    tiny = to_tensor(pictures.tiny_picture())[None]
    close(detector.score(tiny)[:, None], gold["logits_tiny_chirp"])


def test_the_map_of_logits_is_the_exact_map(detector: Any) -> None:
    gold = golden("corvi2023")
    images = torch.stack([to_tensor(image) for image in gold["images_u8"]])
    found = detector.exact_map(images)
    cells = found.contribution.shape[1] * found.contribution.shape[2]
    logits = found.contribution * cells + found.bias[:, None, None]
    near(logits, gold["map_chirp"][:, 0], rtol=1e-4, atol=1e-4)
    close(found.contribution.sum((1, 2)) + found.bias, gold["logits_chirp"][:, 0])


@pytest.mark.slow
@torch.no_grad()
def test_goldens_of_whole_pictures(detector: Any) -> None:
    images = torch.stack([to_tensor(image) for image in pictures.chirp_pictures()])
    close(detector.score(images)[:, None], golden("corvi2023")["full_logits_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("corvi2023", SPEC, "forensynths", atol=0)
    assert set(SPEC.geometry.values()) == {"native"}


def test_both_strides_are_1() -> None:
    """Trap: with one of them left at 2 the file loads strictly, too, and scores otherwise."""
    network = SPEC.build().network
    assert (network.conv1.stride, network.maxpool.stride) == ((1, 1), 1)
    x = torch.rand(1, 3, 16, 24)
    stem = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    assert stem.shape[2:] == (16, 24)
    ordinary = resnet50().state_dict()
    assert keys_of(ordinary) == keys_of(network.state_dict())


def test_cost_is_the_cards_and_exact_in_the_area() -> None:
    counts = count_module(SPEC.build().network.eval(), (1, 3, 32, 32))
    assert counts.by_operator["conv"] * 49 == 63_978_012_672
    assert counts.parameters == 23_510_081


def test_a_file_with_optimiser_and_prefix_loads(tmp_path: Path) -> None:
    """As main.py saves it: the model under ``module.``, Adam's moments and a count beside it."""
    torch.manual_seed(0)
    state = SPEC.build().state_dict()
    path = tmp_path / "corvi2023_weights.pth"
    prefixed = {f"module.{name}": value for name, value in state.items()}
    torch.save({"model": prefixed, "optimizer": {"state": {}}, "total_steps": 5}, path)
    torch.manual_seed(1)
    detector, loaded = SPEC.build(), resolve(SPEC, str(path))
    load_into(detector, loaded, SPEC)
    assert "not the published one" in loaded.ref.note
    assert all(torch.equal(value, state[name]) for name, value in detector.state_dict().items())


def test_what_is_not_here_is_missing_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    for weights in SPEC.weights:
        with pytest.raises(WeightsMissingError, match=f"{weights.filename}: absent") as caught:
            resolve(SPEC, weights.name)
        assert weights.url in caught.value.hint
