"""Top-K pooling (TKP), the poolings it is compared with, and its two regularisers (Algorithm 1).

Rank-based linear dropout (RBLD) drops the pooled values with a probability that rises linearly
with their ascending rank; random-K sampling (RKS) pools K random positions of every map through
the same classifier as an auxiliary task. Both act in training only, and on any pooling: one that
gives a single value of a map has one rank, dropped with p_min, and one random position.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RankDropout(nn.Module):
    """RBLD: rank i = 1 ... K (ascending) is dropped with p_min + (p_max - p_min)(i - 1)/(K - 1).

    The fraction is our reading of Algorithm 1: in the poster it cannot be read. With K = 1 the only
    rank is dropped with p_min.

    Args:
        p_min, p_max: drop probability of the smallest and of the largest pooled value, [0, 1).
        rescale: divide the survivors by 1 - mean probability, as the released code does;
            Algorithm 1 does not rescale.
    """

    def __init__(self, p_min: float, p_max: float, *, rescale: bool) -> None:
        super().__init__()
        if not 0 <= p_min < 1 or not 0 <= p_max < 1:
            raise ValueError(f"drop probabilities must lie in [0, 1), got {p_min} and {p_max}")
        self.p_min = p_min
        self.p_max = p_max
        self.rescale = rescale

    def forward(self, ascending: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(N, C, K) values sorted ascending -> the same with some set to 0; identity in eval."""
        if not self.training:
            return ascending
        k = ascending.shape[-1]
        drop = torch.linspace(self.p_min, self.p_max, k, device=ascending.device)
        # Drawn on the generator's device (the CPU's, when seeds must hold on every device).
        device = generator.device if generator is not None else ascending.device
        draw = torch.rand(ascending.shape, generator=generator, device=device)
        kept = ascending * (draw.to(ascending.device) >= drop)
        mean = self.p_min if k == 1 else (self.p_min + self.p_max) / 2
        return kept / (1 - mean) if self.rescale else kept


class Pooling(nn.Module):
    """Every map to its ``values`` numbers, ordered by size; what the poolings share.

    Args:
        values: numbers kept of each map.
        order: ``ascending`` (Algorithm 1) or ``descending`` (released code and weights).
        dropout: RBLD, or None.
    """

    def __init__(
        self, values: int, order: str = "descending", dropout: RankDropout | None = None
    ) -> None:
        super().__init__()
        if order not in ("ascending", "descending"):
            raise ValueError(f"order must be ascending or descending, got {order!r}")
        if values < 1:
            raise ValueError(f"at least 1 value must be kept of each map, got {values}")
        self.values = values
        self.descending = order == "descending"
        self.dropout = dropout

    def forward(self, maps: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(N, C, H, W) -> (N, C, values); H * W must be at least ``values``."""
        pooled = self.pooled(maps)
        if self.dropout is not None and self.training:
            pooled = self.dropout(pooled.flip(-1), generator).flip(-1)
        return pooled if self.descending else pooled.flip(-1)

    def pooled(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, values), the largest first."""
        raise NotImplementedError


class TopKPooling(Pooling):
    """TKP: the ``values`` = K largest of every map; K = 1 is max pooling."""

    def pooled(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, K), the largest first."""
        return maps.flatten(2).topk(self.values, sorted=True).values


class AveragePooling(Pooling):
    """GAP: the mean of every map."""

    def __init__(self, dropout: RankDropout | None = None) -> None:
        super().__init__(1, dropout=dropout)

    def pooled(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1)."""
        return maps.mean((2, 3))[..., None]


class AttentionPooling(Pooling):
    """The mean of every map, weighted by one attention map that all share.

    The attention is a 1x1 convolution of the maps and a softmax over positions. This form is ours:
    the published code holds an attention pooling that nothing calls, and its paper's is not
    described in what we have.

    Args:
        maps: number of maps.
        dropout: RBLD, or None.
    """

    def __init__(self, maps: int, dropout: RankDropout | None = None) -> None:
        super().__init__(1, dropout=dropout)
        # Without a bias: a softmax does not see one.
        self.attention = nn.Conv2d(maps, 1, 1, bias=False)

    def pooled(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1)."""
        weights: Tensor = self.attention(maps).flatten(2).softmax(-1)
        return (maps.flatten(2) * weights).sum(-1, keepdim=True)


def random_k(maps: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """RKS: K positions of every map, uniform without replacement, values sorted ascending.

    Algorithm 1 does not say whether a position may be drawn twice; the released code draws without.
    (N, C, H, W) -> (N, C, K). The gradient reaches the chosen positions only.
    """
    flat = maps.flatten(2)
    device = generator.device if generator is not None else flat.device
    # The K largest of independent uniform keys are a uniform draw without replacement.
    keys = torch.rand(flat.shape, generator=generator, device=device)
    chosen = keys.topk(k).indices.to(flat.device)
    return flat.gather(-1, chosen).sort(-1).values
