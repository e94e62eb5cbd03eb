"""The one number that a set of one class has: how much of it is flagged as fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.results.records import Metric, SubsetResult

FALSE_ALARMS, HITS = "false alarms", "hits"
RATES = {FALSE_ALARMS: "real_acc", HITS: "fake_acc"}
"""Rate -> the metric of records that it is, false alarms being what ``real_acc`` lacks to 1."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of one class that is flagged as fake, at the declared threshold.

    Args:
        name: ``false alarms`` (of reals) or ``hits`` (of fakes).
        value: a fraction in [0, 1].
        low, high: its 95 % interval, None where there is none.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def one_class_rate(result: SubsetResult) -> Rate | None:
    """What stands for ACC and AP of a scored set of one class; None for any other result."""
    if not result.metrics or (result.n_real > 0) == (result.n_fake > 0):
        return None
    return rate_of(result.metrics, HITS if result.n_fake else FALSE_ALARMS)


def stands_alone(result: SubsetResult) -> bool:
    """Whether a set rightly has one class: nobody declares the other (own data), or it is published
    so. Such a set is no hole in a mean of a metric that needs both."""
    undeclared = result.expected_real is None and result.expected_fake is None
    counts = ((result.n_real, result.expected_real), (result.n_fake, result.expected_fake))
    return result.status == "ok" and any(
        found == 0 and (undeclared or expected == 0) for found, expected in counts
    )


def mean_rate(mean: Mapping[str, Metric]) -> Rate | None:
    """What stands for the mean ACC and AP of sets of fakes alone: their mean hit rate; None where
    an accuracy is defined, or nothing is.

    Args:
        mean: metric -> mean over sets, of a record.
    """
    accuracy, reals = (mean.get(name) for name in ("acc", "real_acc"))
    if any(each is not None and each.value is not None for each in (accuracy, reals)):
        return None
    return rate_of(mean, HITS)


def rate_of(metrics: Mapping[str, Metric], name: str) -> Rate | None:
    """A rate out of metrics; None where it is not defined there.

    Args:
        metrics: of a set, or means over sets.
        name: of :data:`RATES`.
    """
    found = metrics.get(RATES[name])
    if found is None or found.value is None:
        return None
    if name == HITS:
        return Rate(name=name, value=found.value, low=found.low, high=found.high)
    edges = (found.high, found.low)  # of what is missing to 1
    low, high = (None if edge is None else 1 - edge for edge in edges)
    return Rate(name=name, value=1 - found.value, low=low, high=high)
