"""Means over subsets and over test sets; a missing value makes a named hole, not a smaller mean.

Values are anything with a ``value`` (a fraction, or None where undefined): ``MetricValue`` of
this package and the ``Metric`` of stored records alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Protocol

from harness.metrics.values import MetricValue


class HasValue(Protocol):
    """A number that may be undefined."""

    @property
    def value(self) -> float | None:
        """The number, or None."""
        ...

    @property
    def note(self) -> str:
        """Why there is no number."""
        ...


Values = Mapping[str, "HasValue | None"]


def suite_mean(declared: Iterable[str], values: Values) -> MetricValue:
    """Plain mean over a suite's declared subsets, each subset weighing the same.

    Formula: ``sum(values[name] for name in declared) / len(declared)``. Source: the LFM paper's
    per-set figures and its ``test.py``. Undefined, with the holes named, while a declared subset
    has no value; values of undeclared subsets are not used.

    Args:
        declared: names of the subsets that the suite declares.
        values: subset name -> value; None or absent where there is none.

    Example:
        >>> suite_mean(["a", "b"], {"a": MetricValue(0.5), "b": MetricValue(1.0)})
        MetricValue(value=0.75, note='')
        >>> suite_mean(["a", "b"], {"a": MetricValue(0.5)})
        MetricValue(value=None, note='no value for b')
    """
    return _mean([(name, values.get(name)) for name in declared])


def mean_over_subsets(
    declared: Mapping[str, Iterable[str]], values: Mapping[str, Values]
) -> MetricValue:
    """Plain mean over all subsets of several suites: what the paper prints as "Mean" (38 subsets).

    Args:
        declared: suite name -> names of its declared subsets.
        values: suite name -> subset name -> value.

    Example:
        >>> one, two = {"a": MetricValue(0.0)}, {"a": MetricValue(1.0), "b": MetricValue(1.0)}
        >>> round(mean_over_subsets({"s": "a", "t": "ab"}, {"s": one, "t": two}).value, 4)
        0.6667
    """
    return _mean(
        [
            (f"{suite}/{name}", values.get(suite, {}).get(name))
            for suite, names in declared.items()
            for name in names
        ]
    )


def mean_over_suites(
    declared: Mapping[str, Iterable[str]], values: Mapping[str, Values]
) -> MetricValue:
    """Plain mean of the suites' own means: each test set weighs the same, however many subsets.

    Example:
        >>> one, two = {"a": MetricValue(0.0)}, {"a": MetricValue(1.0), "b": MetricValue(1.0)}
        >>> mean_over_suites({"s": "a", "t": "ab"}, {"s": one, "t": two})
        MetricValue(value=0.5, note='')
    """
    means = [(suite, suite_mean(names, values.get(suite, {}))) for suite, names in declared.items()]
    return _mean(means)


def _mean(named: Iterable[tuple[str, HasValue | None]]) -> MetricValue:
    present: list[float] = []
    holes: dict[str, str] = {}
    for name, item in named:
        if item is None or item.value is None:
            holes[name] = item.note if item is not None else ""
        else:
            present.append(item.value)
    reasons = set(holes.values())
    if holes and not present and len(reasons) == 1 and "" not in reasons:
        return MetricValue(None, reasons.pop())
    if holes:
        names = (f"{name} ({reason})" if reason else name for name, reason in holes.items())
        return MetricValue(None, f"no value for {', '.join(names)}")
    if not present:
        return MetricValue(None, "nothing declared")
    return MetricValue(math.fsum(present) / len(present))
