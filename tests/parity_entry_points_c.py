"""What ``shared/methods/check_parity_clip_xception.py`` calls: official names in, logits out.

For example ``METHOD=tests.parity_entry_points_c:METHOD`` with ``patchfor`` for ``METHOD``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from baselines import f3net as f3
from baselines import patchfor as patch
from baselines import selfblended as sbi_
from harness.data.preprocess import parse, to_tensor


class Entry(nn.Module):
    """A detector's network, with its published preprocessing."""

    def __init__(
        self,
        detector: Any,
        geometry: str,
        rename: Callable[[str], str] = str,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.network = detector.module.network
        self._geometry = geometry
        self._rename = rename

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        self.detector.load_state_dict({self._rename(name): v for name, v in state.items()})

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits


class Preprocessing(Entry):
    """Also shows the preprocessing, where ours equals the published one bit for bit."""

    def official_preprocess(self, image: np.ndarray) -> Tensor:
        pixels = to_tensor(parse(self._geometry)(image))
        normalised: Tensor = self.detector.module.normalise(pixels[None])[0]
        return normalised


def patchfor() -> Entry:
    return Preprocessing(patch.build(), patch.SPEC.geometry["*"])


def f3net() -> Entry:
    return Preprocessing(f3.build(), f3.SPEC.geometry["*"])


def f3net_both() -> Entry:
    return Preprocessing(f3.build(local=True), f3.SPEC.geometry["*"])


def f3net_dfb() -> Entry:
    return Entry(f3.build_deepfakebench(), f3.DEEPFAKEBENCH.geometry["*"])


def sbi() -> Entry:
    return Entry(sbi_.build(), sbi_.SPEC.geometry["*"], sbi_.from_efficientnet_pytorch)
