"""The work of ``import``."""

from __future__ import annotations

import argparse
import logging
import math
import re
from fnmatch import translate

from harness.commands import _flags, _run
from harness.data.manifest import load_manifest
from harness.data.own import own_selections
from harness.data.score_matching import matched_suite
from harness.data.score_sets import NO_IMAGES, ScoredSuite, unseen_suite
from harness.data.scores import ScoreColumns, ScoreFile, read_scores
from harness.data.suite import OWN, Selection
from harness.errors import UsageError
from harness.evaluation import imported
from harness.evaluation.imported import Imported, Meaning
from harness.evaluation.recorder import Recorder
from harness.outside.declared import BETWEEN
from harness.registry import detectors as registry
from harness.registry.suites import find_root, parse_selection
from harness.results.records import RunRecord

log = logging.getLogger(__name__)

_LONGEST = 100
"""Characters of a detector's name."""


def run(args: argparse.Namespace) -> int:
    meaning = _meaning(args)
    names(args.name, ["x"])  # before a file is read for nothing
    _flags.require_writable(args.out)
    file = read_scores(args.file, columns(args))
    detectors = names(args.name, list(file.scores), args.scores)
    for each in detectors:
        imported.refuse_values(file, each.column, meaning.kind)
    found = _suite(args, file)
    if args.missing == "error":
        whole = bool(args.images) or (bool(args.suite) and ":" not in args.suite)
        imported.refuse_missing(file, found, whole=whole)
    records = _records(args, detectors, meaning, file, found)
    print(_run.report(records, [_shown(found)]))
    print(_next(found, records))
    return 0


def columns(args: argparse.Namespace) -> ScoreColumns:
    """What the flags say of the file's columns.

    Raises:
        UsageError: a ``--where`` is no COLUMN=VALUE.
    """
    where = []
    for text in args.where:
        column, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--where {text!r} is no COLUMN=VALUE", hint="--where split=test")
        where.append((column, value))
    return ScoreColumns(
        id=args.id,
        scores=tuple(args.score),
        pattern=args.scores,
        label=args.label,
        group=args.group,
        unit=args.unit,
        fake=args.fake_label,
        where=tuple(where),
    )


def names(name: str, found: list[str], pattern: str = "") -> list[Imported]:
    """The detectors that columns of scores are.

    Args:
        name: as it was given. Of one column it is the detector's; of several each is NAME-COLUMN,
            less what the pattern's ends say of every column.
        found: the columns.
        pattern: that they were named by.

    Raises:
        UsageError: a name says nothing, is a registered detector's, or two are one.
    """
    several = len(found) > 1
    titles = [f"{name}-{_part(column, pattern)}" if several else name for column in found]
    made: dict[str, Imported] = {}
    known = {each.casefold() for each in registry.detectors()}
    for title, column in zip(titles, found, strict=True):
        cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-.")[:_LONGEST]
        if not re.search(r"[A-Za-z0-9]", cleaned):
            raise UsageError(f"--name {name!r}: no letter or digit in it", hint="--name mine")
        if cleaned.casefold() in known:
            raise UsageError(
                f"--name {name!r}: {cleaned} is a detector of this project",
                hint=f"another name: --name their-{cleaned}",
            )
        if cleaned in made:
            raise UsageError(
                f"columns {made[cleaned].column} and {column} would both be called {cleaned}",
                hint="import them one by one: --score COLUMN --name NAME",
            )
        made[cleaned] = Imported(name=cleaned, title=title, column=column)
    return list(made.values())


def _part(column: str, pattern: str) -> str:
    """What tells a column from the others of a pattern: ``npr`` of ``prob_npr`` by ``prob_*``."""
    if not pattern or not re.fullmatch(translate(pattern), column):
        return column
    first, last = re.split(r"[*?\[]", pattern)[0], re.split(r"[*?\]]", pattern)[-1]
    return column.removeprefix(first).removesuffix(last) or column


def _meaning(args: argparse.Namespace) -> Meaning:
    threshold = BETWEEN.get(args.kind) if args.threshold is None else args.threshold
    if threshold is None or not math.isfinite(threshold):
        raise UsageError(
            "above which score is an image called fake? An uncalibrated score does not say it"
            if threshold is None
            else f"--threshold {threshold} is not finite",
            hint="--threshold T",
        )
    if args.kind == "probability" and not 0 <= threshold <= 1:
        raise UsageError(
            f"--threshold {threshold:g} is no probability", hint="between 0 and 1, such as 0.5"
        )
    return Meaning(kind=args.kind, threshold=threshold, lower_is_fake=args.lower_is_fake)


def _suite(args: argparse.Namespace, file: ScoreFile) -> ScoredSuite:
    """The file's rows by subset."""
    if args.suite and args.reals:
        raise UsageError(
            f"--reals: {args.suite} is a known suite, which says itself what its reals are",
            hint="leave out --reals",
        )
    if not (args.suite or args.images):
        return unseen_suite(file, args.data, one_class=args.one_class, reals=args.reals)
    if args.images:
        (selection,) = own_selections([args.images], reals=args.reals)
    else:
        (selection, *others) = parse_selection(args.suite, args.data_root)
        if others:
            raise UsageError(
                f"--suite {args.suite}: a file of scores is about one suite",
                hint=f"--suite {selection.suite.name}; then the others, one by one",
            )
    suite = selection.suite
    root = find_root(suite, args.data_root)
    manifests = [(s, load_manifest(suite, s, root, args.out)) for s in selection.subsets]
    found = matched_suite(file, suite, manifests, by_group=bool(args.group))
    if found.elsewhere:
        log.info("%d rows are about subsets that were not asked for", found.elsewhere)
    return found


def _records(
    args: argparse.Namespace,
    detectors: list[Imported],
    meaning: Meaning,
    file: ScoreFile,
    found: ScoredSuite,
) -> list[RunRecord]:
    seen = any(each.source != NO_IMAGES for each in found.sets)
    images = "those of the suite, by their ids" if seen else "not known here"
    origins = {each.name: imported.origin_of(file, each, meaning, images) for each in detectors}
    old = imported.refuse_taken(args.out, found.suite.name, origins, overwrite=args.overwrite)
    recorder = Recorder(args.out, _flags.resampling(args))
    settings = {name: _flags.text(value) for name, value in sorted(vars(args).items())}
    records = []
    for each in detectors:
        record = imported.import_record(
            recorder, each, origins[each.name], meaning, (file, found), settings
        )
        record = imported.taken_over(recorder, record, old)
        imported.replaced(args.out, record, old)
        records.append(record)
    return records


def _shown(found: ScoredSuite) -> Selection:
    return Selection(suite=found.suite, subsets=tuple(each.subset for each in found.sets))


def _next(found: ScoredSuite, records: list[RunRecord]) -> str:
    """What can be typed now."""
    suite, rows = found.suite.name, [record.detector for record in records]
    lines = [f"python -m harness metrics {rows[0]} --suite {suite}"]
    if len(rows) > 1:
        lines.append(f"python -m harness compare {rows[0]} {rows[1]} --suite {suite}")
    if suite.startswith(OWN):
        lines.append(f"python -m harness tables --suite {suite}")
    return "\n".join(["", "next:", *(f"  {line}" for line in lines)])
