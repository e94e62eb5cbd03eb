"""The controls: chance, metadata and the 20-feature row are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.trivial import picture_features
from harness.engine import contracts
from harness.registry import detectors as registry


def test_metadata_features_tell_headers_apart() -> None:
    detector = registry.detector("metadata").build()
    labels = np.array([0, 1, 0] * 10)
    detector.fit_headers(list(contracts.HEADERS) * 10, labels, seed=0)
    scores = detector.score_headers(list(contracts.HEADERS))
    assert scores[1] > 0 > max(scores[0], scores[2])


def test_chance_scores_are_uniform_and_see_every_pixel() -> None:
    detector = registry.detector("chance").build()
    images = contracts.pictures(2000, 4, 4)
    scores = detector.score(images)
    assert abs(scores.mean().item() - 0.5) < 4 * (1 / 12 / 2000) ** 0.5
    images[0, 2, 3, 3] = 1 - images[0, 2, 3, 3]
    assert detector.score(images)[0] != scores[0]
    assert torch.equal(detector.score(images)[1:], scores[1:])


def test_trivial_features_are_what_they_are_called() -> None:
    flat = np.full((3, 32, 32), 0.25)
    flat[1] = 0.75
    features = picture_features(flat)
    assert features[:6].tolist() == pytest.approx([0.25, 0.75, 0.25, 0, 0, 0])
    rng = np.random.default_rng(0)
    picture = np.repeat(rng.random((1, 32, 32)), 3, axis=0)
    doubled = np.repeat(np.repeat(picture[:, ::2, ::2], 2, axis=1), 2, axis=2)
    residual = slice(9, 11)
    assert (picture_features(doubled)[residual] < picture_features(picture)[residual] - 5).all()
    wave = np.repeat(0.5 + 0.4 * np.cos(np.arange(32) * np.pi * 0.5)[None, None], 32, axis=1)
    rings = picture_features(np.repeat(wave, 3, axis=0))[11:]
    assert rings.argmax() == int(0.25 / 0.5 * 9)
