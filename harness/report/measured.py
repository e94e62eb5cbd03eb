"""Our numbers, taken from run records in percent, and what sets a record apart from the paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.results.records import Metric, RunRecord, SubsetResult

METRICS = {"ACC": "acc", "AP": "ap"}
"""Name in tables -> name in records."""

PLAIN = {"preprocess": "as published", "perturbation": "none", "precision": "fp32", "limit": "none"}
"""The conditions of a row of a table: what :func:`conditions` says of a plain run."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number in percent, or the reason why there is none.

    Args:
        value: the number.
        low, high: 95 % interval where the record holds one.
        images: images behind it.
        reason: why ``value`` is None.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    images: int = 0
    reason: str = ""


def find_subset(record: RunRecord, name: str) -> SubsetResult | None:
    """The result of a subset, or None where the record does not know it."""
    return next((result for result in record.subsets if result.subset == name), None)


def subset_value(record: RunRecord, subset: str, metric: str) -> Measured:
    """A metric (record name) of one subset."""
    result = find_subset(record, subset)
    if result is None:
        return Measured(reason=f"the record has no subset {subset}")
    first = (result.error or "no reason recorded").splitlines()[0]
    if result.status == "missing":
        weights = first.startswith("weights missing")
        return Measured(reason=first if weights else "no data for this subset")
    if result.status == "failed":
        return Measured(reason=f"failed: {first}")
    return _measured(result.metrics.get(metric), metric, result.n_real + result.n_fake)


def suite_value(record: RunRecord, metric: str) -> Measured:
    """The plain mean of a metric over the declared subsets of the record's suite."""
    images = sum(result.n_real + result.n_fake for result in record.subsets)
    return _measured(record.mean.get(metric), metric, images)


def overall_value(
    records: Mapping[str, RunRecord], suites: Sequence[str], metric: str, *, over_sets: bool
) -> Measured:
    """The mean over all subsets of several suites, or over the suites' means.

    Args:
        records: suite name -> record; a suite without one is a hole.
        suites: the suites, all of which are needed.
        metric: record name.
        over_sets: each suite counts once, instead of each subset.
    """
    absent = [suite for suite in suites if suite not in records]
    if absent:
        return Measured(reason=f"needs all sets, not run: {', '.join(absent)}")
    means = {suite: suite_value(records[suite], metric) for suite in suites}
    holes = [suite for suite, mean in means.items() if mean.value is None]
    if holes:
        return Measured(reason=f"needs all sets, incomplete: {', '.join(holes)}")
    counts = {suite: 1 if over_sets else len(records[suite].subsets) for suite in suites}
    total = sum(counts.values())
    return _weighted_mean([(counts[suite] / total, mean) for suite, mean in means.items()])


def _weighted_mean(parts: Sequence[tuple[float, Measured]]) -> Measured:
    """A weighted mean of numbers that share no image, with its interval.

    Formula: ``low = mean - sqrt(sum (w (value - low))^2)``, likewise ``high``, which keeps the
    parts' asymmetry. Source: Zou and Donner, Statistics in Medicine 2008 (MOVER).
    """
    values = [(weight, part.value) for weight, part in parts if part.value is not None]
    mean = sum(weight * value for weight, value in values)
    images = sum(part.images for _, part in parts)
    below = above = 0.0
    for weight, part in parts:
        if part.value is None or part.low is None or part.high is None:
            return Measured(value=mean, images=images)
        below += (weight * (part.value - part.low)) ** 2
        above += (weight * (part.high - part.value)) ** 2
    return Measured(value=mean, low=mean - below**0.5, high=mean + above**0.5, images=images)


def about_resampling(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """A note where the intervals of means are over more than the images."""
    if any(record.resampling and record.resampling.unit == "subsets" for record in records):
        return ("The intervals of its means resample the sets as well as the images.",)
    return ()


def about_training(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """A note on the subsets that are no zero-shot test of the row's weights."""
    seen = [f"{r.subset} ({r.seen})" for record in records for r in record.subsets if r.seen]
    return (f"Seen in training: {'; '.join(seen)}.",) if seen else ()


def _measured(metric: Metric | None, name: str, images: int) -> Measured:
    if metric is None:
        return Measured(reason=f"the record has no {name}")
    if metric.value is None:
        return Measured(reason=metric.note or f"{name} is not defined")
    low, high = (None if edge is None else 100 * edge for edge in (metric.low, metric.high))
    return Measured(value=100 * metric.value, low=low, high=high, images=images)


def departures(record: RunRecord, published: str) -> tuple[str, ...]:
    """What sets a record apart from the published conditions; empty = comparable with the paper.

    Args:
        record: any record. One for which nothing could be set up (no weights loaded, nothing
            scored) departs in nothing: its holes are those of the published conditions.
        published: label of the detector's default published checkpoint, "" when it has none.
    """
    found = []
    if record.weights.label != published and (record.weights.sha256 or is_scored(record)):
        has, wants = record.weights.label or "none", published or "none"
        found.append(f"other weights: {has}, published: {wants}")
    if record.preprocess != record.published_preprocess:
        found.append(
            f"other preprocess: {record.preprocess}, published: {record.published_preprocess}"
        )
    if record.perturbation:
        found.append(f"perturbed: {record.perturbation}")
    if record.precision != "fp32":
        found.append(f"other precision: {record.precision}, published: fp32")
    if record.limit:
        found.append(f"partial: at most {record.limit} images of each class")
    return tuple(found)


def conditions(record: RunRecord) -> dict[str, str]:
    """How a record was scored, in the words of :data:`PLAIN`: twins, perturbed and limited runs and
    other precisions say so here. Numbers of other conditions are no two values of one thing.
    """
    published = record.preprocess == record.published_preprocess
    return {
        "preprocess": PLAIN["preprocess"] if published else record.preprocess,
        "perturbation": record.perturbation or PLAIN["perturbation"],
        "precision": record.precision,
        "limit": str(record.limit) if record.limit else PLAIN["limit"],
    }


def is_scored(record: RunRecord) -> bool:
    """Whether any subset has a number."""
    return any(result.metrics for result in record.subsets)


def newest(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Leaves out what was replaced: an earlier version of the detector with the same weights, and
    records without any number where the detector has one with numbers on the same suite.
    """
    kept: dict[tuple[object, ...], RunRecord] = {}
    for record in records:
        key = (record.suite, *run_identity(record), record.weights.sha256)
        if key not in kept or kept[key].version < record.version:
            kept[key] = record
    scored = {(record.suite, record.detector) for record in kept.values() if is_scored(record)}
    return [
        record
        for record in kept.values()
        if is_scored(record) or (record.suite, record.detector) not in scored
    ]


def run_identity(record: RunRecord) -> tuple[object, ...]:
    """What records of several suites share when they belong in one row."""
    own = "" if record.preprocess == record.published_preprocess else record.preprocess
    return (
        record.detector,
        record.variant,
        record.weights.label,
        own,
        record.perturbation,
        record.precision,
        record.limit,
    )


def weights_kind(record: RunRecord) -> str:
    """The weights' label without the seed: ``mini-train/seed2`` -> ``mini-train``."""
    return re.sub(r"/seed\d+$", "", record.weights.label)
