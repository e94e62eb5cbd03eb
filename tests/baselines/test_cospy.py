"""CO-SPY: parity with the authors' numbers, what each branch sees, its four files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.cospy import SPEC, build
from harness.checkpoints.files import files_of
from harness.checkpoints.resolve import load_into, resolve
from harness.engine import contracts
from harness.errors import WeightsError
from tests.baselines.small_clip import meta_state, on_meta
from tests.goldens.stored import close, golden, keys, near, preprocessing_is_exact, published

TEXT = ("sem.clip.text.", "sem.clip.logit_")
WIDTHS = (32, 32, 32, 32)
TRUNK = {"embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 2.0}


def small() -> Any:
    return build(widths=WIDTHS, smaller=TRUNK)


SMALL_SPEC = replace(SPEC, build=small)


def scorer() -> Any:
    torch.manual_seed(6)
    detector = small()
    detector.module.eval()
    return detector


def test_names_and_shapes_are_the_released_class() -> None:
    expected = {n: shape for n, shape, _ in keys("cospy") if not n.startswith(TEXT)}
    detector = on_meta(build)
    state = detector.state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    assert len(expected) == 740
    assert sum(value.numel() for value in state.values()) == 513_328_516


def test_the_whole_released_state_loads_strictly() -> None:
    """The release loads its artefact branch without strictness."""
    state = meta_state("cospy")
    assert len(state) == 1_072
    detector = on_meta(build)
    detector.load_state_dict(state)
    del state["art.artifact_encoder.vae.quant_conv.bias"]
    with pytest.raises(RuntimeError, match=r"vae\.quant_conv\.bias"):
        detector.load_state_dict(state)


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("cospy"), build()
    detector.load_state_dict(published("cospy"))
    detector.module.eval()
    network, images = detector.network, torch.from_numpy(gold["input"])
    with torch.no_grad():
        features = network.features(images)
        semantic, artefact = features[:, :1152], features[:, 1152:]
        near(semantic[:, :64], gold["feat_chirp"][:, :64], rtol=1e-5, atol=2e-5)
        near(artefact[:, :64], gold["feat_chirp"][:, 64:], rtol=1e-5, atol=2e-5)
        logits = torch.cat([network.sem.fc(semantic), network.art.fc(artefact)], 1)
        near(logits, gold["branch_logits_chirp"], rtol=1e-5, atol=2e-5)
        near(network.fc(logits), gold["logits_chirp"], rtol=1e-5, atol=2e-5)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("cospy", SPEC, "genimage", scorer().module.normalise, 1e-6)


def test_what_each_branch_sees() -> None:
    """SigLIP [-1, 1] at 384; the auto-encoder [0, 1] at 224, shrunk without smoothing."""
    network = scorer().network
    images = contracts.pictures(1, 384, 384)
    seen: dict[str, torch.Tensor] = {}
    for name in ("sem.clip.visual.trunk", "art.artifact_encoder.vae.encoder"):
        network.get_submodule(name).register_forward_pre_hook(
            lambda _, given, name=name: seen.setdefault(name, given[0])
        )
    with torch.no_grad():
        network(images)
    close(seen["sem.clip.visual.trunk"], (images * 2 - 1).numpy())
    small_picture = seen["art.artifact_encoder.vae.encoder"]
    plain = torch.nn.functional.interpolate(images, (224, 224), mode="bilinear")
    smooth = torch.nn.functional.interpolate(images, (224, 224), mode="bilinear", antialias=True)
    close(small_picture, plain.numpy())
    assert not torch.allclose(small_picture, smooth, atol=1e-2)


def test_the_artefact_is_what_is_missed_times_100_over_7() -> None:
    encoder = scorer().network.art.artifact_encoder
    x = contracts.pictures(1, 224, 224)
    with torch.no_grad():
        mean, deviation = encoder.vae.latents(x)
        assert (deviation > 0).all()
        close(encoder.missed(x) * 7 / 100, (x - encoder.vae.decode(mean)).numpy())
        assert torch.equal(encoder.missed(x), encoder.missed(x))  # nothing is drawn


def test_the_score_joins_both_logits_semantic_first() -> None:
    detector = scorer()
    network, images = detector.network, contracts.pictures(2, 384, 384)
    with torch.no_grad():
        both = network.branches(images)
        close(both[:, :1], network.sem.fc(network.sem.features(images)).numpy())
        close(detector.score(images), network.fc(both)[:, 0].numpy())


def test_four_files_make_one_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    state = scorer().state_dict()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def older(name: str) -> str:
        for new, former in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
        return name

    sem = "sem.clip."
    files = {
        "fusion_weights.pth": {n: v for n, v in state.items() if n.startswith("fc.")},
        "semantic_weights.pth": {n[4:]: v for n, v in state.items() if n.startswith("sem.fc.")},
        "artifact_weights.pth": {older(n[4:]): v for n, v in state.items() if n[:4] == "art."},
        "siglip.pth": {n.removeprefix(sem): v for n, v in state.items() if n.startswith(sem)}
        | {"text.positional_embedding": torch.zeros(2), "logit_scale": torch.zeros(())},
    }
    for name, entries in files.items():
        torch.save(entries, tmp_path / name)
    released = SPEC.weights[0]
    also = (*released.also[:2], replace(released.also[2], filename="siglip.pth"))
    spec = replace(SMALL_SPEC, weights=(replace(released, also=also),))
    assert [part.filename for part in files_of(spec.weights[0])] == list(files)
    detector, loaded = spec.build(), resolve(spec)
    load_into(detector, loaded, spec)
    assert {n: v.tolist() for n, v in detector.state_dict().items() if n.startswith("fc.")} == {
        n: v.tolist() for n, v in state.items() if n.startswith("fc.")
    }
    for name, value in detector.state_dict().items():
        assert torch.equal(value, state[name]), name
    (tmp_path / "artifact_weights.pth").unlink()
    with pytest.raises(WeightsError, match=r"cospy:sd14: artifact_weights\.pth: absent"):
        resolve(spec)


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(SMALL_SPEC)
