"""Draws from the global generators that follow from a seed, for code that knows no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

CPU = torch.device("cpu")


@contextmanager
def seeded(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Inside, what torch, NumPy and Python draw follows from the seed; outside nothing has changed.

    Layers such as ``nn.Dropout`` take no generator: they draw from torch's global one, on the
    device that they are on.

    Args:
        seed: 0 ... 2**32 - 1.
        device: whose generator is seeded beside the CPU's.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    # torch.manual_seed reaches every device; of one that is not forked here nobody draws.
    forked = [device.index or 0] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=forked):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
