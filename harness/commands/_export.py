"""The work of ``export``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.commands import _report, _sources
from harness.errors import UsageError, unknown_name
from harness.report import croissant, tidy
from harness.report.measured import is_scored
from harness.results.records import RunRecord, SubsetResult, row_name
from harness.results.rows import weights_kind
from harness.results.store import canonical_json, load_records, write_atomic
from harness.site import board_file
from harness.site.leaderboard import build_leaderboard


def run(args: argparse.Namespace) -> int:
    if not (args.to or args.leaderboard):
        raise UsageError("say what to write", hint="--to FILE.parquet, or --leaderboard FILE.csv")
    about = _about(args.about)
    files: dict[Path, bytes] = {}
    if args.to:
        files |= _scores(args, about)
    if args.leaderboard:
        material = _report.gathered(_sources.gather(args.out), args.data_root)
        files[args.leaderboard] = board_file.encoded(build_leaderboard(material), args.leaderboard)
    for path, data in files.items():
        write_atomic(path, data)
        print(path)
    return 0


def _scores(args: argparse.Namespace, about: dict[str, str]) -> dict[Path, bytes]:
    chosen = select(load_records(args.out), args.suite, args.method)
    if not chosen:
        raise UsageError(f"nothing is scored in {args.out}", hint="python -m harness run --help")
    table = tidy.tidy(args.out, chosen)
    data = tidy.encoded(table, args.to)
    text = canonical_json(croissant.described(args.to, data, table.num_rows, chosen, about))
    return {args.to: data, args.to.with_name(f"{args.to.name}.croissant.json"): text.encode()}


def select(
    records: Sequence[RunRecord], suites: str, methods: str
) -> list[tuple[RunRecord, list[SubsetResult]]]:
    """The scored results that ``--suite`` and ``--method`` name.

    Args:
        records: of an output folder.
        suites: comma-separated SUITE or SUITE:SUBSET or SUITE:GROUP; "" = all.
        methods: comma-separated NAME or NAME:LABEL; "" = all.

    Raises:
        UsageError: one of them names nothing that is scored.
    """
    records = [record for record in records if is_scored(record)]
    places = _named(suites)
    rows = _named(methods)
    for name, label in rows:
        found = [record for record in records if _is_row(record, name, label)]
        if not found:
            known = {row_name(r.detector, r.weights.label) for r in records}
            raise unknown_name("row", row_name(name, label), known)
    chosen = []
    for record in records:
        if rows and not any(_is_row(record, *row) for row in rows):
            continue
        results = [r for r in record.subsets if r.predictions and _is_place(record, r, places)]
        if results:
            chosen.append((record, results))
    for place in places:
        if not any(_is_place(record, r, [place]) for record, found in chosen for r in found):
            known = {record.suite for record in records}
            raise unknown_name("scored suite", ":".join(filter(None, place)), known)
    return chosen


def _named(text: str) -> list[tuple[str, str]]:
    parts = (part.strip().partition(":") for part in text.split(",") if part.strip())
    return [(name, rest) for name, _, rest in parts]


def _is_row(record: RunRecord, name: str, label: str) -> bool:
    labels = ("", record.weights.label, weights_kind(record))
    return record.detector == name and label in labels


def _is_place(record: RunRecord, result: SubsetResult, places: Sequence[tuple[str, str]]) -> bool:
    part = ("", result.subset, result.group)
    return not places or any(s == record.suite and selector in part for s, selector in places)


def _about(texts: Sequence[str]) -> dict[str, str]:
    """``--about`` as key -> text; UsageError for a key that is none of the vocabulary's."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if key not in croissant.ABOUT:
            raise unknown_name("key of --about", key, croissant.ABOUT)
        if not equals or not value:
            raise UsageError(f"--about {text!r} says nothing", hint=f"--about {key}=TEXT")
        found[key] = value
    return found
