"""A step of the mini training, for the detectors that need no download to train."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.data.preprocess import parse, to_tensor
from harness.registry import detectors as registry
from harness.training.mini_rule import MINI
from harness.training.optimisers import build_optimiser
from harness.training.recipe import resolve
from tests.conftest import noise

NAMES = (
    "bihpf",
    "cnndetection",
    "f3net",
    "f3net-dfb",
    "ferretnet",
    "frank-net",
    "freqnet",
    "frepgan",
    "ladeda",
    "npr",
    "patchfor",
    "safe",
    "selfblended",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_the_published_optimiser_moves_every_weight(name: str) -> None:
    spec = registry.detector(name)
    recipe = resolve(spec, scaling=MINI, overrides={"batch_size": 4}).used
    torch.manual_seed(0)
    detector = spec.build(**next(iter(spec.variants.values()), {}))
    detector.module.train()
    augment, rng = parse(recipe.train_preprocess), np.random.default_rng(0)
    pictures = [to_tensor(augment.apply(noise(seed, 128, 128), rng)) for seed in range(4)]
    images, labels = torch.stack(pictures), torch.tensor([0.0, 1.0, 0.0, 1.0])
    generator = torch.Generator()
    before = {n: p.detach().clone() for n, p in detector.module.named_parameters()}
    optimiser = build_optimiser(detector.module, recipe)
    optimiser.set_rate(recipe.lr)
    # Twice: where a layer starts at 0, what is before it moves from the second step on.
    for seed in range(2):

        def gradients(seed: int = seed) -> float:
            loss = detector.loss(images, labels, generator.manual_seed(seed))
            loss.backward()
            return float(loss.detach())

        assert np.isfinite(optimiser.step(gradients))
    for entry, parameter in detector.module.named_parameters():
        assert parameter.isfinite().all(), entry
        assert not torch.equal(parameter, before[entry]), entry


@pytest.mark.parametrize("name", NAMES)
def test_the_published_recipe_fits_the_detector(name: str) -> None:
    spec = registry.detector(name)
    recipe = resolve(spec, overrides={}).used  # a contradiction in it is an error
    assert recipe == spec.recipe
    augment, rng = parse(recipe.train_preprocess), np.random.default_rng(0)
    for image in (augment.apply(noise(0, 300, 340), rng), parse(recipe.val_preprocess)(noise(1))):
        assert spec.input_rule.problem(*image.shape[:2]) == ""
