"""The work of ``metrics``."""

from __future__ import annotations

import argparse

from harness.commands import _contenders, _text
from harness.errors import UsageError, unknown_name
from harness.metrics.meanings import MEANINGS
from harness.results import MEAN
from harness.results.records import Metric, RunRecord, row_name
from harness.results.reservations import Reservation, of_mean, reservations
from harness.results.store import load_records


def run(args: argparse.Namespace) -> int:
    rows = _contenders.contenders(args.row, load_records(args.out))
    if args.suite not in rows:
        raise UsageError(f"{args.row} was not run on {args.suite!r}, but on {', '.join(rows)}")
    for record in rows[args.suite].records:
        row = row_name(record.detector, record.weights.label)
        print(f"{row} on {args.suite}, {args.subset}; {_resampled(record)}")
        print(_table(_metrics(record, args.subset), record))
        print("".join(f"  note: {each.text}\n" for each in _said(record, args.subset)))
    return 0


def _said(record: RunRecord, subset: str) -> tuple[Reservation, ...]:
    """What must be said of these numbers."""
    if subset == MEAN:
        return of_mean(record)
    return reservations(record, next(r for r in record.subsets if r.subset == subset))


def _resampled(record: RunRecord) -> str:
    if record.resampling is None:
        return "no intervals: python -m harness rescore makes them"
    return f"95 % intervals by {record.resampling.resamples} resamples of {record.resampling.unit}"


def _metrics(record: RunRecord, subset: str) -> dict[str, Metric]:
    found = {MEAN: record.mean, **{r.subset: r.metrics for r in record.subsets}}
    if subset not in found:
        raise unknown_name("subset", subset, found)
    return found[subset]


def _table(metrics: dict[str, Metric], record: RunRecord) -> str:
    lines = []
    for name, meaning in MEANINGS.items():
        if name not in metrics:
            continue
        metric = metrics[name]
        interval = _text.between(metric.low, metric.high)
        if name == "acc":
            meaning += f", {record.threshold:g}"
        if name == "acc_calibrated" and record.calibration is not None:
            meaning = (
                f"accuracy at {record.calibration.threshold:g}, best on {record.calibration.on}"
            )
        about = f"{meaning}: {metric.note}" if metric.note else meaning
        lines.append([name, _text.percent(metric.value), interval, about])
    return "\n".join(f"  {line}" for line in _text.columns(lines, "<>><"))
