"""The work of ``diff``."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from harness.commands import _sources, _text
from harness.commands.diff import PAPER
from harness.errors import UsageError, unknown_name
from harness.installed import shipped
from harness.registry import detectors as registry
from harness.registry.suites import all_suites
from harness.report.against_reference import Known, Reported, Unmatched, against_reference
from harness.report.compare_runs import ImageDiff, RunDiff, against_run, lacking, reference_records
from harness.report.diff import (
    NOT_COMPARABLE,
    STATUSES,
    DiffCell,
    RecordDiff,
    against_paper,
    compared,
    exceeding,
    treated,
)
from harness.report.explanations import with_answers
from harness.report.references import load_reference
from harness.results.answers import load_answers
from harness.results.paths import REFERENCES
from harness.results.records import RunRecord, row_name
from harness.results.store import canonical_json, load_records

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def run(args: argparse.Namespace) -> int:
    found = _compared(args)
    if args.json:
        print(as_json(found), end="")
    else:
        hint = _hint(found.cells, args) if args.against == PAPER else ""
        text = as_brief(found) if args.brief else as_text(found)
        print("\n\n".join(filter(None, (text, hint))))
    if args.fail_over is None:
        return 0
    failures = _failures(found, args)
    if not args.json:
        over = len(exceeding(found.cells, args.fail_over))
        print(f"\n{over} comparable numbers are off by more than {args.fail_over} points")
        for failure in failures:
            print(failure)
    return 1 if failures else 0


def _hint(cells: Sequence[DiffCell], args: argparse.Namespace) -> str:
    """How to learn why the numbers are off that nobody has asked about; "" without such."""
    open_ = [cell for cell in cells if cell.status == "off" and cell.subset and not cell.why]
    if not open_:
        return ""
    first = open_[0]
    method = row_name(first.detector, first.weights)
    command = f"why --method {method} --suite {first.suite} --reference {args.reference}"
    return f"which condition makes the numbers that are off: python -m harness {command}"


def _compared(args: argparse.Namespace) -> RunDiff:
    if args.against != PAPER:
        if args.reference != PAPER:
            raise UsageError(
                f"--against {args.against} and --reference {args.reference}: one of the two",
                hint=f"python -m harness diff --reference {args.reference}",
            )
        return _with_run(args, shipped(args.against))
    return _with_paper(args) if args.reference == PAPER else _with_reference(args)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What ``--suite`` and ``--method`` ask for; empty = everything."""

    suites: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def of(cls, args: argparse.Namespace, records: Sequence[RunRecord]) -> _Asked:
        """Raises UsageError for a name that neither this project nor a record knows."""
        suites, rows = (
            tuple(filter(None, (name.strip() for name in text.split(","))))
            for text in (args.suite, args.method)
        )
        _check("suite", suites, {*all_suites(), "summary", *(r.suite for r in records)})
        known = {*registry.detectors(), *(r.detector for r in records)}
        _check("detector", [row.partition(":")[0] for row in rows], known)
        return cls(suites=suites, rows=rows)

    def __contains__(self, each: RunRecord | DiffCell | RecordDiff | Reported) -> bool:
        weights = each.weights if isinstance(each.weights, str) else each.weights.label
        named = (each.detector, f"{each.detector}:{weights}")
        return (not self.suites or each.suite in self.suites) and (
            not self.rows or any(name in self.rows for name in named)
        )


def _check(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, known)


def _with_paper(args: argparse.Namespace) -> RunDiff:
    sources, specs = _sources.gather(args.out), _sources.specs()
    asked = _Asked.of(args, sources.records)
    cells = [cell for cell in against_paper(specs, sources) if cell in asked]
    return RunDiff(
        cells=with_answers(cells, sources.records, load_answers(args.out)),
        not_compared=tuple(each for each in treated(specs, sources) if each in asked),
    )


def _with_reference(args: argparse.Namespace) -> RunDiff:
    """Numbers that have no place here are shown whatever is asked for."""
    reference = load_reference(REFERENCES, args.reference)
    records = _sources.gather(args.out).records
    asked = _Asked.of(args, records)
    known = Known(suites=all_suites(), published=published_labels(), records=records)
    found = against_reference(reference, known)
    return RunDiff(
        cells=with_answers(
            [cell for cell in found.cells if cell in asked], records, load_answers(args.out)
        ),
        reports=tuple(each for each in found.reports if each in asked),
        unmatched=found.unmatched,
        about=f"{reference.title} (protocol {reference.protocol}). {reference.about}",
    )


def published_labels() -> dict[str, tuple[str, ...]]:
    """Registered detector -> labels of its published weights, the default first."""
    return {
        name: tuple(weights.name for weights in spec.weights)
        for name, spec in registry.detectors().items()
    }


