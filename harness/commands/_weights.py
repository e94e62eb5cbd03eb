"""The work of ``weights``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.api import DetectorSpec, Weights
from harness.checkpoints.fetch import fetch
from harness.checkpoints.files import files_of, sha256_of
from harness.checkpoints.presence import UNVERIFIED, by_hand, digits, file_presence, weights_dir
from harness.errors import HarnessError, UsageError, unknown_name
from harness.registry import detectors as registry
from harness.results.store import canonical_json


@dataclass(frozen=True, kw_only=True)
class File:
    """One published file of a detector, which several of its entries may share.

    Args:
        label: ``DETECTOR:NAME`` of the first entry that takes it.
        weights: where it is published, and under which name.
        uses: what it is for, in words; one for each entry.
    """

    label: str
    weights: Weights
    uses: tuple[str, ...]


def run(args: argparse.Namespace) -> int:
    folder = weights_dir()
    code = _fetch_all(_chosen(args.fetch), folder, args)
    files = _known()
    if args.json:
        print(canonical_json([_row(file, folder) for file in files]), end="")
    else:
        print(_text(files, folder), end="")
    return code


def _known() -> list[File]:
    return [file for spec in registry.detectors().values() for file in _files(spec)]


def _files(spec: DetectorSpec, only: str = "") -> list[File]:
    """A detector's files, each once; those of one entry where ``only`` names it."""
    found: dict[tuple[str, str], File] = {}
    for entry in (*spec.weights, *spec.pretrained):
        if only and entry.name != only:
            continue
        use = f"checkpoint {entry.name}"
        if entry in spec.pretrained:
            use = f"training starts from it ({entry.name})"
        for part in files_of(entry):
            key = part.filename, part.sha256
            label = found[key].label if key in found else f"{spec.name}:{entry.name}"
            uses = found[key].uses if key in found else ()
            found[key] = File(label=label, weights=part, uses=(*uses, use))
    return list(found.values())


def _chosen(text: str | None) -> list[File]:
    if not text:
        return []
    if text == "all":
        return _known()
    chosen = []
    for name in text.split(","):
        detector, _, checkpoint = name.strip().partition(":")
        spec = registry.detector(detector)
        named = [entry.name for entry in (*spec.weights, *spec.pretrained)]
        if not named:
            raise UsageError(
                f"{detector} has no published checkpoint",
                hint="python -m harness weights lists those there are",
            )
        if checkpoint and checkpoint not in named:
            raise unknown_name(f"checkpoint of {detector}", checkpoint, named)
        chosen += _files(spec, checkpoint)
    return chosen


def _fetch_all(chosen: Iterable[File], folder: Path, args: argparse.Namespace) -> int:
    """Fetches each file once and says for each detector what became of it."""
    code = 0
    outcomes: dict[tuple[str, str], Path | HarnessError] = {}
    for file in chosen:
        key = file.weights.filename, file.weights.sha256
        if args.fetch == "all" and not (file.weights.sha256 or args.accept_unverified):
            print(f"{file.label}: {key[0]}: skipped, sha256 not known", file=sys.stderr)
            continue
        if key not in outcomes:
            try:
                outcomes[key] = fetch(
                    file.weights, folder, accept_unverified=args.accept_unverified
                )
            except HarnessError as error:
                outcomes[key] = error
                code = code or error.exit_code
        print(f"{file.label}: {outcomes[key]}{_marked(file, outcomes[key])}", file=sys.stderr)
    return code


def _marked(file: File, outcome: Path | HarnessError) -> str:
    """What a fetched file has to say where nothing vouches for it."""
    if file.weights.sha256 or isinstance(outcome, HarnessError):
        return ""
    return f": {UNVERIFIED}; this one's is {sha256_of(outcome)}"


def _row(file: File, folder: Path) -> dict[str, object]:
    weights, found = file.weights, file_presence(file.weights, folder)
    detector, _, name = file.label.partition(":")
    return {
        "detector": detector,
        "name": name,
        "filename": weights.filename,
        "uses": list(file.uses),
        "url": weights.url,
        "sha256": weights.sha256,
        "size": weights.size,
        "licence": weights.licence,
        "trained_on": weights.trained_on,
        "note": weights.note,
        "not_papers": weights.not_papers,
        "present": found.path is not None,
        "state": found.state,
    }


def _text(files: Iterable[File], folder: Path) -> str:
    lines = [f"weights folder: {folder} (the environment's LFM_WEIGHTS names another)"]
    for file in files:
        weights, found = file.weights, file_presence(file.weights, folder)
        unknown = "not known"
        if not found.paths:
            unknown += f": it is fetched with --accept-unverified only; {by_hand(folder, weights)}"
        shared = file.uses != (f"checkpoint {file.label.partition(':')[2]}",)
        facts = {
            "for": ", ".join(file.uses) if shared else "",
            "url": weights.url,
            "size": f"{weights.size:,} bytes" if weights.size else "not known",
            "sha256": digits(weights) or unknown,
            "licence": weights.licence,
            "trained on": weights.trained_on,
            "note": weights.note,
            "not the row": weights.not_papers,
        }
        lines += ["", f"{file.label}  {weights.filename}  {found.state}"]
        lines += [f"  {name:<11} {value}" for name, value in facts.items() if value]
    return "\n".join(lines) + "\n"
