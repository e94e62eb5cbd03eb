"""NPR's network: parity with the authors' numbers."""

from __future__ import annotations

import torch

from baselines.npr import build
from harness.registry import detectors as registry
from tests.goldens.rules import fill
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)


def test_keys_are_the_published_ones() -> None:
    state = build().state_dict()
    assert keys_of(state) == keys("npr")
    assert sum(p.numel() for p in build().network.parameters()) == 1_437_761


def test_goldens() -> None:
    gold = golden("npr")
    network = fill(build()).network
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(checked_stages(network, images, gold), gold["logits"])
        close(network(images[:, :, :128, :192]), gold["logits_crop128x192"])
        close(network.features(images), gold["pooled"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("npr", registry.detector("npr"), "ufd")


def test_the_factor_of_two_thirds_matters() -> None:
    torch.manual_seed(0)
    network = build().network.eval()
    images = torch.rand(1, 3, 32, 32)
    before = network(images)
    network.scale = 1.0  # type: ignore[assignment]
    assert not torch.allclose(before, network(images))
