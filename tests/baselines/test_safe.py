"""SAFE: parity with the authors' numbers; its wavelet band against the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.safe import SPEC, build, diagonal_band, stretched_band
from harness.data.preprocess import parse
from tests.goldens.rules import fill
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)


def test_keys_are_the_published_ones() -> None:
    network = build().network
    state = network.state_dict()
    assert keys_of(state) == keys("safe")
    assert sum(p.numel() for p in network.parameters()) == 1_438_274


def test_goldens() -> None:
    gold = golden("safe")
    detector = fill(build())
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(checked_stages(detector.network, images, gold), gold["logits"])
        close(detector.network(images[:, :, :128, :192]), gold["logits_crop128x192"])
        close(detector.embed(images), gold["pooled"])
        expected = gold["logits_f64"][:, 1] - gold["logits_f64"][:, 0]
        close(detector.score(images), expected)
    close(diagonal_band(images)[0, :, ::7, ::7], gold["dwt_hh_image0"], 1e-6)
    close(stretched_band(images)[:, :, :6, :6], gold["dwt_resized_corner"], 1e-6)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("safe", SPEC, "ufd", atol=0)


def test_inside_the_band_is_half_the_mixed_difference_of_each_cell() -> None:
    x = torch.rand(2, 3, 10, 12)
    a, b, c, d = (x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1))
    band = diagonal_band(x)
    assert band.shape == (2, 3, 7, 8)
    torch.testing.assert_close(band[:, :, 1:-1, 1:-1], (a - b - c + d) / 2)
    torch.testing.assert_close(band[:, :, 0], -band[:, :, 1])
    torch.testing.assert_close(band[:, :, :, -1], -band[:, :, :, -2])


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 9])
def test_the_band_of_any_size_is_the_filter_on_the_mirrored_image(length: int) -> None:
    x = torch.rand(1, 1, length, 1, dtype=torch.float64)
    ends = np.pad(x[0, 0, :, 0].numpy(), 6, mode="symmetric")[4:]  # begins at sample -2
    count = (length + 5) // 2
    along = [(ends[2 * k + 1] - ends[2 * k]) * 0.5**0.5 for k in range(count)]
    # Across the single column the mirror image is constant: all differences there are 0.
    wide = diagonal_band(x.repeat(1, 1, 1, 4) * torch.tensor([1.0, 0.0, 1.0, 0.0]).double())
    assert wide.shape == (1, 1, count, 4)
    np.testing.assert_allclose(wide[0, 0, :, 1], -np.array(along) * 0.5**0.5, atol=1e-12)
    assert not diagonal_band(x).any()


def test_cells_that_are_copies_of_one_pixel_leave_nothing() -> None:
    x = torch.rand(1, 3, 8, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert not stretched_band(x).any()


def test_loss_is_smoothed_cross_entropy_of_both_logits() -> None:
    detector = build()
    detector.module.eval()
    images, labels = torch.rand(3, 3, 32, 32), torch.tensor([0.0, 1.0, 1.0])
    loss = detector.loss(images, labels, torch.Generator())
    logs = detector.network(images).log_softmax(1)
    target = torch.tensor([[0.95, 0.05], [0.05, 0.95], [0.05, 0.95]])
    torch.testing.assert_close(loss, -(target * logs).sum(1).mean())


def test_training_images_of_any_size_become_256() -> None:
    assert SPEC.recipe is not None
    chain = parse(SPEC.recipe.train_preprocess)
    rng = np.random.default_rng(0)
    for size in ((100, 300), (280, 300)):
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        assert chain.apply(image, rng).shape == (256, 256, 3)
