"""A fixed linear encoder (PCA of 4x4 patches) and a product quantiser of its latents.

A learned encoder reaches a poor PSNR in the minutes that this build may take; a linear one is
there at once, and what the fakes carry is the trace of the *decoder*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

PATCH = 4
"""Side of a patch in pixels: latents have a quarter of the image's side."""

CHANNELS = 16
"""Latent channels: 48 numbers of a patch become 16."""

CODES = 256
"""Entries of each of the quantiser's codebooks (one byte)."""

CODE_WIDTH = 2
"""Latent channels that share one codebook."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Linear encoder; latents have zero mean and unit variance over the train photographs.

    Attributes:
        mean: (48,) float32 mean patch.
        basis: (16, 48) float32 orthonormal rows.
        scale: (16,) float32 standard deviation of every coefficient.
        books: (8, 256, 2) float32 codebooks over pairs of channels.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor
    books: Tensor

    def encode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 in [-1, 1] -> (N, 16, H/4, W/4) float32."""
        patches = functional.pixel_unshuffle(images, PATCH)
        centred = patches - self.mean[None, :, None, None]
        latents = torch.einsum("ck,nkhw->nchw", self.basis, centred)
        return latents / self.scale[None, :, None, None]

    def quantise(self, latents: Tensor) -> Tensor:
        """Replace every pair of channels by its nearest codebook entry; shape unchanged."""
        parts = []
        for index, book in enumerate(self.books):
            pair = latents[:, index * CODE_WIDTH : (index + 1) * CODE_WIDTH]
            flat = pair.permute(0, 2, 3, 1).reshape(-1, CODE_WIDTH)
            nearest = torch.cdist(flat, book).argmin(dim=1)
            shape = (pair.shape[0], pair.shape[2], pair.shape[3], CODE_WIDTH)
            parts.append(book[nearest].reshape(shape).permute(0, 3, 1, 2))
        return torch.cat(parts, dim=1)


def to_tensor(tiles: NDArray[np.generic]) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in [-1, 1]."""
    array = np.ascontiguousarray(tiles.transpose(0, 3, 1, 2))
    return torch.from_numpy(array).float() / 127.5 - 1.0


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """(N, 3, H, W) float32 in [-1, 1] -> (N, H, W, 3) uint8, rounded and clipped."""
    scaled = ((images.detach() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())


def fit_encoder(tiles: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Fit PCA and codebooks on training tiles.

    Args:
        tiles: (N, 160, 160, 3) uint8.

    Returns:
        The fields of `Encoder` as arrays.
    """
    patches = functional.pixel_unshuffle(to_tensor(tiles), PATCH)
    rows = patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1]).double()
    mean = rows.mean(dim=0)
    centred = rows - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    basis = vectors.flip(1)[:, :CHANNELS].T
    signs = torch.sign(basis.sum(dim=1, keepdim=True))
    basis = basis * torch.where(signs == 0, torch.ones_like(signs), signs)
    coefficients = centred @ basis.T
    scale = coefficients.std(dim=0)
    latents = (coefficients / scale).float()
    generator = torch.Generator().manual_seed(11)
    sample = latents[torch.randperm(len(latents), generator=generator)[:60_000]]
    books = [
        _k_means(sample[:, start : start + CODE_WIDTH]) for start in range(0, CHANNELS, CODE_WIDTH)
    ]
    fields = {"mean": mean.float(), "basis": basis.float(), "scale": scale.float()}
    return {name: value.numpy() for name, value in fields.items()} | {
        "books": torch.stack(books).numpy()
    }


def _k_means(points: Tensor, rounds: int = 12) -> Tensor:
    """Lloyd's algorithm from the first CODES points; (N, D) -> (CODES, D)."""
    centres = points[:CODES].clone()
    for _ in range(rounds):
        owner = torch.cdist(points, centres).argmin(dim=1)
        counts = torch.bincount(owner, minlength=CODES).clamp(min=1)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        moved = sums / counts
        empty = torch.bincount(owner, minlength=CODES) == 0
        centres = torch.where(empty[:, None], centres, moved)
    return centres


def load_encoder(arrays: dict[str, NDArray[np.generic]]) -> Encoder:
    """The encoder from what `fit_encoder` returned."""
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in arrays.items()}
    return Encoder(
        mean=tensors["mean"],
        basis=tensors["basis"],
        scale=tensors["scale"],
        books=tensors["books"],
    )
