"""Means: every subset weighs the same, and a hole is named instead of averaged away."""

from __future__ import annotations

import doctest

from harness.metrics import aggregate
from harness.metrics.aggregate import suite_mean
from harness.metrics.values import MetricValue
from harness.results.records import Metric


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


def test_nothing_declared_is_undefined():
    assert suite_mean([], {}) == MetricValue(None, "nothing declared")


def test_doctests():
    result = doctest.testmod(aggregate)
    assert result.attempted >= 2
    assert result.failed == 0
