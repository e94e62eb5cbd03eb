"""Steps of the optimisers against the formulas of their papers, written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.api import Recipe
from harness.training.optimisers import SharpnessAware, build_optimiser

RECIPE = Recipe(epochs=1, batch_size=2, lr=0.1, betas=(0.9, 0.99))


class Bowl(nn.Module):
    """Loss w'Aw / 2 + b'w over a matrix w and a vector v: gradients are known by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
        self.v = nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
        self.frozen = nn.Parameter(torch.ones(2, dtype=torch.float64), requires_grad=False)

    def loss(self) -> Tensor:
        return (self.w**2 * torch.tensor([1.0, 2.0])).sum() + (self.v**4).sum() / 4

    def gradients(self) -> float:
        loss = self.loss()
        loss.backward()
        return float(loss.detach())

    @staticmethod
    def gradient(point: np.ndarray) -> np.ndarray:
        """At (w1, w2, v)."""
        return np.array([2 * point[0], 4 * point[1], point[2] ** 3])

    def point(self) -> np.ndarray:
        return torch.cat([self.w.flatten(), self.v]).detach().numpy().copy()


def test_sam_against_a_computation_by_hand_over_three_steps() -> None:
    bowl = Bowl()
    recipe = replace(RECIPE, optimiser="sam", lr=0.01, weight_decay=0.1)
    optimiser = build_optimiser(bowl, recipe)
    point, velocity = bowl.point(), np.zeros(3)
    for _ in range(3):
        expected_loss = point[0] ** 2 + 2 * point[1] ** 2 + point[2] ** 4 / 4
        gradient = Bowl.gradient(point)
        nearby = point + 0.05 * gradient / np.sqrt((gradient**2).sum())
        # SGD with momentum, and decay as an L2 term at the point itself.
        direction = Bowl.gradient(nearby) + 0.1 * point
        velocity = 0.9 * velocity + direction
        point = point - 0.01 * velocity
        assert optimiser.step(bowl.gradients) == pytest.approx(expected_loss, rel=1e-12)
        assert bowl.point() == pytest.approx(point, rel=1e-10)
    assert torch.equal(bowl.frozen, torch.ones(2, dtype=torch.float64))


def test_sam_updates_running_statistics_once_and_where_the_weights_are() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 1))
    images = torch.rand(5, 3, 4, 4)
    with torch.no_grad():
        maps = network[0](images)
    wanted = 0.1 * maps.mean((0, 2, 3))  # momentum 0.1 from zero
    optimiser = build_optimiser(network, replace(RECIPE, optimiser="sam"))

    def gradients() -> float:
        loss = network(images).sum()
        loss.backward()
        return float(loss.detach())

    optimiser.step(gradients)
    norm = network[1]
    assert norm.num_batches_tracked == 1
    assert norm.running_mean.numpy() == pytest.approx(wanted.numpy(), rel=1e-5)


def test_sam_stays_where_the_gradient_is_zero() -> None:
    bowl = Bowl()
    with torch.no_grad():
        bowl.w.zero_()
        bowl.v.zero_()
    optimiser = build_optimiser(bowl, replace(RECIPE, optimiser="sam"))
    assert isinstance(optimiser, SharpnessAware)
    assert optimiser.step(bowl.gradients) == 0.0
    assert list(bowl.point()) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adams_first_step_with_decay_and_eps_by_hand(name: str) -> None:
    # m / (1 - b1) = g and v / (1 - b2) = g^2 in the first step, whatever the betas are.
    bowl = Bowl()
    recipe = replace(RECIPE, optimiser=name, eps=2.0, weight_decay=0.25)
    before = bowl.point()
    optimiser = build_optimiser(bowl, recipe)
    optimiser.set_rate(0.2)
    optimiser.step(bowl.gradients)
    gradient = Bowl.gradient(before)
    if name == "adam":  # an L2 term: part of the gradient
        gradient = gradient + 0.25 * before
        expected = before - 0.2 * gradient / (abs(gradient) + 2.0)
    else:  # decoupled: beside it
        expected = before * (1 - 0.2 * 0.25) - 0.2 * gradient / (abs(gradient) + 2.0)
    assert bowl.point() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["adamw", "sam"])
def test_vectors_can_be_left_out_of_the_decay(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 1))
    network[3].weight.requires_grad_(False)
    recipe = replace(RECIPE, optimiser=name, weight_decay=0.25, decay_vectors=False)
    groups = build_optimiser(network, recipe).rule.param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    found = {name: decay.get(id(p)) for name, p in network.named_parameters()}
    assert found == {
        "0.weight": 0.25,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "3.weight": None,  # not trained
        "3.bias": 0.0,
    }
    everything = build_optimiser(network, replace(recipe, decay_vectors=True)).rule.param_groups
    assert [group["weight_decay"] for group in everything] == [0.25]


def test_a_rate_reaches_every_group() -> None:
    optimiser = build_optimiser(Bowl(), replace(RECIPE, decay_vectors=False))
    optimiser.set_rate(0.5)
    assert [group["lr"] for group in optimiser.rule.param_groups] == [0.5, 0.5]
