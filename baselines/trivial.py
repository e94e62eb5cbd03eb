"""Trivial: a logistic regression on 20 plain statistics of the picture.

The row that a detector must beat before it has shown anything: colour, sharpness, the 2x2
residual's energy and a nine-band spectrum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines._logistic import Features, Logistic
from harness.api import DetectorSpec, InputRule, Recipe, ScoreSpec

BANDS = 9
DIMENSION = 20
TINY = 1e-6  # keeps logarithms finite on flat pictures; intensities are in [0, 1]


def picture_features(image: Features) -> Features:
    """(3, H, W) in [0, 1] -> (20,).

    Channel means and deviations (6), log energy of the horizontal and vertical gradient and of
    the Laplacian (3), log energy of the 2x2 residual: all of it and its diagonal pixel (2), log
    power of the luminance in nine equal rings of radial frequency up to Nyquist (9).
    """
    gray = image.mean(0)
    laplacian = 4 * gray[1:-1, 1:-1] - gray[:-2, 1:-1] - gray[2:, 1:-1]
    laplacian = laplacian - gray[1:-1, :-2] - gray[1:-1, 2:]
    even = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]
    corner = even[::2, ::2]
    sides = (even[::2, 1::2] - corner, even[1::2, ::2] - corner, even[1::2, 1::2] - corner)
    energies = [
        np.mean(np.diff(gray, axis=1) ** 2),
        np.mean(np.diff(gray, axis=0) ** 2),
        np.mean(laplacian**2),
        np.mean([np.mean(side**2) for side in sides]),
        np.mean(sides[2] ** 2),
        *ring_power(gray),
    ]
    return np.concatenate([image.mean((1, 2)), image.std((1, 2)), np.log(np.add(energies, TINY))])


def ring_power(gray: Features) -> Features:
    """(H, W) -> (9,) mean power of the Hann-windowed picture in rings of radial frequency."""
    height, width = gray.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.rfft2((gray - gray.mean()) * window)) ** 2 / window.size
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    ring = np.minimum((radius / 0.5 * BANDS).astype(int), BANDS)  # corners beyond Nyquist: left out
    sums = np.bincount(ring.ravel(), power.ravel(), minlength=BANDS + 1)
    return sums[:BANDS] / np.maximum(np.bincount(ring.ravel(), minlength=BANDS + 1)[:BANDS], 1)


class TrivialDetector(Logistic):
    """Logistic regression on :func:`picture_features`."""

    def __init__(self) -> None:
        super().__init__(DIMENSION)

    def features(self, images: Tensor) -> Features:
        """(N, 3, H, W) in [0, 1] -> (N, 20)."""
        return np.stack([picture_features(image) for image in images.double().cpu().numpy()])

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) log-odds of fake."""
        return torch.from_numpy(self.logits(self.features(images)))


SPEC = DetectorSpec(
    name="trivial",
    title="20 features, logistic",
    family="control",
    build=TrivialDetector,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "resize(256,256)", "gangen": "native", "mini": "native"},
    input_rule=InputRule(smallest=(8, 8)),
    recipe=Recipe(
        epochs=1,
        batch_size=1,
        lr=0.0,
        train_preprocess="resize(256,256)",
        val_preprocess="resize(256,256)",
        source="this project: one fit, no epochs",
    ),
    citation="this project",
    notes="Odd sides are fine; smallest 8x8.",
)
