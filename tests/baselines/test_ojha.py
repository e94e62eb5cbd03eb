"""Ojha: parity with the authors' numbers, its three kinds of checkpoint, the CLIP file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import _clip
from baselines.ojha import SPEC, build
from harness import contracts
from harness.data.preprocess import parse
from tests.baselines.clip_goldens import (
    SMALL,
    chirp,
    in_small,
    listed,
    meta_state,
    on_meta,
    preprocessing_is_exact,
    publish_small_clip,
)
from tests.goldens import close

TEXT = tuple(f"model.{name}" for name in _clip.TEXT_SIDE)


def test_names_and_shapes_are_the_official_ones_of_the_image_side(shared: Path) -> None:
    expected = {n: s for n, s in listed(shared, "ojha").items() if not n.startswith(TEXT)}
    state = on_meta(build).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    assert len(expected) == 298


def test_parameters_are_the_tower_and_769_that_learn() -> None:
    parameters = list(on_meta(build).module.parameters())
    assert sum(p.numel() for p in parameters) == 303_966_977
    assert sum(p.numel() for p in parameters if p.requires_grad) == 769


def test_the_authors_training_checkpoint_loads_strictly(shared: Path) -> None:
    state = meta_state(listed(shared, "ojha"))
    detector = on_meta(build)
    detector.load_state_dict(state)
    assert detector.pretrained
    state["model.visual.other"] = state["fc.bias"]
    with pytest.raises(RuntimeError, match=r"model\.visual\.other"):
        detector.load_state_dict(state)
    del state["model.visual.other"], state["model.visual.proj"]
    with pytest.raises(RuntimeError, match=r"model\.visual\.proj"):
        detector.load_state_dict(state)


@pytest.mark.slow
def test_goldens(shared: Path) -> None:
    gold = np.load(shared / "methods/goldens/ojha.npz")
    detector = build()
    with torch.no_grad():
        for name, value in detector.network.state_dict().items():
            value.copy_(chirp(name, tuple(value.shape)))
        features = detector.network.features(torch.from_numpy(gold["x"]))
        close(features, gold["feat_chirp"])
        close(detector.network.fc(features), gold["logits_chirp"])


def test_preprocessing_reaches_the_stored_tensors(shared: Path) -> None:
    preprocessing_is_exact(shared, SPEC)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(in_small(SPEC, build))


def test_size_rule_is_the_towers() -> None:
    assert SPEC.input_rule.problem(224, 224) == ""
    assert "224x224" in SPEC.input_rule.problem(224, 225)
    assert "224x224" in SPEC.input_rule.problem(256, 256)


def test_recipe_parses_and_ends_at_the_towers_size() -> None:
    assert SPEC.recipe is not None
    image = np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    train = parse(SPEC.recipe.train_preprocess)
    assert train.apply(image, np.random.default_rng(0)).shape == (224, 224, 3)
    assert parse(SPEC.recipe.val_preprocess)(image).shape == (224, 224, 3)


def published_head() -> dict[str, torch.Tensor]:
    """Entries as in the published file, under this network's names."""
    head = SPEC.weights[0].mapping
    assert head is not None
    stored = {"weight": torch.randn(1, SMALL.output), "bias": torch.tensor([-0.5])}
    return {head(name): value for name, value in stored.items()}


def test_a_head_alone_is_completed_with_openais_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = publish_small_clip(tmp_path, monkeypatch)
    detector, head = build(sizes=SMALL), published_head()
    detector.load_state_dict(head)
    detector.module.eval()
    state = detector.state_dict()
    assert torch.equal(state["fc.weight"], head["fc.weight"])
    assert torch.equal(state["model.visual.proj"], stored["visual.proj"])
    assert torch.equal(state["model.visual.ln_post.bias"], stored["visual.ln_post.bias"])
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        by_hand = detector.embed(images) @ head["fc.weight"].T + head["fc.bias"]
        close(detector.score(images), by_hand.flatten().numpy())


def test_without_openais_file_a_head_alone_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"weights missing.*ViT-L-14\.pt") as caught:
        build(sizes=SMALL).load_state_dict(published_head())
    assert str(tmp_path) in str(caught.value)
    assert _clip.OPENAI.url in str(caught.value)


def test_another_file_under_its_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    (tmp_path / _clip.OPENAI.filename).write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="sha256"):
        build(sizes=SMALL).load_state_dict(published_head())


def test_training_starts_from_openais_file_and_moves_the_head_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = publish_small_clip(tmp_path, monkeypatch)
    detector = build(sizes=SMALL)
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-2)
    images, labels = contracts.pictures(2, 224, 224), torch.tensor([0.0, 1.0])
    losses = []
    for _ in range(3):
        loss = detector.loss(images, labels, torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    state = detector.state_dict()
    for name in ("proj", "conv1.weight", "transformer.resblocks.0.attn.in_proj_weight"):
        assert torch.equal(state[f"model.visual.{name}"], stored[f"visual.{name}"])


def test_training_without_openais_file_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="weights missing"):
        build(sizes=SMALL).loss(torch.rand(1, 3, 224, 224), torch.ones(1), torch.Generator())


def test_without_open_clip_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    with pytest.raises(ImportError, match=r"\[clip\]"):
        build(sizes=SMALL)
