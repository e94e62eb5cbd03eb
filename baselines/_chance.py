"""Chance in training that follows from one generator: what ``Trainable.loss`` may draw from.

torch's own dropout draws from the global generator, which a training here must not depend on.
"""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """One number in [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def integer(generator: torch.Generator, below: int) -> int:
    """One of 0 .. ``below`` - 1."""
    return int(torch.randint(below, (), generator=generator))


def dropout(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Each value is 0 with probability ``rate``, the others are divided by 1 - ``rate``.

    The draw is made on the generator's device, so that a seed means the same on every device.
    """
    kept = torch.rand(x.shape, generator=generator, device=generator.device) >= rate
    return x * kept.to(x.device) / (1 - rate)
