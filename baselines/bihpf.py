"""BiHPF: bilateral high-pass filters in frequency and pixel space (WACV 2022, arXiv 2109.00911).

A RE-IMPLEMENTATION WITHOUT OFFICIAL CODE, from the abstract and summaries: the paper's equations
could not be read, so every number below is a choice of this project, and no score of it reproduces
the published row.

Idea: what betrays a generated image is strong at high frequencies and in the background around the
object; amplify both before a classifier looks. Provenance: written from those summaries.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from baselines._backbones import resnet50, resnet50_features
from baselines._spectrum import radial_frequency
from harness.api import DetectorSpec, Deviation, InputRule, Recipe, ScoreSpec, TorchDetector

CUTOFF = 0.125  # cycles a pixel: a quarter of the highest frequency along an axis
OBJECT = 0.5  # radius of the central object, in half diagonals


def high_pass(distance: Tensor, scale: float) -> Tensor:
    """1 - exp(-(distance / scale)^2 / 2): 0 at distance 0, rising towards 1."""
    return 1 - torch.exp(-((distance / scale) ** 2) / 2)


def frequency_gain(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W) in [0, 1), laid out as ``torch.fft.fft2``: 0 for the mean, rising with frequency."""
    return high_pass(radial_frequency(height, width, like), CUTOFF)


def pixel_gain(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W) in [0, 1): 0 in the picture's centre, rising towards its corners."""
    y = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)[:, None]
    x = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)[None]
    return high_pass(torch.hypot(y, x) / 2**0.5, OBJECT)


def frequency_filtered(images: Tensor) -> Tensor:
    """(N, C, H, W) -> the same with :func:`frequency_gain` on its Fourier transform."""
    gain = frequency_gain(images.shape[-2], images.shape[-1], images)
    filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(images) * gain).real
    return filtered


def pixel_filtered(images: Tensor) -> Tensor:
    """(N, C, H, W) -> deviations from every channel's mean, times :func:`pixel_gain`."""
    deviations = images - images.mean((-2, -1), keepdim=True)
    return deviations * pixel_gain(images.shape[-2], images.shape[-1], images)


def enhanced(images: Tensor, frequency: bool, pixel: bool) -> Tensor:
    """(N, C, H, W) -> the same after the filters that are on.

    Frequency first: weighting pixels smears the strong low frequencies over the high ones.
    """
    images = frequency_filtered(images) if frequency else images
    return pixel_filtered(images) if pixel else images


def spectrum(images: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1] -> ln(1 + |F|) of 0..255 levels, F orthonormal, zero in the centre."""
    magnitude = torch.fft.fft2(images * 255, norm="ortho").abs()
    centred: Tensor = torch.fft.fftshift(magnitude, dim=(-2, -1))
    return centred.log1p()


# One node each when networks are traced to make them fast: the gains depend on the size.
fx.wrap("enhanced")
fx.wrap("spectrum")


class BiHPFNetwork(nn.Module):
    """Filters, then a ResNet-50 on the log spectrum of what they leave, or on its pixels.

    Args:
        frequency, pixel: which filters are on; without one it is the identity.
        view: ``spectrum`` or ``pixels``.
    """

    def __init__(
        self, *, frequency: bool = True, pixel: bool = True, view: str = "spectrum"
    ) -> None:
        super().__init__()
        if view not in ("spectrum", "pixels"):
            raise ValueError(f"view is 'spectrum' or 'pixels', not {view!r}")
        self.frequency = frequency
        self.pixel = pixel
        self.view = view
        self.classifier: Any = resnet50()

    def inputs(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> what the classifier sees, same shape."""
        images = enhanced(images, self.frequency, self.pixel)
        return spectrum(images) if self.view == "spectrum" else images

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1) logits."""
        logits: Tensor = self.classifier(self.inputs(images))
        return logits


class BiHPFDetector(TorchDetector):
    """The network on [0, 1] pictures."""

    network: BiHPFNetwork

    @property
    def no_places(self) -> str:
        """A spectrum has none."""
        spectrum = "its network sees a spectrum, where a place is a frequency"
        return spectrum if self.network.view == "spectrum" else ""

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048)."""
        return resnet50_features(self.network.classifier, self.network.inputs(images))


def build(**options: object) -> BiHPFDetector:
    """An untrained detector; options as of :class:`BiHPFNetwork`."""
    network = BiHPFNetwork(**options)  # type: ignore[arg-type]
    return BiHPFDetector(network, mean=0.0, std=1.0)


VARIANTS: dict[str, dict[str, object]] = {
    "spectrum": {"view": "spectrum"},
    "pixels": {"view": "pixels"},
}

NO_CODE = "none released"

DEVIATIONS = (
    Deviation(
        what="official code",
        paper="WACV 2022, pages 48-57",
        code=f"{NO_CODE}, and no re-implementation is known",
        here="re-implementation, no official code: never compare it to the row as a reproduction",
    ),
    Deviation(
        what="frequency filter",
        paper="boosts high-frequency components; its transfer function could not be read",
        code=NO_CODE,
        here=f"gain 1 - exp(-(f / {CUTOFF})^2 / 2), f in cycles a pixel: 0 for the mean",
    ),
    Deviation(
        what="pixel filter",
        paper="boosts the background against the main object; its form could not be read",
        code=NO_CODE,
        here=f"deviation from the mean times 1 - exp(-(r / {OBJECT})^2 / 2), r the distance from "
        "the centre in half diagonals",
    ),
    Deviation(
        what="order of the filters",
        paper="could not be read",
        code=NO_CODE,
        here="frequency, then pixels",
    ),
    Deviation(
        what="what the classifier sees",
        paper="could not be read: pixels or a spectrum",
        code=NO_CODE,
        here="log magnitude spectrum of red, green, blue; the pixels as variant `pixels`",
    ),
    Deviation(
        what="classifier and training",
        paper="could not be read",
        code=NO_CODE,
        here="ResNet-50 from random weights; Adam 1e-4, batch 32, 20 epochs",
    ),
    Deviation(
        what="artifact compression map",
        paper="a learned map trained against the classifier, to analyse artefacts",
        code=NO_CODE,
        here="absent: by the summaries it is no part of the detector",
    ),
)

SPEC = DetectorSpec(
    name="bihpf",
    title="BiHPF (re-implementation, no official code)",
    family="frequency",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "resize(256,256)", "gangen": "native", "mini": "native"},
    input_rule=InputRule(smallest=(32, 32)),
    recipe=Recipe(
        epochs=20,
        batch_size=32,
        lr=1e-4,
        train_preprocess="resize(256,256)|hflip(0.5)",
        val_preprocess="resize(256,256)",
        source="this project: the paper's values could not be read",
    ),
    variants=VARIANTS,
    citation="Jeong et al., BiHPF: Bilateral High-Pass Filters for Robust Deepfake Detection, "
    "WACV 2022, arXiv 2109.00911",
    deviations=DEVIATIONS,
    paper_name="BiHPF",
    notes="Re-implementation, no official code: not a reproduction of the published row. Odd "
    "sides are fine; smallest 32x32.",
)
