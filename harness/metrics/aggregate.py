"""The mean over a suite's subsets; a missing value makes a named hole, not a smaller mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Protocol

from harness.metrics.values import MetricValue


class HasValue(Protocol):
    """A fraction or None, and why it is None: :class:`MetricValue`, the ``Metric`` of records."""

    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102


def suite_mean(declared: Iterable[str], values: Mapping[str, HasValue | None]) -> MetricValue:
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
    present: list[float] = []
    holes: dict[str, str] = {}
    for name in declared:
        item = values.get(name)
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
