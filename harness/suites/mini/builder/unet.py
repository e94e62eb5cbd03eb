"""A small noise-prediction U-Net for the toy DDPMs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Residual block with a time shift; (N, C_in, H, W), (N, T) -> (N, C_out, H, W)."""

    def __init__(self, wide_in: int, wide_out: int, time: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(8, wide_in), nn.SiLU(), nn.Conv2d(wide_in, wide_out, 3, padding=1)
        )
        self.shift = nn.Linear(time, wide_out)
        self.second = nn.Sequential(
            nn.GroupNorm(8, wide_out), nn.SiLU(), nn.Conv2d(wide_out, wide_out, 3, padding=1)
        )
        same = wide_in == wide_out
        self.skip = nn.Identity() if same else nn.Conv2d(wide_in, wide_out, 1)

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        """Apply the block."""
        hidden = self.first(features) + self.shift(time)[:, :, None, None]
        result: Tensor = self.skip(features) + self.second(hidden)
        return result


class UNet(nn.Module):
    """Two-level U-Net that predicts the noise in an image.

    Args:
        channels: channels of the image or latent.
        width: channels at full resolution; twice as many at half and at quarter resolution.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        time = 64
        self.frequencies: Tensor
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(1000), time // 2)) / 1000
        )
        self.time = nn.Sequential(nn.Linear(time, time), nn.SiLU(), nn.Linear(time, time))
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.down1 = Block(width, width, time)
        self.shrink1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.down2 = Block(2 * width, 2 * width, time)
        self.shrink2 = nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1)
        self.middle = Block(2 * width, 2 * width, time)
        self.grow2 = nn.Upsample(scale_factor=2)
        self.up2 = Block(4 * width, 2 * width, time)
        self.grow1 = nn.Upsample(scale_factor=2)
        self.up1 = Block(3 * width, width, time)
        self.leave = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1)
        )

    def forward(self, noisy: Tensor, steps: Tensor) -> Tensor:
        """Predict the noise.

        Args:
            noisy: (N, C, H, W) float32; H and W multiples of 4.
            steps: (N,) float32 diffusion steps in [0, 1000).

        Returns:
            (N, C, H, W) float32.
        """
        angles = steps[:, None] * self.frequencies[None]
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        full = self.down1(self.enter(noisy), time)
        half = self.down2(self.shrink1(full), time)
        quarter = self.middle(self.shrink2(half), time)
        half = self.up2(torch.cat([self.grow2(quarter), half], dim=1), time)
        full = self.up1(torch.cat([self.grow1(half), full], dim=1), time)
        result: Tensor = self.leave(full)
        return result
