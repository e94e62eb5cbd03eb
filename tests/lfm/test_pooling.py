"""Top-K pooling, RBLD and RKS, each on its own, against Algorithm 1 and the released code."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from lfm.pooling import AttentionPooling, AveragePooling, RankDropout, TopKPooling, random_k

ALGORITHM_1 = RankDropout(0.1, 0.3, rescale=False)
RELEASED = RankDropout(0.1, 0.1, rescale=True)


def drop_rates(dropout: RankDropout, k: int = 16, draws: int = 40_000) -> torch.Tensor:
    dropout.train()
    kept = dropout(torch.ones(draws, 1, k), torch.Generator().manual_seed(0))
    return (kept == 0).double().mean((0, 1))


@pytest.mark.parametrize("k", [4, 16, 64])
def test_algorithm1_drops_linearly_with_ascending_rank(k: int) -> None:
    expected = torch.linspace(0.1, 0.3, k).double()
    # Four standard errors of a rate of 0.3 in 40,000 draws.
    assert torch.allclose(drop_rates(ALGORITHM_1, k), expected, atol=4 * (0.21 / 40_000) ** 0.5)


def test_a_single_rank_is_dropped_with_p_min_and_scaled_by_it() -> None:
    assert drop_rates(ALGORITHM_1, 1).item() == pytest.approx(0.1, abs=0.006)
    dropout = RankDropout(0.2, 0.6, rescale=True).train()
    assert dropout(torch.ones(200, 1, 1)).unique().tolist() == [0.0, pytest.approx(1 / 0.8)]


def test_ranks_are_dropped_independently_of_each_other() -> None:
    kept = ALGORITHM_1.train()(torch.ones(40_000, 1, 16), torch.Generator().manual_seed(2))
    correlation = np.corrcoef(kept[:, 0].numpy().T) - np.eye(16)
    assert np.abs(correlation).max() < 5 / 40_000**0.5


@pytest.mark.parametrize(("dropout", "scale"), [(ALGORITHM_1, 1.0), (RELEASED, 1 / 0.9)])
def test_a_survivor_keeps_its_gradient_and_a_dropped_value_has_none(
    dropout: RankDropout, scale: float
) -> None:
    dropout.train()
    values = torch.randn(3, 5, 16, dtype=torch.float64).sort(-1).values.requires_grad_()
    kept = dropout(values, torch.Generator().manual_seed(4))
    kept.sum().backward()
    assert values.grad is not None
    assert 0 < (kept == 0).double().mean() < 0.5
    expected = torch.where(kept == 0, 0.0, scale).double()
    assert torch.allclose(values.grad, expected, rtol=1e-6)
    assert torch.autograd.gradcheck(
        lambda x: dropout(x, torch.Generator().manual_seed(4)), (values,)
    )


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


def test_dropped_values_pass_no_gradient_to_the_maps() -> None:
    maps = torch.randn(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    pool = TopKPooling(8, "ascending", ALGORITHM_1).train()
    pooled = pool(maps, torch.Generator().manual_seed(1))
    pooled.sum().backward()
    assert maps.grad is not None
    assert (pooled == 0).any()
    assert (maps.grad != 0).sum() == (pooled != 0).sum()
    assert torch.autograd.gradcheck(lambda x: pool(x, torch.Generator().manual_seed(1)), (maps,))


def test_max_pooling_is_the_largest_value_of_every_map() -> None:
    maps = torch.randn(3, 5, 7, 6)
    assert torch.equal(TopKPooling(1)(maps)[..., 0], maps.amax((2, 3)))


def test_average_pooling_is_the_mean_of_every_map() -> None:
    maps = torch.randn(3, 5, 7, 6, dtype=torch.float64, requires_grad=True)
    assert torch.equal(AveragePooling()(maps)[..., 0], maps.mean((2, 3)))
    assert torch.autograd.gradcheck(AveragePooling(), (maps,))


def test_attention_pooling_is_a_mean_weighted_by_one_shared_softmax() -> None:
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    pool = AttentionPooling(3).double()
    direction = pool.attention.weight.flatten()
    for image, pooled in zip(maps, pool(maps), strict=True):
        weights = torch.einsum("chw,c->hw", image, direction).exp()
        weights = weights / weights.sum()
        assert torch.allclose(pooled[:, 0], (image * weights).sum((1, 2)))
    assert torch.autograd.gradcheck(pool, (maps,))


def test_attention_pooling_without_a_preference_is_the_mean() -> None:
    maps = torch.randn(2, 3, 4, 5)
    pool = AttentionPooling(3)
    torch.nn.init.zeros_(pool.attention.weight)
    assert torch.allclose(pool(maps), AveragePooling()(maps), atol=1e-6)


@pytest.mark.parametrize("pool", [AveragePooling(RELEASED), AttentionPooling(3, RELEASED)])
def test_one_value_of_a_map_is_dropped_too(pool: AveragePooling | AttentionPooling) -> None:
    maps = torch.rand(4000, 3, 2, 2) + 1
    plain = pool.eval()(maps)
    kept = pool.train()(maps, torch.Generator().manual_seed(0))
    assert (kept == 0).double().mean().item() == pytest.approx(0.1, abs=0.012)
    assert torch.allclose(kept[kept != 0], plain[kept != 0] / 0.9)


def test_a_pooling_keeps_at_least_one_value() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TopKPooling(0)


def test_random_k_draws_every_set_of_positions_equally_often() -> None:
    positions = torch.arange(6.0).reshape(1, 1, 2, 3).expand(20_000, 1, 2, 3)
    drawn = random_k(positions, 3, torch.Generator().manual_seed(0))[:, 0]
    assert (drawn.diff(dim=-1) > 0).all()  # ascending, and no position twice
    found = [tuple(row) for row in drawn.int().tolist()]
    counts = [found.count(chosen) for chosen in combinations(range(6), 3)]
    assert sum(counts) == 20_000
    assert chisquare(counts).pvalue > 0.001  # 20 sets, the draws independent


def test_random_k_of_all_positions_is_a_sort() -> None:
    maps = torch.randn(2, 3, 2, 4)
    assert torch.equal(random_k(maps, 8), maps.flatten(2).sort(-1).values)


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
