"""From ``detector[:weights label]`` to the records on disk that it names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from harness.errors import UsageError, unknown_name
from harness.registry import detectors as registry
from harness.report.measured import is_scored, newest
from harness.results.comparison import Contender
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart, weights_kind


def contenders(text: str, records: Sequence[RunRecord]) -> dict[str, Contender]:
    """Suite -> the row's records on it: scored whole, as published, at fp32.

    Raises:
        UsageError: there are none, or they differ in more than the seed.
    """
    places = {each.origin.place: each.detector for each in records if each.origin}
    name, _, label = (places[text], "", "") if text in places else text.partition(":")
    # What was imported, or is no part of this project, is known by its records alone.
    known = {*registry.detectors(), *(record.detector for record in records)}
    if name not in known:
        raise unknown_name("detector", name, known)
    found = [
        record
        for record in newest(records)
        if record.detector == name and is_scored(record) and _plain(record)
    ]
    named = [r for r in found if label in ("", r.weights.label, weights_kind(r))]
    if not named:
        there = sorted({f"{name}:{weights_kind(record)}" for record in found})
        raise UsageError(
            f"no scored row {text!r}" + (f", there is {', '.join(there)}" if there else ""),
            hint=f"python -m harness run --method {text} --suite SUITE",
        )
    rows = {}
    for suite in dict.fromkeys(record.suite for record in named):
        mine = [record for record in named if record.suite == suite]
        _refuse_several(text, name, mine)
        rows[suite] = Contender(name=text, records=tuple(mine))
    return rows


def _refuse_several(text: str, name: str, records: Sequence[RunRecord]) -> None:
    """Raises UsageError for records of one suite that differ in more than the seed."""
    rows: dict[Hashable, list[RunRecord]] = {}
    for record in records:
        rows.setdefault(seed_group(record), []).append(record)
    if len(rows) < 2:
        return
    apart = told_apart(rows)
    shown = []
    for group, (first, *_) in rows.items():
        about = ", ".join((first.variant or "no variant", *apart[group]))
        shown.append(f"{name}:{weights_kind(first)} ({about})")
    raise UsageError(
        f"{text!r} names several rows: {', '.join(sorted(shown))}", hint=f"say {name}:LABEL"
    )


def _plain(record: RunRecord) -> bool:
    published = record.preprocess == record.published_preprocess
    other = record.perturbation or record.limit or record.protocol
    return published and not other and record.precision == "fp32"
