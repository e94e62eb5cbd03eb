"""Expected accidental matches against how often numbers of the same law do match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.diagnosis.chance import FEWEST, distances, expected_matches

Floats = np.ndarray[Any, np.dtype[np.float64]]
Law = Callable[[np.random.Generator, int, int], Floats]
HALF = 0.0005


def independent(draws: np.random.Generator, count: int, cells: int) -> Floats:
    return draws.uniform(0.5, 1, (count, cells))


def one_curve(draws: np.random.Generator, count: int, cells: int) -> Floats:
    """All cells follow from one of them."""
    return np.asarray(0.5 + 0.5 * draws.uniform(0, 1, (count, 1)) ** np.linspace(1, 2, cells))


def near_one_curve(draws: np.random.Generator, count: int, cells: int) -> Floats:
    return one_curve(draws, count, cells) + draws.normal(0, 0.005, (count, cells))


def baseline(draws: np.random.Generator, count: int, cells: int) -> Floats:
    """Most conditions change little, some change much."""
    size = 10 ** draws.uniform(-4, -0.5, (count, 1))
    shared, own = (np.abs(draws.normal(0, 1, (count, n))) for n in (1, cells))
    return np.asarray(0.9 - size * (0.7 * shared + 0.3 * own))


def lattice(draws: np.random.Generator, count: int, cells: int) -> Floats:
    """Accuracies of 200 images."""
    return np.asarray(np.round(baseline(draws, count, cells) * 200) / 200)


LAWS = [independent, one_curve, near_one_curve, baseline, lattice]


@pytest.mark.parametrize("cells", [1, 2, 6])
@pytest.mark.parametrize("law", LAWS)
def test_a_match_that_is_called_no_accident_rarely_is_one(law: Law, cells: int) -> None:
    draws = np.random.default_rng(cells)
    unit = np.full(cells, 0.0025 if law is lattice else HALF)
    crowd = law(draws, 40_000, cells)
    for count in (40, 300):
        bold, rare, sure = [], 0, 0
        for _ in range(40):
            target = law(draws, 1, cells)[0]
            truth = count * float(np.mean(distances(crowd, target, unit) <= 1))
            others = np.unique(np.round(law(draws, count, cells), 9), axis=0)
            away = distances(others, target, unit)
            expected = expected_matches(away[away > 1], cells)
            said_rare = expected is not None and expected < 0.05
            bold.append(min(truth, 1.0) * said_rare)
            rare += truth < 0.002
            sure += truth < 0.002 and said_rare
        # How often a match would be an accident that is called none.
        assert np.mean(bold) < 0.05, count
        assert sure >= 0.4 * rare or rare < 15, count


def test_cells_that_move_together_do_not_multiply() -> None:
    draws = np.random.default_rng(0)
    apart = distances(independent(draws, 300, 6), np.full(6, 0.75), np.full(6, HALF))
    assert expected_matches(apart, 6) < 1e-4
    along = distances(one_curve(draws, 300, 6), one_curve(draws, 1, 6)[0], np.full(6, HALF))
    assert expected_matches(along, 6) > 0.1  # truly 300 * 0.001 / 0.5, less by the steep cells


def test_what_matches_already_is_counted() -> None:
    away = np.array([0.2, 0.9, 1.0, 50.0, 60.0, 70.0])
    assert expected_matches(away, 2) >= 3
    assert expected_matches(np.array([0.5] * 8), 2) == 8


def test_one_cell_counts_in_proportion() -> None:
    # 5 within 100 of it: a stretch of 1 holds a hundredth of them.
    assert expected_matches(np.array([20.0, 40.0, 60.0, 80.0, 100.0]), 1) == pytest.approx(0.05)


def test_few_numbers_say_nothing() -> None:
    away = np.array([100.0] * (FEWEST - 1))
    assert expected_matches(away, 3) is None
    assert expected_matches(np.append(away, np.nan), 3) is None
    assert expected_matches(np.append(away, 100.0), 3) is not None


def test_a_distance_is_that_of_the_furthest_cell() -> None:
    found = distances(
        np.array([[0.5, 0.9], [0.5, np.nan], [0.502, 0.91]]),
        np.array([0.5, 0.9]),
        np.array([0.001, 0.01]),
    )
    assert found[[0, 2]] == pytest.approx([0, 2])
    assert np.isnan(found[1])
