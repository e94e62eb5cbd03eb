"""A small network as a detector, and scoring it under a condition as a run does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, ScoreSpec, TorchDetector
from harness.checkpoints.files import LoadedWeights
from harness.diagnosis.condition import Absent, Condition, RowFacts, ScoreRule, View
from harness.engine.scorer import Compute, Scorer, with_options
from harness.engine.seeding import seeded
from harness.results.records import WeightsRef


class Small(nn.Module):
    """A convolution, batch norm, ReLU, mean over places, dropout, a linear unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1)."""
        logits: Tensor = self.fc(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3))))
        return logits


def build() -> TorchDetector:
    return TorchDetector(Small())


SPEC = DetectorSpec(
    name="small",
    title="Small",
    family="test",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "native"},
)


def weights(spec: DetectorSpec = SPEC, variant: str = "", seed: int = 7) -> LoadedWeights:
    """Random weights whose batch norms have statistics of their own."""
    with seeded(seed):
        network = spec.build(**spec.variants.get(variant, {}))
        state = dict(network.state_dict())
        for name, value in state.items():
            if name.endswith("running_mean"):
                state[name] = torch.randn_like(value) / 5
            if name.endswith("running_var"):
                state[name] = torch.rand_like(value) + 0.5
    ref = WeightsRef(label="w", sha256="w" * 64)
    return LoadedWeights(state=state, ref=ref, variant=variant)


def network(loaded: LoadedWeights) -> Small:
    """The network by itself, in evaluation mode."""
    made = Small()
    made.load_state_dict(loaded.state)
    return made.eval().requires_grad_(False)


def pictures(count: int = 6, height: int = 40, width: int = 36) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    scale = torch.linspace(0.3, 1, count).view(-1, 1, 1, 1)
    return torch.rand(count, 3, height, width, generator=generator) * scale


def about(spec: DetectorSpec = SPEC, geometry: str = "native", **facts: Any) -> RowFacts:
    rule = ScoreRule(kind=spec.score.kind, threshold=spec.score.threshold)
    return RowFacts(spec=spec, rule=rule, geometry=geometry, sets={}, **facts)


Family = Callable[[RowFacts], Iterator[Condition | Absent]]


def catalogue(family: ModuleType, facts: RowFacts) -> dict[str, Condition]:
    """Name -> condition that can be tried."""
    found = [each for each in family.conditions(facts) if isinstance(each, Condition)]
    named = {each.name: each for each in found}
    assert len(named) == len(found), "a name is there twice"
    return named


def absent(family: ModuleType, facts: RowFacts) -> dict[str, str]:
    """Name -> why it cannot be tried."""
    return {each.name: each.why for each in family.conditions(facts) if isinstance(each, Absent)}


def scorer(
    condition: Condition | None, spec: DetectorSpec = SPEC, loaded: LoadedWeights | None = None
) -> Scorer:
    """The scorer under a condition; None = as published."""
    loaded = loaded or weights(spec)
    view = condition.act if condition else View()
    assert isinstance(view, View)
    if view.options is not None:
        spec = with_options(spec, loaded.variant, view.options)
    compute = Compute(device=torch.device("cpu"), precision=view.precision)
    return Scorer(spec, loaded, compute, change=view.change)


def scores(
    condition: Condition | None,
    images: Tensor,
    spec: DetectorSpec = SPEC,
    loaded: LoadedWeights | None = None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(N,) in one forward pass."""
    return scorer(condition, spec, loaded).pixels(images, "a picture")


def near(given: Any, expected: Tensor, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(given, expected.double().flatten().numpy(), atol=atol, rtol=1e-4)


def under(spec: DetectorSpec, **changes: Any) -> DetectorSpec:
    return replace(spec, **changes)
