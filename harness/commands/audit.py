"""``python -m harness audit``: would the files give the class away, and what is there twice?"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

from harness.audit.findings import EXAMPLES
from harness.audit.lookalikes import Lookalikes, Overlap, Pairs
from harness.audit.shortcuts import FOLDS, MARGIN, Shortcut
from harness.audit.suite import SuiteEvidence, audit, training_images
from harness.commands import _flags, _text
from harness.commands.check import duplicate_lines
from harness.data.own import own_selections
from harness.env import usable_cores
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root, parse_selection
from harness.report.render import Renderer
from harness.results.paths import TABLES
from harness.results.store import canonical_json, write_atomic

HELP = "shortcuts and leaks in a test set: file facts that tell the class, JPEG traces, duplicates"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``audit``."""
    parser.add_argument("--suite", default="", help="for example ufd, paper, mini:gan")
    parser.add_argument(
        "--images",
        type=Path,
        action="append",
        default=[],
        help="own data: a folder with 0_real and 1_fake, or a CSV / Parquet of path,label,group",
    )
    parser.add_argument(
        "--against",
        default="",
        metavar="TRAINING",
        help="a training set to look for in the suite: mini-train, a training run's folder (where "
        "its images are not at hand, equal files by the run's list), or a folder or manifest of "
        "one's own",
    )
    parser.add_argument(
        "--to", type=Path, help="folder of the HTML and JSON files (default: <out>/audit)"
    )
    parser.add_argument("--json", action="store_true", help="print the JSON in place of a summary")
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a summary a suite and writes its page. 3: data absent or unreadable, else 0."""
    if not args.suite and not args.images:
        raise UsageError(
            "audit needs --suite or --images", hint="python -m harness audit --suite mini"
        )
    selections = parse_selection(args.suite) if args.suite else []
    selections += own_selections(args.images)
    folder = args.to or args.out / "audit"
    _flags.require_writable(folder)
    against = training_images(args.against, args.out) if args.against else None
    workers = usable_cores()
    found, absent = [], []
    for selection in selections:
        try:
            root = find_root(selection.suite, args.data_root)
        except DataError as error:
            absent.append(str(error))
            continue
        evidence = audit(selection, root, args.out, against=against, workers=workers)
        found.append(evidence)
        for written in write(evidence, folder):
            log.info("%s", written)
    if args.json:
        print(canonical_json([dataclasses.asdict(evidence) for evidence in found]), end="")
    else:
        print("\n\n".join(map(as_text, found)))
    for message in absent:
        print(f"error: {message}", file=sys.stderr)
    return DataError.exit_code if absent or not all(each.ok for each in found) else 0


def write(evidence: SuiteEvidence, folder: Path) -> list[Path]:
    """The page and its data."""
    document = dataclasses.asdict(evidence)
    page = Renderer(TABLES / "templates").audit(document, remarks(evidence))
    files = {"html": page, "json": canonical_json(document)}
    for ending, content in files.items():
        write_atomic(folder / f"audit-{evidence.suite}.{ending}", content.encode())
    return [folder / f"audit-{evidence.suite}.{ending}" for ending in files]


def as_text(evidence: SuiteEvidence) -> str:
    """A suite's summary for terminals."""
    rows = [
        [
            each.audit.subset,
            f"{each.audit.real.images}/{each.audit.fake.images}",
            _accuracy(each.by_file),
            _accuracy(each.by_file_and_grid),
            "/".join(f"{t.blocky} of {t.lossless}" for t in each.traces.values()) or "-",
        ]
        for each in evidence.subsets
    ]
    head = ["subset", "real/fake", "file facts alone", "with grid", "former JPEGs real/fake"]
    lines = [
        f"{evidence.title} ({evidence.suite}): {evidence.root}",
        _text.table(head, rows),
        f"file facts: balanced accuracy in percent of a forest that sees formats, sizes, colour "
        f"modes, JPEG tables and metadata, {FOLDS}-fold, with its 95 % interval; chance is 50; "
        f"! marks an interval that begins above {100 * (0.5 + MARGIN):.0f}. with grid: and the "
        "8x8 blockiness of the pixels.",
        *remarks(evidence),
    ]
    return "\n".join(lines)


