"""FreqNet: frequency-aware learning (AAAI 2024, arXiv 2403.07240).

Idea: keep only high frequencies, of the image and of the features, over space and over channels,
and mix features in the Fourier domain, so that the network cannot learn one generator's content.
Provenance: written from a description of the released network (github
chuangchuangtan/FreqNet-DeepfakeDetection, 2c6bd02, read from forks); no line of it is copied.
Most of its Fourier transforms are done without here, with equal results: see the deviations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._resnet import kaiming, stage
from harness.api import (
    DetectorSpec,
    Deviation,
    PooledDetector,
    PooledNetwork,
    Recipe,
    ScoreSpec,
    Weights,
)

SCALE = 4
"""A quarter of the band on either side of zero is removed: 1 / SCALE of the side, each way."""


def removed(frequency: Tensor, length: int) -> Tensor:
    """Which signed integer frequencies of an axis the high-pass removes: -n//4 ... n//4 - 1."""
    quarter = length // SCALE
    return (frequency >= -quarter) & (frequency < quarter)


def channel_filter(count: int) -> Tensor:
    """(count, count, 1, 1): the kernel of the high-pass over ``count`` channels.

    The filter is linear and the real part of its result is kept: a real matrix.
    """
    low = removed(torch.fft.fftfreq(count, 1 / count).round(), count)
    spectrum = torch.fft.fft(torch.eye(count, dtype=torch.float64), dim=0)
    matrix: Tensor = torch.fft.ifft(spectrum * ~low[:, None], dim=0).real
    return matrix.float()[:, :, None, None]


