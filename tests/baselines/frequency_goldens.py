"""Inputs and weight fills of the frequency goldens (``goldens/README-frequency.md``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.preprocess import to_tensor

Values = np.ndarray[Any, Any]


def images(shared: Path) -> Tensor:
    """The four test pictures as detectors get them, (4, 3, 256, 256) in [0, 1]."""
    return to_tensor(np.load(shared / "methods/goldens/images.npz")["images"])


def golden(shared: Path, name: str) -> Any:
    return np.load(shared / f"methods/goldens/{name}.npz")


def sine(name: str, shape: tuple[int, ...]) -> Values:
    count = math.prod(shape)
    wave = np.sin(0.37 * np.arange(count, dtype=np.float64) + sum(name.encode()) % 97)
    return _scaled(wave, name, shape, 2.0)


def hashed(name: str, shape: tuple[int, ...]) -> Values:
    key = sum(j * byte for j, byte in enumerate(name.encode(), start=1)) % 65521
    z = np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(2654435761)
    z = _low(z + np.uint64(40503 * key + 12345))
    z = _low((z ^ z >> np.uint64(15)) * np.uint64(2246822519))
    z = _low((z ^ z >> np.uint64(13)) * np.uint64(3266489917))
    z = z ^ z >> np.uint64(16)
    return _scaled(z.astype(np.float64) / 2**31 - 1, name, shape, 5.4)


def _low(z: Values) -> Values:
    low: Values = z & np.uint64(0xFFFFFFFF)
    return low


def _scaled(wave: Values, name: str, shape: tuple[int, ...], gain: float) -> Values:
    if len(shape) >= 2:
        values = wave * math.sqrt(gain / math.prod(shape[1:]))
    elif name.endswith("running_var") or name.endswith("weight"):
        values = 1 + 0.1 * np.abs(wave)
    else:
        values = 0.05 * wave
    return values.reshape(shape)


FILLS: dict[str, Callable[[str, tuple[int, ...]], Values]] = {"sin": sine, "hash": hashed}


def fill(network: nn.Module, kind: str) -> nn.Module:
    """Fills a network by ``sin`` or ``hash``; in evaluation mode."""
    state = {
        name: torch.from_numpy(FILLS[kind](name, tuple(value.shape)).astype(np.float32))
        if value.is_floating_point()
        else torch.zeros_like(value)
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


def near(got: Any, want: Values, *, atol: float, rtol: float = 0.0) -> None:
    got = got.detach().numpy() if isinstance(got, Tensor) else got
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def statistics(values: Values) -> Values:
    """mean, std, min, max, median."""
    parts = (np.mean, np.std, np.min, np.max, np.median)
    return np.array([part(values) for part in parts])
