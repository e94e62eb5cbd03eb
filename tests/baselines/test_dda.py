"""DDA: parity with the authors' numbers, its table of positions, its updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines._dinov2 import VIT_L14_REGULAR, resampled
from baselines.dda import SPEC, UpdatedLinear, build
from harness.engine import contracts
from tests.baselines.small_clip import meta_state, on_meta
from tests.baselines.small_dino import SMALL_DINO, in_small_dino
from tests.goldens.rules import chirp
from tests.goldens.stored import close, golden, keys, keys_of, preprocessing_is_exact, published

SMALL_SPEC = in_small_dino(SPEC, build)


def test_names_and_shapes_are_the_published_ones() -> None:
    detector = on_meta(build)
    assert keys_of(detector.state_dict()) == keys("dda")
    parameters = list(detector.module.parameters())
    assert sum(p.numel() for p in parameters) == 307_515_393
    assert sum(p.numel() for p in parameters if p.requires_grad) == 3_145_728 + 1_025


@pytest.mark.parametrize(
    "name", ["base_model.model.mask_token", "base_model.model.blocks.23.mlp.fc2.lora.lora_B"]
)
def test_a_file_that_lacks_an_entry_is_refused(name: str) -> None:
    state = meta_state("dda")
    del state[name]
    with pytest.raises(RuntimeError, match=name):
        on_meta(build).load_state_dict(state)


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("dda"), build()
    detector.load_state_dict(published("dda"))
    with torch.no_grad():
        features = detector.network.features(torch.from_numpy(gold["input"]))
        close(features, gold["feat_chirp"])
        close(detector.network.base_model.fc(features), gold["logits_chirp"])
        for extra in ("odd", "mixed", "tiny"):
            logits = detector.network(torch.from_numpy(gold[f"{extra}_input"]))
            close(logits, gold[f"logits_{extra}_chirp"])


def test_positions_are_resampled_as_the_release_does() -> None:
    gold = golden("dda")
    table = chirp("base_model.model.pos_embed", (1, 1370, 1024), 400.0)
    made = resampled(table, 37, 24, 24)[0]
    assert made.shape == (577, 1024)
    rows = made[[0, 1, 2, 24, 25, 288, 300, 576]]
    close(rows, gold["pos_rows_chirp"])
    by_size = nn.functional.interpolate(
        table[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2), size=(24, 24), mode="bicubic"
    )
    with pytest.raises(AssertionError):  # what other libraries do
        close(by_size.flatten(2)[0].T[:2], gold["pos_rows_chirp"][1:3])
    assert resampled(table, 37, 37, 37) is table


@pytest.mark.parametrize("height", [1, 2, 16, 24, 36, 38, 73])
def test_every_map_gets_its_positions(height: int) -> None:
    table = torch.randn(1, 1370, 2)
    made = resampled(table, 37, height, height + 1)
    assert made.shape == (1, 1 + height * (height + 1), 2)
    assert torch.equal(made[:, 0], table[:, 0])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """Black before the normalisation, rounded to even, CLIP's statistics."""
    preprocessing_is_exact("dda", SPEC, "genimage", SMALL_SPEC.build().module.normalise, 1e-6)


def test_an_update_counts_an_eighth() -> None:
    layer = UpdatedLinear(4, 3)
    x = torch.randn(2, 4)
    with torch.no_grad():
        before = layer(x)
        close(before, layer.original_layer(x).numpy(), atol=0)  # it starts at nothing
        layer.lora.lora_B.fill_(2.0)
        layer.lora.lora_A.fill_(0.5)
        close(layer(x) - before, (x.sum(1, keepdim=True).expand(2, 3)).numpy())  # 8 * 1 / 8


def test_started_from_dinov2_it_is_dinov2_with_updates_of_nothing() -> None:
    names = {
        name.removeprefix("base_model.model.").replace(".original_layer", ""): value
        for name, value in meta_state("dda").items()
        if ".lora." not in name and not name.startswith("base_model.fc")
    }
    assert len(names) == 343  # as many as the published backbone has
    on_meta(build).start_from(names)
    assert VIT_L14_REGULAR.name == SPEC.recipe.start  # type: ignore[union-attr]
    detector: Any = build(sizes=SMALL_DINO)
    state = detector.state_dict()
    own = "base_model.model.blocks.1.attn.qkv.original_layer.weight"
    detector.start_from({"blocks.1.attn.qkv.weight": torch.ones_like(state[own])})
    assert detector.state_dict()[own].eq(1).all()
    with pytest.raises(RuntimeError, match="other"):
        detector.start_from({"other": torch.ones(1)})


def test_training_moves_updates_and_head_only() -> None:
    detector: Any = build(sizes=SMALL_DINO)
    before = {n: p.detach().clone() for n, p in detector.module.named_parameters()}
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    images, labels = contracts.pictures(4, 70, 70), torch.tensor([0.0, 1.0, 0.0, 1.0])
    for _ in range(2):  # the second matrices start at 0, so the first move from then on
        loss: Tensor = detector.loss(images, labels, torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    moved = {n for n, p in detector.module.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if ".lora." in n or n.startswith("network.base_model.fc")}


def test_sizes_are_whole_patches() -> None:
    assert SPEC.input_rule.problem(336, 336) == SPEC.input_rule.problem(14, 28) == ""
    assert "multiple of 14" in SPEC.input_rule.problem(336, 340)
    scores = SMALL_SPEC.build().score(contracts.pictures(1, 28, 70)).detach()
    assert np.isfinite(scores.numpy()).all()


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(SMALL_SPEC)
