"""Small scored sets, and how a free condition is tried on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from harness.api import DetectorSpec, ScoreSpec
from harness.diagnosis.condition import (
    Absent,
    Condition,
    Given,
    MetricCell,
    MetricChange,
    RowFacts,
    RowsChange,
    ScoredSubset,
    ScoreRule,
    Sets,
)
from harness.metrics.digits import Digits

LOGIT = ScoreRule(kind="logit", threshold=0.0, published_ap="ap_sigmoid32")
PROBABILITY = ScoreRule(kind="probability", threshold=0.5)
DISTANCE = ScoreRule(kind="uncalibrated", threshold=-0.25)


def scored(subset: str, *rows: tuple[str, int, float], sha256: Iterable[str] = ()) -> ScoredSubset:
    """A set of (id, label, score)."""
    return ScoredSubset(
        subset=subset,
        ids=tuple(name for name, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], dtype=np.int8),
        scores=np.array([score for _, _, score in rows], dtype=np.float64),
        sha256=tuple(sha256),
    )


def numbered(subset: str, reals: int, fakes: int) -> ScoredSubset:
    """Reals ``0_real/000.png``, ... score 0, 1, ...; fakes go on from 1000."""
    return scored(
        subset,
        *((f"0_real/{n:03}.png", 0, float(n)) for n in range(reals)),
        *((f"1_fake/{n:03}.png", 1, 1000.0 + n) for n in range(fakes)),
    )


def given(subset: str, metric: str, text: str = "62.3", n: int = 0) -> Given:
    return Given(cell=MetricCell(subset, metric), name=metric, digits=Digits.parse(text), n=n)


def about(*sets: ScoredSubset, rule: ScoreRule = LOGIT, **facts: Any) -> RowFacts:
    spec = DetectorSpec(
        name="small",
        title="Small",
        family="test",
        build=object,
        score=ScoreSpec(kind="logit", threshold=0.0),
        geometry={"*": "native"},
        evaluation_size=(8, 8),
    )
    named = {each.subset: each for each in sets}
    return RowFacts(spec=spec, rule=rule, geometry="native", sets=named, **facts)


def by_name(entries: Iterable[Condition | Absent]) -> dict[str, Condition | Absent]:
    """The catalogue's entries; every name is there once, and each says what one should know."""
    listed = list(entries)
    found = {each.name: each for each in listed}
    assert len(found) == len(listed), "a name stands for two entries"
    for each in listed:
        if isinstance(each, Condition):
            assert each.cost == "free"
            assert each.changes.endswith(".") and each.do.endswith((".", "`"))
        else:
            assert each.why
    return found


def rows_of(
    entry: Condition | Absent, sets: Sets | ScoredSubset, rule: ScoreRule = LOGIT
) -> Sets | None:
    """The sets under a condition on rows."""
    assert isinstance(entry, Condition) and isinstance(entry.act, RowsChange)
    return entry.act.of({sets.subset: sets} if isinstance(sets, ScoredSubset) else sets, rule)


def value_of(
    entry: Condition | Absent, sets: Sets, wanted: Given, rule: ScoreRule = LOGIT
) -> float | None:
    """A number under a condition on metrics."""
    assert isinstance(entry, Condition) and isinstance(entry.act, MetricChange)
    return entry.act.of(sets, rule, wanted)
