"""The work of ``score``."""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.commands import _jobs, _text
from harness.data import decode
from harness.data.folders import file_id, is_image, say_left_out, walk_files
from harness.data.loader import ordered_map
from harness.data.preprocess import Preprocess, parse
from harness.data.sample import Sample
from harness.engine.scorer import Compute, Scorer, make_job
from harness.errors import HarnessError, UsageError, printable
from harness.evaluate import image_file
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
    files = list(_files(args.paths))
    compute = _jobs.compute(args)
    scorer = Scorer(spec, make_job(*chosen[0]).loaded, compute)
    rows = _score(files, scorer, preprocess, compute)
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


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = list(walk_files(path))
            found = [file for file in files if is_image(file.name)]
            rest = say_left_out([file_id(f, path) for f in files if not is_image(f.name)])
            if not found:
                raise UsageError(f"{path}: no image below this folder" + (rest and f"; {rest}"))
            if rest:
                log.warning("%s: %s", printable(path), rest)
            yield from found
        elif path.exists():
            yield path
        else:
            raise UsageError(f"{path}: no such file or folder")


def _score(
    files: Sequence[Path], scorer: Scorer, preprocess: Preprocess, compute: Compute
) -> list[Scored]:
    threshold = scorer.spec.score.threshold

    def score(path: Path) -> float:
        data = decode.read_bytes(Sample(id=path.name, label=0, path=path))
        return image_file.score(image_file.ImageFile(data, printable(path)), scorer, preprocess)

    rows = []
    for outcome in ordered_map(score, files, workers=compute.workers, ahead=2 * compute.workers):
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
