"""Toy DDPMs used image-to-image (SDEdit): add noise up to a step, then sample back.

They are not text-to-image models and cannot make an image from pure noise: the network is trained
only on the steps that image-to-image use visits, on the train photographs' tiles.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm, trange

from .decoder_training import crops, learning_rate
from .latents import Encoder, to_pixels, to_tensor
from .unet import UNet


@dataclass(frozen=True, kw_only=True)
class DiffusionRecipe:
    """How one toy DDPM is built, trained and used.

    Attributes:
        name: generator's name.
        latent: whether it works on the encoder's latents instead of pixels.
        width: channels of the U-Net at full resolution.
        side: side of the training crops in pixels.
        batch: crops of one step.
        iterations: optimiser steps.
        horizon: diffusion steps that the network is trained on, out of 1000 (linear schedule).
        start: step that images are noised to; a lower one keeps more and mottles less.
        samples: sampling steps from `start` down to 0.
        seed: seed of weights, batches and noise.
    """

    name: str
    latent: bool
    width: int
    side: int
    batch: int
    iterations: int
    horizon: int
    start: int
    samples: int
    seed: int


DIFFUSIONS: tuple[DiffusionRecipe, ...] = (
    DiffusionRecipe(
        name="pixddpm_img2img",
        latent=False,
        width=32,
        side=40,
        batch=8,
        iterations=1000,
        horizon=70,
        start=40,
        samples=8,
        seed=21,
    ),
    DiffusionRecipe(
        name="latddpm_img2img",
        latent=True,
        width=64,
        side=80,
        batch=8,
        iterations=1200,
        horizon=70,
        start=40,
        samples=10,
        seed=22,
    ),
)


def alpha_bars() -> Tensor:
    """(1000,) float64: products of 1 - beta, beta linear from 1e-4 to 0.02 (DDPM, 2020)."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    return torch.cumprod(1 - betas, dim=0)


def train_diffusion(
    recipe: DiffusionRecipe, encoder: Encoder, tiles: NDArray[np.generic]
) -> dict[str, NDArray[np.generic]]:
    """Train one U-Net on the steps below `recipe.horizon`; returns its averaged weights.

    Args:
        recipe: what to train and for how long.
        encoder: the fixed encoder, for the latent one.
        tiles: (N, 160, 160, 3) uint8 training tiles.

    Returns:
        The state of the exponential moving average, as arrays.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(1000 + recipe.seed)
    network = _network(recipe)
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    bars = alpha_bars()[: recipe.horizon].float()
    for step in trange(recipe.iterations, desc=recipe.name, unit="step"):
        images = crops(tiles, recipe.side, recipe.batch, generator)
        clean = encoder.encode(images) if recipe.latent else images
        times = torch.randint(0, recipe.horizon, (len(clean),), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        bar = bars[times][:, None, None, None]
        predicted = network(bar.sqrt() * clean + (1 - bar).sqrt() * noise, times.float())
        loss = functional.mse_loss(predicted, noise)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, recipe.iterations, 1.5e-3)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        _update_average(average, network, decay=min(0.995, (step + 1) / (step + 10)))
    return {name: value.numpy() for name, value in average.state_dict().items()}


def _network(recipe: DiffusionRecipe) -> UNet:
    return UNet(channels=16 if recipe.latent else 3, width=recipe.width)


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of the weights, in place."""
    pairs = zip(average.parameters(), network.parameters(), strict=True)
    for kept, new in pairs:
        kept.lerp_(new, 1 - decay)


@torch.inference_mode()
def sample_tiles(
    recipe: DiffusionRecipe,
    state: dict[str, NDArray[np.generic]],
    encoder: Encoder,
    decoder: nn.Module | None,
    tiles: NDArray[np.generic],
) -> NDArray[np.uint8]:
    """Noise every tile to `recipe.start` and sample back with ancestral DDPM steps.

    Args:
        recipe: the recipe.
        state: trained weights.
        encoder: the fixed encoder.
        decoder: turns latents into images; None for the pixel DDPM.
        tiles: (N, 160, 160, 3) uint8.

    Returns:
        (N, 160, 160, 3) uint8.
    """
    network = _network(recipe)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    network.eval()
    out = []
    for index in tqdm(range(len(tiles)), desc=recipe.name, unit="tile"):
        generator = torch.Generator().manual_seed(100_000 * recipe.seed + index)
        images = to_tensor(tiles[index : index + 1])
        clean = encoder.encode(images) if recipe.latent else images
        sampled = _denoise(recipe, network, clean, generator)
        out.append(to_pixels(sampled if decoder is None else decoder(sampled)))
    return np.concatenate(out)


def _denoise(
    recipe: DiffusionRecipe, network: nn.Module, clean: Tensor, generator: torch.Generator
) -> Tensor:
    """The image-to-image round trip of one image or latent, (1, C, H, W) float32.

    Each strided step samples q(x_s | x_t, x_0) with x_0 from the predicted noise; the last step
    returns x_0 itself.
    """
    bars = alpha_bars().float()
    times = np.linspace(recipe.start - 1, 0, recipe.samples).round().astype(int).tolist()
    bar = bars[times[0]]
    noisy = bar.sqrt() * clean + (1 - bar).sqrt() * torch.randn(clean.shape, generator=generator)
    for time, following in zip(times, [*times[1:], None], strict=True):
        bar = bars[time]
        noise = network(noisy, torch.full((len(noisy),), float(time)))
        origin: Tensor = (noisy - (1 - bar).sqrt() * noise) / bar.sqrt()
        if not recipe.latent:
            origin = origin.clamp(-1, 1)
        if following is None:
            return origin
        below = bars[following]
        alpha = bar / below
        variance = (1 - below) / (1 - bar) * (1 - alpha)
        mean = (
            below.sqrt() * (1 - alpha) / (1 - bar) * origin
            + alpha.sqrt() * (1 - below) / (1 - bar) * noisy
        )
        noisy = mean + variance.sqrt() * torch.randn(clean.shape, generator=generator)
    raise AssertionError("unreachable: the last step returns")
