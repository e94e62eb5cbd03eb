"""A checkpoint once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from harness.results.records import WeightsRef


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedWeights:
    """A checkpoint read from disk, before a network has taken it. Equal to nothing but itself.

    Args:
        state: name -> tensor on the CPU, names as the network has them; empty for a detector that
            has no weights.
        ref: which checkpoint it is, as stored with results.
        variant: the entry of the spec's ``variants`` to build the network with, "" = no options.
        path: the file; None for a detector that has no weights.
        run: the folder of the training that it is of, where it was read from there.
    """

    state: Mapping[str, Tensor]
    ref: WeightsRef
    variant: str = ""
    path: Path | None = None
    run: Path | None = None
