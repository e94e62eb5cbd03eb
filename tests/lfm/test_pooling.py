"""Top-K pooling, RBLD and RKS, each on its own, against Algorithm 1 and the released code."""

from __future__ import annotations

import pytest
import torch

from lfm.pooling import RankDropout, TopKPooling, random_k


def drop_rates(dropout: RankDropout, k: int = 16, draws: int = 40_000) -> torch.Tensor:
    dropout.train()
    kept = dropout(torch.ones(draws, 1, k), torch.Generator().manual_seed(0))
    return (kept == 0).double().mean((0, 1))


def test_algorithm1_drops_linearly_with_ascending_rank() -> None:
    expected = torch.linspace(0.1, 0.3, 16).double()
    rates = drop_rates(RankDropout(0.1, 0.3, rescale=False))
    # Four standard errors of a rate of 0.3 in 40,000 draws.
    assert torch.allclose(rates, expected, atol=4 * (0.21 / 40_000) ** 0.5)


def test_released_drops_every_rank_alike_and_rescales() -> None:
    dropout = RankDropout(0.1, 0.1, rescale=True)
    assert torch.allclose(
        drop_rates(dropout), torch.full((16,), 0.1).double(), atol=4 * (0.09 / 40_000) ** 0.5
    )
    kept = dropout(torch.ones(100, 4, 16), torch.Generator().manual_seed(1))
    assert kept.unique().tolist() == [0.0, pytest.approx(1 / 0.9)]


def test_algorithm1_does_not_rescale() -> None:
    dropout = RankDropout(0.1, 0.3, rescale=False).train()
    assert set(dropout(torch.ones(50, 4, 16)).unique().tolist()) == {0.0, 1.0}


def test_dropout_is_identity_in_evaluation() -> None:
    values = torch.rand(2, 3, 16)
    assert torch.equal(RankDropout(0.1, 0.3, rescale=True).eval()(values), values)


@pytest.mark.parametrize("bad", [(-0.1, 0.3), (0.1, 1.0)])
def test_dropout_refuses_probabilities_outside_the_unit_interval(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        RankDropout(*bad, rescale=False)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_topk_equals_a_full_sort(order: str) -> None:
    maps = torch.randn(3, 5, 7, 6)
    expected = maps.flatten(2).sort(-1, descending=order == "descending").values
    expected = expected[..., :8] if order == "descending" else expected[..., -8:]
    assert torch.equal(TopKPooling(8, order)(maps), expected)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_the_largest_value_is_dropped_most_in_either_order(order: str) -> None:
    pool = TopKPooling(4, order, RankDropout(0.0, 0.9, rescale=False)).train()
    maps = torch.arange(1.0, 5.0).reshape(1, 1, 2, 2).expand(4000, 1, 2, 2)
    pooled = pool(maps, torch.Generator().manual_seed(0))
    largest = pooled[..., -1] if order == "ascending" else pooled[..., 0]
    smallest = pooled[..., 0] if order == "ascending" else pooled[..., -1]
    assert (smallest == 1).all()
    assert (largest == 0).double().mean().item() == pytest.approx(0.9, abs=0.02)


def test_topk_gradient_reaches_the_chosen_positions_only() -> None:
    maps = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    pool = TopKPooling(4, "ascending")
    pool(maps).sum().backward()
    assert maps.grad is not None
    flat = maps.detach().flatten(2)
    chosen = flat >= flat.topk(4).values[..., -1:]
    assert torch.equal(maps.grad.flatten(2) != 0, chosen)
    assert torch.autograd.gradcheck(pool, (maps,))


def test_random_k_is_uniform_without_replacement_and_ascending() -> None:
    positions = torch.arange(9.0).reshape(1, 1, 3, 3).expand(20_000, 1, 3, 3)
    drawn = random_k(positions, 4, torch.Generator().manual_seed(0))
    assert (drawn.diff(dim=-1) > 0).all()  # ascending, and no position twice
    shares = torch.bincount(drawn.flatten().long(), minlength=9) / 20_000
    assert torch.allclose(shares, torch.full((9,), 4 / 9), atol=4 * (0.25 / 20_000) ** 0.5)


def test_random_k_draws_maps_independently_and_its_gradient_reaches_the_drawn_only() -> None:
    maps = torch.randn(1, 50, 4, 4, dtype=torch.float64, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    random_k(maps, 4, generator).sum().backward()
    assert maps.grad is not None
    drawn = maps.grad.flatten(2) != 0
    assert (drawn.sum(-1) == 4).all()
    assert len(set(map(tuple, drawn[0].tolist()))) > 40
    assert torch.autograd.gradcheck(
        lambda x: random_k(x, 4, torch.Generator().manual_seed(0)),
        (maps[:, :3].detach().requires_grad_(),),
    )
