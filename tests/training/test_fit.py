"""Fitting in one go: on features of pixels and on file headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.data.decode import read_bytes, read_header
from harness.data.sample import Manifest
from harness.registry import detectors as registry
from harness.training.data import ImageSet
from harness.training.fit import fit_features, fit_headers
from harness.training.outcome import seeded_build
from harness.training.progress import Progress
from tests.training import tiny


def test_features_are_fitted_in_manifest_order(train: Manifest, val: Manifest) -> None:
    spec = registry.detector("trivial")
    assert spec.recipe is not None
    sets = (ImageSet(train), ImageSet(val))
    detector = seeded_build(spec, {}, 0)
    recipe = tiny.RECIPE  # any: only its geometry counts here
    recipe = type(recipe)(epochs=1, batch_size=1, lr=0.0)
    trained = fit_features(spec, detector, recipe, sets, seed=0, progress=Progress())

    by_hand = seeded_build(spec, {}, 0)
    pixels = [sets[0].image(i) for i in range(40)]
    tensors = torch.stack([torch.from_numpy(p.copy()).movedim(-1, 0) / 255 for p in pixels])
    by_hand.fit(by_hand.features(tensors), np.array([0] * 20 + [1] * 20), 0)
    for name, value in by_hand.state_dict().items():
        assert trained.state[name].numpy() == pytest.approx(value.numpy(), rel=1e-6), name
    assert trained.epochs[0].val_ap == 1.0
    assert trained.epochs[0].train_loss is None


def test_headers_are_fitted_without_decoding(tmp_path: Path) -> None:
    for split, seeds in (("train", range(12)), ("val", range(50, 54))):
        for label, name, kind in ((0, "0_real", "jpg"), (1, "1_fake", "png")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for seed in seeds:
                picture = Image.fromarray(tiny.picture(label, seed))
                picture.save(folder / f"{seed}.{kind}", quality=90)
    # A PNG whose pixels are damaged still has a good header.
    victim = tmp_path / "train" / "1_fake" / "0.png"
    victim.write_bytes(victim.read_bytes()[:-30])
    train, val = tiny.manifest(tmp_path / "train"), tiny.manifest(tmp_path / "val")
    spec = registry.detector("metadata")
    detector = seeded_build(spec, {}, 0)
    sets = (ImageSet(train), ImageSet(val))
    trained = fit_headers(spec, detector, sets, seed=0, progress=Progress())
    assert trained.epochs[0].val_acc == 1.0

    again = seeded_build(spec, {}, 0)
    again.load_state_dict(trained.state)
    headers = [read_header(read_bytes(sample), sample.id) for sample in val.samples]
    assert list(again.score_headers(headers) > 0) == [s.label == 1 for s in val.samples]
