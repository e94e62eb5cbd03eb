"""Xception (timm's ``legacy_xception``, after Cadene's port): cut short, or with another stem."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from baselines import _backbones

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
        channels: of the input, a multiple of 3; the first convolution starts from copies of a
            three-channel one, divided by their number.
        stride: of the first convolution, 2 in Xception itself.
    """
    network = _backbones.xception(0)
    plain = network.conv1
    copies = channels // plain.in_channels
    stem = nn.Conv2d(channels, plain.out_channels, 3, stride=stride, bias=False)
    with torch.no_grad():
        stem.weight.copy_(plain.weight.repeat(1, copies, 1, 1) / copies)
    network.conv1 = stem
    return network
