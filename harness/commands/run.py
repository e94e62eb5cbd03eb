"""``python -m harness run``: detectors over suites, to predictions and records."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence

from harness.commands import _matrix, _text, _treatments, _twins
from harness.data.suites import Selection
from harness.evaluate import Matrix
from harness.results.records import Metric, RunRecord

HELP = "score detectors on suites; what is on disk is not computed again"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``run``."""
    _matrix.add_arguments(parser)
    _twins.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the matrix, prints its table; 1 when a selected cell is missing or failed."""
    asked = _matrix.request(args)
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
    records += asked.broken
    for line in [*_failures(records, asked.selections), *map(str, asked.absent)]:
        print(line, file=sys.stderr)
    if args.method == "all":  # that is, all that can be run; what is asked for by name must
        records = [record for record in records if not _lacks_weights(record)]
    return 1 if _failures(records, asked.selections) else 0


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
        _pair(results[name].metrics) if results[name].metrics else results[name].status
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
