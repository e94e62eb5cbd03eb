"""Run records of one protocol -> its table: the protocol's metrics over its own sets."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.data.suite import Suite
from harness.report.measured import (
    Measured,
    about_weights,
    conditions,
    is_scored,
    newest,
    same_run,
    subset_value,
    suite_value,
)
from harness.report.protocols import DEFAULT, Protocol, ProtocolSet
from harness.report.table import Cell, Column, Row, Table, fill, ranked
from harness.results.records import RunRecord
from harness.results.reservations import joined

MEAN, MEAN_HERE = "mean", "mean-here"
TITLES = {
    "acc": "ACC",
    "ap": "AP",
    "balanced_acc": "balanced ACC",
    "acc_oracle": "ACC, oracle threshold",
    "fake_acc": "flagged as fake",
}
"""Metric of records -> as printed."""


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A column: a set or a subset of it; without a set the mean over all of them, or over those
    that have a suite here."""

    metric: str
    of: ProtocolSet | None = None
    subset: str = ""
    here: bool = False


def build_protocol_table(
    protocol: Protocol, records: Sequence[RunRecord], suites: Mapping[str, Suite]
) -> Table:
    """The table of a protocol. Records that follow another one never enter.

    Args:
        protocol: which.
        records: of any suites and protocols.
        suites: the registered ones.
    """
    runs = _runs(protocol, records)
    places = list(_places(protocol, suites))
    rows = [(_row(run), run) for run in runs.values()]
    table = Table(
        name=f"protocol-{protocol.name}",
        title=protocol.title,
        caption=f"Percent. {protocol.about} Source: {protocol.source}.",
        by_metric=False,
        statements=tuple(f"Cannot be done here: {text}." for text in protocol.lacks(suites)),
        protocol=protocol.name,
    )
    columns = [(_column(place, suites), place) for place in places]

    def cell(run: Mapping[str, RunRecord], by: _Place) -> Cell:
        if by.of:
            return _shown(_measured(run, by))
        asked = [each for each in places if not by.here or _is_here(each, suites)]
        return _shown(_mean(run, by.metric, asked, protocol))

    return ranked(fill(table, rows, columns, cell))


def follows(protocol: Protocol, record: RunRecord) -> bool:
    """Whether a record was made by it, whole and in full precision."""
    found = conditions(record)
    plain = found["precision"] == "fp32" and found["limit"] == "none"
    if protocol.name == DEFAULT:
        plain = plain and found["preprocess"] == "as published" and found["perturbation"] == "none"
    return plain and found["protocol"] == protocol.name


def _runs(protocol: Protocol, records: Sequence[RunRecord]) -> dict[Hashable, dict[str, RunRecord]]:
    """A checkpoint -> suite -> its record. Geometry and perturbation are the protocol's, which may
    differ from suite to suite, so that they tell no rows apart."""
    own = {each.suite for each in protocol.sets}
    runs: dict[Hashable, dict[str, RunRecord]] = {}
    for record in newest([r for r in records if r.suite in own and follows(protocol, r)]):
        if is_scored(record):
            plain = replace(record, preprocess=record.published_preprocess, perturbation="")
            runs.setdefault(same_run(plain), {})[record.suite] = record
    return runs


def _places(protocol: Protocol, suites: Mapping[str, Suite]) -> Iterator[_Place]:
    for each in protocol.sets:
        for subset in each.subsets if each.each else ("",):
            for metric in each.metrics or protocol.metrics:
                yield _Place(metric=metric, of=each, subset=subset)
    yield from (_Place(metric=metric) for metric in protocol.metrics)
    if any(not _is_here(place, suites) for place in _sets(protocol)):
        yield from (_Place(metric=metric, here=True) for metric in protocol.metrics)


def _sets(protocol: Protocol) -> Iterator[_Place]:
    for each in protocol.sets:
        for subset in each.subsets if each.each else ("",):
            yield _Place(metric="", of=each, subset=subset)


def _is_here(place: _Place, suites: Mapping[str, Suite]) -> bool:
    """Whether a set has a suite, and a subset is one of its."""
    suite = suites.get(place.of.suite) if place.of else None
    names = {subset.name for subset in suite.subsets} if suite else set()
    return suite is not None and (not place.subset or place.subset in names)


def _column(place: _Place, suites: Mapping[str, Suite]) -> Column:
    metric = TITLES.get(place.metric, place.metric)
    if place.of is None:
        title = "Mean of those that exist here" if place.here else "Mean over its sets"
        return Column(key=MEAN_HERE if place.here else MEAN, title=title, metric=metric)
    suite = suites.get(place.of.suite)
    title = place.of.name or (suite.title if suite else place.of.suite)
    key = ":".join(filter(None, (place.of.suite or place.of.name, place.subset)))
    if place.subset:
        return Column(key=key, title=place.subset, group=title, metric=metric)
    return Column(key=key, title=title, metric=metric)


def _row(run: Mapping[str, RunRecord]) -> Row:
    first = next(iter(run.values()))
    label = first.weights.label
    return Row(
        key="|".join(filter(None, (first.detector, first.variant, label))),
        title=f"{first.title} ({label})" if label else first.title,
        detector=first.detector,
        kind="method",
        notes=about_weights(run.values()),
    )


def _shown(found: Measured) -> Cell:
    if found.value is None:
        return Cell(reason=found.reason)
    return Cell(
        value=found.value, status="measured", low=found.low, high=found.high, notes=found.notes
    )


def _measured(run: Mapping[str, RunRecord], place: _Place) -> Measured:
    assert place.of is not None
    record = run.get(place.of.suite)
    if record is None:
        return Measured(reason="not run on this set" if place.of.suite else "no suite here")
    if place.subset:
        return subset_value(record, place.subset, place.metric)
    if not place.of.subsets:
        return suite_value(record, place.metric)
    return _plain_mean(
        [(name, subset_value(record, name, place.metric)) for name in place.of.subsets]
    )


def _mean(
    run: Mapping[str, RunRecord], metric: str, places: Sequence[_Place], protocol: Protocol
) -> Measured:
    """Over sets: a hole while one is missing. A set with a metric of its own counts with that."""
    main = protocol.metrics
    asked = [
        each for each in places if each.of and (each.metric == metric or each.metric not in main)
    ]
    return _plain_mean([(_name(each), _measured(run, each)) for each in asked])


def _name(place: _Place) -> str:
    assert place.of is not None
    return place.subset or place.of.suite or place.of.name


def _plain_mean(parts: Sequence[tuple[str, Measured]]) -> Measured:
    values = [found.value for _, found in parts if found.value is not None]
    holes = [name for name, found in parts if found.value is None]
    if holes:
        return Measured(reason=f"needs all of its sets, without a number: {', '.join(holes)}")
    said = joined((name, found.said) for name, found in parts)
    return Measured(value=fmean(values), said=said)
