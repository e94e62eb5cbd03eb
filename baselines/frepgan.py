"""FrePGAN: a learned frequency perturbation in front of a ResNet-50 (AAAI 2022, arXiv 2202.03347).

A RE-IMPLEMENTATION WITHOUT OFFICIAL CODE, from the abstract and reading notes: layer tables, losses
and training values could not be read and are choices of this project, so no score of it reproduces
the published row.

Idea: a generator adds to every picture, real or fake, a perturbation made in the Fourier domain,
trained so that the result passes for an untouched real picture; a classifier that is trained on the
perturbed pictures cannot lean on spectral fingerprints. Provenance: written from those notes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, leaky_relu

from baselines._backbones import resnet50, resnet50_features
from harness.api import DetectorSpec, Deviation, InputRule, Recipe, ScoreSpec, TorchDetector

WIDTHS = (32, 64, 128, 128)
SLOPE = 0.2
MAGNITUDE_WEIGHT = 0.1


class Halve(nn.Module):
    """4x4 convolution with stride 2, then batch norm (but for the first), then leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, *, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H // 2, W // 2)."""
        return leaky_relu(self.norm(self.conv(x)), SLOPE)


class Double(nn.Module):
    """Nearest-neighbour growth to the skip's size, concatenation, 3x3 convolution, norm, ReLU."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs + skip, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, h, w) and (N, skip, H, W) -> (N, outputs, H, W)."""
        grown = interpolate(x, size=skip.shape[-2:], mode="nearest")
        made: Tensor = self.norm(self.conv(torch.cat((grown, skip), 1)))
        return made.relu()


class Perturber(nn.Module):
    """A U-Net on the six channels of a spectrum; it starts as the constant 0."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.down1 = Halve(6, one, norm=False)
        self.down2 = Halve(one, two, norm=True)
        self.down3 = Halve(two, three, norm=True)
        self.down4 = Halve(three, four, norm=True)
        self.up3 = Double(four, three, three)
        self.up2 = Double(three, two, two)
        self.up1 = Double(two, one, one)
        self.last = nn.Conv2d(one + 6, 6, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6, H, W) -> (N, 6, H, W); sides from 16."""
        one = self.down1(x)
        two = self.down2(one)
        three = self.down3(two)
        y = self.up1(self.up2(self.up3(self.down4(three), three), two), one)
        grown = interpolate(y, size=x.shape[-2:], mode="nearest")
        made: Tensor = self.last(torch.cat((grown, x), 1))
        return made


