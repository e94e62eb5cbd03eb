"""How the goldens fill weights and compare (``shared/methods/goldens/README-cnn.md``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

PERIOD = 9973


def rule(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The deterministic values of one floating state-dict entry."""
    count = int(np.prod(shape)) if shape else 1
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


def fill(detector: Any, keep: tuple[str, ...] = ()) -> Any:
    """Fills a detector by the rule, but for the entries in ``keep``; in evaluation mode."""
    state = {
        name: value
        if name in keep
        else rule(name, tuple(value.shape))
        if value.is_floating_point()
        else torch.zeros_like(value)
        for name, value in detector.state_dict().items()
    }
    detector.load_state_dict(state)
    detector.module.eval()
    return detector


def close(got: torch.Tensor, want: np.ndarray, atol: float = 1e-5) -> None:
    """rtol 1e-4, atol 1e-5 unless told."""
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-4, atol=atol)
