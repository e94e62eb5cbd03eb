"""``python -m harness diff``: every number against the paper's, or against another run."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.commands import _flags, _sources, _text
from harness.report.compare_runs import ImageDiff, RecordDiff, RunDiff, against_run
from harness.report.diff import STATUSES, DiffCell, against_paper, exceeding
from harness.results.store import canonical_json

HELP = "compare every number with the paper's or with another run's, and say why they differ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``diff``."""
    _flags.add_out(parser)
    parser.add_argument(
        "--against",
        default="paper",
        metavar="paper|RUN_DIR",
        help="the reference: the paper (default), or another output folder",
    )
    parser.add_argument(
        "--fail-over",
        type=float,
        metavar="PP",
        help="exit with 1 if a comparable number is off by more than PP percentage points",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Compares, prints, and judges by ``--fail-over``."""
    sources = _sources.gather(args.out)
    if args.against == "paper":
        found = RunDiff(cells=tuple(against_paper(_sources.specs(), sources)))
    else:
        found = against_run(args.out, sources.records, Path(args.against))
    over = [] if args.fail_over is None else exceeding(found.cells, args.fail_over)
    if args.json:
        print(as_json(found), end="")
    else:
        print(as_text(found))
        if args.fail_over is not None:
            print(f"\n{len(over)} comparable numbers are off by more than {args.fail_over} points")
    return 1 if over else 0


def as_json(found: RunDiff) -> str:
    """Everything that was found, the cells with their deltas."""
    cells = [{**dataclasses.asdict(cell), "delta": cell.delta} for cell in found.cells]
    return canonical_json({**dataclasses.asdict(found), "cells": cells})


def as_text(found: RunDiff) -> str:
    """Counts, the compared cells, reasons, and what could not be compared, for people."""
    count = Counter(cell.status for cell in found.cells)
    parts = ["  ".join(f"{status}: {count[status]}" for status in STATUSES)]
    compared = [cell for cell in found.cells if cell.delta is not None]
    if compared:
        parts.append(_compared(compared))
    off = [cell for cell in found.cells if cell.status == "off"]
    if off:
        parts.append(_off(off))
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
            cell.status if cell.comparable else f"{cell.status} (not comparable)",
        )
        for cell in cells
    ]
    return _text.table((*header, "status"), rows, left=5)


def _off(cells: Sequence[DiffCell]) -> str:
    """The cells of each detector that share their reasons, and the reasons."""
    shared: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for cell in cells:
        shared.setdefault((_row(cell), cell.reasons), []).append(f"{cell.column} {cell.metric}")
    lines = ["off:"]
    for (row, reasons), places in shared.items():
        lines.append(f"  {row}: {', '.join(places)}")
        lines += [f"      {reason}" for reason in reasons]
    return "\n".join(lines)


def _holes(status: str, cells: Sequence[DiffCell]) -> str:
    """For each reason how many numbers of which detector there are not."""
    shared: dict[str, Counter[str]] = {}
    for cell in cells:
        reason = "; ".join(cell.reasons) or "the paper prints none"
        shared.setdefault(reason, Counter())[_row(cell)] += 1
    lines = [f"{status}:"]
    for reason, rows in shared.items():
        lines.append(f"  {reason}")
        lines += [f"      {row}: {count} numbers" for row, count in rows.items()]
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
