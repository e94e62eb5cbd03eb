"""StyleGAN's discriminator for 256x256 pictures, and the gradient of its score by hand.

LGrad's first stage. State-dict names are those of genforce's conversion of NVIDIA's network.
Written from the card's layer table. The gradient is written out layer by layer, so that it is an
ordinary forward computation: it runs in inference mode, keeps one bit a value instead of a graph,
and its cost is counted like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 256
SLOPE = 0.2
GROUP = 4
"""Images whose spread the minibatch layer sees together."""
# The deviation of a group of one image: the square root of the constant that is added to it.
ALONE = 1e-8**0.5

# (inputs, outputs) of layer0 ... layer11; every second one halves the side.
CHANNELS = (
    (64, 64),
    (64, 128),
    (128, 128),
    (128, 256),
    (256, 256),
    (256, 512),
    *((512, 512),) * 6,
)


class Blur(nn.Module):
    """[1, 2, 1] x [1, 2, 1] / 16 on each channel, zeros outside; its own transpose."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", (row[:, None] * row).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> same shape."""
        return functional.conv2d(x, self.kernel, padding=1, groups=self.kernel.shape[0])


class Layer(nn.Module):
    """Weights scaled at run time, [blur,] convolution[, 2x2 average], leaky ReLU.

    Args:
        inputs, outputs: channels.
        size: of the square kernel.
        down: blur first, average 2x2 cells after the convolution.
        folded: convolution and average as one kernel of stride 2, as the release does above 64
            pixels: equal values, less than half the work.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int = 3, *, down: bool = False, folded: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = (2 / (inputs * size * size)) ** 0.5
        self.padding = size // 2
        self.down, self.folded = down, folded
        self.blur = Blur(inputs) if down else None

    def _kernel(self) -> Tensor:
        weight: Tensor = self.weight * self.scale
        if not self.folded:
            return weight
        wide = functional.pad(weight, (1, 1, 1, 1))
        rows = wide[..., 1:, :] + wide[..., :-1, :]
        kernel: Tensor = (rows[..., 1:] + rows[..., :-1]) / 4
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W), or half the sides."""
        if self.blur is not None:
            x = self.blur(x)
        stride = 2 if self.folded else 1
        x = functional.conv2d(x, self._kernel(), self.bias, stride, self.padding)
        if self.down and not self.folded:
            x = functional.avg_pool2d(x, 2)
        return functional.leaky_relu(x, SLOPE)

    def backward(self, gradient: Tensor, positive: Tensor) -> Tensor:
        """Gradient at the output, and where that is positive -> gradient at the input."""
        gradient = torch.where(positive, gradient, gradient * SLOPE)
        if self.down and not self.folded:
            gradient = functional.interpolate(gradient / 4, scale_factor=2.0)
        stride = 2 if self.folded else 1
        gradient = functional.conv_transpose2d(gradient, self._kernel(), None, stride, self.padding)
        return gradient if self.blur is None else self.blur(gradient)


class Dense(nn.Module):
    """A linear layer whose weights are scaled at run time."""

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / inputs**0.5

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) -> (N, outputs)."""
        return functional.linear(x, self.weight * self.scale, self.bias)

    def backward(self, gradient: Tensor) -> Tensor:
        """(N, outputs) -> (N, inputs)."""
        back: Tensor = gradient @ (self.weight * self.scale)
        return back


class StyleGANDiscriminator(nn.Module):
    """(N, 3, 256, 256) in [-1, 1] -> (N, 1) raw scores of the last training stage (lod 0)."""

    lod: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("lod", torch.tensor(0.0))
        for number, (inputs, outputs) in enumerate(CHANNELS):
            down = number % 2 == 1
            layer = Layer(inputs, outputs, down=down, folded=down and number <= 3)
            self.add_module(f"layer{number}", layer)
        # input1 ... input6 belong to lower resolutions: in the file, but not used at lod 0.
        for number, channels in enumerate((64, 128, 256, 512, 512, 512, 512)):
            self.add_module(f"input{number}", Layer(3, channels, size=1))
        self.layer12 = Layer(513, 512)
        self.layer13 = Dense(8192, 512, gain=2**0.5)
        self.layer14 = Dense(512, 1, gain=1.0)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any
    ) -> None:
        lod = state_dict.get(prefix + "lod")
        if lod is not None and float(lod) != 0:
            arguments[-1].append(f"lod is {float(lod)}: only a fully grown network (0) is taken")
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _trunk(self) -> list[Layer]:
        return [self.input0, *(getattr(self, f"layer{number}") for number in range(12))]

    def forward(self, x: Tensor) -> Tensor:
        """The scores; groups of up to 4 images are coupled by the minibatch layer."""
        for layer in self._trunk():
            x = layer(x)
        x = self.layer12(torch.cat([x, spread(x)], dim=1))
        x = functional.leaky_relu(self.layer13(x.flatten(1)), SLOPE)
        scores: Tensor = self.layer14(x)
        return scores

    def input_gradient(self, x: Tensor) -> Tensor:
        """Gradient of each image's own score with respect to its pixels, shape of ``x``.

        As if every image were alone in its batch, like in the release's scripts: the minibatch
        layer is then a constant without gradient.
        """
        positive = []
        for layer in self._trunk():
            x = layer(x)
            positive.append(x > 0)
        channels = x.shape[1]
        x = self.layer12(torch.cat([x, torch.full_like(x[:, :1], ALONE)], dim=1))
        positive.append(x > 0)
        hidden = self.layer13(x.flatten(1))
        gradient = self.layer14.backward(torch.ones_like(hidden[:, :1]))
        gradient = torch.where(hidden > 0, gradient, gradient * SLOPE)
        gradient = self.layer13.backward(gradient).view(x.shape)
        gradient = self.layer12.backward(gradient, positive.pop())[:, :channels]
        for layer in reversed(self._trunk()):
            gradient = layer.backward(gradient, positive.pop())
        return gradient


def spread(x: Tensor) -> Tensor:
    """Minibatch deviation: (N, C, H, W) -> (N, 1, H, W), constant within a group of images.

    Images i, i + N/G, i + 2N/G, ... form a group of G = min(4, N); N must be a multiple of G.
    """
    count, _, height, width = x.shape
    group = min(GROUP, count)
    grouped = x.reshape(group, count // group, -1)
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean(1)
    return deviation.repeat(group).view(count, 1, 1, 1).expand(-1, -1, height, width)


def as_8_bit(gradient: Tensor, *, whole: bool = True) -> Tensor:
    """A gradient as LGrad stores it: each image's span over all channels on 0 ... 255, rounded.

    (N, 3, H, W) -> (N, 3, H, W) whole numbers, float32; an image of one value gives 0.

    Args:
        gradient: of the images.
        whole: rounded; else only stretched.
    """
    shifted = gradient - gradient.amin((1, 2, 3), keepdim=True)
    peak = shifted.amax((1, 2, 3), keepdim=True)
    stretched = shifted / torch.where(peak == 0, 1.0, peak) * 255
    return stretched.round() if whole else stretched
