"""Patchfor: parity with the authors' numbers, read-out, loss, cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines import _xception
from baselines.patchfor import SPEC, build
from harness.cost.count import count_module
from tests.goldens.stored import close, golden, preprocessing_is_exact, published


def test_goldens() -> None:
    state, gold = published("patchfor"), golden("patchfor")
    detector = build()
    assert list(detector.state_dict()) == list(state)
    detector.load_state_dict(state)
    detector.module.eval()
    with torch.no_grad():
        close(detector.network(torch.from_numpy(gold["input"])), gold["logits_chirp"])
        images = torch.from_numpy(gold["input"]) / 2 + 0.5
        close(detector.score(images), gold["score_after_softmax_chirp"][:, 0])
    assert not np.allclose(
        gold["score_after_softmax_chirp"], gold["score_before_softmax_chirp"], atol=1e-3
    )


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("patchfor", SPEC, "diffusion", atol=1e-6)


def test_a_pixel_reaches_the_positions_that_see_43_pixels() -> None:
    torch.manual_seed(0)
    network = build().network.eval().double()
    image = torch.rand(1, 3, 139, 139, dtype=torch.float64)
    with torch.no_grad():
        changed = image.clone()
        changed[..., 69, 69] += 100
        moved = (network(changed) - network(image)).abs().sum((0, 1)) > 0
    rows = moved.any(1).nonzero().flatten()
    assert moved.shape == (17, 17)
    assert 43 // 8 <= len(rows) <= 43 // 8 + 1


def test_the_score_is_the_share_of_fake_and_trains_upwards() -> None:
    torch.manual_seed(0)
    detector = build()
    images = torch.rand(4, 3, 32, 32)
    images[2:] *= 0.3
    labels = torch.tensor([0.0, 0, 1, 1])
    optimiser = torch.optim.Adam(detector.module.parameters(), lr=1e-3)
    first = None
    for _ in range(15):
        loss = detector.loss(images, labels, torch.Generator())
        first = loss.item() if first is None else first
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert first == pytest.approx(np.log(2), abs=0.1)
    assert loss.item() < 0.5 * first
    scores = detector.score(images)
    assert scores[2:].min() > 0.5 > scores[:2].max()


def test_loss_weighs_every_position_alike() -> None:
    torch.manual_seed(0)
    detector = build()
    detector.module.eval()
    images, labels = torch.rand(2, 3, 40, 56), torch.tensor([1.0, 0.0])
    probabilities = detector.module(images).softmax(1)
    expected = -torch.cat([probabilities[0, 0].log(), probabilities[1, 1].log()]).mean()
    assert detector.loss(images, labels, torch.Generator()).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(("block", "parameters", "macs"), [(1, 0.0550, 1.049), (2, 0.1913, 1.657)])
def test_cost_is_the_cards(block: int, parameters: float, macs: float) -> None:
    counts = count_module(build(block).module, (1, 3, 299, 299))
    assert round(counts.parameters / 1e6, 4) == parameters
    assert round(counts.macs / 1e9, 3) == macs


@pytest.mark.parametrize(("block", "millions"), [(3, 1.108), (4, 2.722), (5, 4.336)])
def test_deeper_cuts(block: int, millions: float) -> None:
    network = build(block).network
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 3) == millions
    assert network(torch.rand(1, 3, 64, 64)).shape[1] == 2


def test_blocks_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 12, got 13"):
        _xception.cut_after(13)


def test_sizes() -> None:
    network = build().network.eval()
    assert network(torch.rand(1, 3, 7, 7)).shape == (1, 2, 1, 1)
    with pytest.raises(RuntimeError):
        network(torch.rand(1, 3, 6, 6))
