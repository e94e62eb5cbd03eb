"""What a training gives, however it was done: weights and what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.api import DetectorSpec
from harness.errors import DetectorError
from harness.metrics.classification import accuracy, average_precision
from harness.training.data import ImageSet

Scores = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch gave.

    Args:
        epoch: counted from 1.
        lr: its learning rate; None for a detector fitted in one go.
        train_loss: mean training loss over its images; None likewise.
        val_acc, val_ap: over the whole validation set, fractions; AP is None with one class only.
    """

    epoch: int
    lr: float | None
    train_loss: float | None
    val_acc: float | None
    val_ap: float | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training: the weights after its last epoch, as published; nothing is selected."""

    state: Mapping[str, Tensor]
    epochs: tuple[Epoch, ...]

    @property
    def best_val_epoch(self) -> int | None:
        """The first epoch with the highest validation AP, for the record only."""
        known = [(-epoch.val_ap, epoch.epoch) for epoch in self.epochs if epoch.val_ap is not None]
        return min(known)[1] if known else None


def seeded_build(spec: DetectorSpec, options: Mapping[str, object], seed: int) -> Any:
    """A fresh detector whose first weights follow from the seed; torch's own state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.build(**options)


def measure(
    spec: DetectorSpec,
    val: ImageSet,
    scores: Scores,
    *,
    epoch: int = 1,
    lr: float | None = None,
    train_loss: float | None = None,
) -> Epoch:
    """An epoch's record from the (N,) validation scores in manifest order.

    Raises:
        DetectorError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise DetectorError(
            f"{spec.name}: a validation score after epoch {epoch} is not finite",
            hint="try a smaller rate with --lr",
        )
    return Epoch(
        epoch=epoch,
        lr=lr,
        train_loss=train_loss,
        val_acc=accuracy(val.labels, scores, spec.score.threshold).value,
        val_ap=average_precision(val.labels, scores).value,
    )
