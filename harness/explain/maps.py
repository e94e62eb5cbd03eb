"""What of an image speaks for fake: Grad-CAM of any network, the exact map where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.api import Detector, HasExactMap, HasModule
from harness.engine import scorer
from harness.engine.scorer import NOT_FINITE_HINT, Job
from harness.errors import DetectorError
from harness.explain.gradcam import NoMapError, grad_cam

CPU = torch.device("cpu")
TOLERANCE = 1e-3
"""Largest |sum of the exact map - score| / max(1, |score|) that is rounding at fp32."""

Map = np.ndarray[Any, np.dtype[np.float32]]
Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """One map of one image.

    Args:
        kind: ``grad-cam``, or ``exact`` (the score is the map's sum plus a constant).
        map: (h, w) float32, positive = evidence for fake. Grad-CAM's scale is arbitrary; the exact
            map is in units of the score.
        selected: (h, w) how many of its values a top-K pooling took from each cell; None where
            the detector takes all of them, and for Grad-CAM.
        score: of the image, by the plain form of the network.
        layer: whose maps these are; "" for the exact map, which has no choice.
    """

    kind: str
    map: Map
    selected: Counts | None = None
    score: float
    layer: str = ""


def ready(job: Job, device: torch.device = CPU) -> Detector:
    """A detector for :func:`explain`; NoMapError for one that scores no pixels."""
    detector = scorer.ready(job.spec, job.loaded, device)
    if not isinstance(detector, Detector):
        raise NoMapError("it offers no map of the picture: it sees no pixels")
    return detector


def explain(
    detector: Detector, image: Tensor, layer: str = "", name: str = "the picture"
) -> list[Explanation]:
    """The maps that a detector offers of one image.

    Args:
        detector: from :func:`ready`; no gradient is left in its parameters.
        image: (1, 3, H, W) float32 in [0, 1], of a size that the detector takes.
        layer: of Grad-CAM; "" takes the last map on the way to the score.
        name: what messages call the image.

    Returns:
        Grad-CAM, then the exact map where there is one.

    Raises:
        NoMapError: it offers none; says why.
        UsageError: an unknown layer, or the extra ``explain`` (captum) is not installed.
        DetectorError: its score or a map is not finite, or its exact map does not add up.
    """
    if isinstance(detector, HasModule):
        parameter = next(detector.module.parameters(), None)
        image = image if parameter is None else image.to(parameter.device)
    cam, used = grad_cam(detector, image, layer)
    with torch.no_grad():
        score = float(detector.score(image)[0])
    found = [Explanation(kind="grad-cam", map=_array(cam[0]), score=score, layer=used)]
    if np.isfinite(score) and isinstance(detector, HasExactMap):
        found.append(_exact(detector, image, score, name))
    if not np.isfinite(score) or not all(np.isfinite(each.map).all() for each in found):
        raise DetectorError(
            f"{type(detector).__name__}: its score or a map of {name} is not finite "
            f"(score {score})",
            hint=NOT_FINITE_HINT,
        )
    return found


def _exact(detector: HasExactMap, image: Tensor, score: float, name: str) -> Explanation:
    exact = detector.exact_map(image)
    total = float(exact.contribution[0].double().sum() + exact.bias[0].double())
    if abs(total - score) > TOLERANCE * max(1.0, abs(score)):
        raise DetectorError(
            f"{type(detector).__name__}: its exact map of {name} adds up to {total:.6g}, "
            f"its score is {score:.6g}",
            hint="report it: the map and the network disagree",
        )
    selected = None if exact.selected is None else exact.selected[0].cpu().numpy()
    return Explanation(
        kind="exact", map=_array(exact.contribution[0]), selected=selected, score=score
    )


def _array(values: Tensor) -> Map:
    return np.asarray(values.detach().float().cpu().numpy(), dtype=np.float32)
