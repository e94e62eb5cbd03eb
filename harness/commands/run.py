"""``python -m harness run``: detectors over suites, to predictions and records."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Mapping, Sequence

from harness.commands import _matrix, _text, _treatments, _twins
from harness.data.shards import Shard, share
from harness.data.suites import Selection
from harness.evaluate import Matrix
from harness.results.records import Metric, RunRecord

HELP = "score detectors on suites; what is on disk is not computed again"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``run``."""
    _matrix.add_arguments(parser)
    _twins.add_arguments(parser)
    parser.add_argument(
        "--shard",
        default="",
        metavar="K/N",
        help="score only the K-th of N shares of the subsets, of about as many images each; shards "
        "may run at the same time on one --out, or on several whose predictions/ are then copied "
        "together; a last run without --shard computes nothing and makes the records whole",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the matrix, prints its table; 1 when a selected cell is missing or failed."""
    asked = _matrix.request(args)
    if args.shard:
        asked = _shard(asked, Shard.parse(args.shard))
    twins = _twins.wanted(args.twin, asked)
    matrix = Matrix([*asked.jobs, *(twin.job for twin in twins)], asked.settings)
    records = matrix.run(asked.selections)
    first = [matrix.record(j, s.suite.name) for s in asked.selections for j in asked.jobs]
    print(_report([*first, *asked.broken], asked.selections))
    if twins:
        tables, files = _twins.report(asked, twins, matrix)
        print("\n" + "\n\n".join(map(_treatments.as_text, tables)))
        log.info("%s", "\n".join(map(str, files)))
    log.info("%d scores computed, %d were on disk", matrix.computed, matrix.reused)
    return _matrix.finish(args, asked, records)


def _shard(asked: _matrix.Request, shard: Shard) -> _matrix.Request:
    """The request for this shard's subsets only."""
    settings = asked.settings
    mine = share(asked.selections, shard, settings.data_root, limit=settings.limit)
    names = [f"{each.suite.name}:{subset.name}" for each in mine for subset in each.subsets]
    log.info("shard %d of %d: %s", shard.index, shard.count, ", ".join(names))
    return dataclasses.replace(asked, selections=tuple(mine))


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
