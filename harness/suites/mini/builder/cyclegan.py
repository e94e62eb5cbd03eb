"""The CycleGAN generator (ResNet-9) with the published weights of the package vintagify.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
ICCV 2017, appendix 7.2: c7s1-64, d128, d256, nine residual blocks, u128, u64, c7s1-3; instance
norm with learned scale here, transposed convolutions 3x3 for u128 and u64.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from .latents import to_pixels, to_tensor
from .packages import fetch, package

WEIGHTS = "vintagify/resources/G_A2B_epoch33.pth"


class _Residual(nn.Module):
    """x + conv-norm-relu-conv-norm(x), reflection padded."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(*_conv(width, width, 3), nn.ReLU(), *_conv(width, width, 3))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        result: Tensor = features + self.block(features)
        return result


def _conv(wide_in: int, wide_out: int, side: int) -> list[nn.Module]:
    pad = nn.ReflectionPad2d(side // 2)
    return [pad, nn.Conv2d(wide_in, wide_out, side), nn.InstanceNorm2d(wide_out, affine=True)]


def build_network() -> nn.Sequential:
    """(N, 3, H, W) in [-1, 1] -> the same shape and range; layers numbered as in the weights."""
    layers = [*_conv(3, 64, 7), nn.ReLU()]
    for width in (64, 128):
        down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        layers += [down, nn.InstanceNorm2d(2 * width, affine=True), nn.ReLU()]
    layers += [_Residual(256) for _ in range(9)]
    for width in (256, 128):
        up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(width // 2, affine=True), nn.ReLU()]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh()]
    return nn.Sequential(*layers)


@torch.inference_mode()
def translate_tiles(tiles: NDArray[np.generic], cache: Path) -> NDArray[np.uint8]:
    """Turn tiles into "vintage" photographs; (N, 160, 160, 3) uint8 -> the same."""
    path = fetch(package("vintagify"), cache) / WEIGHTS
    state = torch.load(path, weights_only=True, map_location="cpu")
    network = build_network()
    network.load_state_dict(
        OrderedDict((name.removeprefix("model."), value) for name, value in state.items())
    )
    network.eval()
    out = []
    for index in tqdm(range(len(tiles)), desc="cyclegan_vintage", unit="tile"):
        out.append(to_pixels(network(to_tensor(tiles[index : index + 1]))))
    return np.concatenate(out)
