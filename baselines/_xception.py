"""Xception (timm's ``legacy_xception``, after Cadene's port): cut short, or with another stem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines import _backbones
from harness.api import Weights

WIDTH = 2048
"""Features of the last layer before the classifier."""

BLOCKS = 12


def cut_after(block: int) -> nn.Sequential:
    """The stem and the blocks up to ``block``, under Xception's own names, untrained.

    The result maps normalised (N, 3, H, W) to the block's raw output: no ReLU, no batch norm
    follows. Behind block 2: 256 channels, one cell for 8 pixels, a receptive field of 43 pixels.

    Args:
        block: 1 to 12.
    """
    if not 1 <= block <= BLOCKS:
        raise ValueError(f"Xception has the blocks 1 to {BLOCKS}, got {block}")
    whole = _backbones.xception(0)
    names = ["conv1", "bn1", "act1", "conv2", "bn2", "act2"]
    names += [f"block{number}" for number in range(1, block + 1)]
    kept = nn.Sequential()
    for name in names:
        kept.add_module(name, getattr(whole, name))
    return kept


def channels_after(block: int) -> int:
    """How many channels leave ``block``."""
    return {1: 128, 2: 256, 12: 1024}.get(block, 728)


def trunk(channels: int, stride: int = 2) -> Any:
    """Xception without a classifier, for an input of any number of channels, untrained.

    The result maps (N, ``channels``, H, W) to (N, 2048): the last ReLU's maps, averaged.

    Args:
        channels: of the input, a multiple of 3; the first convolution starts as :func:`spread`
            has it.
        stride: of the first convolution, 2 in Xception itself.
    """
    network = _backbones.xception(0)
    plain = network.conv1
    stem = nn.Conv2d(channels, plain.out_channels, 3, stride=stride, bias=False)
    with torch.no_grad():
        stem.weight.copy_(spread(plain.weight, channels))
    network.conv1 = stem
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            # There is nothing to dilate in one pixel, but at batches below 16 on one thread torch
            # takes oneDNN for dilated 1x1 convolutions only, and trains 1.7 times as fast with it.
            layer.dilation = (2, 2)
    return network


def spread(kernel: Tensor, channels: int) -> Tensor:
    """(out, 3, h, w) -> (out, ``channels``, h, w): copies of it, each divided by their number."""
    copies = channels // kernel.shape[1]
    return kernel.repeat(1, copies, 1, 1) / copies


def start(network: Any, state: Mapping[str, Tensor]) -> None:
    """Gives a :func:`trunk` the entries of a three-channel Xception; others stay as they are.

    Raises:
        RuntimeError: a name or shape that Xception without its classifier does not have.
    """
    own = dict(state)
    if "conv1.weight" in own:
        own["conv1.weight"] = spread(own["conv1.weight"], network.conv1.in_channels)
    if unexpected := network.load_state_dict(own, strict=False).unexpected_keys:
        raise RuntimeError(f"{len(unexpected)} unexpected names, first {unexpected[0]!r}")


IMAGENET = Weights(
    name="imagenet",
    filename="xception-43020ad28.pth",
    url="https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/"
    "xception-43020ad28.pth",
    sha256="43020ad28",
    licence="Apache-2.0 (timm); ImageNet's terms are its own",
    trained_on="ImageNet-1k classification (Cadene's port); nothing forensic",
    note="timm's copy for legacy_xception; of its sha256 the digits in its name are all that is "
    "known here",
    mapping=_backbones.entries(without=("fc.", "last_linear.")),
)
