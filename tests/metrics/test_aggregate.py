"""Means: every subset weighs the same, and a hole is named instead of averaged away."""

from __future__ import annotations

import doctest

import pytest

from harness.metrics import aggregate
from harness.metrics.aggregate import mean_over_subsets, mean_over_suites, suite_mean
from harness.metrics.values import MetricValue
from harness.results.records import Metric

# Subsets in each of the paper's five test sets: 38 together.
SIZES = {"forensynths": 8, "gangen": 9, "diffusion": 8, "ufd": 8, "diffusion1k": 5}


def test_suite_mean_is_plain_and_ignores_undeclared_subsets():
    values = {"a": MetricValue(0.25), "b": MetricValue(0.5), "extra": MetricValue(0.0)}
    assert suite_mean(["a", "b"], values) == MetricValue(0.375)


def test_suite_mean_takes_stored_metrics_as_they_are():
    assert suite_mean(["a"], {"a": Metric(value=0.5)}).value == 0.5


def test_holes_are_named_with_their_reason():
    values = {"a": MetricValue(1.0), "b": MetricValue(None, "no fake images"), "d": None}
    assert suite_mean(["a", "b", "c", "d"], values) == MetricValue(
        None, "no value for b (no fake images), c, d"
    )


def test_the_two_overall_means_differ_when_suites_differ_in_size():
    declared = {name: [f"s{i}" for i in range(n)] for name, n in SIZES.items()}
    means = dict(zip(SIZES, [0.9, 0.8, 0.7, 0.6, 0.1], strict=True))
    values = {
        name: {subset: MetricValue(means[name]) for subset in subsets}
        for name, subsets in declared.items()
    }
    expected = sum(SIZES[name] * means[name] for name in SIZES) / 38
    assert mean_over_subsets(declared, values).value == pytest.approx(expected, abs=1e-15)
    assert mean_over_suites(declared, values).value == pytest.approx(0.62, abs=1e-15)


def test_overall_means_name_suite_and_subset_of_a_hole():
    declared = {"s": ["a"], "t": ["b", "c"]}
    values = {"s": {"a": MetricValue(1.0)}, "t": {"b": MetricValue(1.0)}}
    assert mean_over_subsets(declared, values).note == "no value for t/c"
    assert mean_over_suites(declared, values).note == "no value for t (no value for c)"
    assert mean_over_suites({"s": ["a"], "u": ["z"]}, values).value is None


def test_nothing_declared_is_undefined():
    assert suite_mean([], {}) == MetricValue(None, "nothing declared")


def test_doctests():
    result = doctest.testmod(aggregate)
    assert result.attempted >= 4
    assert result.failed == 0