def _with_run(args: argparse.Namespace, there: Path) -> RunDiff:
    """What is measured in this checkout is not taken as ours here: it may be the reference."""
    records, others = load_records(args.out), reference_records(there)
    asked = _Asked.of(args, [*records, *others])
    return against_run(
        args.out, [r for r in records if r in asked], there, [r for r in others if r in asked]
    )


def _failures(found: RunDiff, args: argparse.Namespace) -> list[str]:
    """Why the comparison fails, in words; empty when it does not."""
    failures = []
    over = exceeding(found.cells, args.fail_over)
    if over:
        failures.append("off: " + _places(over))
    absent = [] if args.against == PAPER else lacking(found.cells)
    if absent:
        failures.append(f"in {args.against} and not in {args.out}: {_places(absent)}")
    if not compared(found.cells):
        why = Counter(reason for cell in found.cells for reason in cell.reasons).most_common(1)
        reason = why[0][0] if why else "no record is asked for"
        failures.append(f"no comparable number: {reason}")
    return failures


def as_json(found: RunDiff) -> str:
    """Everything that was found, the cells with their deltas."""
    cells = [{**dataclasses.asdict(cell), "delta": cell.delta} for cell in found.cells]
    return canonical_json({**dataclasses.asdict(found), "cells": cells})


def as_brief(found: RunDiff) -> str:
    """Counts, and the numbers that are off with what the records show of them."""
    off = [cell for cell in found.cells if cell.status == "off" and cell.comparable]
    parts = [_counts(found.cells), _reasons("off", off), _unmatched(found.unmatched)]
    if found.reports:
        parts.insert(1, f"reports of single users, without a status: {len(found.reports)}")
    return "\n\n".join(filter(None, parts))


def as_text(found: RunDiff) -> str:
    """Counts, the compared cells, reasons, and what could not be compared, for people."""
    both = [cell for cell in found.cells if cell.delta is not None]
    off = [cell for cell in both if cell.status == "off"]
    reserved = [cell for cell in both if cell.status != "off" and cell.reasons]
    parts = [
        found.about,
        _counts(found.cells),
        _sourced(_CELL, both),
        _reasons("off", off),
        _reasons("said of the others", reserved),
        *(_holes(status, found.cells) for status in ("no data", "no reference")),
        _titled("reports of single users: shown, with no status", _sourced(_REPORT, found.reports)),
        _unmatched(found.unmatched),
        _records("not compared", found.not_compared),
        _images(found.images),
        _records("settings and environments that differ", found.settings),
    ]
    return "\n\n".join(filter(None, parts))


_ROW: dict[str, Callable[[Any], str]] = {
    name: attrgetter(name) for name in ("suite", "detector", "weights")
}
_CELL: dict[str, Callable[[DiffCell], str]] = {
    **_ROW,
    "column": attrgetter("column"),
    "metric": attrgetter("metric"),
    "measured": lambda cell: f"{cell.measured:.2f}",
    "reference": lambda cell: f"{cell.reference:.2f}",
    "delta": lambda cell: f"{cell.delta:+.2f}",
    "status": lambda cell: cell.status + _marks(cell),
}
_REPORT: dict[str, Callable[[Any], str]] = {
    **{name: _CELL[name] for name in (*_ROW, "column", "metric")},
    "measured": lambda each: "-" if each.measured is None else f"{each.measured:.2f}",
    "reported": lambda each: f"{each.reported:.2f}",
}
_IMAGE: dict[str, Callable[[ImageDiff], str]] = {
    **_ROW,
    "subset": attrgetter("subset"),
    "images": lambda image: str(image.images),
    "differing": lambda image: str(image.differing),
    "max |d|": lambda image: f"{image.max_delta:.3g}",
    "median |d|": lambda image: f"{image.median_delta:.3g}",
    "flipped": lambda image: str(image.flipped),
    "relabelled": lambda image: str(image.relabelled),
    "only here": lambda image: str(image.only_here),
    "only there": lambda image: str(image.only_there),
}
"""Header -> what stands below it."""


def _sourced(
    columns: Mapping[str, Callable[[Any], str]], cells: Sequence[DiffCell | Reported]
) -> str:
    """A table of cells with the number of each one's source, and the sources with their notes."""
    if not cells:
        return ""
    sources = list(dict.fromkeys((cell.source, cell.note) for cell in cells))
    rows = [[show(cell) for show in columns.values()] for cell in cells]
    if sources == [("", "")]:  # another run's
        return _text.table(list(columns), rows, left=5)
    for row, cell in zip(rows, cells, strict=True):
        row.append(f"[{sources.index((cell.source, cell.note)) + 1}]")
    table = _text.table([*columns, "source"], rows, left=5)
    lines = [
        f"  [{number}] {source or 'no source'}{f': {note}' if note else ''}"
        for number, (source, note) in enumerate(sources, start=1)
    ]
    return "\n".join([table, *lines])


