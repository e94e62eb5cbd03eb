"""FreDect: preprocessing and logits equal the numbers of AIGCDetectBenchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines._frank import SpectralDetector
from baselines._spectrum import log_dct
from baselines.fredect import build
from harness.checkpoints.resolve import load_into, resolve
from harness.data.preprocess import parse, to_tensor
from harness.errors import WeightsError
from harness.registry import detectors as registry
from tests.goldens.pictures import frequency_tensor as images
from tests.goldens.pictures import nonsquare_picture
from tests.goldens.rules import filled, hashed, sine
from tests.goldens.stored import golden, near

RULES = {"sin": sine, "hash": hashed}


def prepared() -> SpectralDetector:
    """With the statistics of the four pictures' centre crops."""
    detector = build()
    assert detector.network.standardise is not None
    detector.network.standardise.observe(log_dct(images()[:, :, 16:240, 16:240]))
    detector.module.eval()
    return detector


def test_preprocessing_reaches_the_stored_tensors() -> None:
    gold, detector = golden("fredect"), prepared()
    geometry = parse(registry.detector("fredect").preprocess_for("forensynths"))
    wide = to_tensor(geometry(nonsquare_picture()))[None]
    with torch.no_grad():
        near(detector.network.inputs(wide)[0, :, :8, :8], gold["nonsquare_input_lo8"], atol=1e-5)
        for whole, want in zip(images(), gold["input_lo8"], strict=True):
            image = (whole.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
            got = detector.network.inputs(to_tensor(geometry(image))[None])
            near(got[0, :, :8, :8], want, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", RULES)
def test_logits_equal_the_goldens(kind: str) -> None:
    gold, detector = golden("fredect"), prepared()
    assert sum(p.numel() for p in detector.network.net.parameters()) == gold["params"]
    filled(detector.network.net, RULES[kind])
    with torch.no_grad():
        scores = detector.score(images()[:, :, 16:240, 16:240])
    near(scores[:, None], gold[f"{kind}_logit"], atol=0, rtol=1e-4)


def test_one_logit_equals_its_golden() -> None:
    gold, detector = golden("fredect"), prepared()
    filled(detector.network.net, hashed)
    with torch.no_grad():
        score = detector.score(images()[2:3, :, 16:240, 16:240])
    near(score[:, None], gold["hash_logit"][2:3], atol=0, rtol=1e-4)


def test_the_published_files_make_one_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    spec, source = registry.detector("fredect"), build()
    network = source.network.net.state_dict()
    mean, variance = torch.rand(2, 3, 224, 224, dtype=torch.float64)
    torch.save(network, tmp_path / "DCTAnalysis.pth")
    torch.save(mean, tmp_path / "dct_mean")
    with pytest.raises(WeightsError, match=r"fredect:released: dct_var: absent"):
        resolve(spec)
    torch.save(variance, tmp_path / "dct_var")
    detector = build()
    load_into(detector, resolve(spec), spec)
    state = dict(detector.state_dict())
    expected = {"standardise.mean": mean, "standardise.variance": variance}
    expected |= {f"net.{name}": value for name, value in network.items()}
    assert state.keys() - expected.keys() == {"standardise.count"}
    assert state["standardise.count"].item() == 0
    assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_only_the_count_may_be_missing() -> None:
    detector = build()
    state = dict(detector.state_dict())
    del state["standardise.variance"]
    with pytest.raises(RuntimeError, match="variance"):
        detector.load_state_dict(state)
