"""RINE: parity with the authors' numbers, its four heads, ten crops, what its card warns of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import _clip
from baselines.rine import SPEC, TOWER, VARIANTS, RineDetector, contrastive, image_side, ten_crops
from harness.api import DetectorSpec
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, pretrained, resolve
from harness.data.preprocess import parse
from harness.engine import contracts
from harness.errors import WeightsError
from tests.baselines.small_clip import (
    SMALL,
    in_small,
    on_cpu_normalisation,
    on_meta,
    publish_small_clip,
)
from tests.goldens.stored import close, golden, keys, preprocessing_is_exact, published

# Variant -> its golden; the LDM model's network is the 1-class model's.
GOLDENS = {"1class": "rine_1class", "2class": "rine_2class", "4class": "rine_4class"}
HEAD = ("alpha", "proj1.", "proj2.", "head.")
TEXT = tuple(f"clip.{name}" for name in _clip.TEXT_SIDE)
TRAINED = {"1class": 10_521_601, "2class": 283_009, "4class": 6_323_201, "ldm": 10_521_601}


def small(variant: str = "4class", **options: Any) -> Any:
    torch.manual_seed(0)
    detector = RineDetector(**{**VARIANTS[variant], **options}, sizes=SMALL)  # type: ignore[arg-type]
    detector.module.eval()
    return detector


@pytest.mark.parametrize("variant", GOLDENS)
def test_names_and_shapes_are_the_official_ones_of_the_image_side(variant: str) -> None:
    listed = keys(GOLDENS[variant])
    expected = {name: shape for name, shape, _ in listed if not name.startswith(TEXT)}
    state = on_meta(RineDetector, **VARIANTS[variant]).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_trained_is_what_the_published_file_holds(variant: str) -> None:
    network = on_meta(RineDetector, **VARIANTS[variant]).network
    learning = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    assert sum(learning.values()) == TRAINED[variant]
    assert set(learning) == {name for name in network.state_dict() if name.startswith(HEAD)}
    frozen = sum(p.numel() for p in network.parameters()) - TRAINED[variant]
    assert frozen == 303_966_208


def test_every_variant_has_its_own_file() -> None:
    assert [weights.variant for weights in SPEC.weights] == list(VARIANTS)
    assert len({weights.filename for weights in SPEC.weights}) == len(VARIANTS)


@pytest.fixture(scope="module")
def tower() -> Any:
    """The goldens' tower, with the 1-class head."""
    detector = RineDetector(**VARIANTS["1class"])  # type: ignore[arg-type]
    detector.load_state_dict(published("rine_1class"))
    return detector.module.eval().network


