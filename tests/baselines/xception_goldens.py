"""Published states of the goldens in ``goldens/README-clip-xception.md``, rule chirp with gains."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]


def published(shared: Path, name: str) -> tuple[State, Any]:
    """The state under the published names, and the golden."""
    gold = np.load(shared / f"methods/goldens/{name}.npz")
    meta = json.loads(str(gold["meta"]))
    listed = json.loads((shared / f"methods/cards/{name}.keys.json").read_text())
    constants = meta.get("constants_spec", {})
    state = {}
    for entry, shape, dtype in listed:
        if entry in constants:
            values = np.asarray(constant(**constants[entry]), dtype=np.float32).reshape(shape)
        elif dtype == "int64":
            values = np.zeros(shape, dtype=np.int64)
        else:
            values = chirp(entry, tuple(shape), gain_of(entry, meta["gain"]))
        state[entry] = torch.from_numpy(values)
    return state, gold


def gain_of(entry: str, gain: Any) -> float:
    if isinstance(gain, (int, float)):
        return float(gain)
    return next(float(value) for pattern, value in gain if re.search(pattern, entry))


def chirp(entry: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """The deterministic float32 values of one entry."""
    i = np.arange(math.prod(shape), dtype=np.int64)
    offset = sum(entry.encode()) % 97
    wave = np.sin(0.37 * i.astype(np.float64) + offset + (i % 9973) ** 2 % 9973)
    if entry.endswith("running_var") or (len(shape) == 1 and entry.endswith("weight")):
        wave = 1 + 0.1 * np.abs(wave)
    elif len(shape) >= 2:
        wave = gain * math.sqrt(2 / math.prod(shape[1:])) * wave
    else:
        wave = 0.05 * wave
    return wave.reshape(shape).astype(np.float32)


def constant(kind: str, size: int, low: float = 0, high: float = 0) -> np.ndarray:
    """Written apart from ``baselines/_frequency.py``, which is tested with it."""
    k, x = np.mgrid[:size, :size]
    if kind.startswith("dct"):
        basis = np.cos(np.pi * (x + 0.5) * k / size) * np.sqrt(2 / size)
        basis[0] /= np.sqrt(2)
        return basis.T if kind == "dct_transposed" else basis
    band = ((k + x >= low) & (k + x <= high)).astype(np.float64)
    return band.sum() if kind == "band_sum" else band
