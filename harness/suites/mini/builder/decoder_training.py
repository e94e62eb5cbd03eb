"""Training a toy decoder for a fixed number of steps, and decoding tiles with it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from .decoders import DecoderRecipe, build_critic, build_decoder
from .latents import Encoder, to_pixels, to_tensor

_BATCH = 8
_SIDE = 64
_CRITIC_STARTS = 0.35


def crops(tiles: NDArray[np.generic], side: int, batch: int, generator: torch.Generator) -> Tensor:
    """Random crops on the encoder's 4-pixel grid, flipped left-right half of the time.

    Args:
        tiles: (N, 160, 160, 3) uint8.
        side: side of a crop, a multiple of 4.
        batch: crops wanted.
        generator: source of randomness.

    Returns:
        (batch, 3, side, side) float32 in [-1, 1].
    """
    steps = (tiles.shape[1] - side) // 4 + 1
    draws = torch.randint(0, 2**31, (batch, 4), generator=generator).numpy()
    chosen = []
    for index, top, left, flip in draws:
        y, x = 4 * (top % steps), 4 * (left % steps)
        crop = tiles[index % len(tiles), y : y + side, x : x + side]
        chosen.append(crop[:, ::-1] if flip % 2 else crop)
    return to_tensor(np.stack(chosen))


def learning_rate(step: int, total: int, peak: float) -> float:
    """Linear warm-up over 50 steps, then a half cosine down to 2 % of the peak."""
    if step < 50:
        return peak * (step + 1) / 50
    progress = (step - 50) / max(1, total - 50)
    return peak * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * progress))))


def train_decoder(
    recipe: DecoderRecipe, encoder: Encoder, tiles: NDArray[np.generic]
) -> dict[str, NDArray[np.generic]]:
    """Train one decoder.

    The loss is L1; after a third of the steps an adversarial recipe adds the hinge loss of a
    PatchGAN critic.

    Args:
        recipe: what to train and for how long.
        encoder: the fixed encoder.
        tiles: (N, 160, 160, 3) uint8 training tiles.

    Returns:
        The decoder's state as arrays.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(1000 + recipe.seed)
    decoder, critic = build_decoder(recipe), build_critic()
    decoder_step = torch.optim.Adam(decoder.parameters(), betas=(0.8, 0.99))
    critic_step = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.99))
    for step in trange(recipe.iterations, desc=recipe.name, unit="step"):
        real = crops(tiles, _SIDE, _BATCH, generator)
        latents = _encode(recipe, encoder, real)
        fake = decoder(latents)
        loss = functional.l1_loss(fake, real)
        if recipe.adversarial and step >= _CRITIC_STARTS * recipe.iterations:
            _update_critic(critic, critic_step, real, fake.detach())
            loss = loss - recipe.adversarial * critic(fake).mean()
        for group in decoder_step.param_groups:
            group["lr"] = learning_rate(step, recipe.iterations, 2e-3)
        decoder_step.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        decoder_step.step()
    return {name: value.numpy() for name, value in decoder.state_dict().items()}


def _update_critic(
    critic: nn.Module, optimiser: torch.optim.Optimizer, real: Tensor, fake: Tensor
) -> None:
    """One hinge-loss step of the critic."""
    hinge = functional.relu(1 - critic(real)).mean() + functional.relu(1 + critic(fake)).mean()
    optimiser.zero_grad(set_to_none=True)
    hinge.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _encode(recipe: DecoderRecipe, encoder: Encoder, images: Tensor) -> Tensor:
    latents = encoder.encode(images)
    return encoder.quantise(latents) if recipe.quantised else latents


def load_decoder(recipe: DecoderRecipe, arrays: dict[str, NDArray[np.generic]]) -> nn.Module:
    """The trained decoder from what `train_decoder` returned."""
    decoder = build_decoder(recipe)
    decoder.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return decoder.eval()


@torch.inference_mode()
def decode_tiles(
    recipe: DecoderRecipe, decoder: nn.Module, encoder: Encoder, tiles: NDArray[np.generic]
) -> NDArray[np.uint8]:
    """Encode and decode tiles one by one, so that batches cannot change a result.

    Args:
        recipe: the decoder's recipe.
        decoder: the trained decoder.
        encoder: the fixed encoder.
        tiles: (N, 160, 160, 3) uint8.

    Returns:
        (N, 160, 160, 3) uint8.
    """
    out = []
    for index in range(len(tiles)):
        latents = _encode(recipe, encoder, to_tensor(tiles[index : index + 1]))
        out.append(to_pixels(decoder(latents)))
    return np.concatenate(out)