def _titled(title: str, text: str) -> str:
    return f"{title}:\n{text}" if text else ""


def _unmatched(values: Sequence[Unmatched]) -> str:
    """A line for each reason: how many numbers of which methods on which sets."""
    shared = _grouped((each.why, each.value) for each in values)
    lines = []
    for why, members in shared.items():
        methods = ", ".join(sorted({value.method for value in members}))
        suites = dict.fromkeys(value.suite for value in members)
        lines.append(f"  {why}: {len(members)} numbers of {methods} on {', '.join(suites)}")
    title = f"numbers of the reference that have no place here ({len(values)})"
    return "\n".join([f"{title}:", *lines]) if lines else ""


def _marks(cell: DiffCell) -> str:
    """`` (retrained)``, `` (not comparable)``, both or nothing."""
    marks = [cell.mark, "" if cell.comparable else NOT_COMPARABLE]
    return f" ({', '.join(filter(None, marks))})" if any(marks) else ""


def _grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    found: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _counts(cells: Sequence[DiffCell]) -> str:
    """Numbers by status; those that are not comparable are counted apart."""
    verdicts = Counter(cell.verdict for cell in cells)
    lines = ["  ".join(f"{status}: {verdicts[status]}" for status in STATUSES)]
    if verdicts[NOT_COMPARABLE]:
        apart = Counter(cell.status for cell in cells if cell.verdict == NOT_COMPARABLE)
        shown = "  ".join(f"{status}: {apart[status]}" for status in STATUSES if apart[status])
        lines.append(f"shown, but {NOT_COMPARABLE} and not counted: {shown}")
    again = Counter(cell.status for cell in compared(cells) if cell.mark)
    if again:
        shown = "  ".join(f"{status}: {again[status]}" for status in STATUSES if again[status])
        lines.append(f"of these retrained here, since no weights are published: {shown}")
    return "\n".join(lines)


def _places(cells: Sequence[DiffCell]) -> str:
    """``mini  lfm:released (gan_tconv ACC, gan_tconv AP); ...``."""
    rows = _grouped((_row(cell), f"{cell.column} {cell.metric}") for cell in cells)
    return "; ".join(f"{row} ({', '.join(places)})" for row, places in rows.items())


def _records(title: str, records: Sequence[RecordDiff]) -> str:
    """For each thing that differs the records in which it does."""
    shared = _grouped((reason, _row(record)) for record in records for reason in record.reasons)
    lines = [
        f"  {reason}\n      {'; '.join(dict.fromkeys(rows))}" for reason, rows in shared.items()
    ]
    return "\n".join([f"{title}:", *lines]) if records else ""


def _reasons(title: str, cells: Sequence[DiffCell]) -> str:
    """The cells of each detector that share their reasons, and the reasons."""
    shared = _grouped(
        ((_row(c), (*c.reasons, *([f"why: {c.why}"] if c.why else []))), f"{c.column} {c.metric}")
        for c in cells
    )
    lines = []
    for (row, reasons), places in shared.items():
        lines += [f"  {row}: {', '.join(places)}", *(f"      {reason}" for reason in reasons)]
    return "\n".join([f"{title}:", *lines]) if cells else ""


def _holes(status: str, cells: Sequence[DiffCell]) -> str:
    """A line for each reason: how many numbers of which detectors on which suites."""
    shared = _grouped(
        ("; ".join(cell.reasons) or "the paper prints none", cell)
        for cell in cells
        if cell.status == status
    )
    lines = []
    for reason, members in shared.items():
        names = ", ".join(sorted({cell.detector for cell in members}))
        suites = ", ".join(dict.fromkeys(cell.suite for cell in members))
        lines.append(f"  {reason}: {len(members)} numbers of {names} on {suites}")
    return "\n".join([f"{status}:", *lines]) if lines else ""


def _row(cell: DiffCell | RecordDiff) -> str:
    return f"{cell.suite}  {cell.detector}" + (f":{cell.weights}" if cell.weights else "")


def _images(images: Sequence[ImageDiff]) -> str:
    if not images:
        return ""
    rows = [[show(image) for show in _IMAGE.values()] for image in images]
    settings = [
        f"  {image.suite}  {image.detector}  {image.subset}: {'; '.join(image.settings)}"
        for image in images
        if image.settings
    ]
    table = _text.table(list(_IMAGE), rows, left=4)
    return "\n".join(
        ["scores, image by image:", table, *(["keys that differ:", *settings] if settings else [])]
    )
