"""RIGID: parity with DINOv2's code and the ports' lines, its noise, its direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from baselines.rigid import SPEC, STRENGTH, build, fixed_noise
from harness.engine import contracts
from tests.baselines.small_clip import meta_state, on_meta
from tests.baselines.small_dino import in_small_dino
from tests.goldens.stored import close, golden, keys, keys_of, near, preprocessing_is_exact
from tests.goldens.stored import published as published_state

SMALL_SPEC = in_small_dino(SPEC, build)


def small() -> Any:
    torch.manual_seed(2)
    detector: Any = SMALL_SPEC.build()
    for block in detector.network.blocks:  # else noise reaches the embedding hardly
        block.ls1.gamma.data.fill_(1)
        block.ls2.gamma.data.fill_(1)
    return detector


def test_names_and_shapes_are_dinov2s() -> None:
    detector = on_meta(build)
    assert keys_of(detector.state_dict()) == keys("rigid")
    assert sum(p.numel() for p in detector.module.parameters()) == 304_368_640
    state = meta_state("rigid")
    del state["mask_token"]
    with pytest.raises(RuntimeError, match="mask_token"):
        detector.load_state_dict(state)


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("rigid"), build()
    detector.load_state_dict(published_state("rigid"))
    network, images = detector.network, torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(network.features(images)[:, :64], gold["feat_chirp"])
        near(network(images[:1]), -gold["logits_chirp"][:1], atol=2e-5)  # every score's noise
        # The second picture's noise is the second part of the batch's.
        both = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        network.noise = both
        near(network(images), -gold["logits_chirp"], atol=2e-5)
        noisy = network.features(images + STRENGTH * both)
        close(noisy[:, :64], gold["feat_noisy_chirp"])


def test_the_noise_is_the_first_pictures_of_the_golden() -> None:
    """A torch that draws otherwise would change every score: it is noticed here."""
    gold = golden("rigid")
    near(fixed_noise()[:, ::16, ::16], gold["noise_sub16"][0], atol=1e-6)
    near(on_meta(build).network.noise, fixed_noise().numpy(), atol=0)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("rigid", SPEC, "genimage", small().module.normalise, 1e-6)


def test_what_noise_moves_more_is_more_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small()
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        first = detector.score(images)
        detector.network.noise = detector.network.noise * 20
        more = detector.score(images)
        detector.network.noise = detector.network.noise * 0
        none = detector.score(images)
    assert (more > first).all() and (first > none).all()
    close(none, -np.ones(2))
    assert SPEC.score.threshold == -0.96985


def test_noise_is_added_after_the_normalisation() -> None:
    detector = small()
    images = contracts.pictures(1, 224, 224)
    seen: list[torch.Tensor] = []
    detector.network.patch_embed.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        detector.score(images)
    noisy, clean = seen
    close(clean, detector.module.normalise(images).numpy())
    close((noisy - clean)[0], 0.05 * fixed_noise().numpy())


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(SMALL_SPEC)
