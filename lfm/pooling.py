"""Top-K pooling (TKP) and its two regularisers, Algorithm 1 of the LFM paper.

Rank-based linear dropout (RBLD) drops the pooled values with a probability that rises linearly
with their ascending rank; random-K sampling (RKS) pools K random positions of every map through
the same classifier as an auxiliary task. Both act in training only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RankDropout(nn.Module):
    """RBLD: rank r of K (ascending) is dropped with p_min + (p_max - p_min) r / (K - 1).

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
        return kept / (1 - (self.p_min + self.p_max) / 2) if self.rescale else kept


class TopKPooling(nn.Module):
    """TKP: the K largest values of every map.

    Args:
        k: values kept of each map.
        order: ``ascending`` (Algorithm 1) or ``descending`` (released code and weights).
        dropout: RBLD, or None.
    """

    def __init__(self, k: int, order: str, dropout: RankDropout | None = None) -> None:
        super().__init__()
        if order not in ("ascending", "descending"):
            raise ValueError(f"order must be ascending or descending, got {order!r}")
        self.k = k
        self.descending = order == "descending"
        self.dropout = dropout

    def forward(self, maps: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(N, C, H, W) -> (N, C, K); H * W must be at least K."""
        values = maps.flatten(2).topk(self.k, sorted=True).values
        if self.dropout is not None and self.training:
            values = self.dropout(values.flip(-1), generator).flip(-1)
        return values if self.descending else values.flip(-1)


def random_k(maps: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """RKS: K positions of every map, uniform without replacement, values sorted ascending.

    (N, C, H, W) -> (N, C, K). The gradient reaches the chosen positions only.
    """
    flat = maps.flatten(2)
    device = generator.device if generator is not None else flat.device
    # The K largest of independent uniform keys are a uniform draw without replacement.
    keys = torch.rand(flat.shape, generator=generator, device=device)
    chosen = keys.topk(k).indices.to(flat.device)
    return flat.gather(-1, chosen).sort(-1).values
