"""CLIP's image tower whose attention matrices are split: a frozen main part and one direction.

Of every query, key, value and output matrix the smallest singular direction is apart and learns
(``U_residual``, ``S_residual``, ``V_residual``); the sum of all others is ``weight_main`` and does
not. Names are those of transformers' CLIP vision model, misspelling included.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from baselines._clip import HEAD, ClipSizes

PARTS = ("q_proj", "k_proj", "v_proj", "out_proj")


class SplitLinear(nn.Module):
    """y = x W^T + bias with W = weight_main + U_residual diag(S_residual) V_residual.

    W is never made: the direction is applied to x by itself, which costs 2 channels an output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight_main = nn.Parameter(torch.empty(width, width), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.S_residual = nn.Parameter(torch.zeros(1))
        self.U_residual = nn.Parameter(torch.empty(width, 1))
        self.V_residual = nn.Parameter(torch.empty(1, width))
        for matrix in (self.weight_main, self.U_residual, self.V_residual):
            nn.init.normal_(matrix, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        along = nn.functional.linear(x, self.V_residual) * self.S_residual
        main = nn.functional.linear(x, self.weight_main, self.bias)
        return main + nn.functional.linear(along, self.U_residual)


class SplitAttention(nn.Module):
    """Self-attention in heads of 64 channels over (N, tokens, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.k_proj = SplitLinear(width)
        self.v_proj = SplitLinear(width)
        self.q_proj = SplitLinear(width)
        self.out_proj = SplitLinear(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        q, k, v = (
            part(x).unflatten(2, (self.heads, HEAD)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        output: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return output


class QuickMLP(nn.Module):
    """Two linear layers with CLIP's x sigmoid(1.702 x) between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        hidden = self.fc1(x)
        output: Tensor = self.fc2(hidden * torch.sigmoid(1.702 * hidden))
        return output


class SplitLayer(nn.Module):
    """Attention, then perceptron, each behind its norm and added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = SplitAttention(width)
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = QuickMLP(width)
        self.layer_norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        x = x + self.self_attn(self.layer_norm1(x))
        output: Tensor = x + self.mlp(self.layer_norm2(x))
        return output


class Embeddings(nn.Module):
    """Patches and a class token in front, each with its position."""

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        tokens = (sizes.side // sizes.patch) ** 2 + 1
        self.class_embedding = nn.Parameter(torch.randn(sizes.width) * sizes.width**-0.5)
        self.patch_embedding = nn.Conv2d(
            3, sizes.width, sizes.patch, stride=sizes.patch, bias=False
        )
        self.position_embedding = nn.Embedding(tokens, sizes.width)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, side, side) -> (N, tokens, width)."""
        patches = self.patch_embedding(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class Layers(nn.Module):
    """The layers, under the name that transformers gives them."""

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SplitLayer(sizes.width) for _ in range(sizes.layers))

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> the same."""
        for layer in self.layers:
            x = layer(x)
        return x


class SplitTower(nn.Module):
    """The tower; the feature is the class token after the last norm, without CLIP's projection.

    All of it is frozen but for the directions that are apart.
    """

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        self.embeddings = Embeddings(sizes)
        self.pre_layrnorm = nn.LayerNorm(sizes.width)
        self.encoder = Layers(sizes)
        self.post_layernorm = nn.LayerNorm(sizes.width)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.endswith("_residual"))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, side, side) -> (N, width)."""
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(x)))
        feature: Tensor = self.post_layernorm(tokens[:, 0])
        return feature


_OUTSIDE = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}
_INSIDE = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1"}
_INSIDE["mlp.c_proj"] = "mlp.fc2"


def split(weight: Tensor) -> dict[str, Tensor]:
    """A square matrix -> its smallest singular direction and the sum of all others."""
    u, s, v = torch.linalg.svd(weight)
    return {
        "weight_main": weight - s[-1] * torch.outer(u[:, -1], v[-1]),
        "S_residual": s[-1:].clone(),
        "U_residual": u[:, -1:].clone(),
        "V_residual": v[-1:].clone(),
    }


def from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's image tower (names behind ``visual.``) -> entries of a :class:`SplitTower`.

    Raises:
        RuntimeError: an entry that no such tower has.
    """
    made: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _OUTSIDE:
            made[_OUTSIDE[name]] = value
        elif name.startswith("transformer.resblocks."):
            number, _, inner = name.removeprefix("transformer.resblocks.").partition(".")
            made |= _layer(f"encoder.layers.{number}", inner, value)
        elif name != "proj":  # the feature is taken before it
            raise RuntimeError(f"unexpected entry {name!r}")
    return made


def _layer(layer: str, name: str, value: Tensor) -> dict[str, Tensor]:
    """One entry of a block, as the entries here that it gives."""
    module, _, kind = name.rpartition(".")
    if module in _INSIDE:
        return {f"{layer}.{_INSIDE[module]}.{kind}": value}
    matrices = {"attn.in_proj_weight": PARTS[:3], "attn.out_proj.weight": PARTS[3:]}
    vectors = {"attn.in_proj_bias": PARTS[:3], "attn.out_proj.bias": PARTS[3:]}
    if name in vectors:
        parts = zip(vectors[name], value.chunk(len(vectors[name])), strict=True)
        return {f"{layer}.self_attn.{part}.bias": one.clone() for part, one in parts}
    if name not in matrices:
        raise RuntimeError(f"unexpected entry {name!r}")
    return {
        f"{layer}.self_attn.{part}.{entry}": one
        for part, matrix in zip(matrices[name], value.chunk(len(matrices[name])), strict=True)
        for entry, one in split(matrix).items()
    }
