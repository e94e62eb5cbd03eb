"""What ``../shared/methods/check_parity_clip_xception.py`` calls, for the detectors on CLIP.

From the checkout, one detector at a time (the networks take gigabytes)::

    PYTHONPATH=. python ../shared/methods/check_parity_clip_xception.py --rule both \
        ojha=tests.parity_entry_points_clip:ojha
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from baselines import c2p_clip as c2p_clip_file
from baselines import fatformer as fatformer_file
from baselines import ojha as ojha_file
from harness.api import DetectorSpec
from harness.data.preprocess import parse, to_tensor


class Official(nn.Module):
    """A detector under the names, and with the input, of its authors' code."""

    def __init__(self, spec: DetectorSpec) -> None:
        super().__init__()
        self.detector: Any = spec.build()
        self.module = self.detector.module
        self.geometry = parse(spec.preprocess_for("*"))

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        self.detector.load_state_dict(state)

    def official_preprocess(self, image: np.ndarray) -> Tensor:
        normalised: Tensor = self.module.normalise(to_tensor(self.geometry(image))[None])
        return normalised[0]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module.network(x)
        return logits


def ojha() -> Official:
    return Official(ojha_file.SPEC)


def fatformer() -> Official:
    return Official(fatformer_file.SPEC)


def c2p_clip() -> Official:
    return Official(c2p_clip_file.SPEC)
