"""B-Free: parity with the authors' numbers, its windows, what it does to small pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from baselines._dinov2 import DinoSizes
from baselines.bfree import SPEC, BFreeNetwork, build, window_places, wrapped
from harness.checkpoints.files import read_state
from harness.engine import contracts
from tests.baselines.small_clip import meta_state, on_meta
from tests.baselines.small_dino import in_small_dino
from tests.goldens.stored import close, golden, keys, keys_of, preprocessing_is_exact, published

SMALL = DinoSizes(width=128, layers=2, grid=4, registers=4)
SMALL_SPEC = in_small_dino(SPEC, build, SMALL)


def small() -> Any:
    torch.manual_seed(2)
    detector: Any = SMALL_SPEC.build()
    for block in detector.network.blocks:  # else one could leave a block out unnoticed
        block.ls1.gamma.data.fill_(1)
        block.ls2.gamma.data.fill_(1)
    detector.module.eval()
    return detector


def test_names_and_shapes_are_the_published_ones() -> None:
    detector = on_meta(build)
    assert sorted(keys_of(detector.state_dict())) == sorted(keys("bfree"))
    assert len(keys("bfree")) == 177
    assert sum(p.numel() for p in detector.module.parameters()) == 86_526_721


def test_a_table_of_dinov2s_own_size_is_refused() -> None:
    state = meta_state("bfree")
    on_meta(build).load_state_dict(state)
    state["pos_embed"] = torch.empty(1, 37 * 37, 768, device="meta")
    with pytest.raises(RuntimeError, match="pos_embed"):
        on_meta(build).load_state_dict(state)


def test_the_published_file_has_its_entries_under_model(tmp_path: Path) -> None:
    detector = small()
    torch.save({"model": detector.state_dict()}, tmp_path / "model_epoch_best.pth")
    SMALL_SPEC.build().load_state_dict(read_state(tmp_path / "model_epoch_best.pth"))


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("bfree"), build()
    detector.load_state_dict(published("bfree"))
    network = detector.network
    for case, front in (("", ""), ("small_", "small_"), ("tall_", "tall_")):
        for number, image in enumerate(gold[f"{case}input"]):
            with torch.no_grad():
                features = network.window_features(torch.from_numpy(image)[None])
                close(features[0, :, :64], gold[f"{front}feat_chirp"][number])
                close(network.head(features).mean(1)[0], gold[f"{front}logits_chirp"][number])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """Every size as it is, ImageNet's statistics."""
    preprocessing_is_exact("bfree", SPEC, "synthbuster", small().module.normalise, 1e-6)


def test_windows_are_in_the_releases_order() -> None:
    assert window_places(39, 41, 36) == [(1, 2), (0, 0), (3, 0), (3, 5), (0, 5)]
    assert set(window_places(36, 36, 36)) == {(0, 0)}


def test_a_short_axis_repeats_and_a_long_one_is_cut() -> None:
    cells = torch.arange(3 * 7.0).reshape(1, 1, 3, 7)
    found = wrapped(cells, 4)[0, 0]
    assert torch.equal(found, cells[0, 0][[0, 1, 2, 0], :4])


def test_only_the_first_pixels_of_a_narrow_picture_count() -> None:
    detector = small()
    images = contracts.pictures(1, 50, 400)
    other = images.clone()
    other[..., 56:] = 0  # beyond the first four patches
    with torch.no_grad():
        assert torch.equal(detector.score(images), detector.score(other))
        other[..., 40:56] = 0
        assert not torch.equal(detector.score(images), detector.score(other))


def test_the_map_is_repeated_and_not_the_picture() -> None:
    """The same only where sides are multiples of 14."""
    detector = small()
    with torch.no_grad():
        for side, same in ((28, True), (33, False)):
            image = contracts.pictures(1, side, side)
            tiled = image.repeat(1, 1, 3, 3)[..., :56, :56]
            assert torch.allclose(detector.score(image), detector.score(tiled), 1e-4) is same


def test_logits_of_five_windows_are_averaged() -> None:
    detector = small()
    images = contracts.pictures(2, 14 * 7 + 3, 14 * 6 + 13)
    places = [(1, 1), (0, 0), (3, 0), (3, 2), (0, 2)]
    with torch.no_grad():
        alone = [
            detector.score(images[..., 14 * y : 14 * y + 56, 14 * x : 14 * x + 56])
            for y, x in places
        ]
        close(detector.score(images), torch.stack(alone).mean(0).numpy())
        assert detector.network.window_features(images).shape == (2, 5, SMALL.width)


def test_class_token_and_registers_have_no_position() -> None:
    network: BFreeNetwork = small().network
    seen = []
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network(torch.zeros(1, 3, 56, 56))
        front = torch.cat([network.cls_token, network.reg_token], 1)
        assert torch.equal(seen[0][:, :5], front)
        assert seen[0].shape == (1, 5 + 16, SMALL.width)
        patches = network.patch_embed(torch.zeros(1, 3, 56, 56)).flatten(2).transpose(1, 2)
        close(seen[0][:, 5:], (patches + network.pos_embed).numpy())


@pytest.mark.parametrize("side", [56, 75])
def test_equal_windows_are_computed_once(side: int) -> None:
    network: BFreeNetwork = small().network
    calls = []
    network.norm.register_forward_hook(lambda *_: calls.append(1))
    network(torch.zeros(1, 3, side, side))
    assert len(calls) == (1 if side == 56 else 5 - 1)  # the centre of 5 patches is the corner


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(SMALL_SPEC)
