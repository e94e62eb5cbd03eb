"""Our numbers, taken from run records in percent, and what sets a record apart from the paper."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.report.retrained import Retrainable, deviations, is_retraining
from harness.report.words import say_rate
from harness.results.rates import one_class_rate
from harness.results.records import Metric, RunRecord
from harness.results.reservations import OF_RUNS, Reservation, joined, of_mean, reservations
from harness.results.rows import seed_group

METRICS = {"ACC": "acc", "AP": "ap"}
"""Name in tables of ours alone -> name in records. Beside the paper's numbers AP is by the rule of
the release: :func:`published_metric`."""
RULES = {
    "ap": "AP ranks the scores as they are.",
    "ap_sigmoid32": "AP ranks float32 sigmoids of the logits, as the release does.",
}
"""What a release's AP is, in words."""
RAW_APART = 0.05
"""Percentage points from which on the AP of the raw scores is told beside the release's."""
OF_ROWS = (*OF_RUNS, "seen", "limit")
"""Kinds of reservations that hold for a whole row and are said there, once."""

PLAIN = {
    "preprocess": "as published",
    "perturbation": "none",
    "precision": "fp32",
    "limit": "none",
    "protocol": "paper",
}
"""The conditions of a row of a table: what :func:`conditions` says of a plain run."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number in percent, or the reason why there is none.

    Args:
        value: the number.
        low, high: 95 % interval where the record holds one.
        images: images behind it.
        reason: why ``value`` is None.
        said: what must be said wherever it stands.
        beside: another number that a reader must know, in words.
        over: of a mean over fewer sets than there are, over which: ``over 2 of 3 sets, ...``.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    images: int = 0
    reason: str = ""
    said: tuple[Reservation, ...] = ()
    beside: str = ""
    over: str = ""

    @property
    def comparable(self) -> bool:
        """Whether nothing that must be said keeps it from standing beside a published number."""
        return all(each.comparable for each in self.said)

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands at the number itself; what holds for the whole row stands there."""
        own = [each.text for each in self.said if each.kind not in OF_ROWS]
        return (*own, *filter(None, (self.over, self.beside)))


def published_metric(record: RunRecord, metric: str) -> str:
    """Name in records of what stands beside the paper's ``ACC`` or ``AP``."""
    return record.published_ap if metric == "AP" else METRICS[metric]


def with_raw(found: Measured, raw: Measured) -> Measured:
    """A release's AP with that of the raw scores beside it, where the two differ."""
    if found.value is None or raw.value is None or abs(found.value - raw.value) <= RAW_APART:
        return found
    return replace(
        found,
        beside=f"AP as the release ranks: float32 sigmoids; of the raw scores it is "
        f"{raw.value:.1f}",
    )


def subset_value(record: RunRecord, subset: str, metric: str) -> Measured:
    """A metric (record name) of one subset. Where it has one class alone, the reason why it has no
    ACC and no AP says the rate that it has instead."""
    result = record.result(subset)
    if result is None:
        return Measured(reason=f"the record has no subset {subset}")
    first = (result.error or "no reason recorded").splitlines()[0]
    if result.status == "missing":
        told = first == "not run" or first.startswith("weights missing")
        return Measured(reason=first if told else "no data for this subset")
    if result.status == "failed":
        return Measured(reason=f"failed: {first}")
    found = _measured(result.metrics.get(metric), metric, result.n_real + result.n_fake)
    rate = one_class_rate(result) if metric in (*METRICS.values(), *RULES) else None
    if found.value is None and rate is not None and metric in result.metrics:
        found = replace(found, reason=f"{found.reason}: {say_rate(rate)}")
    return replace(found, said=reservations(record, result))


def suite_value(record: RunRecord, metric: str) -> Measured:
    """The plain mean of a metric over the declared subsets of the record's suite."""
    images = sum(result.n_real + result.n_fake for result in record.subsets)
    mean = record.mean.get(metric)
    over = mean.note if mean is not None and mean.value is not None else ""
    return replace(_measured(mean, metric, images), said=of_mean(record), over=over)


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
    found = _weighted_mean([(counts[suite] / total, mean) for suite, mean in means.items()])
    over = "; ".join(f"{suite} {mean.over}" for suite, mean in means.items() if mean.over)
    said = joined((suite, mean.said) for suite, mean in means.items())
    return replace(found, said=said, over=over)


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


def about_units(records: Iterable[RunRecord]) -> str:
    """What the intervals of some records draw, in words; "" where none of them has intervals."""
    results = [r for record in records if record.resampling for r in record.subsets if r.metrics]
    if not results:
        return ""
    named = sorted({result.unit for result in results if result.unit})
    rest = "images taken as independent"
    if not named:
        return rest
    drawn = " and ".join(f"{unit}s" for unit in named)
    whole = all(result.unit for result in results)
    return drawn if whole else f"{drawn}, elsewhere {rest}"


def about_weights(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """What must be said of a row's weights, or of scores that were imported."""
    said = (each for record in records for each in of_mean(record))
    return tuple(dict.fromkeys(each.text for each in said if each.kind in OF_RUNS))


def about_training(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """A note on the subsets that are no zero-shot test of the row's weights."""
    seen = [f"{r.subset} ({r.seen})" for record in records for r in record.subsets if r.seen]
    return (f"Seen in training: {'; '.join(dict.fromkeys(seen))}.",) if seen else ()


def _measured(metric: Metric | None, name: str, images: int) -> Measured:
    if metric is None:
        return Measured(reason=f"the record has no {name}")
    if metric.value is None:
        return Measured(reason=metric.note or f"{name} is not defined")
    low, high = (None if edge is None else 100 * edge for edge in (metric.low, metric.high))
    return Measured(value=100 * metric.value, low=low, high=high, images=images)


def departures(
    record: RunRecord, published: str, retrainable: Retrainable | None = None
) -> tuple[str, ...]:
    """What sets a record apart from the published conditions; empty = comparable with the paper.

    Args:
        record: any record. One for which nothing could be set up (no weights loaded, nothing
            scored) departs in nothing: its holes are those of the published conditions.
        published: label of the detector's default published checkpoint, "" when it has none.
        retrainable: of a detector without published weights, how it is trained here instead.
    """
    found = []
    if record.is_imported:
        found.append("imported: made elsewhere, under conditions that are not known here")
    elif not published and retrainable and is_retraining(record, retrainable):
        found += deviations(record, retrainable)
    elif record.weights.label != published and (record.weights.sha256 or is_scored(record)):
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
        "protocol": record.protocol or PLAIN["protocol"],
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
        *([record.protocol] if record.protocol else []),
    )


def same_run(record: RunRecord) -> Hashable:
    """Equal for records of several suites that are one checkpoint under one treatment."""
    return seed_group(record), record.weights.label, record.weights.sha256


def is_treated(record: RunRecord) -> bool:
    """Whether its images were perturbed or put through another geometry than the published one, or
    it follows another protocol: such records have tables of their own and no place beside the
    paper's numbers.
    """
    found = conditions(record)
    return any(found[name] != PLAIN[name] for name in ("preprocess", "perturbation", "protocol"))
