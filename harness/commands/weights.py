"""``python -m harness weights``: every known checkpoint, and fetching them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from harness import registry
from harness.api import DetectorSpec, Weights
from harness.download import fetch
from harness.errors import HarnessError, UsageError, unknown_name
from harness.results.store import canonical_json
from harness.weights import presence, weights_dir

HELP = "list the published checkpoints, or fetch them"

Known = tuple[DetectorSpec, Weights]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--fetch``, ``--json``."""
    parser.add_argument(
        "--fetch",
        metavar="NAME",
        help="DETECTOR, DETECTOR:CHECKPOINT, several with commas, or all; into $LFM_WEIGHTS or "
        "weights/, resumable and checked",
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    """Fetches what is asked for, then lists everything; the first failure's exit code."""
    folder = weights_dir()
    code = _fetch_all(_chosen(args.fetch), folder, asked_by_name=args.fetch != "all")
    rows = [_row(spec, weights, folder) for spec, weights in _known()]
    print(canonical_json(rows) if args.json else _text(rows, folder), end="")
    return code


def _known() -> list[Known]:
    return [(spec, weights) for spec in registry.detectors().values() for weights in spec.weights]


def _chosen(text: str | None) -> list[Known]:
    if not text:
        return []
    if text == "all":
        return _known()
    chosen = []
    for name in text.split(","):
        detector, _, checkpoint = name.strip().partition(":")
        spec = registry.detector(detector)
        if not spec.weights:
            raise UsageError(
                f"{detector} has no published checkpoint",
                hint="python -m harness weights lists those there are",
            )
        named = {weights.name: weights for weights in spec.weights}
        if checkpoint and checkpoint not in named:
            raise unknown_name(f"checkpoint of {detector}", checkpoint, named)
        chosen += [(spec, named[checkpoint])] if checkpoint else [(spec, w) for w in spec.weights]
    return chosen


def _fetch_all(chosen: Iterable[Known], folder: Path, *, asked_by_name: bool) -> int:
    code = 0
    for spec, weights in chosen:
        if not (weights.sha256 or asked_by_name):
            print(f"{spec.name}:{weights.name}: skipped, sha256 not known", file=sys.stderr)
            continue
        try:
            path = fetch(weights, folder)
        except HarnessError as error:
            print(f"{spec.name}:{weights.name}: {error}", file=sys.stderr)
            code = code or error.exit_code
        else:
            print(f"{spec.name}:{weights.name}: {path}", file=sys.stderr)
    return code


def _row(spec: DetectorSpec, weights: Weights, folder: Path) -> dict[str, object]:
    found = presence(weights, folder)
    return {
        "detector": spec.name,
        "name": weights.name,
        "filename": weights.filename,
        "url": weights.url,
        "sha256": weights.sha256,
        "size": weights.size,
        "licence": weights.licence,
        "trained_on": weights.trained_on,
        "note": weights.note,
        "present": found.path is not None,
        "state": found.state,
    }


def _text(rows: Iterable[dict[str, object]], folder: Path) -> str:
    lines = [f"weights folder: {folder} (the environment's LFM_WEIGHTS names another)"]
    for row in rows:
        size = f"{row['size']:,} bytes" if row["size"] else "not known"
        lines += ["", f"{row['detector']}:{row['name']}  {row['filename']}  {row['state']}"]
        facts = {
            "url": row["url"],
            "size": size,
            "sha256": row["sha256"] or "not known: it is not fetched; give a file with --weights",
            "licence": row["licence"],
            "trained on": row["trained_on"],
            "note": row["note"],
        }
        lines += [f"  {name:<10} {value}" for name, value in facts.items() if value]
    return "\n".join(lines) + "\n"
