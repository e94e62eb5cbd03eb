"""D3: parity with the authors' numbers, its fixed order of cells, its attention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import _clip
from baselines.d3 import SPEC, DiscrepancyHead, build, shuffled
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, pretrained, resolve
from harness.engine import contracts
from tests.baselines.small_clip import (
    SMALL,
    in_small,
    meta_state,
    on_cpu_normalisation,
    on_meta,
    publish_small_clip,
)
from tests.goldens.stored import close, golden, keys, preprocessing_is_exact, published

TEXT = tuple(f"model.{name}" for name in _clip.TEXT_SIDE)


def golden_order() -> torch.Tensor:
    return torch.from_numpy(golden("d3")["permutation"])


def test_names_and_shapes_are_the_published_ones_of_the_image_side() -> None:
    expected = {n: shape for n, shape, _ in keys("d3") if not n.startswith(TEXT)}
    detector = on_meta(build)
    assert {n: tuple(v.shape) for n, v in detector.state_dict().items()} == expected
    parameters = list(detector.module.parameters())
    unused = 1024 * 768  # CLIP's projection
    assert sum(p.numel() for p in parameters) - unused == 306_330_625
    assert sum(p.numel() for p in parameters if p.requires_grad) == 3_150_849


def test_the_authors_training_checkpoint_loads_strictly() -> None:
    state = meta_state("d3")
    assert len(state) == 454
    detector = on_meta(build)
    detector.load_state_dict(state)
    state["model.visual.other"] = state["attention_head.fc.bias"]
    with pytest.raises(RuntimeError, match=r"model\.visual\.other"):
        detector.load_state_dict(state)
    del state["model.visual.other"], state["attention_head.key.bias"]
    with pytest.raises(RuntimeError, match=r"attention_head\.key\.bias"):
        detector.load_state_dict(state)


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("d3"), build()
    detector.load_state_dict(published("d3"))
    network, images = detector.network, torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(network(images), gold["logits_seed418_chirp"])  # the order of every score here
        network.order = golden_order()
        pair = network.pair(images)
        close(pair, gold["feat_chirp"])
        close(network.attention_head.attention(pair), gold["attention_chirp"])
        close(network.attention_head(pair), gold["logits_chirp"])
        for extra in ("odd", "tiny"):
            logits = network(torch.from_numpy(gold[f"{extra}_input"]))
            close(logits, gold[f"logits_{extra}_chirp"])


def test_the_order_is_the_first_draw_after_the_releases_seed() -> None:
    """A torch that draws otherwise would change every score: it is noticed here."""
    order = on_meta(build).network.order
    assert order.tolist() == golden("d3")["permutation_seed418"].tolist()
    assert "order" not in on_meta(build).state_dict()


def test_cells_are_shuffled_as_the_authors_do() -> None:
    gold = golden("d3")
    images = torch.from_numpy(gold["input"])
    found = shuffled(images, golden_order())
    close(found[:, :, :28, :28], gold["x_shuffled_corner_chirp"])
    assert torch.equal(shuffled(images, torch.arange(256)), images)
    inverse = golden_order().argsort()
    assert torch.equal(shuffled(found, inverse), images)


def test_one_order_for_all_pictures_of_all_batches() -> None:
    detector = build(sizes=SMALL)
    images = contracts.pictures(3, 224, 224)
    torch.manual_seed(1)
    with torch.no_grad():
        together = detector.score(images)
        torch.manual_seed(2)
        alone = torch.cat([detector.score(image[None]) for image in images])
    close(together, alone.numpy())


def test_columns_of_the_attention_sum_to_one() -> None:
    torch.manual_seed(0)
    head = DiscrepancyHead(8)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    weights = head.attention(torch.randn(3, 2, 8)).detach()
    close(weights.sum(1), torch.ones(3, 2).numpy())
    assert not torch.allclose(weights.sum(2), torch.ones(3, 2))


def test_the_shuffled_picture_comes_first_and_the_order_of_cells_matters() -> None:
    detector = build(sizes=SMALL)
    images = contracts.pictures(1, 224, 224)
    with torch.no_grad():
        pair = detector.network.pair(images)
        plain = detector.network.pair(images, torch.arange(256))
    assert torch.equal(pair[:, 1], plain[:, 1])
    assert torch.equal(plain[:, 0], plain[:, 1])
    assert not torch.allclose(pair[:, 0], plain[:, 0], atol=1e-4)


def test_a_class_token_is_the_towers_before_its_projection() -> None:
    visual: Any = _clip.image_tower(SMALL).eval()
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        close(_clip.class_token(visual, images) @ visual.proj, visual(images).numpy())


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """Both sides to 224, smoothed; CLIP's statistics."""
    preprocessing_is_exact("d3", SPEC, "ufd", on_cpu_normalisation(SPEC), 1e-6)


def test_the_published_head_is_completed_with_openais_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clip = publish_small_clip(tmp_path, monkeypatch, in_small(SPEC, build))
    head = {
        name: torch.randn_like(value)
        for name, value in DiscrepancyHead(SMALL.width).state_dict().items()
    }
    path = tmp_path / SPEC.weights[0].filename
    torch.save(head, path)
    released = replace(spec.weights[0], sha256=sha256_of(path))
    spec = replace(spec, weights=(released,))
    detector, loaded = spec.build(), resolve(spec)
    assert loaded.ref.files.keys() == {"classifier.pth", "ViT-L-14.pt"}
    load_into(detector, loaded, spec)
    state = detector.state_dict()
    for name, value in head.items():
        assert torch.equal(state[f"attention_head.{name}"], value), name
    for name, value in clip.items():
        if name.startswith("visual."):
            assert torch.equal(state[f"model.{name}"], value), name


def test_training_starts_from_openais_file_and_moves_the_head_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = publish_small_clip(tmp_path, monkeypatch, in_small(SPEC, build))
    assert SPEC.recipe is not None
    detector = spec.build()
    detector.start_from(pretrained(spec, SPEC.recipe.start).state)
    before = {n: p.detach().clone() for n, p in detector.module.named_parameters()}
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    generator, losses = torch.Generator().manual_seed(3), []
    for _ in range(2):
        images, labels = contracts.pictures(2, 224, 224), torch.tensor([0.0, 1.0])
        losses.append(detector.loss(images, labels, generator))
    assert not torch.equal(losses[0], losses[1])  # another order
    losses[0].backward()
    optimiser.step()
    after = dict(detector.module.named_parameters())
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith("network.attention_head.") for name in moved)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(in_small(SPEC, build))
