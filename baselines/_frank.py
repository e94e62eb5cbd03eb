"""Detectors on standardised log-DCT features, and the four small networks of GANDCTAnalysis.

Written from a description of the release (TensorFlow / Keras); layers are numbered in order of
creation. Keras' conventions are kept where they decide numbers: channels-last flattening, Glorot
initialisation, batch norm with eps 1e-3, ReLU before the first batch norm of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._spectrum import LogDCT, levels
from harness.api import InputRule, TorchDetector


class Standardise(nn.Module):
    """Per-coefficient mean and population deviation over the training images.

    Training counts every batch before it is standardised (Chan's parallel form of Welford's
    algorithm), so that after each epoch the statistics are those of the whole set. A coefficient
    that never varied is only centred.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, side, side, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(3, side, side, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def observe(self, features: Tensor) -> None:
        """Counts (N, 3, side, side) float64 features in."""
        here, before = float(len(features)), self.count.item()
        mean, variance = features.mean(0), features.var(0, correction=0)
        step, share = mean - self.mean, here / (before + here)
        if before:
            variance = torch.lerp(self.variance, variance, share) + step**2 * share * (1 - share)
        self.mean.add_(step * share)
        self.variance.copy_(variance)
        self.count.add_(here)

    def forward(self, features: Tensor) -> Tensor:
        """(N, 3, side, side) float64 -> the same, standardised, float32."""
        varied = self.variance > 0
        scale = torch.where(varied, self.variance, torch.ones_like(self.variance)).sqrt()
        return ((features - self.mean) / scale).float()


class Pixels(nn.Module):
    """The release's ``--raw`` features: [0, 1] -> [-1, 1], float64, in place of a spectrum."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, H, W) in [-1, 1]."""
        return levels(images) / 127.5 - 1


class Net(nn.Module):
    """A classifier of (N, 3, side, side) standardised features.

    Attributes:
        dropout: probability on the vector before the last layer, in training.
        last: name of the last layer.
    """

    dropout = 0.0
    last = "fc1"

    def initialise(self) -> None:
        """Keras' defaults: Glorot uniform kernels, zero biases."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def hidden(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, D), the last layer's input."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, outputs) logits."""
        logits: Tensor = getattr(self, self.last)(self.hidden(x))
        return logits

    def penalised(self) -> Tensor | None:
        """The kernel that the release regularises, or None."""
        return None


def flat(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W * C): Keras flattens with channels last."""
    return x.permute(0, 2, 3, 1).flatten(1)


class LinearNet(Net):
    """One dense layer: the release's ``log``, ``log1``, ``log2``, ``log3``."""

    def __init__(self, side: int, outputs: int = 1) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3 * side * side, outputs)
        self.initialise()

    def hidden(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, 3 side^2)."""
        return flat(x)

    def penalised(self) -> Tensor:
        """The kernel."""
        return self.fc1.weight


class DenseNet(Net):
    """Two dense layers: the release's ``nn``."""

    last = "fc2"

    def __init__(self, side: int, outputs: int = 1) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3 * side * side, 128)
        self.fc2 = nn.Linear(128, outputs)
        self.initialise()

    def hidden(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, 128)."""
        hidden: Tensor = self.fc1(flat(x)).relu()
        return hidden

    def penalised(self) -> Tensor:
        """The first layer's kernel."""
        return self.fc1.weight


class ConvNet(Net):
    """Four convolutions and one dense layer: the release's ``cnn``."""

    def __init__(self, side: int, outputs: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 16, 3, padding=1)
        self.conv4 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(32 * (side // 4) ** 2, outputs)
        self.initialise()

    def hidden(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, 2 side^2)."""
        x = self.conv2(self.conv1(x).relu()).relu()
        x = self.conv3(self.pool(x)).relu()
        return flat(self.conv4(self.pool(x)).relu())


class ResidualNet(Net):
    """Ten residual blocks: the release's ``resnet``."""

    BLOCKS = 10
    dropout = 0.5
    last = "fc2"

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.pool = nn.MaxPool2d(3)
        for number in range(2 * self.BLOCKS):
            setattr(self, f"conv{3 + number}", nn.Conv2d(64, 64, 3, padding=1))
            setattr(self, f"bn{1 + number}", nn.BatchNorm2d(64, eps=1e-3, momentum=0.01))
        self.conv23 = nn.Conv2d(64, 64, 3)
        self.fc1 = nn.Linear(64, 256)
        self.fc2 = nn.Linear(256, outputs)
        self.initialise()

    def hidden(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, 256)."""
        x = self.pool(self.conv2(self.conv1(x).relu()).relu())
        for first in range(1, 2 * self.BLOCKS, 2):
            y = getattr(self, f"bn{first}")(getattr(self, f"conv{first + 2}")(x).relu())
            y = getattr(self, f"bn{first + 1}")(getattr(self, f"conv{first + 3}")(y))
            x = (y + x).relu()
        hidden: Tensor = self.fc1(self.conv23(x).relu().mean((2, 3))).relu()
        return hidden


class SpectralNetwork(nn.Module):
    """Features, standardisation, network: [0, 1] pictures of one size in, logits out.

    Args:
        net: takes (N, 3, side, side) standardised features.
        side: of the pictures, pixels.
        pixels: feed the pixels instead of their log-DCT.
    """

    def __init__(self, net: nn.Module, side: int, *, pixels: bool = False) -> None:
        super().__init__()
        self.transform: nn.Module = Pixels() if pixels else LogDCT()
        # Pixels are scaled, not standardised, in the release.
        self.standardise = None if pixels else Standardise(side)
        self.net = net

    def inputs(self, images: Tensor, *, observe: bool = False) -> Tensor:
        """(N, 3, side, side) in [0, 1] -> what the network sees, float32.

        With ``observe`` the pictures count for the statistics.
        """
        features: Tensor = self.transform(images)
        if self.standardise is None:
            return features.float()
        if observe:
            self.standardise.observe(features)
        standard: Tensor = self.standardise(features)
        return standard

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) in [0, 1] -> (N, 1) logits."""
        logits: Tensor = self.net(self.inputs(images))
        return logits


class SpectralDetector(TorchDetector):
    """A network on standardised log-DCT features, trained by gradient; takes one size only.

    Args:
        network: features to logits.
        side: of the pictures, pixels.
    """

    network: SpectralNetwork
    no_places = "its network sees a spectrum, where a place is a frequency"

    def __init__(self, network: SpectralNetwork, side: int) -> None:
        super().__init__(network, mean=0.0, std=1.0)
        self.side = side

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy, mean over the batch, plus the penalties."""
        if images.shape[2:] != (self.side, self.side):
            raise ValueError(
                f"trained on {self.side}x{self.side} pictures, got {tuple(images.shape[2:])}: "
                "every DCT coefficient has statistics of its own"
            )
        logits = self.logits(images, generator).flatten()
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        return loss + self.penalty()

    def logits(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Logits in training; draws only from ``generator``."""
        logits: Tensor = self.network.net(self.network.inputs(images, observe=True))
        return logits

    def penalty(self) -> Tensor | float:
        """What the loss adds for large weights."""
        return 0.0


def only(side: int) -> InputRule:
    """The one size that a network of standardised coefficients takes."""
    return InputRule.only(
        side, f"it takes {side}x{side} only: every DCT coefficient has statistics of its own"
    )
