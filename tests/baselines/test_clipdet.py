"""ClipDet: parity with the authors' numbers, its tower, its published heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from baselines.clipdet import SPEC, TOWER, ClipDetDetector, image_side
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, resolve
from harness.engine import contracts
from harness.errors import WeightsError
from tests.baselines.small_clip import SMALL, in_small, on_cpu_normalisation, on_meta
from tests.goldens.stored import (
    close,
    extras_are_met,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
    published,
)


def small() -> Any:
    torch.manual_seed(0)
    detector = ClipDetDetector(sizes=SMALL)
    detector.module.eval()
    return detector


def test_keys_are_the_official_ones() -> None:
    detector = on_meta(ClipDetDetector)
    assert keys_of(detector.state_dict()) == keys("clipdet")
    parameters = list(detector.module.parameters())
    assert sum(p.numel() for p in parameters if not p.requires_grad) == 303_179_776
    assert sum(p.numel() for p in parameters if p.requires_grad) == 1_025


@pytest.mark.slow
@torch.no_grad()
def test_goldens() -> None:
    gold = golden("clipdet")
    detector = ClipDetDetector()
    detector.load_state_dict(published("clipdet"))
    detector.module.eval()
    features = detector.network.features(torch.from_numpy(gold["input"]))
    close(features, gold["feat_chirp"])
    close(detector.network.fc(features), gold["logits_chirp"])
    extras_are_met("clipdet", SPEC, detector)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("clipdet", SPEC, "forensynths", on_cpu_normalisation(SPEC), 1e-6)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(in_small(SPEC, ClipDetDetector))


def test_the_tower_has_the_exact_gelu_and_no_projection() -> None:
    """Trap: with QuickGELU the same file loads strictly and scores otherwise."""
    visual = small().network.visual
    assert {type(block.mlp.gelu) for block in visual.transformer.resblocks} == {nn.GELU}
    assert all(block.mlp.gelu.approximate == "none" for block in visual.transformer.resblocks)
    assert visual.proj is None and "visual.proj" not in visual.state_dict()


def test_features_are_the_last_norms_class_token_of_unit_length() -> None:
    network = small().network
    seen: list[torch.Tensor] = []
    nn.init.normal_(network.visual.ln_post.weight)
    network.visual.ln_post.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        features = network.features(torch.randn(2, 3, 224, 224))
        token = seen[0][:, 0] if seen[0].dim() == 3 else seen[0]
        close(features, (token / token.norm(dim=1, keepdim=True)).numpy())
    assert features.shape == (2, SMALL.width)


def test_open_clips_names_are_the_image_sides() -> None:
    own = {name for name in on_meta(ClipDetDetector).state_dict() if name.startswith("visual.")}
    others = ("visual.proj", "positional_embedding", "transformer.resblocks.0.ln_1.bias")
    assert {image_side(name) for name in (*own, *others)} - {None} == own


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "net"])
def test_a_published_head_is_completed_with_the_tower(
    wrapper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authors' loader knows three names for the entry with the tensors; so does ours."""
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    torch.manual_seed(3)
    state = {n: torch.randn_like(v) for n, v in small().state_dict().items()}
    text = {"visual.proj": torch.ones(2), "logit_scale": torch.ones(())}
    torch.save({n: v for n, v in state.items() if n.startswith("visual.")} | text,
               tmp_path / TOWER.filename)  # fmt: skip
    head = {"fc.weight": state["fc.weight"], "fc.bias": state["fc.bias"]}
    path = tmp_path / SPEC.weights[0].filename
    torch.save({wrapper: head, "epoch": 3}, path)
    released = replace(SPEC.weights[0], sha256=sha256_of(path), size=path.stat().st_size)
    spec = replace(in_small(SPEC, ClipDetDetector), weights=(released,))
    detector, loaded = spec.build(), resolve(spec)
    load_into(detector, loaded, spec)
    assert all(torch.equal(v, state[n]) for n, v in detector.state_dict().items())
    assert loaded.ref.verified is False  # nobody states the tower's sha256


def test_without_the_tower_the_error_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"CommonPool\.XL-s13B-b90K\.pt: absent") as caught:
        resolve(SPEC, "latent10k")
    assert TOWER.url in caught.value.hint and SPEC.weights[1].url in caught.value.hint
