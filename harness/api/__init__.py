"""THE interface between the harness and detectors: the only module of ours a detector imports.

A detector file defines one or more module-level :class:`DetectorSpec` objects; the registry finds
them by scanning ``lfm/`` and ``baselines/``. Images reach a detector as ``(N, 3, H, W)`` float32
RGB in [0, 1]; a score is larger when the image looks more fake.
"""

from harness.api.capabilities import (
    Detector,
    ExactMap,
    FileDetector,
    FileHeader,
    Fittable,
    HasEmbedding,
    HasExactMap,
    HasModule,
    HasNoPlaces,
    HasState,
    HeaderDetector,
    HeaderFittable,
    Startable,
    Trainable,
)
from harness.api.network import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Normalised,
    PooledDetector,
    PooledNetwork,
    TorchDetector,
    five_crops,
    one_logit,
)
from harness.api.specs import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    Weights,
)

REAL = 0
FAKE = 1

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "FAKE",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "REAL",
    "Behaviour",
    "Detector",
    "DetectorSpec",
    "Deviation",
    "ExactMap",
    "FileDetector",
    "FileHeader",
    "Fittable",
    "HasEmbedding",
    "HasExactMap",
    "HasModule",
    "HasNoPlaces",
    "HasState",
    "HeaderDetector",
    "HeaderFittable",
    "InputRule",
    "Normalised",
    "PooledDetector",
    "PooledNetwork",
    "Recipe",
    "ScoreSpec",
    "Startable",
    "TorchDetector",
    "Trainable",
    "Weights",
    "five_crops",
    "one_logit",
]
