"""C2P-CLIP: parity with the authors' numbers, and transformers' names under open_clip's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.c2p_clip import SPEC, build, from_transformers
from baselines.ojha import build as build_ojha
from harness.engine import contracts
from tests.baselines.small_clip import (
    SMALL,
    in_small,
    meta_state,
    on_cpu_normalisation,
    on_meta,
)
from tests.goldens.stored import close, golden, preprocessing_is_exact, published

LAYER = "model.vision_model.encoder.layers.1.self_attn"


def test_official_names_and_shapes_map_onto_the_network() -> None:
    official = meta_state("c2p_clip")
    renamed = from_transformers(official)
    detector = on_meta(build)
    own = detector.state_dict()
    assert {n: v.shape for n, v in renamed.items()} == {n: v.shape for n, v in own.items()}
    assert len(official) == 394
    assert sum(p.numel() for p in detector.module.parameters()) == 303_966_977
    detector.load_state_dict(official)


@pytest.mark.parametrize(
    "name", ["model.fc.bias", "model.visual_projection.weight", f"{LAYER}.q_proj.bias"]
)
def test_an_official_checkpoint_that_lacks_an_entry_is_refused(name: str) -> None:
    official = meta_state("c2p_clip")
    del official[name]
    with pytest.raises(RuntimeError):
        on_meta(build).load_state_dict(official)


@pytest.mark.parametrize(
    "name", ["model.vision_model.other", f"{LAYER}.r_proj.bias", "model.logit_scale"]
)
def test_an_official_checkpoint_with_another_entry_is_refused(name: str) -> None:
    official = meta_state("c2p_clip")
    official[name] = official["model.fc.bias"]
    with pytest.raises(RuntimeError, match=name):
        on_meta(build).load_state_dict(official)


def test_query_key_value_are_stacked_in_this_order_and_the_projection_is_transposed() -> None:
    parts = {
        f"{LAYER}.{kind}_proj.bias": torch.full((2,), float(n)) for n, kind in enumerate("qkv")
    }
    shuffled = dict(reversed(parts.items()))
    stacked = from_transformers(shuffled)["model.visual.transformer.resblocks.1.attn.in_proj_bias"]
    assert stacked.tolist() == [0, 0, 1, 1, 2, 2]
    matrix = torch.arange(6.0).reshape(2, 3)
    projected = from_transformers({"model.visual_projection.weight": matrix})
    assert torch.equal(projected["model.visual.proj"], matrix.T)


def test_unit_length_is_the_only_difference_to_ojha() -> None:
    ours, ojha = build(sizes=SMALL), build_ojha(sizes=SMALL)
    ojha.load_state_dict(ours.state_dict())
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        plain, unit = ojha.embed(images), ours.embed(images)
        close(unit.norm(dim=1), np.ones(2))
        close(unit * plain.norm(dim=1, keepdim=True), plain.numpy())
        assert not torch.allclose(ours.score(images), ojha.score(images))


@pytest.mark.slow
def test_goldens() -> None:
    gold = golden("c2p_clip")
    detector = build()
    detector.load_state_dict(published("c2p_clip"))
    detector.module.eval()
    with torch.no_grad():
        features = detector.network.features(torch.from_numpy(gold["input"]))
        stored = gold["feat_chirp"]  # before or after its scaling to unit length
        close(features, stored / np.linalg.norm(stored, axis=1, keepdims=True))
        close(detector.network.fc(features), gold["logits_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("c2p_clip", SPEC, "diffusion", on_cpu_normalisation(SPEC), 1e-6)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(in_small(SPEC, build))
