"""``python -m harness check``: is the data what it should be, before any detector runs?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.audit.duplicates import Duplicates
from harness.audit.findings import ClassFacts, SubsetAudit
from harness.audit.survey import SuiteAudit, audit_suite
from harness.commands._flags import add_data_root, add_out
from harness.data.own import own_selections
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root, parse_selection

HELP = "look at a test set before any detector runs: counts, damage, duplicates, shortcuts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``check``."""
    parser.add_argument("--suite", help="for example ufd, paper, mini:gan, forensynths:biggan")
    parser.add_argument(
        "--images",
        type=Path,
        action="append",
        default=[],
        help="own data: a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
    )
    parser.add_argument(
        "--deep", action="store_true", help="decode every image (headers hide truncated files)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    add_data_root(parser)
    add_out(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the audit. 0: all there and readable (warnings or not); 3: absent or unreadable.

    A place of one class is no error where nobody declares the other: it is a control.
    """
    if not args.suite and not args.images:
        raise UsageError(
            "check needs --suite or --images", hint="python -m harness check --suite mini"
        )
    selections = parse_selection(args.suite) if args.suite else []
    selections += own_selections(args.images)
    audits, absent = [], []
    for selection in selections:
        try:
            root = find_root(selection.suite, args.data_root)
            audits.append(audit_suite(selection, root, args.out, deep=args.deep))
        except DataError as error:
            absent.append((selection.suite.name, str(error)))
    if args.json:
        _print_json(audits, absent)
    else:
        print("\n\n".join(map(render, audits)))
    for _, message in absent:
        print(f"error: {message}", file=sys.stderr)
    return DataError.exit_code if absent or not all(audit.ok for audit in audits) else 0


def _print_json(audits: list[SuiteAudit], absent: list[tuple[str, str]]) -> None:
    document = {
        "suites": [dataclasses.asdict(audit) for audit in audits],
        "absent": [{"suite": name, "error": message} for name, message in absent],
    }
    print(json.dumps(document, indent=2, sort_keys=True, allow_nan=False))


_COLUMNS = ("subset", "real", "fake", "formats", "sizes", "bad", "manifest")


def render(audit: SuiteAudit) -> str:
    """A suite's audit as text for people."""
    table = [_COLUMNS, *map(_row, audit.subsets)]
    widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
    lines = [f"{audit.title} ({audit.suite}): {audit.root}"]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    lines += _legend(audit)
    for subset in audit.subsets:
        lines += [f"{f.level}: {subset.subset}: {f.text}" for f in subset.findings]
    if audit.known_extras:
        lines.append(f"note: not scored by the paper: {', '.join(audit.known_extras)}")
    if audit.unknown_extras:
        lines.append(f"warning: unknown folders, not scored: {', '.join(audit.unknown_extras)}")
    return "\n".join(lines + duplicate_lines(audit.duplicates))


def _row(subset: SubsetAudit) -> tuple[str, ...]:
    if not subset.present:
        return subset.subset, "missing", "missing", "", "", "", ""
    return (
        subset.subset,
        _count(subset.real, subset.expected_real),
        _count(subset.fake, subset.expected_fake),
        _by_class(subset.real.formats, subset.fake.formats),
        _by_class(subset.real.sizes, subset.fake.sizes),
        str(len(subset.unreadable)),
        subset.digest[:12],
    )


def _count(facts: ClassFacts, expected: int | None) -> str:
    return f"{facts.images}/{'?' if expected is None else expected}"


def _by_class(real: Mapping[str, int], fake: Mapping[str, int]) -> str:
    texts = list(dict.fromkeys(_brief(values) for values in (real, fake) if values))
    return " | ".join(texts) or "-"


def _brief(values: Mapping[str, int]) -> str:
    """The only value, or the commonest with its share and the number of others."""
    first, count = next(iter(values.items()))
    if len(values) == 1:
        return first
    return f"{first} {count / sum(values.values()):.0%} +{len(values) - 1}"


def _legend(audit: SuiteAudit) -> list[str]:
    sources: dict[str, list[str]] = {}
    for subset in audit.subsets:
        if subset.counts_source:
            source = f"{subset.counts_source} ({subset.certainty})"
            sources.setdefault(source, []).append(subset.subset)
    lines = ["counts are found/expected; formats and sizes are real | fake where they differ"]
    facts = [each for subset in audit.subsets for each in (subset.real, subset.fake)]
    if any(len(each.sizes) > 1 or len(each.formats) > 1 for each in facts):
        lines.append(
            "640x480 21% +69 would be: the commonest size, the share of the images that have it, "
            "and how many other sizes there are"
        )
    if not audit.deep:
        lines.append("headers were read, pixels were not: --deep finds truncated files")
    return lines + [f"expected counts: {source}" for source in sources]


def duplicate_lines(duplicates: Duplicates) -> list[str]:
    """What a user should know of files of equal content, a line each."""
    lines = []
    for label, scored in sorted(duplicates.scored.items()):
        distinct = duplicates.distinct.get(label, 0)
        if distinct < scored:
            lines.append(f"note: {distinct} distinct {label} files among {scored} scored")
    for shared in duplicates.across:
        where = ", ".join(shared.subsets)
        lines.append(f"note: {shared.files} {shared.label} files are in each of: {where}")
    for subset, files in duplicates.within_files.items():
        example = " = ".join(duplicates.within[subset][0])
        lines.append(f"warning: {subset}: {files} superfluous copies, such as {example}")
    if duplicates.both_classes:
        example = " = ".join(duplicates.both_classes[0])
        count = len(duplicates.both_classes)
        lines.append(f"warning: {count} files are called both real and fake, such as {example}")
    return lines
