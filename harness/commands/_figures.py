"""The work of ``figures``."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

import numpy as np

from harness.commands import _contenders, _sources
from harness.commands._tables import build
from harness.errors import UsageError
from harness.figures.dots import dot_plot
from harness.figures.reliability import reliability_diagram
from harness.metrics.calibration import brier_score, expected_calibration_error, reliability
from harness.results.predictions import read_predictions
from harness.results.store import canonical_json, load_records, write_atomic


def run(args: argparse.Namespace) -> int:
    if args.reliability:
        return _reliability(args)
    (spec,) = [spec for spec in _sources.specs() if spec.name == "mini-groups"]
    path = _to(args) / "mini-groups.svg"
    write_atomic(path, dot_plot(build(spec, _sources.gather(args.out)), "AP"))
    print(path)
    return 0


def _to(args: argparse.Namespace) -> Path:
    return args.to or Path(args.out, "figures")


def _reliability(args: argparse.Namespace) -> int:
    rows = _contenders.contenders(args.reliability, load_records(args.out))
    if args.suite not in rows:
        raise UsageError(f"{args.reliability} was not run on {args.suite!r}")
    records = rows[args.suite].records
    if len(records) > 1:
        names = ", ".join(record.weights.label for record in records)
        raise UsageError(f"one checkpoint a diagram: name one of {names}")
    (record,) = records
    pooled = [r.predictions for r in record.subsets if r.predictions and r.group != "controls"]
    kept = [read_predictions(args.out / path) for path in pooled]
    labels = np.concatenate([each.labels for each in kept])
    scores = np.concatenate([each.scores for each in kept])
    bars = reliability(labels, scores, record.score_kind)
    if not bars:
        raise UsageError(f"{record.detector}: its {record.score_kind} scores are no probabilities")
    title = f"{record.title} ({record.weights.label or 'no weights'}) on {record.suite}"
    stem = f"reliability-{args.suite}-{re.sub(r'[^A-Za-z0-9._-]+', '-', args.reliability)}"
    data = {
        "row": args.reliability,
        "suite": args.suite,
        "images": len(labels),
        "subsets": len(pooled),
        "brier": brier_score(labels, scores, record.score_kind).value,
        "ece": expected_calibration_error(labels, scores, record.score_kind).value,
        "bins": [dataclasses.asdict(bar) for bar in bars],
    }
    files = {"json": canonical_json(data).encode()}
    for form in ("svg", "pdf"):
        files[form] = reliability_diagram(bars, title, form)
    for ending, content in files.items():
        path = _to(args) / f"{stem}.{ending}"
        write_atomic(path, content)
        print(path)
    return 0