@pytest.fixture(scope="module")
def tokens(tower: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = tower.tokens(torch.from_numpy(golden("rine_1class")["input"]))
    return found


def headed(variant: str, state: dict[str, Tensor]) -> Any:
    """A network whose tower takes no memory, for tokens that were made elsewhere."""
    network = on_meta(RineDetector, **VARIANTS[variant]).network
    network.load_state_dict(state, strict=False, assign=True)
    return network.eval()


@pytest.mark.slow
def test_the_tower_gives_every_blocks_second_norm(tokens: Tensor) -> None:
    close(tokens[:, :, :32], golden("rine_1class")["cls_chirp"])


@pytest.mark.slow
@pytest.mark.parametrize("variant", GOLDENS)
def test_goldens(variant: str, tokens: Tensor) -> None:
    gold = golden(GOLDENS[variant])
    network = headed(variant, published(GOLDENS[variant], without=("clip.",)))
    with torch.no_grad():
        vectors = network.summed(tokens)
        close(vectors[:, :64], gold["feat_chirp"])
        close(network.head(vectors), gold["logits_chirp"])


@pytest.mark.slow
def test_ten_crops_of_a_larger_picture(tower: Any) -> None:
    gold = golden("rine_1class")
    image = torch.from_numpy(gold["images_u8"][0]).permute(2, 0, 1)[None].float() / 255
    x = (image - torch.tensor(_clip.CLIP_MEAN).view(3, 1, 1)) / torch.tensor(_clip.CLIP_STD).view(
        3, 1, 1
    )
    with torch.no_grad():
        each = torch.cat([tower(crop[None]) for crop in ten_crops(x, 224)])
        close(each.T, gold["logits_tencrop_chirp"])
        close(tower(x)[0], gold["logits_tencrop_chirp"].mean(1))


@pytest.mark.slow
def test_the_published_2class_head_gives_the_authors_scores(tokens: Tensor, shared: Path) -> None:
    gold, entry = golden("rine_2class"), SPEC.weights[1]
    path = shared / "weights" / entry.filename
    assert sha256_of(path) == entry.sha256 == str(gold["real_weights_sha256"])
    assert path.stat().st_size == entry.size
    state = torch.load(path, weights_only=True, map_location="cpu")
    network = headed("2class", state)
    with torch.no_grad():
        close(network.head(network.summed(tokens)), gold["logits_published_head_chirp"])
        close(network.alpha.softmax(1).mean(2)[0], gold["published_importance"])


def test_the_published_2class_file_is_the_whole_head(shared: Path) -> None:
    path = shared / "weights" / SPEC.weights[1].filename
    state = torch.load(path, weights_only=True, map_location="cpu")
    listed = {name: shape for name, shape, _ in keys("rine_2class") if name.startswith(HEAD)}
    assert {name: tuple(value.shape) for name, value in state.items()} == listed


@pytest.mark.parametrize("name", GOLDENS.values())
def test_preprocessing_reaches_the_stored_tensors(name: str) -> None:
    preprocessing_is_exact(name, SPEC, "forensynths", on_cpu_normalisation(SPEC), 1e-6)


def test_what_is_read_is_the_second_norm_of_open_clips_own_pass() -> None:
    network = small().network
    seen: list[Tensor] = []
    for block in network.clip.visual.transformer.resblocks:
        torch.nn.init.normal_(block.ln_2.weight)  # a fresh one equals the first norm
        block.ln_2.register_forward_hook(lambda _, __, output: seen.append(output[:, 0]))
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        network.clip.visual(x)
        whole = torch.stack(seen, 1)
        close(network.tokens(x), whole.numpy())
    assert whole.shape == (2, SMALL.layers, SMALL.width)


def test_blocks_are_weighted_for_each_feature() -> None:
    """Traps: a plain mean, a softmax over features, weights without softmax."""
    network = small().network
    tokens = torch.randn(2, SMALL.layers, SMALL.width)
    with torch.no_grad():
        network.alpha.zero_()
        network.alpha[0, 1, :] = 100
        chosen = network.proj2(network.proj1(tokens)[:, 1])
        close(network.summed(tokens), chosen.numpy())
        network.alpha.zero_()
        mean = network.proj2(network.proj1(tokens).mean(1))
        close(network.summed(tokens), mean.numpy())


def test_ten_crops_are_four_corners_the_middle_and_their_mirror_images() -> None:
    image = torch.arange(5 * 8).view(1, 1, 5, 8).float()
    crops = ten_crops(image, 2).view(2, 5, 2, 2)
    corners = [crops[0, number, 0, 0].item() for number in range(5)]
    assert corners == [0, 6, 3 * 8, 3 * 8 + 6, 2 * 8 + 3]
    assert torch.equal(crops[1, 0], image[0, 0, :2, -2:].flip(1))
    two = ten_crops(torch.cat([image, image + 100]), 2)
    assert two.shape == (20, 1, 2, 2) and two[10:].min() >= 100


def test_a_picture_of_the_towers_size_is_one_view_a_larger_one_ten() -> None:
    detector = small()
    images = torch.rand(2, 3, 224, 240)
    with torch.no_grad():
        whole = detector.score(images)
        crops = ten_crops(images, 224)
        close(whole, detector.score(crops).view(2, 10).mean(1).numpy())
        assert detector.network.views(images[..., :224]).shape == (2, 3, 224, 224)


@pytest.mark.parametrize(("size", "fine"), [((224, 224), 1), ((300, 225), 1), ((300, 223), 0)])
def test_sizes_as_stated(size: tuple[int, int], fine: int) -> None:
    assert (SPEC.input_rule.problem(*size) == "") is bool(fine)


def test_the_contrastive_loss_by_hand() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 1], [0, 1]]), dim=1)
    labels = torch.tensor([1.0, 1.0, 0.0])
    near, far = 0.5**0.5 / 0.07, 0.0
    first = near - np.logaddexp(near, far)
    second = near - np.logaddexp(near, near)
    assert contrastive(vectors, labels).item() == pytest.approx(-(first + second + 0) / 3)
    alone = contrastive(vectors[1:], labels[1:])
    assert alone.item() == 0


