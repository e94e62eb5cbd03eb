"""What a training gives, however it was done: weights and what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from harness.api import FAKE, DetectorSpec
from harness.engine.seeding import seeded
from harness.errors import DetectorError
from harness.metrics.classification import accuracy, average_precision
from harness.metrics.values import Floats
from harness.training.data import ImageSet


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch gave.

    Args:
        epoch: counted from 1.
        lr: the learning rate of its last step; None for a detector fitted in one go.
        train_loss: mean training loss over its images; None likewise.
        val_loss: mean binary cross-entropy of the validation scores; None for uncalibrated ones.
        val_acc, val_ap: over the whole validation set, fractions; AP is None with one class only.
    """

    epoch: int
    lr: float | None
    train_loss: float | None
    val_loss: float | None
    val_acc: float | None
    val_ap: float | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training.

    Args:
        state: the weights kept.
        epochs: what each gave.
        kept: the epoch (from 1) that the weights are of.
        best_val_epoch: the first epoch that was best by the recipe's ``monitor``, whether or not
            it was kept; None where that figure is undefined.
        ended: why it ended before its last epoch, "" when it did not.
    """

    state: Mapping[str, Tensor]
    epochs: tuple[Epoch, ...]
    kept: int = 1
    best_val_epoch: int | None = 1
    ended: str = ""


def seeded_build(spec: DetectorSpec, options: Mapping[str, object], seed: int) -> Any:
    """A fresh detector whose first weights follow from the seed; global generators stay."""
    with seeded(seed):
        return spec.build(**options)


def on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU that later steps do not change."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def measure(
    spec: DetectorSpec,
    val: ImageSet,
    scores: Floats,
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
        val_loss=cross_entropy(val.labels, scores, spec.score.kind),
        val_acc=accuracy(val.labels, scores, spec.score.threshold).value,
        val_ap=average_precision(val.labels, scores).value,
    )


def cross_entropy(
    labels: np.ndarray[Any, np.dtype[np.int64]], scores: Floats, kind: str
) -> float | None:
    """Mean binary cross-entropy in nats.

    Per image ``-log p`` of a fake and ``-log(1 - p)`` of a real, where p is the score or, of a
    logit, its sigmoid. A logarithm of a probability is never taken below -100, as in torch.

    Args:
        labels: (N,) 0 real, 1 fake.
        scores: (N,) finite.
        kind: of the scores, as of ``ScoreSpec``; None is returned for ``uncalibrated``.
    """
    if kind == "uncalibrated":
        return None
    if kind == "logit":
        # -log sigmoid(z) = log(1 + exp(-z)), without overflow; a real's probability is of -z.
        return float(np.logaddexp(0.0, np.where(labels == FAKE, -scores, scores)).mean())
    right = np.where(labels == FAKE, scores, 1.0 - scores)
    return float(-np.log(np.maximum(right, np.exp(-100.0))).mean())
