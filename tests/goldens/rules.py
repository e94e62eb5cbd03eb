"""The weights of the goldens: each entry follows from its name and shape, so none is stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PERIOD = 9973
CHUNK = 1 << 20  # entries made at once: some have 50 million

Values = np.ndarray[Any, Any]
Rule = Callable[[str, tuple[int, ...]], Tensor]


def rule(name: str, shape: tuple[int, ...]) -> Tensor:
    """The CNNs' rule: a quadratic residue's sine, scaled as for ReLU networks."""
    count = math.prod(shape)
    i = np.arange(count, dtype=np.int64) % PERIOD
    offset = sum(name.encode()) % 97
    wave = np.sin(2 * np.pi * ((7 * i * i + 37 * i + 101 * offset) % PERIOD) / PERIOD)
    if name.endswith("running_var"):
        values = 1.0 + 0.1 * np.abs(wave)
    elif name.endswith("weight") and len(shape) == 1:
        values = 0.6 + 0.1 * np.abs(wave)
    elif len(shape) >= 2:
        values = wave * np.sqrt(6.0 * shape[0] / count)
    else:
        values = 0.05 * wave
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def chirp(name: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """The rule of CLIP, Xception and EfficientNet: a sine whose phase is a quadratic residue."""
    count = math.prod(shape)
    offset = sum(name.encode()) % 97
    values = np.empty(count, dtype=np.float32)
    for start in range(0, count, CHUNK):
        i = np.arange(start, min(start + CHUNK, count), dtype=np.int64)
        wave = np.sin(0.37 * i + offset + (i % PERIOD) ** 2 % PERIOD)
        values[start : start + len(i)] = _chirp_scaled(wave, name, shape, gain)
    return torch.from_numpy(values.reshape(shape))


def _chirp_scaled(wave: Values, name: str, shape: tuple[int, ...], gain: float) -> Values:
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return 1 + 0.1 * np.abs(wave)
    if len(shape) >= 2:
        return gain * math.sqrt(2 / math.prod(shape[1:])) * wave
    if math.prod(shape) == 1 and not name.endswith("bias"):
        return 0.5 + 0.25 * wave
    return 0.05 * wave


def sine(name: str, shape: tuple[int, ...]) -> Tensor:
    """The frequency detectors' first rule. Deep networks hardly see their input under it."""
    wave = np.sin(0.37 * np.arange(math.prod(shape), dtype=np.float64) + sum(name.encode()) % 97)
    return _frequency_scaled(wave, name, shape, 2.0)


def hashed(name: str, shape: tuple[int, ...]) -> Tensor:
    """The frequency detectors' second rule: uniform numbers from a hash of name and index."""
    key = sum(j * byte for j, byte in enumerate(name.encode(), start=1)) % 65521
    z = np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(2654435761)
    z = _low(z + np.uint64(40503 * key + 12345))
    z = _low((z ^ z >> np.uint64(15)) * np.uint64(2246822519))
    z = _low((z ^ z >> np.uint64(13)) * np.uint64(3266489917))
    z = z ^ z >> np.uint64(16)
    return _frequency_scaled(z.astype(np.float64) / 2**31 - 1, name, shape, 5.4)


def _low(z: Values) -> Values:
    low: Values = z & np.uint64(0xFFFFFFFF)
    return low


def _frequency_scaled(wave: Values, name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    if len(shape) >= 2:
        values = wave * math.sqrt(gain / math.prod(shape[1:]))
    elif name.endswith("running_var") or name.endswith("weight"):
        values = 1 + 0.1 * np.abs(wave)
    else:
        values = 0.05 * wave
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def filled(network: nn.Module, by: Rule = rule, keep: tuple[str, ...] = ()) -> nn.Module:
    """Fills a network by a rule, but for the entries in ``keep``; in evaluation mode."""
    state = network.state_dict()
    network.load_state_dict(
        {name: value if name in keep else _entry(by, name, value) for name, value in state.items()}
    )
    return network.eval()


def fill(detector: Any, keep: tuple[str, ...] = ()) -> Any:
    """The same for a detector, with or without a network, by :func:`rule`."""
    state = detector.state_dict().items()
    detector.load_state_dict({n: v if n in keep else _entry(rule, n, v) for n, v in state})
    if hasattr(detector, "module"):
        detector.module.eval()
    return detector


def _entry(by: Rule, name: str, like: Tensor) -> Tensor:
    """The entry by the rule; integers are 0."""
    if not like.is_floating_point():
        return torch.zeros_like(like)
    return by(name, tuple(like.shape)).to(like.dtype)
