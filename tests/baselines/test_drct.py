"""DRCT, both backbones: parity with the authors' numbers, its crop, its loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines._contrastive import contrastive_loss
from baselines.drct import CLIP, CLIP_SPEC, CONVNEXT, SPEC, build, build_clip
from harness.engine import contracts
from tests.baselines.small_clip import SMALL, in_small, meta_state, on_cpu_normalisation, on_meta
from tests.goldens.stored import close, golden, keys, keys_of, preprocessing_is_exact, published

TEXT = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.")
TEXT_SIDE = tuple(f"model.model.{name}" for name in (*TEXT, "text_projection", "logit_scale"))


def small(**options: Any) -> Any:
    return build(depths=(1, 1, 2, 1), widths=(8, 16, 24, 32), **options)


SMALL_SPEC = replace(SPEC, build=small)


def test_names_and_shapes_are_the_published_ones() -> None:
    detector = on_meta(build)
    assert keys_of(detector.state_dict()) == keys("drct_convb")
    assert sum(p.numel() for p in detector.module.parameters()) == 88_618_114


def test_names_of_the_clip_variant_are_the_published_ones_of_the_image_side() -> None:
    expected = {n: shape for n, shape, _ in keys("drct_clip") if not n.startswith(TEXT_SIDE)}
    detector = on_meta(build_clip)
    assert {n: tuple(v.shape) for n, v in detector.state_dict().items()} == expected
    parameters = list(detector.module.parameters())
    assert sum(p.numel() for p in parameters) == 304_755_714
    assert sum(p.numel() for p in parameters if p.requires_grad) == 789_506


def test_the_whole_published_clip_file_loads_strictly() -> None:
    state = meta_state("drct_clip")
    assert len(state) == 450
    detector = on_meta(build_clip)
    detector.load_state_dict(state)
    state["model.model.visual.other"] = state["fc.bias"]
    with pytest.raises(RuntimeError, match=r"model\.model\.visual\.other"):
        detector.load_state_dict(state)
    del state["model.model.visual.other"], state["model.fc.bias"]
    with pytest.raises(RuntimeError, match=r"model\.fc\.bias"):
        detector.load_state_dict(state)


def test_a_plain_network_of_two_outputs_is_refused() -> None:
    """What the release's own default builds."""
    state = dict(small().state_dict())
    state["model.head.fc.weight"] = torch.zeros(2, 32)
    with pytest.raises(RuntimeError, match=r"model\.head\.fc\.weight"):
        small().load_state_dict(state)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make"), [("drct_convb", build), ("drct_clip", build_clip)], ids=["convb", "clip"]
)
def test_goldens(name: str, make: Any) -> None:
    gold, detector = golden(name), make()
    detector.load_state_dict(published(name))
    detector.module.eval()
    with torch.no_grad():
        features = detector.network.features(torch.from_numpy(gold["input"]))
        close(features, gold["feat_chirp"])
        close(detector.network.fc(features), gold["logits_chirp"])
        for extra in ("odd", "tiny"):
            logits = detector.network(torch.from_numpy(gold[f"{extra}_input"]))
            close(logits, gold[f"logits_{extra}_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """A crop whose half is rounded down, black around small pictures, ImageNet's statistics."""
    preprocessing_is_exact("drct_convb", SPEC, "genimage", small().module.normalise)
    preprocessing_is_exact("drct_clip", CLIP_SPEC, "genimage", on_cpu_normalisation(CLIP_SPEC))


def test_the_score_is_of_the_second_class() -> None:
    detector = small()
    detector.module.eval()
    images = contracts.pictures(3, 64, 64)
    with torch.no_grad():
        scores, logits = detector.score(images), detector.module(images)
        close(scores.sigmoid(), logits.softmax(1)[:, 1].numpy())


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(SMALL_SPEC)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_of_the_clip_variant_in_small(check: contracts.Check) -> None:
    check(in_small(CLIP_SPEC, build_clip))


def test_contrastive_loss_by_hand() -> None:
    far = torch.tensor([[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0], [0.8, 0.6]])
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    same = [2**0.5, (1.8**2 + 0.6**2) ** 0.5]  # pairs 0-1 and 2-3
    other = [0.0, 1 - (0.2**2 + 0.6**2) ** 0.5, 0.0, 1 - (0.8**2 + 0.4**2) ** 0.5]
    expected = np.mean(same) + sum(other) / 2  # pairs that cost nothing do not count
    assert contrastive_loss(far, labels).item() == pytest.approx(expected, rel=1e-5)


def test_contrastive_loss_of_equal_embeddings_and_of_one_picture_has_finite_gradients() -> None:
    for count in (1, 4):
        equal = torch.ones(count, 3, requires_grad=True)
        contrastive_loss(equal, torch.zeros(count)).backward()
        assert equal.grad is not None and equal.grad.isfinite().all()


def test_training_moves_what_learns_and_nothing_of_clip() -> None:
    detector = build_clip(sizes=SMALL)
    before = {n: p.detach().clone() for n, p in detector.module.named_parameters()}
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    images, labels = contracts.pictures(4, 224, 224), torch.tensor([0.0, 1.0, 0.0, 1.0])
    for _ in range(2):
        loss = detector.loss(images, labels, torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.isfinite()
    moved = {n for n, p in detector.module.named_parameters() if not torch.equal(p, before[n])}
    heads = ("network.model.fc", "network.fc")
    assert moved == {f"{name}.{part}" for name in heads for part in ("weight", "bias")}


def test_published_backbones_map_onto_the_networks() -> None:
    for detector, start in ((on_meta(build), CONVNEXT), (on_meta(build_clip), CLIP)):
        own = set(detector.state_dict())
        assert start.mapping is not None
        prefix = "model.model." if start is CLIP else "model."
        names = {name.removeprefix(prefix) for name in own if name.startswith(prefix)}
        mapped = {start.mapping(name) for name in names} - {None}
        heads = {f"{name}.{part}" for name in ("fc", "model.fc") for part in ("weight", "bias")}
        assert mapped == own - heads - {"model.head.fc.weight", "model.head.fc.bias"}
    assert CONVNEXT.mapping is not None and CONVNEXT.mapping("head.fc.weight") is None
    assert CLIP.mapping is not None and CLIP.mapping("transformer.other") is None
