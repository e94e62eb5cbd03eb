"""What must be said wherever a number stands: in the terminal, in tables, in ``diff``, on pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.results.records import RunRecord, SubsetResult

SURE = ("documented", "third party")
"""Certainties of a subset's counts that are taken for the published ones."""
NOT_DETERMINISTIC = "not deterministic"
"""The fact of an origin that its scores do not repeat."""
NAMED = 3
"""Images named before the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """One reason not to take a number for what it looks like.

    Args:
        kind: ``skipped``, ``left out``, ``counts``, ``classes``, ``limit``, ``weights``, ``seen``.
        text: in words, without the subset's name.
        comparable: the number may still stand beside a published one of the same set.
    """

    kind: str
    text: str
    comparable: bool = False


def reservations(record: RunRecord, result: SubsetResult) -> tuple[Reservation, ...]:
    """Everything that must be said of a result's numbers; empty for one that is what it says.

    Args:
        record: the record.
        result: one of its results. Without scores there is nothing to be said.
    """
    if not result.metrics:
        return ()
    said = (*_of_images(result), *_of_weights(record), *_of_training(result))
    return (*said, *_of_origin(record))


def of_mean(record: RunRecord) -> tuple[Reservation, ...]:
    """What must be said of a record's means: that of its subsets, each thing once, with names."""
    return joined(
        (result.subset, reservations(record, result))
        for result in record.subsets
        if result.group != "controls"
    )


def joined(parts: Iterable[tuple[str, Iterable[Reservation]]]) -> tuple[Reservation, ...]:
    """What must be said of a number over several sets, each thing once, with the sets' names.

    Args:
        parts: (name, what must be said of it) of each.
    """
    found: dict[tuple[str, bool, str], list[str]] = {}
    for name, said in parts:
        for each in said:
            found.setdefault((each.kind, each.comparable, each.text), []).append(name)
    return tuple(
        Reservation(
            kind=kind,
            text=text if kind == "weights" else f"{', '.join(names)}: {text}",
            comparable=comparable,
        )
        for (kind, comparable, text), names in found.items()
    )


def is_as_declared(record: RunRecord, subset: str = "") -> bool:
    """Whether weights and images are the published ones, as far as that can be known.

    Args:
        record: the record. Its weights must be verified, or it needs none.
        subset: one of its subsets; "" = all of them. Their published counts must be sure, and met.
    """
    known = record.weights.verified is True or not record.weights.sha256
    return known and all(
        result.counts in SURE
        and not result.skipped
        and (result.n_real, result.n_fake) == (result.expected_real, result.expected_fake)
        for result in record.subsets
        if subset in ("", result.subset)
    )


def names(ids: Sequence[str]) -> str:
    """``a.png, b.png, c.png and 4 more``."""
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more


def _of_images(result: SubsetResult) -> Iterable[Reservation]:
    if result.skipped:
        read = result.n_real + result.n_fake
        yield Reservation(
            kind="skipped",
            text=f"{len(result.skipped)} of {read + len(result.skipped)} images could not be read "
            f"or scored and are left out: {names(result.skipped)}",
        )
    if result.left_out:
        yield Reservation(
            kind="left out",
            text=f"{len(result.left_out)} files are of no kind that is read: "
            f"{names(result.left_out)}",
            comparable=True,
        )
    declared, found = (result.expected_real, result.expected_fake), (result.n_real, result.n_fake)
    if result.status == "partial":
        yield Reservation(
            kind="limit", text=f"only {result.n_real} real and {result.n_fake} fake images scored"
        )
    elif not (result.skipped or found in result.also) and any(
        wanted not in (None, count) for wanted, count in zip(declared, found, strict=True)
    ):
        sure = result.counts in SURE
        doubt = "" if sure else f" (that count is {result.counts})"
        yield Reservation(
            kind="counts",
            text=f"{result.n_real} real and {result.n_fake} fake images, declared are "
            f"{' and '.join('unknown' if n is None else str(n) for n in declared)}{doubt}",
            comparable=not sure and min(result.n_real, result.n_fake) > 0,
        )
    if result.group != "controls" and 0 in (result.n_real, result.n_fake):
        absent = "real" if not result.n_real else "fake"
        yield Reservation(kind="classes", text=f"no {absent} images")


def _of_weights(record: RunRecord) -> Iterable[Reservation]:
    if record.weights.verified is False:
        yield Reservation(
            kind="weights",
            text=f"weights not verified: {record.weights.note or record.weights.label}",
        )
    if record.weights.not_papers:
        yield Reservation(
            kind="weights", text=f"not that row's weights: {record.weights.not_papers}"
        )


def _of_origin(record: RunRecord) -> Iterable[Reservation]:
    if record.origin and record.origin.facts.get(NOT_DETERMINISTIC):
        yield Reservation(
            kind="weights",
            text=f"not deterministic: {record.origin.facts[NOT_DETERMINISTIC]}",
        )


def _of_training(result: SubsetResult) -> Iterable[Reservation]:
    if result.seen:
        yield Reservation(kind="seen", text=f"seen in training: {result.seen}", comparable=True)