class Judge(nn.Module):
    """Strided convolutions, an average over the picture, one linear layer; for training only.

    No batch norm: a picture's output depends on nothing else, and the copy with fixed weights
    through which the generator is trained has no state to keep.
    """

    def __init__(self) -> None:
        super().__init__()
        steps = zip((3, *WIDTHS), WIDTHS, strict=False)
        self.layers = nn.Sequential(*(Halve(a, b, norm=False) for a, b in steps))
        self.last = nn.Linear(WIDTHS[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N,) logits, larger = more like an untouched real picture."""
        logits: Tensor = self.last(self.layers(x).mean((2, 3)))
        return logits.flatten()


def to_channels(images: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 6, H, W): real, then imaginary parts of the orthonormal transform."""
    transform = torch.fft.fft2(images, norm="ortho")
    return torch.cat((transform.real, transform.imag), 1)


def from_channels(channels: Tensor) -> Tensor:
    """The inverse of :func:`to_channels`; what is not real in its result is dropped."""
    transform = torch.complex(channels[:, :3], channels[:, 3:])
    images: Tensor = torch.fft.ifft2(transform, norm="ortho").real
    return images


class FrePGANNetwork(nn.Module):
    """Perturbation and classifier; the discriminator is kept beside them for training."""

    def __init__(self) -> None:
        super().__init__()
        self.generator: nn.Module = Perturber()
        self.discriminator = Judge()
        self.classifier: Any = resnet50()

    def perturbation(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> what is added to it, real, same shape."""
        return from_channels(self.generator(to_channels(x)))

    def perturbed(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> what the classifier sees, same shape, not clipped."""
        return x + self.perturbation(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N, 1) logits."""
        logits: Tensor = self.classifier(self.perturbed(x))
        return logits


class FrePGANDetector(TorchDetector):
    """The network with its three-sided training loss."""

    network: FrePGANNetwork

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Classifier + discriminator + generator, each reaching its own weights only.

        The classifier and the discriminator see the perturbed pictures as constants; the generator
        is judged by the discriminator with its weights as constants.
        """
        network = self.network
        x = self.module.normalise(images)
        change = network.perturbation(x)
        perturbed = x + change
        classifier = binary_cross_entropy_with_logits(
            network.classifier(perturbed.detach()).flatten(), labels
        )
        fixed = {k: v.detach() for k, v in network.discriminator.named_parameters()}
        judged = functional_call(network.discriminator, fixed, (perturbed,))
        disguise = _called(judged, 1.0) + MAGNITUDE_WEIGHT * (change**2).mean()
        return classifier + self._discriminator_loss(x, perturbed, labels) + disguise

    def _discriminator_loss(self, x: Tensor, perturbed: Tensor, labels: Tensor) -> Tensor:
        """Untouched real pictures are 1, perturbed pictures of both classes 0."""
        network = self.network.discriminator
        loss = _called(network(perturbed.detach()), 0.0)
        real = x[labels == 0]
        return loss + _called(network(real), 1.0) if len(real) else loss

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048)."""
        perturbed = self.network.perturbed(self.module.normalise(images))
        return resnet50_features(self.network.classifier, perturbed)


def _called(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def build() -> FrePGANDetector:
    return FrePGANDetector(FrePGANNetwork(), mean=0.5, std=0.5)


NO_CODE = "none released"

DEVIATIONS = (
    Deviation(
        what="official code",
        paper="AAAI 2022, 36(1), pages 1060-1068",
        code=f"{NO_CODE}, and no re-implementation is known",
        here="re-implementation, no official code: never compare it to the row as a reproduction",
    ),
    Deviation(
        what="scale of the spectrum",
        paper="real and imaginary parts, six channels; their scale could not be read",
        code=NO_CODE,
        here="pictures in [-1, 1], orthonormal transform, no shift, no logarithm",
    ),
    Deviation(
        what="generator",
        paper="an encoder-decoder of equal size in and out; its layers could not be read",
        code=NO_CODE,
        here="a U-Net of widths 32, 64, 128, 128 whose last layer starts at 0: training starts "
        "from the untouched pictures; nearest-neighbour growth, so that any size passes",
    ),
    Deviation(
        what="discriminator",
        paper="strided convolutions and a fully connected binary output; what it sees is told "
        "differently by the notes (x + G(x), or G(x))",
        code=NO_CODE,
        here="sees untouched real pictures (1) and perturbed ones of both classes (0)",
    ),
    Deviation(
        what="losses",
        paper="adversarial; their form could not be read",
        code=NO_CODE,
        here="binary cross-entropies, non-saturating for the generator, plus "
        f"{MAGNITUDE_WEIGHT} x the mean square of the perturbation",
    ),
    Deviation(
        what="alternation",
        paper="the two GAN networks and the classifier are updated in turn in each iteration",
        code=NO_CODE,
        here="all three in one step of one optimiser, each by its own loss only",
    ),
    Deviation(
        what="classifier and training values",
        paper="ResNet-50; whether pre-trained, and rates and epochs, could not be read",
        code=NO_CODE,
        here="from random weights; Adam 1e-4, batch 32, 20 epochs",
    ),
)

SPEC = DetectorSpec(
    name="frepgan",
    title="FrePGAN (re-implementation, no official code)",
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
    citation="Jeong et al., FrePGAN: Robust Deepfake Detection Using Frequency-level "
    "Perturbations, AAAI 2022, arXiv 2202.03347",
    deviations=DEVIATIONS,
    paper_name="FrePGAN",
    notes="Re-implementation, no official code: not a reproduction of the published row. The "
    "parameter count includes the discriminator, which only training uses. Odd sides are fine; "
    "smallest 32x32.",
)
