"""Ojha: parity with the authors' numbers, its kinds of checkpoint, the CLIP file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import _clip
from baselines.ojha import SPEC, build
from harness.api import DetectorSpec
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, pretrained, resolve
from harness.data.preprocess import parse
from harness.engine import contracts
from harness.errors import WeightsError
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


def test_names_and_shapes_are_the_official_ones_of_the_image_side() -> None:
    expected = {n: shape for n, shape, _ in keys("ojha") if not n.startswith(TEXT)}
    state = on_meta(build).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    assert len(expected) == 298


def test_parameters_are_the_tower_and_769_that_learn() -> None:
    parameters = list(on_meta(build).module.parameters())
    assert sum(p.numel() for p in parameters) == 303_966_977
    assert sum(p.numel() for p in parameters if p.requires_grad) == 769


def test_the_authors_training_checkpoint_loads_strictly() -> None:
    state = meta_state("ojha")
    detector = on_meta(build)
    detector.load_state_dict(state)
    state["model.visual.other"] = state["fc.bias"]
    with pytest.raises(RuntimeError, match=r"model\.visual\.other"):
        detector.load_state_dict(state)
    del state["model.visual.other"], state["model.visual.proj"]
    with pytest.raises(RuntimeError, match=r"model\.visual\.proj"):
        detector.load_state_dict(state)


@pytest.mark.slow
def test_goldens() -> None:
    gold = golden("ojha")
    detector = build()
    detector.load_state_dict(published("ojha"))
    with torch.no_grad():
        features = detector.network.features(torch.from_numpy(gold["input"]))
        close(features, gold["feat_chirp"])
        close(detector.network.fc(features), gold["logits_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("ojha", SPEC, "diffusion", on_cpu_normalisation(SPEC), 1e-6)


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


def publish(
    folder: Path, patch: pytest.MonkeyPatch
) -> tuple[DetectorSpec, dict[str, Tensor], dict[str, Tensor]]:
    """A published head on a small CLIP: the spec that expects them, CLIP's entries, the head's."""
    spec, clip = publish_small_clip(folder, patch, in_small(SPEC, build))
    head = {"weight": torch.randn(1, SMALL.output), "bias": torch.tensor([-0.5])}
    path = folder / SPEC.weights[0].filename
    torch.save(head, path)
    released = replace(spec.weights[0], sha256=sha256_of(path), size=path.stat().st_size)
    return replace(spec, weights=(released,)), clip, head


def test_the_published_head_is_completed_with_openais_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clip, head = publish(tmp_path, monkeypatch)
    detector, loaded = spec.build(), resolve(spec)
    assert loaded.ref.files.keys() == {"fc_weights.pth", "ViT-L-14.pt"}
    load_into(detector, loaded, spec)
    detector.module.eval()
    state = detector.state_dict()
    assert torch.equal(state["fc.weight"], head["weight"])
    for name, value in clip.items():
        if name.startswith("visual."):
            assert torch.equal(state[f"model.{name}"], value), name
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        by_hand = detector.embed(images) @ head["weight"].T + head["bias"]
        close(detector.score(images), by_hand.flatten().numpy())


def test_without_openais_file_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _, head = publish(tmp_path, monkeypatch)
    own = tmp_path / "own" / "fc_weights.pth"
    own.parent.mkdir()
    torch.save({**head, "bias": torch.ones(1)}, own)
    (tmp_path / "ViT-L-14.pt").unlink()
    for token in ("", str(own)):
        with pytest.raises(WeightsError, match=r"ojha:released: ViT-L-14\.pt: absent") as caught:
            resolve(spec, token)
        assert "python -m harness weights --fetch ojha:released" in caught.value.hint
        assert _clip.OPENAI.url in caught.value.hint
    with pytest.raises(WeightsError, match=r"ojha:openai-clip: ViT-L-14\.pt: absent") as caught:
        pretrained(spec, "openai-clip")
    assert "--fetch ojha:openai-clip" in caught.value.hint


def test_training_starts_from_openais_file_and_moves_the_head_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clip = publish_small_clip(tmp_path, monkeypatch, in_small(SPEC, build))
    assert SPEC.recipe is not None
    detector = spec.build()
    detector.start_from(pretrained(spec, SPEC.recipe.start).state)
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
    for name, value in clip.items():
        if name.startswith("visual."):
            assert torch.equal(state[f"model.{name}"], value), name


def test_openais_names_are_the_image_sides() -> None:
    """The authors' checkpoint holds OpenAI's entries behind ``model.``: each maps onto its own."""
    mapping, own = _clip.IMAGE_TOWER.mapping, set(on_meta(build).state_dict())
    assert mapping is not None
    openais = [n.removeprefix("model.") for n, *_ in keys("ojha") if n.startswith("model.")]
    mapped = {mapping(name) for name in (*openais, *_clip.CONSTANTS)} - {None}
    assert mapped == own - {"fc.weight", "fc.bias"}


def test_without_open_clip_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    with pytest.raises(ImportError, match="needs the extra 'clip'"):
        build(sizes=SMALL)
