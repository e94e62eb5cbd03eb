"""The work of ``check``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.audit.findings import ClassFacts, SubsetAudit
from harness.audit.remarks import remarks
from harness.audit.shortcuts import FOLDS, MARGIN, Shortcut
from harness.audit.suite import SuiteAudit, TrainingImages, audit_suite
from harness.commands import _flags, _text
from harness.data.own import own_selections
from harness.env import usable_cores
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root, parse_selection
from harness.results.store import canonical_json, write_atomic

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """0: all there and readable, warnings or not; 3: absent or unreadable.

    A place of one class is no error where nobody declares the other: it is a control.
    """
    if not args.suite and not args.images:
        raise UsageError(
            "check needs --suite or --images", hint="python -m harness check --suite mini"
        )
    selections = parse_selection(args.suite, args.data_root) if args.suite else []
    selections += own_selections(args.images, _flags.columns(args), args.reals)
    folder = args.to or args.out / "audit"
    against = _training(args, folder)
    audits, absent = [], []
    for selection in selections:
        try:
            root = find_root(selection.suite, args.data_root)
        except DataError as error:
            absent.append({"suite": selection.suite.name, "error": str(error)})
            continue
        audit = audit_suite(
            selection,
            root,
            args.out,
            depth="audit" if args.audit else "pixels" if args.deep else "headers",
            against=against,
            workers=usable_cores(),
        )
        audits.append(audit)
        if args.audit:
            _write(audit, folder)
    if args.json:
        suites = [dataclasses.asdict(audit) for audit in audits]
        print(canonical_json({"suites": suites, "absent": absent}), end="")
    else:
        print("\n\n".join(map(render, audits)))
    for each in absent:
        print(f"error: {each['error']}", file=sys.stderr)
    return DataError.exit_code if absent or not all(audit.ok for audit in audits) else 0


def _training(args: argparse.Namespace, folder: Path) -> TrainingImages | None:
    """What is said about the audit before it begins; the training set to look for."""
    if not args.audit:
        for name in ("train_suite", "train_data", "to"):
            if getattr(args, name):
                raise UsageError(f"--{name.replace('_', '-')} needs --audit", hint="add --audit")
        return None
    _flags.require_writable(folder)
    from harness.audit import training_set  # here: it takes a while to import

    if args.train_suite:
        return training_set.declared_images(args.train_suite, args.data_root, args.out)
    if args.train_data:
        return training_set.images_in(args.train_data, args.data_root, args.out)
    return None


def _write(audit: SuiteAudit, folder: Path) -> None:
    from harness.report.render import Renderer  # here: it takes a while to import
    from harness.results.paths import TABLES

    document = dataclasses.asdict(audit)
    page = Renderer(TABLES / "templates").audit(document, remarks(audit))
    for ending, content in {"html": page, "json": canonical_json(document)}.items():
        path = folder / f"audit-{audit.suite}.{ending}"
        write_atomic(path, content.encode())
        log.info("%s", path)


def render(audit: SuiteAudit) -> str:
    head = ["subset", "real", "fake", "formats", "sizes", "bad", "manifest"]
    table = _text.table(head, [_row(subset) for subset in audit.subsets], left=len(head))
    lines = [f"{audit.title} ({audit.suite}): {audit.root}", table, *_legend(audit)]
    if audit.depth == "audit":
        lines += ["", *_shortcuts(audit)]
    return "\n".join(lines + remarks(audit))


def _row(subset: SubsetAudit) -> list[str]:
    if not subset.present:
        return [subset.subset, "missing", "missing", "", "", "", ""]
    return [
        subset.subset,
        _count(subset.real, subset.expected_real),
        _count(subset.fake, subset.expected_fake),
        _by_class(subset.real.formats, subset.fake.formats),
        _by_class(subset.real.sizes, subset.fake.sizes),
        str(len(subset.unreadable)),
        subset.digest[:12],
    ]


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
    if audit.depth == "headers":
        lines.append("headers were read, pixels were not: --deep finds truncated files")
    return lines + [f"expected counts: {source}" for source in sources]


def _shortcuts(audit: SuiteAudit) -> list[str]:
    head = ["subset", "file facts alone", "with grid", "former JPEGs real/fake"]
    rows = [
        [
            each.subset,
            _accuracy(each.by_file),
            _accuracy(each.by_file_and_grid),
            "/".join(f"{t.blocky} of {t.lossless}" for t in each.traces.values()) or "-",
        ]
        for each in audit.subsets
    ]
    return [
        _text.table(head, rows),
        f"file facts: balanced accuracy in percent of a forest that sees formats, sizes, colour "
        f"modes, JPEG tables and metadata, {FOLDS}-fold, with its 95 % interval; chance is 50; "
        f"! marks an interval that begins above {100 * (0.5 + MARGIN):.0f}. with grid: and the "
        "8x8 blockiness of the pixels.",
    ]


def _accuracy(found: Shortcut | None) -> str:
    if found is None or found.accuracy is None:
        return "-"
    words = _text.percent(found.accuracy), _text.between(found.low, found.high)
    return " ".join(filter(None, (*words, "!" if found.flagged else "")))
