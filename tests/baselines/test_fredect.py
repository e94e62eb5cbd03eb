"""FreDect: preprocessing and logits equal the numbers of AIGCDetectBenchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines._frank import SpectralDetector
from baselines._spectrum import log_dct
from baselines.fredect import build, published_name
from harness import registry
from harness.data.preprocess import parse, to_tensor
from tests.baselines.frequency_goldens import fill, golden, images, near


def prepared(shared: Path) -> SpectralDetector:
    """With the statistics of the four pictures' centre crops."""
    detector = build()
    assert detector.network.standardise is not None
    detector.network.standardise.observe(log_dct(images(shared)[:, :, 16:240, 16:240]))
    detector.module.eval()
    return detector


def test_preprocessing_reaches_the_stored_tensors(shared: Path) -> None:
    gold, detector = golden(shared, "fredect"), prepared(shared)
    geometry = parse(registry.detector("fredect").preprocess_for("forensynths"))
    wide = to_tensor(geometry(gold["nonsquare_400x300"]))[None]
    with torch.no_grad():
        near(detector.network.inputs(wide)[0, :, :8, :8], gold["nonsquare_input_lo8"], atol=1e-5)
        for whole, want in zip(images(shared), gold["input_lo8"], strict=True):
            image = (whole.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
            got = detector.network.inputs(to_tensor(geometry(image))[None])
            near(got[0, :, :8, :8], want, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sin", "hash"])
def test_logits_equal_the_goldens(shared: Path, kind: str) -> None:
    gold, detector = golden(shared, "fredect"), prepared(shared)
    assert sum(p.numel() for p in detector.network.net.parameters()) == gold["params"]
    fill(detector.network.net, kind)
    with torch.no_grad():
        scores = detector.score(images(shared)[:, :, 16:240, 16:240])
    near(scores[:, None], gold[f"{kind}_logit"], atol=0, rtol=1e-4)


def test_one_logit_equals_its_golden(shared: Path) -> None:
    gold, detector = golden(shared, "fredect"), prepared(shared)
    fill(detector.network.net, "hash")
    with torch.no_grad():
        score = detector.score(images(shared)[2:3, :, 16:240, 16:240])
    near(score[:, None], gold["hash_logit"][2:3], atol=0, rtol=1e-4)


def test_the_published_names_map_to_ours() -> None:
    detector = build()
    ours = set(detector.state_dict())
    published = {*detector.network.net.state_dict(), "standardise.mean"}
    assert {published_name(name) for name in published} <= ours
    assert ours - {published_name(name) for name in published} == {
        "standardise.variance",
        "standardise.count",
    }
