"""``python -m harness run``: detectors over suites, to predictions and records."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import recording
from harness.api import DetectorSpec
from harness.commands import _flags, _jobs, _text
from harness.data.adapters import own_suite
from harness.data.preprocess import parse
from harness.data.suites import Selection, find_root, parse_selection
from harness.engine import Job, make_job
from harness.errors import DataError, HarnessError, UsageError
from harness.evaluate import Matrix, Settings
from harness.results.records import Metric, RunRecord
from harness.results.store import save_record

HELP = "score detectors on suites; what is on disk is not computed again"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``run``."""
    parser.add_argument("--method", required=True, help=_jobs.METHOD_HELP)
    parser.add_argument(
        "--suite",
        default="",
        help="suites, comma-separated, or a group: paper, mini, mini:gan, forensynths:biggan",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="own data: a folder with 0_real/1_fake below, or a CSV/Parquet "
        "manifest (path, label, group)",
    )
    parser.add_argument("--weights", type=Path, help=_jobs.WEIGHTS_HELP)
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--limit", type=_flags.positive, default=0, help="images of each class; marks partial"
    )
    parser.add_argument("--overwrite", choices=("never", "missing", "always"), default="missing")
    parser.add_argument("--on-bad-image", choices=("error", "skip"), default="error")
    parser.add_argument(
        "--skip-absent", action="store_true", help="go on without suites that are not on disk"
    )
    _flags.add_resampling(parser)
    _flags.add_compute(parser)
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the matrix, prints its table; 1 when a selected cell is missing or failed."""
    if args.preprocess:
        parse(args.preprocess)
    selections, absent = _present(args)
    settings = Settings(
        out=args.out,
        compute=_jobs.compute(args),
        data_root=args.data_root,
        limit=args.limit,
        overwrite=args.overwrite,
        skip_bad=args.on_bad_image == "skip",
        preprocess=args.preprocess,
        resampling=_flags.resampling(args),
        config={name: str(value) for name, value in sorted(vars(args).items())},
    )
    wanted = _jobs.selected(args.method, args.weights)
    jobs, broken = _set_up(wanted, selections, args.out)
    matrix = Matrix(jobs, settings)
    records = matrix.run(selections) + broken
    print(_report(records, selections))
    log.info("%d scores computed, %d were on disk", matrix.computed, matrix.reused)
    for line in [*_failures(records, selections), *map(str, absent)]:
        print(line, file=sys.stderr)
    if args.method == "all":  # that is, all that can be run; what is asked for by name must
        records = [record for record in records if not _lacks_weights(record)]
    return 1 if _failures(records, selections) else 0


def _present(args: argparse.Namespace) -> tuple[list[Selection], list[HarnessError]]:
    """The selections whose data is there; absent ones raise unless ``--skip-absent``."""
    if bool(args.suite) == bool(args.images):
        raise UsageError("say what to run on", hint="--suite NAME or --images DIR (one of them)")
    if args.images:
        suite = own_suite(args.images)
        return [Selection(suite=suite, subsets=suite.subsets)], []
    present: list[Selection] = []
    absent: list[HarnessError] = []
    for selection in parse_selection(args.suite):
        try:
            find_root(selection.suite, args.data_root)
            present.append(selection)
        except DataError as error:
            if not args.skip_absent:
                raise
            absent.append(error)
    if not present:
        raise absent[0]
    return present, absent


def _set_up(
    wanted: Sequence[tuple[DetectorSpec, str]], selections: Sequence[Selection], out: Path
) -> tuple[list[Job], list[RunRecord]]:
    """Jobs whose weights load, and the saved failed records of the others; raises if none loads."""
    jobs: list[Job] = []
    broken: list[RunRecord] = []
    for spec, token in wanted:
        try:
            jobs.append(make_job(spec, token))
        except HarnessError as error:
            if len(wanted) == 1:
                raise
            log.warning("%s: %s", spec.name, error.message)
            suites = [selection.suite for selection in selections]
            broken += [recording.failed_record(spec, token, suite, error) for suite in suites]
    for record in broken:
        save_record(out, record)
    return jobs, broken


def _lacks_weights(record: RunRecord) -> bool:
    return all(result.error.startswith("weights missing") for result in record.subsets)


def _report(records: Sequence[RunRecord], selections: Sequence[Selection]) -> str:
    """One table a suite: ACC/AP of each selected subset and their mean, percent."""
    parts = []
    for selection in selections:
        names = [subset.name for subset in selection.subsets]
        mine = [record for record in records if record.suite == selection.suite.name]
        rows = [_row(record, names) for record in mine]
        limited = " (PARTIAL: --limit)" if any(record.limit for record in mine) else ""
        title = f"{selection.suite.name}: ACC/AP in percent{limited}"
        parts.append(f"{title}\n{_text.table(['detector', *names, 'mean', '±'], rows)}")
    return "\n\n".join(parts)


def _row(record: RunRecord, names: Sequence[str]) -> list[str]:
    results = {result.subset: result for result in record.subsets}
    label = f":{record.weights.label}" if record.weights.label else ""
    cells = [
        _pair(results[name].metrics) + (" seen" if results[name].seen else "")
        if results[name].metrics
        else results[name].status
        for name in names
    ]
    return [f"{record.detector}{label}", *cells, _pair(record.mean), _interval(record.mean)]


def _pair(metrics: Mapping[str, Metric]) -> str:
    shown = [metrics[name].value if name in metrics else None for name in ("acc", "ap")]
    return "/".join(map(_text.percent, shown))


def _interval(metrics: Mapping[str, Metric]) -> str:
    """Half the widths of the mean's 95 % intervals."""
    found = [metrics.get(name) for name in ("acc", "ap")]
    halves = [
        None if m is None or m.low is None or m.high is None else (m.high - m.low) / 2
        for m in found
    ]
    return "/".join(map(_text.percent, halves))


def _failures(records: Sequence[RunRecord], selections: Sequence[Selection]) -> list[str]:
    """A line for each error among the selected cells, with the cells that it left empty."""
    chosen = {(s.suite.name, subset.name) for s in selections for subset in s.subsets}
    places: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        for result in record.subsets:
            cell = (record.suite, result.subset)
            if cell in chosen and result.status not in ("ok", "partial"):
                key = (result.status, record.detector, result.error)
                places.setdefault(key, []).append("/".join(cell))
    return [
        f"{status}: {detector} on {', '.join(cells)}: {error}"
        for (status, detector, error), cells in places.items()
    ]
