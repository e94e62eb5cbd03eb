"""Conditions in which another number was computed from the same scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.condition import (
    MEAN,
    Absent,
    Condition,
    Given,
    MetricChange,
    RowFacts,
    ScoredSubset,
    ScoreRule,
    Sets,
    pooled,
)
from harness.diagnosis.listing import scene
from harness.diagnosis.metric_areas import areas
from harness.diagnosis.metric_rows import (
    MetricRow,
    of_sets,
)
from harness.diagnosis.metric_shares import shares
from harness.diagnosis.published import mean, of_set

_MEAN = "say over what the mean is taken, and give the subsets' numbers beside it."


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Other definitions of the metrics, other thresholds, other means, and cut off digits."""
    for row in _rows():
        if about.rule.kind not in row.kinds:
            why = f"the scores are of the kind {about.rule.kind}, not {' or '.join(row.kinds)}"
            yield Absent(name=row.name, family=row.family, why=why)
            continue
        yield Condition(
            name=row.name,
            family=row.family,
            changes=row.changes,
            act=MetricChange(of=row.of),
            do=row.do,
            seen=row.seen,
            kin=row.kin,
        )


def _rows() -> Iterator[MetricRow]:
    yield from areas()
    yield from shares()
    yield from _other_means()


def _other_means() -> Iterator[MetricRow]:
    yield MetricRow(
        name="pooled over all images",
        changes="in place of a mean over subsets all their images are taken as one set.",
        of=_over_pooled,
        do=_MEAN,
        kin="mean over images",
    )
    yield MetricRow(
        name="mean weighted by size",
        changes="a subset weighs in the mean by its number of images.",
        of=_weighted,
        do=_MEAN,
        kin="mean over images",
    )
    yield MetricRow(
        name="mean over scenes",
        changes="a set's number is the mean over its scenes (`horse`, `car`), not that of all its "
        "images.",
        of=_over_scenes,
        do=_MEAN,
        seen="barcavia/RealTime-DeepfakeDetection-in-the-RealWorld pools the scenes of ForenSynths",
        kin="mean over scenes",
    )
    yield MetricRow(
        name="every scene as a subset",
        changes="the mean is over all scenes (`horse`, `car`) of all subsets, each weighing the "
        "same.",
        of=_over_all_scenes,
        do=_MEAN,
        seen="chuangchuangtan/C2P-CLIP-DeepfakeDetection: every folder with 0_real and 1_fake",
        kin="mean over scenes",
    )


def _over_pooled(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    if given.cell.subset != MEAN:
        return None
    return of_set(pooled(sets.values()), rule, given.cell.metric)


def _weighted(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    if given.cell.subset != MEAN:
        return None
    values = [of_set(each, rule, given.cell.metric) for each in sets.values()]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return float(np.average(known, weights=[len(each.ids) for each in sets.values()]))


def _scenes(scored: ScoredSubset) -> list[ScoredSubset]:
    """The set by scenes; the set itself where it has one."""
    scenes = [scene(name) for name in scored.ids]
    names = sorted(set(scenes))
    if len(names) < 2:
        return [scored]
    column = np.array(scenes, dtype=object)
    return [scored.take(column == name) for name in names]


def _over_scenes(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    def each(scored: ScoredSubset, rule: ScoreRule) -> float | None:
        return mean(of_set(part, rule, given.cell.metric) for part in _scenes(scored))

    return of_sets([given.cell.metric], each)(sets, rule, given)


def _over_all_scenes(sets: Sets, rule: ScoreRule, given: Given) -> float | None:
    if given.cell.subset != MEAN:
        return None
    parts = (part for each in sets.values() for part in _scenes(each))
    return mean(of_set(part, rule, given.cell.metric) for part in parts)
