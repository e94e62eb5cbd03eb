"""A detector that is run exactly as it is: no other form of it would score alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from harness.api import HasModule, InputRule
from harness.errors import DetectorError


class Plain:
    """A detector whose network is not put into evaluation mode, rewritten, traced or shared.

    Such as one whose batch norms are in training mode, or whose weights are halves: folding them
    would undo what is asked for.

    Args:
        detector: with its weights, in the modes and the precision that it is to score in. It is
            used itself, not a copy.
        name: of what was changed, for messages: ``batch_norm(32)``.
        score: in place of its own: (N, 3, H, W) float32 in [0, 1] on its device -> (N,).
        batch: images of a forward pass, where scores hang on it; 0 = they do not.
        input_rule: the sizes that it takes now; None = as its spec says.

    Raises:
        DetectorError: it is no network.
    """

    def __init__(
        self,
        detector: Any,
        name: str,
        score: Callable[[Tensor], Tensor] | None = None,
        *,
        batch: int = 0,
        input_rule: InputRule | None = None,
    ) -> None:
        if not isinstance(detector, HasModule):
            raise DetectorError(f"{name}: {type(detector).__name__} is no torch network")
        self.module = detector.module
        self.name = name
        self.score = score or detector.score  # type: ignore[attr-defined]
        self.batch = batch
        self.input_rule = input_rule
