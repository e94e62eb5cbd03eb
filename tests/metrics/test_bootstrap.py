"""The bootstrap's weights: what they hang on, and what they do not."""

from __future__ import annotations

import doctest
import sys

import numpy as np
import pytest

from harness.metrics import bootstrap
from harness.metrics.bootstrap import (
    Draws,
    mean_draws,
    percentiles,
    redrawn,
    resampled,
    unit_keys,
    weights,
)
from tests import program

UNITS = [f"photo {i}" for i in range(500)]
KNOWN = [[1, 1, 0, 0, 2, 1, 2, 1, 2, 1, 0, 0], [2, 1, 1, 0, 0, 3, 0, 0, 2, 1, 2, 1]]


def unit_weights(units: list[str], resamples: int, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(resampled(units, resamples, seed)))


def test_weights_are_poisson_and_independent() -> None:
    drawn = unit_weights(UNITS, 2000).astype(float)
    counts = np.bincount(drawn.astype(int).ravel(), minlength=9) / drawn.size
    expected = np.exp(-1) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8])
    assert counts[:9] == pytest.approx(expected, abs=0.001)
    # Neither two units nor two resamples (of one hash or of two) hang together.
    correlation = np.corrcoef(drawn[:400])
    assert abs(correlation[np.triu_indices(400, 1)]).max() < 6 / 500**0.5
    assert np.std(correlation[np.triu_indices(400, 1)]) == pytest.approx(500**-0.5, rel=0.02)
    assert np.std(np.corrcoef(drawn.T)[np.triu_indices(500, 1)]) == pytest.approx(
        2000**-0.5, rel=0.02
    )


def test_a_weight_hangs_on_its_unit_its_resample_and_the_seed_alone() -> None:
    whole = unit_weights(UNITS, 40, seed=3)
    shuffled = np.random.default_rng(0).permutation(500)
    assert np.array_equal(
        unit_weights([UNITS[i] for i in shuffled], 40, seed=3), whole[:, shuffled]
    )
    part = [*UNITS[100:130], "elsewhere"]
    assert np.array_equal(unit_weights(part, 40, seed=3)[:, :30], whole[:, 100:130])
    assert np.array_equal(unit_weights(UNITS, 7, seed=3), whole[:7])
    assert np.array_equal(weights(unit_keys(UNITS), 3, 16, 40), whole[16:])
    assert not np.array_equal(unit_weights(UNITS, 40, seed=4), whole)


@pytest.mark.parametrize("at_once", [1, 500 * 8, 500 * 17, 1 << 24])
def test_resamples_come_in_parts(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any number of rows; together they are the same."""
    whole = unit_weights(UNITS, 43, seed=3)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", at_once)
    parts = list(resampled(UNITS, 43, seed=3))
    assert max(part.size for part in parts) <= max(at_once, 4 * 500)
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_fresh_process_draws_the_same() -> None:
    """An unseeded draw, or one that hangs on Python's hash of texts, differs here."""
    code = (
        "from harness.metrics.bootstrap import resampled;"
        "print(next(resampled(['photo 1', 'photo 2'], 12, seed=5)).tolist())"
    )
    printed = program.run(sys.executable, "-c", code).stdout
    assert printed.strip() == str(unit_weights(["photo 1", "photo 2"], 12, seed=5).tolist())
    # Known from the definition: they may change with the scheme, never with the machine.
    assert unit_weights(["photo 1", "photo 2"], 12, seed=5).T.tolist() == KNOWN


def test_the_effective_number_of_units() -> None:
    """Kish's: of images of one unit, of classes, of means over subsets that share images."""

    def draws(units: list[str]) -> Draws:
        mass = unit_weights(units, 4000).mean(axis=1)[None]
        return Draws(value=1.0, values=np.ones(4000), masses=mass)

    alone = draws([f"a{i}" for i in range(100)])
    assert alone.units == pytest.approx(100, rel=0.1)
    assert draws([f"a{i // 5}" for i in range(100)]).units == pytest.approx(20, rel=0.1)
    other = draws([f"b{i}" for i in range(100)])
    assert mean_draws([alone, other]).units == pytest.approx(200, rel=0.1)
    assert mean_draws([alone, alone]).units == pytest.approx(alone.units)
    half = draws([f"a{i}" for i in range(50)] + [f"c{i}" for i in range(50)])
    assert mean_draws([alone, half]).units == pytest.approx(133, rel=0.1)


def test_resampling_subsets_adds_their_spread() -> None:
    rng = np.random.default_rng(0)
    masses = np.ones((1, 1000))
    draws = [
        Draws(value=0.5 + 0.1 * k, values=0.5 + 0.1 * k + rng.normal(0, 0.001, 1000), masses=masses)
        for k in range(5)
    ]
    assert mean_draws(draws).values.std() < 0.001
    assert mean_draws(draws).value == pytest.approx(0.7)
    # Means of five draws from 0.5 ... 0.9, whose standard deviation is 0.1 sqrt(2).
    of_subsets = mean_draws(draws, subsets_seed=0)
    assert of_subsets.values.std() == pytest.approx(0.1 * (2 / 5) ** 0.5, rel=0.1)
    assert redrawn(np.arange(6.0).reshape(3, 2), 0).shape == (3, 2)


def test_percentiles_leave_out_resamples_without_a_value() -> None:
    assert percentiles([np.nan, 1.0, 1.0]) == (1.0, 1.0)


def test_doctests() -> None:
    result = doctest.testmod(bootstrap)
    assert result.attempted >= 1
    assert result.failed == 0
