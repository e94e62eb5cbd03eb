"""DINOv2's vision transformer as detectors use it, under the release's own names.

Written here and not taken from timm, because the release resamples its table of positions in a
way of its own, and detectors add low-rank updates and cut windows out of the map of patches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import Weights

PATCH = 14
HEAD = 64  # channels of an attention head
OFFSET = 0.1  # that the release adds to the number of patches when it resamples positions

Linear = Callable[[int, int], nn.Module]
final_norm = partial(nn.LayerNorm, eps=1e-6)

VIT_L14_REGULAR = Weights(
    name="dinov2",
    filename="dinov2_vitl14_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    licence="Apache-2.0",
    trained_on="LVD-142M without labels; nothing forensic",
    note="pre-trained DINOv2 ViT-L/14 without registers, about 1.2 GB",
)
"""Its sha256 is a third party's. Names are those of :class:`DinoTransformer`."""


@dataclass(frozen=True, kw_only=True)
class DinoSizes:
    """A transformer's dimensions; the defaults are ViT-L/14's. Tests take smaller ones.

    Args:
        width, layers: heads have 64 channels.
        grid: positions that the table has, a side.
        registers: tokens beside the class token, which have no position.
    """

    width: int = 1024
    layers: int = 24
    grid: int = 37
    registers: int = 0


VIT_L14 = DinoSizes()


class DinoAttention(nn.Module):
    """Self-attention in heads of 64 channels over (N, tokens, width)."""

    def __init__(self, width: int, linear: Linear) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.qkv = linear(width, 3 * width)
        self.proj = linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        parts = self.qkv(x).unflatten(2, (3, self.heads, HEAD)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*parts.unbind(0))
        output: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return output


class DinoMLP(nn.Module):
    """Two linear layers with GELU (exact) between."""

    def __init__(self, width: int, linear: Linear) -> None:
        super().__init__()
        self.fc1 = linear(width, 4 * width)
        self.fc2 = linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        output: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return output


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        return x * self.gamma


class DinoBlock(nn.Module):
    """Attention, then perceptron, each behind its norm, scaled and added to what came in."""

    def __init__(self, width: int, linear: Linear) -> None:
        super().__init__()
        self.norm1 = final_norm(width)
        self.attn = DinoAttention(width, linear)
        self.ls1 = LayerScale(width)
        self.norm2 = final_norm(width)
        self.mlp = DinoMLP(width, linear)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        output: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return output


class PatchEmbedding(nn.Module):
    """Patches of 14x14 pixels; what is left over on the right and below is not seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, width, H // 14, W // 14)."""
        output: Tensor = self.proj(x)
        return output


class DinoTransformer(nn.Module):
    """DINOv2 without registers; normalised (N, 3, H, W) -> (N, width), the class token.

    Args:
        sizes: of the network.
        linear: makes each linear layer of the blocks, from its widths.
        by_size: see :func:`resampled`.
    """

    def __init__(
        self, sizes: DinoSizes = VIT_L14, linear: Linear = nn.Linear, by_size: bool = False
    ) -> None:
        super().__init__()
        self.by_size = by_size
        width, self.grid = sizes.width, sizes.grid
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 1e-6)
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid**2 + 1, width) * 0.02)
        # Of the pre-training; no score depends on it.
        self.mask_token = nn.Parameter(torch.zeros(1, width), requires_grad=False)
        self.patch_embed = PatchEmbedding(width)
        self.blocks = nn.ModuleList(DinoBlock(width, linear) for _ in range(sizes.layers))
        self.norm = final_norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, width)."""
        patches = self.patch_embed(x)
        height, width = map(int, patches.shape[2:])  # where calls are recorded they are tensors
        positions = resampled(self.pos_embed, self.grid, height, width, self.by_size)
        first = self.cls_token.expand(len(x), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1) + positions
        for block in self.blocks:
            tokens = block(tokens)
        feature: Tensor = self.norm(tokens[:, 0])
        return feature


def resampled(table: Tensor, grid: int, height: int, width: int, by_size: bool = False) -> Tensor:
    """(1, 1 + grid^2, D) -> (1, 1 + height * width, D), as the release does it.

    Bicubic and not smoothed; the sampling points lie as if there were a tenth of a patch more,
    which moves them. The class token's row stays. Square maps of the table's own size keep it.

    Args:
        by_size: the sampling points lie as the sizes say, as in transformers.
    """
    if height == width == grid:
        return table
    cells = table[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
    scale = ((height + OFFSET) / grid, (width + OFFSET) / grid)
    how: dict[str, Any] = {"size": (height, width)} if by_size else {"scale_factor": scale}
    made = nn.functional.interpolate(cells, mode="bicubic", **how)
    if made.shape[2:] != (height, width):
        raise RuntimeError(f"positions became {tuple(made.shape[2:])}, not {(height, width)}")
    return torch.cat([table[:, :1], made.flatten(2).transpose(1, 2)], 1)
