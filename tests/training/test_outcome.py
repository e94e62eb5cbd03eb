"""Validation figures of an epoch."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from harness.api import ScoreSpec
from harness.data.sample import Manifest
from harness.training.data import ImageSet
from harness.training.outcome import cross_entropy, measure
from tests.training import tiny

LABELS = np.array([0, 1, 0, 1, 1])


def test_cross_entropy_of_logits_is_torchs_also_far_out() -> None:
    logits = np.array([-3.0, 0.5, 2.0, -800.0, 800.0])
    expected = binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(LABELS).double()
    )
    assert cross_entropy(LABELS, logits, "logit") == pytest.approx(float(expected), rel=1e-12)


def test_cross_entropy_of_probabilities_is_torchs_also_at_the_ends() -> None:
    shares = np.array([0.25, 0.5, 1.0, 0.0, 1.0])
    expected = binary_cross_entropy(torch.from_numpy(shares), torch.from_numpy(LABELS).double())
    assert cross_entropy(LABELS, shares, "probability") == pytest.approx(float(expected), rel=1e-12)


def test_an_epoch_has_all_three_figures(val: Manifest) -> None:
    spec = tiny.spec()
    images = ImageSet(val)
    scores = np.where(images.labels == 1, 1.0, -1.0)
    epoch = measure(spec, images, scores, epoch=3)
    assert (epoch.epoch, epoch.val_acc, epoch.val_ap) == (3, 1.0, 1.0)
    assert epoch.val_loss == pytest.approx(math.log(1 + math.exp(-1)))
    plain = replace(spec, score=ScoreSpec(kind="uncalibrated", threshold=0.0))
    assert measure(plain, images, scores).val_loss is None
