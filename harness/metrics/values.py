"""What every metric starts from and ends in: checked labels and scores, a value or a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Labels = np.ndarray[Any, np.dtype[np.bool_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

NO_IMAGES = "no images"
NO_REALS = "no real images"
NO_FAKES = "no fake images"


@dataclass(frozen=True)
class MetricValue:
    """A number, or None with the reason why there is none."""

    value: float | None
    note: str = ""


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Labels, Floats]:
    """(N,) labels and (N,) scores -> (N,) "is fake" and (N,) float64 scores.

    Raises:
        ValueError: other shapes or labels, or a score that is not finite.
    """
    fake = checked_labels(labels)
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != fake.shape:
        raise ValueError(f"{fake.shape} labels and {values.shape} scores: one score an image")
    broken = np.flatnonzero(~np.isfinite(values))
    if broken.size:
        raise ValueError(
            f"{broken.size} of {values.size} scores are not finite, "
            f"the first is {values[broken[0]]} at position {broken[0]}"
        )
    return fake, values


def checked_labels(labels: ArrayLike) -> Labels:
    """(N,) of 0 and 1 -> (N,) "is fake"; ValueError for anything else."""
    raw = np.asarray(labels)
    if raw.ndim != 1:
        raise ValueError(f"labels must have one dimension, got shape {raw.shape}")
    fake = raw == 1
    if not np.all(fake | (raw == 0)):
        raise ValueError(f"labels must be 0 (real) or 1 (fake), got {sorted(set(raw.tolist()))}")
    return np.asarray(fake, dtype=np.bool_)


def missing_class(fake: Labels) -> str:
    """Why a metric that needs both classes is not defined, "" where it is."""
    if not fake.size:
        return NO_IMAGES
    if not fake.any():
        return NO_FAKES
    return NO_REALS if fake.all() else ""