def remarks(evidence: SuiteEvidence) -> list[str]:
    """``warning: ...`` and ``note: ...``, warnings first."""
    lines = []
    for each in evidence.subsets:
        name = each.audit.subset
        lines += [f"{f.level}: {name}: {f.text}" for f in each.audit.findings]
        for what, found in (
            ("file facts alone", each.by_file),
            ("file facts and the 8x8 grid", each.by_file_and_grid),
        ):
            if found.flagged and found.facts:
                first = " and ".join(list(found.facts)[:2])
                lines.append(f"warning: {name}: {what} tell real from fake, most of all by {first}")
    lines += _not_judged(evidence)
    lines += duplicate_lines(evidence.duplicates)
    lines += [f"note: {text}" for text in _shared(evidence)]
    lines += _lookalike_lines(evidence.lookalikes)
    if evidence.overlap is not None:
        lines += _overlap_lines(evidence.overlap, exact_only=evidence.exact_only)
    order = ("error", "warning", "note")
    return sorted(lines, key=lambda line: order.index(line.partition(":")[0]))


def _accuracy(found: Shortcut) -> str:
    if found.accuracy is None or found.low is None or found.high is None:
        return "-"
    mark = " !" if found.flagged else ""
    edges = f"[{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return f"{100 * found.accuracy:.1f} {edges}{mark}"


def _not_judged(evidence: SuiteEvidence) -> list[str]:
    """Why there are dashes, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for each in evidence.subsets:
        if each.by_file.accuracy is None:
            reasons.setdefault(each.by_file.note, []).append(each.audit.subset)
    return [
        f"note: file facts are not judged, {reason}: {', '.join(names)}"
        for reason, names in reasons.items()
    ]


def _shared(evidence: SuiteEvidence) -> list[str]:
    """How often one false alarm counts in a mean over the subsets."""
    shared = [each for each in evidence.duplicates.across if each.label == "real"]
    if not shared:
        return []
    parts = [
        f"{each.files} file{'s' if each.files > 1 else ''} {len(each.subsets)} times "
        f"({', '.join(each.subsets)})"
        for each in shared[:EXAMPLES]
    ]
    more = [f"and {len(shared) - EXAMPLES} more groups"] if len(shared) > EXAMPLES else []
    said = "; ".join([*parts, *more])
    return [f"a false alarm on a shared real counts several times in a mean over subsets: {said}"]


def _lookalike_lines(found: Lookalikes) -> list[str]:
    lines = [
        f"note: {name}: {_several(pairs)} look the same, such as {' = '.join(pairs.examples[0])}"
        for name, pairs in found.within.items()
    ]
    for text, pairs in (
        ("across subsets look the same", found.across_subsets),
        ("of a real and a fake look the same", found.across_classes),
    ):
        if pairs.pairs:
            lines.append(f"note: {_several(pairs)} {text}, such as {' = '.join(pairs.examples[0])}")
    return lines


def _several(pairs: Pairs) -> str:
    most = "at least " if pairs.more else ""
    return f"{most}{pairs.pairs} pair{'s' if pairs.pairs > 1 else ''} ({pairs.pictures} files)"


def _overlap_lines(overlap: Overlap, *, exact_only: bool) -> list[str]:
    lines = []
    if overlap.exact:
        counts = " and ".join(f"{n} {label}" for label, n in sorted(overlap.exact.items()))
        example = overlap.examples[0]
        lines.append(f"warning: {counts} files are in {overlap.training} too, such as {example}")
    if overlap.near.pairs:
        example = " = ".join(overlap.near.examples[0])
        lines.append(
            f"warning: {_several(overlap.near)} look the same as others in {overlap.training}, "
            f"such as {example}"
        )
    if not lines:
        how = "byte by byte" if exact_only else "exactly or nearly"
        lines.append(f"note: nothing of it is in {overlap.training}, {how}")
    if exact_only:
        lines.append(
            "note: near duplicates in the training data were not looked for: its images "
            "are not at hand"
        )
    return lines