def test_the_loss_is_the_published_sum_over_the_batch() -> None:
    images, labels = contracts.pictures(4, 224, 224), torch.tensor([0.0, 1.0, 1.0, 0.0])
    found = {}
    for factor in (0.0, 0.5):
        detector = small(factor=factor)
        found[factor] = detector.loss(images, labels, torch.Generator()).item()
        scores = detector.score(images).detach()
        vectors = torch.nn.functional.normalize(detector.embed(images).detach(), dim=1)
    cross = torch.nn.functional.binary_cross_entropy_with_logits(scores, labels)
    assert found[0.0] == pytest.approx(cross.item(), rel=1e-5)
    pull = contrastive(vectors, labels).item()
    assert found[0.5] - found[0.0] == pytest.approx(0.5 * pull / 4, rel=1e-4)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    spec = replace(SPEC, build=lambda **options: RineDetector(**options, sizes=SMALL))
    check(spec)


def test_recipe_parses_and_ends_at_the_towers_size() -> None:
    assert SPEC.recipe is not None
    for shape in ((300, 500, 3), (96, 256, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        train = parse(SPEC.recipe.train_preprocess)
        assert train.apply(image, np.random.default_rng(0)).shape == (224, 224, 3)
        assert parse(SPEC.recipe.val_preprocess)(image).shape == (224, 224, 3)


def publish(folder: Path, patch: pytest.MonkeyPatch) -> tuple[DetectorSpec, dict[str, Tensor]]:
    """A published 2-class head on a small CLIP: the spec that expects them, CLIP's entries."""
    made = replace(in_small(SPEC, RineDetector), weights=(SPEC.weights[1],))
    spec, clip = publish_small_clip(folder, patch, made)
    head = {n: v for n, v in small("2class").state_dict().items() if n.startswith(HEAD)}
    path = folder / spec.weights[0].filename
    torch.save(head, path)
    released = replace(spec.weights[0], sha256=sha256_of(path), size=path.stat().st_size)
    return replace(spec, weights=(released,)), clip


def test_the_published_head_is_completed_with_openais_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clip = publish(tmp_path, monkeypatch)
    loaded = resolve(spec)
    assert loaded.variant == "2class"
    assert loaded.ref.files.keys() == {"rine_model_2class_trainable.pth", "ViT-L-14.pt"}
    detector = small("2class")
    load_into(detector, loaded, spec)
    state = detector.state_dict()
    for name, value in clip.items():
        if name.startswith("visual."):
            assert torch.equal(state[f"clip.{name}"], value), name
    with pytest.raises(WeightsError, match="does not fit rine"):
        load_into(small("4class"), loaded, spec)


def test_training_starts_from_openais_file_and_moves_the_head_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clip = publish_small_clip(tmp_path, monkeypatch, in_small(SPEC, RineDetector))
    detector = small()
    detector.start_from(pretrained(spec, TOWER.name).state)
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    images, labels = contracts.pictures(4, 224, 224), torch.tensor([0.0, 1.0, 0.0, 1.0])
    losses = []
    for _ in range(4):
        loss = detector.loss(images, labels, torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for name, value in clip.items():
        if name.startswith("visual."):
            assert torch.equal(detector.state_dict()[f"clip.{name}"], value), name


def test_openais_names_are_the_image_sides() -> None:
    own = {name for name in on_meta(RineDetector).state_dict() if name.startswith("clip.")}
    openais = [n.removeprefix("clip.") for n, *_ in keys("rine_4class") if n.startswith("clip.")]
    assert {image_side(name) for name in (*openais, *_clip.CONSTANTS)} - {None} == own
    assert json.loads(str(golden("rine_4class")["meta"]))["unused_prefixes"] == list(TEXT)
