"""PatchCraft: parity with the numbers of its port, crop by crop; what its card warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines._srm import srm_filters
from baselines.patchcraft import (
    SPEC,
    PatchCraftDetector,
    crop_places,
    fluctuation,
    mosaics,
)
from harness.checkpoints.resolve import load_into, resolve
from harness.cost.count import count_module
from harness.data.preprocess import parse, to_tensor
from tests.goldens import pictures
from tests.goldens.stored import SAMPLE, close, golden, keys, keys_of, published

SEEDS = (0, 1)  # of the two pictures; the others had 2 and 3


@pytest.fixture(scope="module")
def network() -> Any:
    detector = PatchCraftDetector()
    detector.load_state_dict(published("patchcraft"))
    return detector.module.eval().network


def scored(network: Any, pairs: list[Tensor]) -> Tensor:
    with torch.no_grad():
        cells = network.contrast(torch.stack(pairs))
        logits: Tensor = network.fc2(network.pool(cells))
    return logits


def test_keys_are_the_published_ones() -> None:
    detector = PatchCraftDetector()
    assert keys_of(detector.state_dict()) == keys("patchcraft")
    parameters = list(detector.network.parameters())
    assert sum(p.numel() for p in parameters) == 119_919
    assert sum(p.numel() for p in parameters if p.requires_grad) == 119_169


def test_the_filters_are_the_releases_bit_for_bit() -> None:
    state = published("patchcraft")
    assert torch.equal(srm_filters()[:, None], state["group1.hpf.weight"])
    assert torch.equal(PatchCraftDetector().state_dict()["group1.hpf.weight"][:, 0], srm_filters())


def test_crops_are_torchvisions_of_a_seed() -> None:
    for places, seed in zip(golden("patchcraft")["crop_top_left"], SEEDS, strict=True):
        assert crop_places(281, 263, seed) == [tuple(place) for place in places.tolist()]
    assert crop_places(281, 263) == crop_places(281, 263, 0) != crop_places(281, 263, 1)
    assert crop_places(32, 32, 5) == [(0, 0)] * 192
    assert {left for _, left in crop_places(40, 32)} == {0}


def test_goldens(network: Any) -> None:
    gold = golden("patchcraft")
    images = [to_tensor(picture) for picture in pictures.chirp_pictures()]
    pairs = [mosaics(image, seed) for image, seed in zip(images, SEEDS, strict=True)]
    assert np.array_equal(torch.stack(pairs).numpy()[SAMPLE], gold["x"])
    with torch.no_grad():
        close(network.pool(network.contrast(torch.stack(pairs))), gold["feat_chirp"], 1e-4)
    close(scored(network, pairs), gold["logits_chirp"], 1e-4)
    others = [mosaics(image, seed) for image, seed in zip(images, (10, 11), strict=True)]
    close(scored(network, others), gold["logits_otherseed_chirp"], 1e-4)


@pytest.mark.parametrize(
    ("name", "geometry", "seed"), [("tiny", "native", 2), ("upscaled", "resize(32,32)", 3)]
)
def test_goldens_of_small_pictures(network: Any, name: str, geometry: str, seed: int) -> None:
    gold = golden("patchcraft")
    image = to_tensor(parse(geometry)(gold[f"{name}_u8"][0]))
    close(scored(network, [mosaics(image, seed)]), gold[f"{name}_logits_chirp"], 1e-4)


def test_a_score_is_the_seed_0_draw_whatever_came_before(network: Any) -> None:
    detector = PatchCraftDetector()
    detector.load_state_dict(published("patchcraft"))
    detector.module.eval()
    image = to_tensor(pictures.chirp_pictures()[0])
    torch.manual_seed(77)
    with torch.no_grad():
        score = detector.score(torch.stack([image.flip(2), image]))[1:]
    close(score[:, None], golden("patchcraft")["logits_chirp"][:1], 1e-4)


def test_the_smoothest_come_first_and_the_richest_first() -> None:
    steps = torch.linspace(0, 1, 300)
    image = (torch.rand(3, 300, 300, generator=torch.Generator().manual_seed(0)) - 0.5) * steps
    poor, rich = mosaics(image)
    blocks = [
        [fluctuation(each[:, y : y + 32, x : x + 32].contiguous()) for y in range(0, 256, 32)
         for x in range(0, 256, 32)]
        for each in (poor, rich)
    ]  # fmt: skip
    assert blocks[0] == sorted(blocks[0]) and blocks[1] == sorted(blocks[1], reverse=True)
    assert blocks[0][-1] < blocks[1][-1]


def test_fluctuation_by_hand() -> None:
    crop = torch.zeros(3, 3, 3)
    crop[:, 1, 1] = 0.5  # two neighbours each way: eight differences of 0.5 in three colours
    assert fluctuation(crop) == 12.0
    crop[:] = 0.0
    crop[0, 0, 2] = 1  # one down, one across, one along the diagonal that has it
    assert fluctuation(crop) == 3.0


def test_colours_are_filtered_alone_red_first(network: Any) -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[:, 1] = torch.rand(9, 9)
    filtered = network.group1(x)
    assert filtered.shape == (1, 90, 9, 9)
    touched = filtered.abs().amax((0, 2, 3)).nonzero().flatten().tolist()
    assert touched == list(range(30, 60))


def test_limits_and_sign(network: Any) -> None:
    """Traps: Hardtanh at 1, rich minus poor."""
    limit = network.group1_b[2]
    assert (limit.min_val, limit.max_val) == (-5.0, 5.0)
    pair = mosaics(to_tensor(pictures.chirp_pictures()[0]))
    right, exchanged = scored(network, [pair]), scored(network, [pair.flip(0)])
    assert (right - exchanged).abs().item() > 1e-2


def test_cost_is_the_cards(network: Any) -> None:
    counts = count_module(network, (1, 3, 256, 256))
    assert counts.macs == 6_532_497_440
    assert counts.by_operator["batch_norm"] == 27_918_336


def test_sizes_as_stated() -> None:
    assert SPEC.input_rule.problem(32, 500) == ""
    assert "32x32" in SPEC.input_rule.problem(31, 500)


def test_the_published_layout_loads(tmp_path: Path) -> None:
    state = PatchCraftDetector().state_dict()
    path = tmp_path / "RPTC.pth"
    torch.save({"netC": {f"module.{name}": value for name, value in state.items()}}, path)
    detector, loaded = PatchCraftDetector(), resolve(SPEC, str(path))
    load_into(detector, loaded, SPEC)
    assert all(torch.equal(value, state[name]) for name, value in detector.state_dict().items())
