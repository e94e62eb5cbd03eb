"""Chance: a score from a hash of the pixels, the pipeline's control.

It must come out at ACC about 50 % and AP about ``ap_chance``, just above the share of fakes;
anything else means that the pipeline leaks the label or mixes up scores.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from harness.api import DetectorSpec, ScoreSpec


class ChanceDetector:
    """Deterministic scores, uniform on [0, 1), equal for equal pixels."""

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,): 53 bits of a BLAKE2b hash of size and 8-bit pixels."""
        pixels = (images * 255).round().to(torch.uint8).cpu().contiguous().numpy()
        prefix = f"{images.shape[2]}x{images.shape[3]}:".encode()
        hashes = [hashlib.blake2b(prefix + image.tobytes(), digest_size=8) for image in pixels]
        values = [int.from_bytes(h.digest(), "big") >> 11 for h in hashes]
        return torch.tensor(values, dtype=torch.float64) * 2.0**-53


SPEC = DetectorSpec(
    name="chance",
    title="Chance",
    family="control",
    build=ChanceDetector,
    score=ScoreSpec(kind="probability", threshold=0.5),
    geometry={"*": "native"},
    citation="this project",
    notes="Takes every size. Needs no weights.",
)
