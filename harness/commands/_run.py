"""The work of ``run``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence

from harness.commands import _matrix, _text, _treatments, _twins
from harness.data.suite import Selection
from harness.evaluation.matrix import Matrix
from harness.evaluation.shards import Shard
from harness.evaluation.twins import twins
from harness.report.words import say_rate
from harness.results.rates import mean_rate, one_class_rate
from harness.results.records import Metric, RunRecord, row_name
from harness.results.reservations import OF_RUNS, Reservation, of_mean, reservations

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    shard = Shard.parse(args.shard) if args.shard else None
    twin_names = _twins.names(args.twin)
    asked = _matrix.request(args)
    if shard:
        asked = dataclasses.replace(
            asked, settings=dataclasses.replace(asked.settings, shard=shard)
        )
    found = twins(twin_names, asked.jobs, asked.selections, asked.settings.data_root)
    jobs = [*asked.jobs, *(twin.job for twin in found)]
    with _matrix.engine(args, asked) as engine:
        matrix = Matrix(jobs, asked.settings, engine)
        records = matrix.run(asked.selections)
    if shard:
        return _after_shard(shard, matrix)
    first = [matrix.record(j, s.suite.name) for s in asked.selections for j in asked.jobs]
    print(report([*first, *asked.broken], asked.selections))
    if found:
        tables, files = _twins.report(asked, found, matrix)
        print("\n" + "\n\n".join(map(_treatments.as_text, tables)))
        log.info("%s", "\n".join(map(str, files)))
    log.info("%s", _matrix.counts(matrix))
    return _matrix.finish(args, asked, records)


def _after_shard(shard: Shard, matrix: Matrix) -> int:
    """What a shard leaves, and what to do with it; 1 when something failed."""
    for error in matrix.failures:
        print(error, file=sys.stderr)
    log.info("shard %s: %s", shard, _matrix.counts(matrix))
    print(
        f"shard {shard} is done, no record is written yet\n  next: when every shard is done, the "
        "same command without --shard, on this --out (after copying the predictions/ of other "
        "--out folders into it)"
    )
    return 1 if matrix.failures else 0


def report(records: Sequence[RunRecord], selections: Sequence[Selection]) -> str:
    """One table a suite: ACC/AP of each selected subset and their mean, percent; of a subset of one
    class the rate that it has; below it what must be said of its numbers.
    """
    parts = []
    for selection in selections:
        names = [subset.name for subset in selection.subsets]
        mine = [record for record in records if record.suite == selection.suite.name]
        remarks: Remarks = {}
        rows = [_row(record, names, remarks) for record in mine]
        limited = " (PARTIAL: --limit)" if any(record.limit for record in mine) else ""
        followed = "".join(dict.fromkeys(f", protocol {r.protocol}" for r in mine if r.protocol))
        title = f"{selection.suite.name}: ACC/AP in percent{followed}{limited}"
        table = _text.table(["detector", *names, "mean", "95 % interval"], rows)
        notes = [
            f"[{number}] {', '.join(about)}: {text}"
            for number, (text, about) in enumerate(remarks.items(), start=1)
        ]
        parts.append("\n".join([title, table, *notes]))
    return "\n\n".join(parts)


Remarks = dict[str, dict[str, None]]
"""What must be said -> of which subsets, in the order of first mention."""


def _row(record: RunRecord, names: Sequence[str], remarks: Remarks) -> list[str]:
    results = {result.subset: result for result in record.subsets}
    row = row_name(record.detector, record.weights.label)
    cells = []
    for name in names:
        result = results[name]
        said = [each.text for each in _spoken(reservations(record, result))]
        said += _undefined(result.metrics)
        rate = one_class_rate(result)
        shown = _pair(result.metrics) if result.metrics else result.status
        shown = say_rate(rate) if rate else shown
        cells.append(shown + _marks(name, said, remarks))
    said = [each.text for each in of_mean(record) if each.kind in OF_RUNS]
    said += _undefined(record.mean) + _averaged(record)
    marks = _marks(f"mean of {row}", said, remarks)
    hits = mean_rate(record.mean)
    if hits:
        edges = _text.between(hits.low, hits.high) or "-"
        mean = f"{hits.name} {_text.percent(hits.value)}"
    else:
        mean, edges = _pair(record.mean), _interval(record.mean)
    return [row, *cells, mean + marks, edges]


def _spoken(found: Iterable[Reservation]) -> list[Reservation]:
    """Those of one cell: a limit stands in the title, weights beside the mean."""
    return [each for each in found if each.kind not in ("limit", *OF_RUNS)]


def _undefined(metrics: Mapping[str, Metric]) -> list[str]:
    shown = (metrics[name] for name in ("acc", "ap") if name in metrics)
    return list(dict.fromkeys(each.note for each in shown if each.value is None and each.note))


def _averaged(record: RunRecord) -> list[str]:
    """What defined means are over, where that is not every set."""
    found = (record.mean[name] for name in ("acc", "ap") if name in record.mean)
    return list(dict.fromkeys(each.note for each in found if each.value is not None and each.note))


def _marks(about: str, said: Sequence[str], remarks: Remarks) -> str:
    """`` [1,2]``: the numbers of remarks, which are told once each."""
    for text in said:
        remarks.setdefault(text, {})[about] = None
    numbers = [list(remarks).index(text) + 1 for text in dict.fromkeys(said)]
    return f" [{','.join(map(str, numbers))}]" if numbers else ""


def _pair(metrics: Mapping[str, Metric]) -> str:
    shown = [metrics[name].value if name in metrics else None for name in ("acc", "ap")]
    return "/".join(map(_text.percent, shown))


def _interval(metrics: Mapping[str, Metric]) -> str:
    """The means' 95 % intervals."""
    found = [metrics.get(name, Metric(value=None)) for name in ("acc", "ap")]
    return "/".join(_text.between(each.low, each.high) or "-" for each in found)
