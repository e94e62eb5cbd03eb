"""LFM's network: 2x2 residual magnitude -> four valid convolutions -> salience maps -> pooling.

State-dict names are those of the released checkpoint (``covn1_1`` included), so that it loads
strictly. Written from the published description; see ``lfm/detector.py`` for its deviations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import PooledNetwork
from lfm.pooling import (
    AttentionPooling,
    AveragePooling,
    Pooling,
    RankDropout,
    TopKPooling,
    random_k,
)

FEATURES = 512
MAPS = 64
POOLINGS = ("topk", "max", "gap", "attention")


@dataclass(frozen=True, kw_only=True)
class LFMOptions:
    """What can be varied in the network and its training; the defaults are the released network.

    Args:
        pooling: ``topk`` (the paper), or in its place ``max`` (top-1), ``gap`` (global average) or
            ``attention`` (see :class:`AttentionPooling`), which give one value of each map.
        residual: feed the residual magnitude; False feeds the normalised RGB itself.
        k: values that ``topk`` keeps of each map.
        order: order of the pooled values, see :class:`Pooling`.
        p_min, p_max, rescale: RBLD, see :class:`RankDropout`; both 0 switch it off.
        rks: train with the random-K branch, of as many positions as the pooling keeps values.
        auxiliary_weight: weight of the random-K branch's loss.
    """

    pooling: str = "topk"
    residual: bool = True
    k: int = 16
    order: str = "descending"
    p_min: float = 0.1
    p_max: float = 0.1
    rescale: bool = True
    rks: bool = False
    auxiliary_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {POOLINGS}, got {self.pooling!r}")

    def make_pooling(self) -> Pooling:
        """The pooling with its dropout."""
        dropout = None
        if self.p_min or self.p_max:
            dropout = RankDropout(self.p_min, self.p_max, rescale=self.rescale)
        if self.pooling == "gap":
            return AveragePooling(dropout)
        if self.pooling == "attention":
            return AttentionPooling(MAPS, dropout)
        return TopKPooling(self.k if self.pooling == "topk" else 1, self.order, dropout)


class SalienceNet(nn.Module):
    """Four blocks of 2x2 valid convolution, batch norm and ReLU, max-pooled between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = _block(3, 64)
        self.layer2 = _block(64, 128)
        self.layer3 = _block(128, 256)
        self.layer4 = _block(256, FEATURES)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 512, h, w) with h = final_side(H)."""
        x = self.pool(self.layer1(x))
        x = self.pool(self.layer2(x))
        x = self.pool(self.layer3(x))
        features: Tensor = self.layer4(x)
        return features


def final_side(side: int) -> int:
    """Side of the salience maps for an input side (pixels); below 1 the input is too small."""
    for _ in range(3):
        side = (side - 1) // 2
    return side - 1


def cell_residual(x: Tensor) -> Tensor:
    """Every pixel minus the top-left pixel of its 2x2 cell; (N, C, H, W), H and W even.

    Equal to ``x - nearest_up(nearest_down(x))``, the paper's and NPR's residual, bit for bit.
    """
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // 2, 2, w // 2, 2)
    return (cells - cells[:, :, :, :1, :, :1]).reshape(n, c, h, w)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 2), nn.BatchNorm2d(outputs), nn.ReLU())


class LFMNetwork(PooledNetwork):
    """The detector's network; normalised (N, 3, H, W) -> (N, 1) logits, positive = fake."""

    def __init__(self, options: LFMOptions) -> None:
        super().__init__()
        self.options = options
        if options.residual:
            self.downsample_conv = nn.Conv2d(3, 3, 2, stride=2, bias=False)
            self.upsample_conv = nn.ConvTranspose2d(3, 3, 2, stride=2, bias=False)
            self._fix_residual_weights()
        self.cnn = SalienceNet()
        self.covn1_1 = nn.Conv2d(FEATURES, MAPS, 1, bias=False)
        self.pool_adapter = options.make_pooling()
        self.fc1 = nn.Linear(MAPS * self.pool_adapter.values, 1)

    def _fix_residual_weights(self) -> None:
        """The two frozen kernels of the released network: pick the top-left pixel, replicate it."""
        pick = torch.zeros(3, 3, 2, 2)
        replicate = torch.zeros(3, 3, 2, 2)
        for channel in range(3):
            pick[channel, channel, 0, 0] = 1
            replicate[channel, channel] = 1
        self.downsample_conv.weight = nn.Parameter(pick, requires_grad=False)
        self.upsample_conv.weight = nn.Parameter(replicate, requires_grad=False)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any
    ) -> None:
        # The forward pass uses the slice that these kernels amount to: refuse others.
        for name in ("downsample_conv.weight", "upsample_conv.weight"):
            given = state_dict.get(prefix + name)
            own = dict(self.named_parameters()).get(name)
            if given is not None and own is not None and not torch.equal(given.cpu(), own.cpu()):
                arguments[-1].append(f"{name} is not the residual kernel of the LFM network")
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def cells(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> signed salience maps (N, 64, h, w)."""
        x = cell_residual(x).abs() if self.options.residual else x
        maps: Tensor = self.covn1_1(self.cnn(x))
        return maps

    def pool(self, cells: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(N, 64, h, w) -> the classifier's input: (N, 64 K), or (N, 64) unless top-K."""
        pooled: Tensor = self.pool_adapter(cells, generator)
        return pooled.flatten(1)

    def selected(self, cells: Tensor) -> Tensor | None:
        """(N, 64, h, w) -> (N, h, w) how many maps had their value taken there by top-K.

        None for a pooling that takes every cell.
        """
        if not isinstance(self.pool_adapter, TopKPooling):
            return None
        taken = cells.flatten(2).topk(self.pool_adapter.values).indices.flatten(1)
        counts = torch.zeros_like(cells[:, 0].flatten(1), dtype=torch.int64)
        counts.scatter_add_(1, taken, torch.ones_like(taken))
        return counts.view_as(cells[:, 0])

    def training_logits(
        self, x: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Main and auxiliary (N, 1) logits; the latter is None unless RKS is on (Algorithm 1)."""
        maps = self.cells(x)
        logits = self.fc1(self.pool(maps, generator))
        if not self.options.rks:
            return logits, None
        return logits, self.fc1(random_k(maps, self.pool_adapter.values, generator).flatten(1))
