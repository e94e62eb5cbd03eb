"""Optimisers by name. A step is given the gradient as a function, because SAM asks twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import Recipe

RADIUS = 0.05
"""Of SAM's neighbourhood: the value of its paper (arXiv 2010.01412, section 3)."""

AddGradients = Callable[[], float]
"""Adds the loss's gradient to every parameter's ``grad`` and returns the loss; called again, it
makes the same random draws."""


class Optimiser:
    """A rule of torch, one forward and backward pass a step.

    Args:
        rule: holds the parameters and their state.
        scaler: has scaled the loss; a step whose gradient overflowed is left out.
    """

    def __init__(
        self, rule: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None = None
    ) -> None:
        self.rule = rule
        self.scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come."""
        for group in self.rule.param_groups:
            group["lr"] = rate

    def step(self, gradients: AddGradients) -> float:
        """Moves the parameters once; returns the loss before the move."""
        value = self._anew(gradients)
        self.scaler.step(self.rule)
        self.scaler.update()
        return value

    def state(self) -> dict[str, Any]:
        """What the next step depends on, besides the parameters."""
        return {"rule": self.rule.state_dict(), "scaler": self.scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes what :meth:`state` gave."""
        self.rule.load_state_dict(state["rule"])
        self.scaler.load_state_dict(state["scaler"])

    def _anew(self, gradients: AddGradients) -> float:
        self.rule.zero_grad(set_to_none=True)
        return gradients()


class SharpnessAware(Optimiser):
    """SAM: the step is taken with the gradient of the worst point nearby.

    With g the gradient at w: e = radius * g / ||g||, and the rule moves w by the gradient at
    w + e (arXiv 2010.01412, equations 2 and 3, algorithm 1).

    Args:
        rule: as of :class:`Optimiser`.
        module: its buffers (running statistics) keep what the pass at w has made of them.
    """

    def __init__(self, rule: torch.optim.Optimizer, module: nn.Module) -> None:
        super().__init__(rule)
        self.module = module

    def step(self, gradients: AddGradients) -> float:
        """Moves the parameters once; returns the loss at w."""
        value = self._anew(gradients)
        moved = self._with_gradient()
        with torch.no_grad():
            start = [parameter.clone() for parameter in moved]
            buffers = [buffer.clone() for buffer in self.module.buffers()]
            for parameter, distance in zip(moved, _towards_worse(moved), strict=True):
                parameter.add_(distance)
        self._anew(gradients)
        with torch.no_grad():
            for parameter, old in zip(moved, start, strict=True):
                parameter.copy_(old)
            for buffer, old in zip(self.module.buffers(), buffers, strict=True):
                buffer.copy_(old)
        self.rule.step()
        return value

    def _with_gradient(self) -> list[nn.Parameter]:
        groups = self.rule.param_groups
        return [p for group in groups for p in group["params"] if p.grad is not None]


def build_optimiser(
    module: nn.Module, recipe: Recipe, scaler: torch.amp.GradScaler | None = None
) -> Optimiser:
    """The recipe's optimiser over a network's trainable parameters.

    Args:
        module: the network.
        recipe: names the optimiser and its values.
        scaler: of the loss, not for ``sam``; None scales nothing.
    """
    groups = _decay_groups(module, recipe)
    if recipe.optimiser == "sam":
        sgd = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.betas[0])
        return SharpnessAware(sgd, module)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return Optimiser(kind(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps), scaler)


def _decay_groups(module: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if recipe.decay_vectors:
        return [{"params": trained, "weight_decay": recipe.weight_decay}]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _towards_worse(parameters: list[nn.Parameter]) -> list[Tensor]:
    """The step of length ``RADIUS`` along the gradient, a part for each parameter."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    scale = RADIUS / (norm + 1e-12)  # at a stationary point: stay
    return [gradient * scale for gradient in gradients]
