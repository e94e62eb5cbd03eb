"""``python -m harness diff``: every number against the paper's, or against another run."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.commands import _flags, _sources, _text
from harness.errors import unknown_name
from harness.registry import detectors as registry
from harness.registry.suites import all_suites
from harness.report.compare_runs import (
    ImageDiff,
    RunDiff,
    against_run,
    lacking,
    reference_records,
)
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
from harness.results.records import RunRecord
from harness.results.store import canonical_json, load_records

HELP = "compare every number with the paper's or with another run's, and say why they differ"
PAPER = "paper"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``diff``."""
    _flags.add_out(parser)
    parser.add_argument(
        "--against",
        default=PAPER,
        metavar="paper|RUN_DIR",
        help="the reference: the paper (default), or another output folder",
    )
    parser.add_argument("--suite", default="", metavar="NAMES", help="only these, comma-separated")
    parser.add_argument(
        "--method",
        default="",
        metavar="ROWS",
        help="only these, comma-separated: a detector, or detector:LABEL of its weights",
    )
    parser.add_argument(
        "--fail-over",
        type=float,
        metavar="PP",
        help="exit with 1 if a comparable number is off by more than PP percentage points, if the "
        "other run holds a number that is not here, or if there is no comparable number at all",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Compares, prints, and judges by ``--fail-over``."""
    found = _with_paper(args) if args.against == PAPER else _with_run(args, Path(args.against))
    print(as_json(found) if args.json else as_text(found), end="" if args.json else "\n")
    if args.fail_over is None:
        return 0
    failures = _failures(found, args)
    if not args.json:
        over = len(exceeding(found.cells, args.fail_over))
        print(f"\n{over} comparable numbers are off by more than {args.fail_over} points")
        for failure in failures:
            print(failure)
    return 1 if failures else 0


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

    def __contains__(self, each: RunRecord | DiffCell | RecordDiff) -> bool:
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
    return RunDiff(
        cells=tuple(cell for cell in against_paper(specs, sources) if cell in asked),
        not_compared=tuple(each for each in treated(specs, sources) if each in asked),
    )


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


def _places(cells: Sequence[DiffCell]) -> str:
    """``mini  lfm:released (gan_tconv ACC, gan_tconv AP); ...``."""
    rows: dict[str, list[str]] = {}
    for cell in cells:
        rows.setdefault(_row(cell), []).append(f"{cell.column} {cell.metric}")
    return "; ".join(f"{row} ({', '.join(places)})" for row, places in rows.items())


def as_json(found: RunDiff) -> str:
    """Everything that was found, the cells with their deltas."""
    cells = [{**dataclasses.asdict(cell), "delta": cell.delta} for cell in found.cells]
    return canonical_json({**dataclasses.asdict(found), "cells": cells})


def as_text(found: RunDiff) -> str:
    """Counts, the compared cells, reasons, and what could not be compared, for people."""
    parts = [_counts(found.cells)]
    both = [cell for cell in found.cells if cell.delta is not None]
    if both:
        parts.append(_compared(both))
    off = [cell for cell in both if cell.status == "off"]
    if off:
        parts.append(_reasons("off", off))
    reserved = [cell for cell in both if cell.status != "off" and cell.reasons]
    if reserved:
        parts.append(_reasons("said of the others", reserved))
    for status in ("no data", "no reference"):
        holes = [cell for cell in found.cells if cell.status == status]
        if holes:
            parts.append(_holes(status, holes))
    if found.not_compared:
        parts.append(_records("not compared", found.not_compared))
    if found.images:
        parts.append(_images(found.images))
    if found.settings:
        parts.append(_records("settings and environments that differ", found.settings))
    return "\n\n".join(parts)


def _counts(cells: Sequence[DiffCell]) -> str:
    """Numbers by status; those that are not comparable are counted apart."""
    verdicts = Counter(cell.verdict for cell in cells)
    lines = ["  ".join(f"{status}: {verdicts[status]}" for status in STATUSES)]
    if verdicts[NOT_COMPARABLE]:
        apart = Counter(cell.status for cell in cells if cell.verdict == NOT_COMPARABLE)
        shown = "  ".join(f"{status}: {apart[status]}" for status in STATUSES if apart[status])
        lines.append(f"shown, but {NOT_COMPARABLE} and not counted: {shown}")
    return "\n".join(lines)


def _records(title: str, records: Iterable[RecordDiff]) -> str:
    """For each thing that differs the records in which it does."""
    shared: dict[str, list[str]] = {}
    for record in records:
        for reason in record.reasons:
            shared.setdefault(reason, []).append(_row(record))
    lines = [f"{title}:"]
    for reason, rows in shared.items():
        lines += [f"  {reason}", f"      {'; '.join(dict.fromkeys(rows))}"]
    return "\n".join(lines)


def _compared(cells: Sequence[DiffCell]) -> str:
    header = ("suite", "detector", "weights", "column", "metric", "measured", "reference", "delta")
    rows = [
        (
            cell.suite,
            cell.detector,
            cell.weights,
            cell.column,
            cell.metric,
            f"{cell.measured:.2f}",
            f"{cell.reference:.2f}",
            f"{cell.delta:+.2f}",
            cell.status if cell.comparable else f"{cell.status} ({NOT_COMPARABLE})",
        )
        for cell in cells
    ]
    return _text.table((*header, "status"), rows, left=5)


def _reasons(title: str, cells: Sequence[DiffCell]) -> str:
    """The cells of each detector that share their reasons, and the reasons."""
    shared: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for cell in cells:
        shared.setdefault((_row(cell), cell.reasons), []).append(f"{cell.column} {cell.metric}")
    lines = [f"{title}:"]
    for (row, reasons), places in shared.items():
        lines.append(f"  {row}: {', '.join(places)}")
        lines += [f"      {reason}" for reason in reasons]
    return "\n".join(lines)


def _holes(status: str, cells: Sequence[DiffCell]) -> str:
    """A line for each reason: how many numbers of which detectors on which suites."""
    shared: dict[str, list[DiffCell]] = {}
    for cell in cells:
        reason = "; ".join(cell.reasons) or "the paper prints none"
        shared.setdefault(reason, []).append(cell)
    lines = [f"{status}:"]
    for reason, members in shared.items():
        names = sorted({cell.detector for cell in members})
        suites = dict.fromkeys(cell.suite for cell in members)
        lines.append(
            f"  {reason}: {len(members)} numbers of {', '.join(names)} on {', '.join(suites)}"
        )
    return "\n".join(lines)


def _row(cell: DiffCell | RecordDiff) -> str:
    return f"{cell.suite}  {cell.detector}" + (f":{cell.weights}" if cell.weights else "")


def _images(images: Sequence[ImageDiff]) -> str:
    header = (
        "suite",
        "detector",
        "weights",
        "subset",
        "images",
        "differing",
        "max |d|",
        "median |d|",
        "flipped",
        "relabelled",
        "only here",
        "only there",
    )
    rows = [
        (
            image.suite,
            image.detector,
            image.weights,
            image.subset,
            str(image.images),
            str(image.differing),
            f"{image.max_delta:.3g}",
            f"{image.median_delta:.3g}",
            str(image.flipped),
            str(image.relabelled),
            str(image.only_here),
            str(image.only_there),
        )
        for image in images
    ]
    settings = [
        f"  {image.suite}  {image.detector}  {image.subset}: {'; '.join(image.settings)}"
        for image in images
        if image.settings
    ]
    text = f"scores, image by image:\n{_text.table(header, rows, left=4)}"
    return "\n".join([text, *(["keys that differ:", *settings] if settings else [])])
