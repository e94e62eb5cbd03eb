"""Our numbers against another reference's than the paper, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.data.suite import Suite
from harness.report.diff import NO_REASON, DiffCell, DiffStatus, diff_cell
from harness.report.measured import (
    Measured,
    departures,
    is_treated,
    newest,
    published_metric,
    subset_value,
    suite_value,
    with_raw,
)
from harness.report.protocols import DEFAULT
from harness.report.references import (
    MEAN,
    METRICS,
    PUBLISHED,
    Reference,
    ReferenceValue,
    alike,
)
from harness.results.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a single user says, beside ours: it has no status, and is the reason of none.

    Args:
        suite, detector, weights, column, metric: which; ``weights`` are ours, "" without a record.
        measured, reported: in percent; ``measured`` is None where there is none of ours.
        source, note: where it is said, and of what.
    """

    suite: str
    detector: str
    weights: str
    column: str
    metric: str
    measured: float | None
    reported: float
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """A number of a reference that has no place here.

    Args:
        value: the number, with the reference's own names.
        why: ``no suite genimage here``.
    """

    value: ReferenceValue
    why: str


@dataclass(frozen=True, kw_only=True)
class ReferenceDiff:
    """Everything that a reference holds: compared, reported, or without a place here."""

    cells: tuple[DiffCell, ...] = ()
    reports: tuple[Reported, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """What exists here, and what was measured.

    Args:
        suites: registered suites.
        published: registered detector -> labels of its published weights, the default first.
        records: of any suite.
    """

    suites: Mapping[str, Suite]
    published: Mapping[str, Sequence[str]]
    records: Sequence[RunRecord] = field(default=())


def against_reference(reference: Reference, known: Known) -> ReferenceDiff:
    """Every number of a reference: none is left out.

    Numbers of ours that could be meant are those of the same suite, subset, detector and metric.
    One of other weights or by another protocol is shown, and not comparable.
    """
    records = [
        record
        for record in newest(known.records)
        if not is_treated(record) or record.protocol == reference.protocol
    ]
    cells: list[DiffCell] = []
    reports: list[Reported] = []
    unmatched: list[Unmatched] = []
    for value in reference.values:
        place = _place(reference, value, known)
        if isinstance(place, Unmatched):
            unmatched.append(place)
            continue
        ours: list[RunRecord | None] = list(_ours(reference, place, value, known, records))
        ours = ours or [None]
        if reference.kind == "reports":
            reports += [_reported(place, value, record) for record in ours]
        else:
            cells += [_cell(reference, place, value, record, known) for record in ours]
    return ReferenceDiff(cells=tuple(cells), reports=tuple(reports), unmatched=tuple(unmatched))


@dataclass(frozen=True)
class _Place:
    suite: str
    subset: str
    detector: str


def _place(reference: Reference, value: ReferenceValue, known: Known) -> _Place | Unmatched:
    """Where a number stands here, or why it stands nowhere."""
    suite, detector = reference.suites.get(value.suite), reference.methods.get(value.method)
    if suite is None:
        return Unmatched(value=value, why="its set is none of the suites here")
    if detector is None:
        return Unmatched(value=value, why="its method is none of the detectors here")
    if suite not in known.suites:
        return Unmatched(value=value, why=f"no suite {suite} here")
    if detector not in known.published:
        return Unmatched(value=value, why=f"no detector {detector} here")
    if value.subset == MEAN:
        return _Place(suite, MEAN, detector)
    named = reference.subsets.get(value.suite, {}).get(value.subset, value.subset)
    subset = subset_named(known.suites[suite], named)
    if subset is None:
        return Unmatched(value=value, why=f"suite {suite} has no such subset")
    return _Place(suite, subset, detector)


def subset_named(suite: Suite, name: str) -> str | None:
    """The subset that is called so, by its name, title or folder, however it is spelled."""
    for names in (
        {subset.name: subset.name for subset in suite.subsets},
        {subset.title: subset.name for subset in suite.subsets},
        {folder: subset.name for subset in suite.subsets for folder in subset.folders},
    ):
        found = alike(names, name)
        if found is not None:
            return names[found]
    return None


def _ours(
    reference: Reference,
    place: _Place,
    value: ReferenceValue,
    known: Known,
    records: Sequence[RunRecord],
) -> list[RunRecord]:
    """The records that could be meant: those by its protocol and with its weights, or all where
    there are none."""
    found = [r for r in records if (r.suite, r.detector) == (place.suite, place.detector)]
    found = [r for r in found if _protocol(r) == reference.protocol] or found
    label = _label(place, value, known)
    return [r for r in found if r.weights.label == label] or found


def _protocol(record: RunRecord) -> str:
    return record.protocol or DEFAULT


def _label(place: _Place, value: ReferenceValue, known: Known) -> str:
    """Of the weights that made a number, as far as that is said; the default ones otherwise."""
    default = next(iter(known.published[place.detector]), "")
    return default if value.weights in ("", PUBLISHED) else value.weights


def _measured(place: _Place, metric: str, record: RunRecord | None) -> Measured:
    if record is None:
        return Measured(reason="not run")

    def by(name: str) -> Measured:
        if place.subset == MEAN:
            return suite_value(record, name)
        return subset_value(record, place.subset, name)

    if metric != "AP":
        return by(METRICS[metric])
    return with_raw(by(published_metric(record, metric)), by(METRICS[metric]))


def _reported(place: _Place, value: ReferenceValue, record: RunRecord | None) -> Reported:
    return Reported(
        suite=place.suite,
        detector=place.detector,
        weights=record.weights.label if record else "",
        column=place.subset,
        metric=value.metric,
        measured=_measured(place, value.metric, record).value,
        reported=value.value,
        source=value.source,
        note=value.note,
    )


def _cell(
    reference: Reference,
    place: _Place,
    value: ReferenceValue,
    record: RunRecord | None,
    known: Known,
) -> DiffCell:
    found = _measured(place, value.metric, record)
    apart = tuple(_apart(reference, place, value, record, known)) if record else ()
    said = (*apart, *(each.text for each in found.said), *filter(None, (found.over, found.beside)))

    def reasons(status: DiffStatus) -> tuple[str, ...]:
        return said or ((NO_REASON,) if status == "off" else ())

    cell = diff_cell(
        (
            place.suite,
            place.detector,
            record.weights.label if record else "",
            place.subset,
            value.metric,
        ),
        found,
        value.value,
        reasons,
        interval="" if found.low is not None else "none: the record holds none",
        comparable=not apart and found.comparable and value.certainty != "ambiguous",
    )
    return replace(cell, source=value.source, note=value.note, subset=place.subset)


def _apart(
    reference: Reference,
    place: _Place,
    value: ReferenceValue,
    record: RunRecord,
    known: Known,
) -> Iterator[str]:
    """Why a record of ours is not what the reference measured."""
    same = _protocol(record) == reference.protocol
    if same:  # then what it does to images is that of the reference
        record = replace(record, perturbation="", preprocess=record.published_preprocess)
    yield from departures(record, _label(place, value, known))
    if not value.weights:
        yield "weights: the reference does not say which it used"
    if not same:
        yield f"other protocol: {_protocol(record)}, that of the reference: {reference.protocol}"
    if value.suite in reference.apart:
        yield f"other images: {reference.apart[value.suite]}"
