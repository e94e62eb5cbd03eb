"""NPR's network: parity with the authors' numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from baselines.npr import build
from harness import registry
from harness.data.preprocess import parse, to_tensor
from tests.goldens import close, fill


def test_keys_are_the_published_ones(shared: Path) -> None:
    listed = json.loads((shared / "methods/cards/npr.keys.json").read_text())
    state = build().state_dict()
    assert [[name, list(v.shape), str(v.dtype)[6:]] for name, v in state.items()] == listed
    assert sum(p.numel() for p in build().network.parameters()) == 1_437_761


def test_goldens(shared: Path) -> None:
    gold = np.load(shared / "methods/goldens/npr.npz")
    network = fill(build()).network
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(network(images), gold["logits"])
        close(network(images[:, :, :128, :192]), gold["logits_crop128x192"])
        close(network.features(images), gold["pooled"])


def test_preprocessing_reaches_the_stored_tensors(shared: Path) -> None:
    gold = np.load(shared / "methods/goldens/npr.npz")
    preprocess = parse(registry.detector("npr").preprocess_for("ufd"))
    got = build().module.normalise(to_tensor(preprocess(gold["odd_u8"]))[None])[0]
    assert np.abs(got.numpy() - gold["odd_input"]).max() <= 1e-5


def test_the_factor_of_two_thirds_matters() -> None:
    torch.manual_seed(0)
    network = build().network.eval()
    images = torch.rand(1, 3, 32, 32)
    before = network(images)
    network.RESIDUAL_SCALE = 1.0  # type: ignore[misc]
    assert not torch.allclose(before, network(images))
