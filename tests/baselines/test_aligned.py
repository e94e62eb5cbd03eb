"""Aligned: Corvi2023's network under other files, and its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.aligned import SPEC
from harness.checkpoints.resolve import load_into, resolve
from harness.data.preprocess import parse
from tests.goldens.stored import close, golden, keys, keys_of, published


def test_it_is_corvis_network() -> None:
    detector = SPEC.build()
    assert keys_of(detector.state_dict()) == keys("corvi2023")
    detector.load_state_dict(published("corvi2023"))
    detector.module.eval()
    with torch.no_grad():
        x = torch.from_numpy(golden("corvi2023")["input"][:1])
        close(detector.network(x), golden("corvi2023")["logits_chirp"][:1])


def test_six_files_under_six_names(tmp_path: Path) -> None:
    names = [weights.name for weights in SPEC.weights]
    assert names[:2] == ["ours", "ours-sync"] and names[-2:] == ["corvi-plus", "rajan-plus"]
    assert len({w.filename for w in SPEC.weights}) == len({w.url for w in SPEC.weights}) == 6
    path = tmp_path / "aligned_rajan-plus.pth"
    state = SPEC.build().state_dict()
    torch.save({"model": state}, path)
    detector, loaded = SPEC.build(), resolve(SPEC, str(path))
    load_into(detector, loaded, SPEC)
    assert "not verified" in loaded.ref.note and loaded.ref.verified is False


def test_training_drops_half_of_the_features_scoring_none() -> None:
    torch.manual_seed(0)
    detector = SPEC.build()
    images, labels = torch.rand(2, 3, 16, 16), torch.tensor([0.0, 1.0])
    detector.module.eval()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    with torch.no_grad():
        plain = loss(detector.score(images), labels)
        assert torch.allclose(detector.loss(images, labels, torch.Generator()), plain)
        # Of features that are all 1, training lets a sum pass that is 2 for every one kept.
        detector.network.fc.weight.fill_(1)
        detector.module.train()
        detector.embed = lambda images: torch.ones(len(images), 2048)
        found = {detector.loss(images[:1] * 0, labels[:1], torch.Generator()).item() for _ in "abc"}
    assert len(found) == 3 and all(1800 < value < 2300 for value in found)


def test_the_recipe_is_the_published_one_and_parses() -> None:
    recipe = SPEC.recipe
    assert recipe is not None
    assert (recipe.lr, recipe.batch_size, recipe.patience, recipe.min_gain) == (1e-4, 128, 10, 1e-3)
    image = np.random.default_rng(0).integers(0, 256, (80, 300, 3), dtype=np.uint8)
    crop = parse(recipe.train_preprocess).apply(image, np.random.default_rng(0))
    assert crop.shape == parse(recipe.val_preprocess)(image).shape == (96, 96, 3)


@pytest.mark.parametrize("name", ["ours", "corvi-plus"])
def test_stay_positive_is_told_from_its_parents(name: str) -> None:
    weights = next(each for each in SPEC.weights if each.name == name)
    assert ("Stay-Positive" in weights.trained_on) is (name == "corvi-plus")
