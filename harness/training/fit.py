"""Training in one go: scikit-learn style detectors, on features of pixels or on file headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from harness.api import (
    Detector,
    DetectorSpec,
    FileHeader,
    Fittable,
    HasState,
    HeaderDetector,
    HeaderFittable,
    Recipe,
)
from harness.data.decode import display_name, read_bytes, read_header
from harness.data.preprocess import parse
from harness.engine.seeding import seeded
from harness.metrics.values import Floats
from harness.training.data import ImageSet
from harness.training.outcome import Trained, measure, on_cpu
from harness.training.progress import Progress

BATCH = 32


class FittableDetector(Fittable, Detector, HasState, Protocol):
    """What fitting on pixels needs of a detector."""


class HeaderFittableDetector(HeaderFittable, HeaderDetector, HasState, Protocol):
    """What fitting on headers needs of a detector."""


def fit_features(
    spec: DetectorSpec,
    detector: FittableDetector,
    recipe: Recipe,
    sets: tuple[ImageSet, ImageSet],
    *,
    seed: int,
    progress: Progress,
) -> Trained:
    """Fits a detector on the features of the training images; ``sets`` are train and val."""
    train, val = sets
    rows: dict[int, Floats] = {}
    for positions, images in train.plain_batches(parse(recipe.train_preprocess), BATCH):
        rows.update(zip(positions, detector.features(images), strict=True))
        progress.advance(len(positions), {})
    features = np.stack([rows[position] for position in range(len(train))])
    with seeded(seed):
        detector.fit(features, train.labels, seed)
    scores = np.empty(len(val), dtype=np.float64)
    with torch.inference_mode():
        for positions, images in val.plain_batches(parse(recipe.val_preprocess), BATCH):
            scores[positions] = detector.score(images).double().numpy()
    return Trained(state=on_cpu(detector.state_dict()), epochs=(measure(spec, val, scores),))


def fit_headers(
    spec: DetectorSpec,
    detector: HeaderFittableDetector,
    sets: tuple[ImageSet, ImageSet],
    *,
    seed: int,
    progress: Progress,
) -> Trained:
    """Fits a detector on the headers of the training files; no pixel is decoded."""
    train, val = sets
    with seeded(seed):
        detector.fit_headers(_headers(train), train.labels, seed)
    progress.advance(len(train), {})
    scores = detector.score_headers(_headers(val))
    return Trained(state=on_cpu(detector.state_dict()), epochs=(measure(spec, val, scores),))


def _headers(images: ImageSet) -> Sequence[FileHeader]:
    return [
        read_header(read_bytes(sample), display_name(sample)) for sample in images.manifest.samples
    ]
