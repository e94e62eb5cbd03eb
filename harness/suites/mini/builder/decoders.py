"""Toy decoders that differ in how they up-sample, and a small PatchGAN critic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from .latents import CHANNELS


@dataclass(frozen=True, kw_only=True)
class DecoderRecipe:
    """How one decoder is built and trained.

    Attributes:
        name: generator's name.
        upsampler: key of `UPSAMPLERS`.
        widths: channels at 1/4, 1/2 and full resolution.
        blocks: residual blocks at 1/4 resolution.
        norm: whether residual blocks normalise (group norm).
        adversarial: weight of the critic's loss; 0 trains with L1 alone.
        quantised: whether latents pass through the product quantiser.
        iterations: optimiser steps.
        seed: seed of weights and of the batches.
    """

    name: str
    upsampler: str
    widths: tuple[int, int, int] = (64, 48, 32)
    blocks: int = 3
    norm: bool = False
    adversarial: float = 0.0
    quantised: bool = False
    iterations: int = 800
    seed: int = 0


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip; (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width) if norm else nn.Identity(),
            nn.SiLU() if norm else nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU() if norm else nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add the body's output to its input."""
        result: Tensor = features + self.body(features)
        return result


def _transposed_4(wide: int, narrow: int) -> nn.Module:
    """Transposed convolution 4x4, stride 2: every output pixel is reached by 2x2 taps."""
    return nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)


def _transposed_3(wide: int, narrow: int) -> nn.Module:
    """Transposed convolution 3x3, stride 2: uneven overlap, the checkerboard of CycleGAN."""
    return nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1)


def _nearest(wide: int, narrow: int) -> nn.Module:
    """Nearest neighbour, then a 3x3 convolution, as in ProGAN or Stable Diffusion's decoder."""
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1))


def _pixel_shuffle(wide: int, narrow: int) -> nn.Module:
    """Sub-pixel convolution."""
    return nn.Sequential(nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2))


UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    "transposed4": _transposed_4,
    "transposed3": _transposed_3,
    "nearest": _nearest,
    "pixel_shuffle": _pixel_shuffle,
}


def build_decoder(recipe: DecoderRecipe) -> nn.Module:
    """Decoder of (N, 16, h, w) latents to (N, 3, 4h, 4w) images in about [-1, 1]."""
    wide, middle, narrow = recipe.widths
    upsample = UPSAMPLERS[recipe.upsampler]
    return nn.Sequential(
        nn.Conv2d(CHANNELS, wide, 3, padding=1),
        *[Residual(wide, recipe.norm) for _ in range(recipe.blocks)],
        upsample(wide, middle),
        Residual(middle, recipe.norm),
        upsample(middle, narrow),
        nn.LeakyReLU(0.2),
        nn.Conv2d(narrow, 3, 3, padding=1),
    )


def build_critic() -> nn.Module:
    """PatchGAN critic: (N, 3, H, W) -> (N, 1, H/8, W/8) scores, larger for real."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nn.GroupNorm(8, 64),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 96, 4, stride=2, padding=1),
        nn.GroupNorm(8, 96),
        nn.LeakyReLU(0.2),
        nn.Conv2d(96, 1, 3, padding=1),
    )


DECODERS: tuple[DecoderRecipe, ...] = (
    DecoderRecipe(
        name="gan_tconv", upsampler="transposed4", adversarial=0.02, iterations=1500, seed=1
    ),
    DecoderRecipe(
        name="gan_nearest",
        upsampler="nearest",
        widths=(64, 48, 24),
        adversarial=0.02,
        iterations=1000,
        seed=2,
    ),
    DecoderRecipe(name="ae_tconv", upsampler="transposed3", widths=(48, 40, 32), seed=3),
    DecoderRecipe(
        name="ae_pixshuf", upsampler="pixel_shuffle", widths=(56, 32, 24), blocks=2, seed=4
    ),
    DecoderRecipe(
        name="vq_nearest",
        upsampler="nearest",
        widths=(64, 32, 24),
        norm=True,
        quantised=True,
        seed=5,
    ),
    DecoderRecipe(
        name="latent_decoder",
        upsampler="nearest",
        widths=(48, 40, 32),
        norm=True,
        seed=6,
    ),
)
"""All decoders; `latent_decoder` turns the latent DDPM's samples into images."""