def spatial_high_pass(x: Tensor) -> Tensor:
    """Removes the rectangle of low frequencies over H and W, then ReLU; same shape.

    Below 4 pixels nothing is low enough to be removed.
    """
    height, width = x.shape[2:]
    rows = torch.fft.fftfreq(height, 1 / height, device=x.device).round()
    columns = torch.arange(width // 2 + 1, device=x.device)
    low = removed(rows, height).float()[:, None] * removed(columns, width).float()
    mirrored = removed(-rows, height).float()[:, None] * removed(-columns, width).float()
    # The removed box is not symmetric about zero, and the real part of what remains is kept:
    # that is each frequency weighted by the mean of its own and its mirror image's.
    keep = 1 - (low + mirrored) / 2
    return torch.relu(torch.fft.irfft2(torch.fft.rfft2(x) * keep, s=(height, width)))


# Its sizes are numbers, so tracing must not look inside.
torch.fx.wrap("spatial_high_pass")


class FreqNetNetwork(PooledNetwork):
    """Normalised (N, 3, H, W) -> (N, 1) logits, positive = fake."""

    channel_filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(((3, 64), (64, 64), (256, 256), (256, 256)), 1):
            self.register_parameter(
                f"weight{number}", nn.Parameter(torch.randn(outputs, inputs, 1, 1))
            )
            self.register_parameter(f"bias{number}", nn.Parameter(torch.randn(outputs)))
            for part in ("real", "imag"):
                self.add_module(f"{part}conv{number}", nn.Conv2d(outputs, outputs, 1, bias=False))
        self.register_buffer("channel_filter", channel_filter(64), persistent=False)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(64, 64, 3)
        self.layer2 = stage(256, 128, 4, stride=2)
        self.fc1 = nn.Linear(512, 1)
        kaiming(self)

    def _block(self, x: Tensor, number: int, *, stride: int = 1, channels: bool = False) -> Tensor:
        """High-pass, 1x1 convolution, ReLU, high-pass over channels where asked, mixing."""
        weight, bias = getattr(self, f"weight{number}"), getattr(self, f"bias{number}")
        x = torch.relu(nn.functional.conv2d(spatial_high_pass(x), weight, bias, stride=stride))
        if channels:
            x = torch.relu(nn.functional.conv2d(x, self.channel_filter))
        return self._mixed(x, number)

    def _mixed(self, x: Tensor, number: int) -> Tensor:
        """Mixes channels of the spectrum, real and imaginary part by themselves, then ReLU.

        They are the spectra of x's even and odd part, (x + r) / 2 and (x - r) / 2 with r the
        picture turned about its first pixel, and mixing channels commutes with turning: no
        transform is needed.
        """
        even: Tensor = getattr(self, f"realconv{number}").weight
        odd: Tensor = getattr(self, f"imagconv{number}").weight
        straight = nn.functional.conv2d(x, (even + odd) / 2)
        turned = nn.functional.conv2d(x, (even - odd) / 2)
        return torch.relu(straight + turned.flip((2, 3)).roll((1, 1), (2, 3)))

    def cells(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 512, h, w), the last stage."""
        x = self._block(x, 1, channels=True)
        x = self._block(x, 2, stride=2, channels=True)
        x = self.layer1(self.maxpool(x))
        x = self._block(self._block(x, 3), 4, stride=2)
        cells: Tensor = self.layer2(x)
        return cells


class FreqNetDetector(PooledDetector):
    """FreqNet behind its ImageNet normalisation."""


def build() -> FreqNetDetector:
    return FreqNetDetector(FreqNetNetwork())


DEVIATIONS = (
    Deviation(
        what="what the frequency layers convolve",
        paper="abstract: amplitude and phase spectra",
        code="real and imaginary parts",
        here="as the code",
    ),
    Deviation(
        what="ReLU after every high-pass",
        paper="not mentioned in what is known of it here",
        code="present: negative high-frequency content, of the image itself too, is discarded",
        here="as the code",
    ),
    Deviation(
        what="high-pass over channels",
        paper="features are filtered over space and channels",
        code="over channels in the first two blocks only",
        here="as the code",
    ),
    Deviation(
        what="the classifier",
        paper="a lightweight network of 1.9M parameters (from summaries)",
        code="ResNet-50's first two stages without its 7x7 stem: 1,850,433 parameters; number of "
        "classes and keyword arguments are ignored",
        here="as the code",
    ),
    Deviation(
        what="Fourier transforms",
        paper="-",
        code="complex transforms, shifted to and fro, the real part of the result",
        here="equal, with fewer of them: of real input over space, the removed band's edge "
        "weighted by one half; over channels a 1x1 convolution with the filter's matrix; and the "
        "mixing of spectra as 1x1 convolutions of the picture and of the picture turned about its "
        "first pixel. fvcore, which counts no transform, has 3.31 G here, 2.98 G for the release "
        "at 256x256",
    ),
    Deviation(
        what="device",
        paper="-",
        code="the constructor moves parameters to CUDA; it cannot be built without one",
        here="built on any device",
    ),
    Deviation(
        what="first weights",
        paper="-",
        code="the 1x1 kernels outside convolution modules start at N(0, 1): large first values",
        here="as the code",
    ),
    Deviation(
        what="seed and selection",
        paper="-",
        code="no seed (its README lists that as open); the last epoch is saved",
        here="seeded; the last epoch",
    ),
    Deviation(
        what="checkpoint's name",
        paper="-",
        code="4-classes-freqnet-v2.pth in the repository, 4-classes-freqnet.pth in its README",
        here="the former",
    ),
    Deviation(
        what="test sets",
        paper="more sets (from summaries)",
        code="only ForenSynths (resize 256) and GANGen-Detection (as they are) are wired",
        here="other suites resize 256 like ForenSynths",
    ),
)

SPEC = DetectorSpec(
    name="freqnet",
    title="FreqNet",
    family="frequency",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "resize(256,256)", "gangen": "native", "mini": "native"},
    weights=(
        Weights(
            name="released",
            filename="4-classes-freqnet-v2.pth",
            url="https://github.com/chuangchuangtan/FreqNet-DeepfakeDetection/raw/"
            "2c6bd020cda1c0001e7a7d30ebd2dd5c55b5a8b6/4-classes-freqnet-v2.pth",
            sha256="",
            licence="none stated (derives from NPR and CNNDetection, CC BY-NC-SA 4.0)",
            trained_on="ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse",
            note="its tensors are 7,441,852 bytes; the file itself was not seen here",
        ),
    ),
    recipe=Recipe(
        epochs=85,
        batch_size=32,
        lr=1e-3,
        lr_gamma=0.8,
        lr_step=10,
        train_preprocess="resize(256,256)|random_crop(224)|hflip(0.5)",
        val_preprocess="resize(256,256)|center_crop(224)",
        source="README of FreqNet-DeepfakeDetection 2c6bd02; ForenSynths ProGAN, 4 classes",
    ),
    citation="Tan et al., Frequency-Aware Deepfake Detection: Improving Generalizability through "
    "Frequency Space Domain Learning, AAAI 2024, arXiv 2403.07240",
    deviations=DEVIATIONS,
    notes="Takes every size. Fourier transforms are in no counter's MACs. Not in the LFM paper.",
)
