"""The work of ``score``."""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from harness.commands import _jobs, _text
from harness.data import decode
from harness.data.folders import say_left_out
from harness.data.loader import ordered_map
from harness.data.named import images_at
from harness.data.preprocess import Preprocess, parse
from harness.data.sample import Sample
from harness.data.source import Source
from harness.engine.scorer import Compute, Scorer, make_job
from harness.errors import HarnessError, UsageError, printable
from harness.evaluation import image_file
from harness.results.store import canonical_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What is printed of one image; either a score and a decision, or an error."""

    path: str
    score: float | None = None
    decision: str = ""
    threshold: float
    error: str = ""


def run(args: argparse.Namespace) -> int:
    chosen = _jobs.selected(args)
    if len(chosen) > 1:
        raise UsageError(
            f"score is of one detector with one checkpoint, got {len(chosen)}",
            hint="name one --method, and with --weights one file or one run's folder",
        )
    spec = chosen[0].spec
    preprocess = parse(args.preprocess or spec.geometry["*"])
    sources = list(_sources(args.paths))
    compute = _jobs.compute(args)
    scorer = Scorer(spec, make_job(*chosen[0]).loaded, compute)
    rows = _score(sources, scorer, preprocess, compute)
    if args.json:
        print(canonical_json([asdict(row) for row in rows]), end="")
    elif args.csv:
        writer = csv.DictWriter(sys.stdout, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    else:
        print(f"{args.method} on {preprocess}; fake when the score exceeds the threshold")
        print(_text.table(["path", "decision", "score", "threshold"], _lines(rows)))
    return 3 if any(row.error for row in rows) else 0


def _sources(names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        found = images_at(name)
        if found.left_out:
            log.warning("%s: %s", printable(name), say_left_out(found.left_out))
        yield from (file.source for file in found.files)


def _score(
    sources: Sequence[Source], scorer: Scorer, preprocess: Preprocess, compute: Compute
) -> list[Scored]:
    threshold = scorer.spec.score.threshold

    def score(source: Source) -> float:
        data = decode.read_bytes(Sample(id=str(source), label=0, source=source))
        return image_file.score(image_file.ImageFile(data, printable(source)), scorer, preprocess)

    rows = []
    for outcome in ordered_map(score, sources, workers=compute.workers, ahead=2 * compute.workers):
        path = printable(outcome.item)
        if isinstance(outcome.error, HarnessError):
            rows.append(Scored(path=path, threshold=threshold, error=outcome.error.message))
            continue
        value = outcome.get()
        decision = "fake" if value > threshold else "real"
        rows.append(Scored(path=path, score=value, decision=decision, threshold=threshold))
    return rows


def _lines(rows: Sequence[Scored]) -> list[list[str]]:
    return [
        [row.path, row.decision, f"{row.score:.4f}", f"{row.threshold:g}"]
        if row.score is not None
        else [row.path, "error", row.error, ""]
        for row in rows
    ]
