"""The simulation's worlds are what they say, and a few of its cells."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import coverage, interval
from harness.metrics.coverage import METRICS, Setting, cover, false_positives


@pytest.mark.parametrize("kind", ["independent", "clusters", "ties", "far reals"])
@pytest.mark.parametrize("ap", [0.7, 0.97])
def test_the_true_values_are_those_of_very_many_images(kind: coverage.Kind, ap: float) -> None:
    world = coverage._World(Setting(reals=90_000, fakes=60_000, ap=ap, kind=kind))
    (row,) = world.row(np.random.default_rng(0), 0, 4).values()
    assert world.truth("ap") == pytest.approx(ap, abs=1e-5)
    for name in METRICS:
        assert row[name].value == pytest.approx(world.truth(name), abs=0.006), name


def test_the_same_seed_gives_the_same_numbers() -> None:
    setting = Setting(reals=20, fakes=20, ap=0.9)
    assert cover(setting, 10, 40, 0) == cover(setting, 10, 40, 0)
    assert cover(setting, 10, 40, 0) != cover(setting, 10, 40, 1)


def test_a_mean_of_sets_that_share_149_of_150_reals_is_covered() -> None:
    """Draws keyed on whole lists of ids cover 48 to 54 % of them."""
    setting = Setting(reals=150, fakes=100, ap=0.9, sets=13, shared=149)
    found = cover(setting, 60, 200, 0)
    assert all(found[name].held > 0.85 for name in METRICS)


def test_near_100_the_intervals_hold_on_both_sides() -> None:
    found = cover(Setting(reals=150, fakes=100, ap=0.997), 120, 200, 0)
    for name in METRICS:
        assert found[name].held > 0.9
        assert max(found[name].above, found[name].below) < 0.09


def test_equal_rows_of_three_seeds_are_seldom_told_apart() -> None:
    setting = Setting(reals=60, fakes=40, ap=0.8, seeds=3, spread=0.3)
    found = false_positives(setting, 80, 100, 0)
    assert max(found.values()) < 0.1


def test_a_broken_interval_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "interval", lambda seeds: (seeds[0].value, seeds[0].value))
    found = cover(Setting(reals=20, fakes=20, ap=0.9), 20, 40, 0)
    assert found["ap"].held == 0
    assert interval.interval is not coverage.interval
