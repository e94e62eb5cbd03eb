"""From ``detector[:weights label]`` to the records on disk that it names."""

from __future__ import annotations

from collections.abc import Sequence

from harness import registry
from harness.comparison import Contender
from harness.errors import UsageError
from harness.report.measured import is_scored, newest, weights_kind
from harness.results.records import RunRecord

ROW_HELP = (
    "a row on disk: `name`, or `name:LABEL` with the weights' label as in the tables (released, "
    "mini-train for all its seeds, mini-train/seed0 for one)"
)


def contenders(text: str, records: Sequence[RunRecord]) -> dict[str, Contender]:
    """Suite -> the row's records on it: scored whole, as published, at fp32.

    Raises:
        UsageError: there are none, or they are of several kinds of weights or variants.
    """
    name, _, label = text.partition(":")
    spec = registry.detector(name)
    found = [
        record
        for record in newest(records)
        if record.detector == spec.name and is_scored(record) and _plain(record)
    ]
    named = [r for r in found if label in ("", r.weights.label, weights_kind(r))]
    kinds = {(r.variant, weights_kind(r)) for r in named}
    if not kinds:
        there = sorted({f"{name}:{weights_kind(record)}" for record in found})
        raise UsageError(
            f"no scored row {text!r}" + (f", there is {', '.join(there)}" if there else ""),
            hint=f"python -m harness run --method {text} --suite SUITE",
        )
    if len(kinds) > 1:
        shown = ", ".join(
            sorted(f"{name}:{kind} ({variant or 'no variant'})" for variant, kind in kinds)
        )
        raise UsageError(f"{text!r} names several rows: {shown}", hint=f"say {name}:LABEL")
    suites = dict.fromkeys(record.suite for record in named)
    return {
        suite: Contender(name=text, records=tuple(r for r in named if r.suite == suite))
        for suite in suites
    }


def _plain(record: RunRecord) -> bool:
    published = record.preprocess == record.published_preprocess
    return published and not (record.perturbation or record.limit) and record.precision == "fp32"
