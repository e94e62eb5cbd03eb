"""The work of ``weights``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.api import DetectorSpec, Weights
from harness.checkpoints.fetch import fetch
from harness.checkpoints.files import files_of, sha256_of
from harness.checkpoints.presence import UNVERIFIED, by_hand, digits, file_presence, weights_dir
from harness.errors import HarnessError, UsageError, unknown_name
from harness.fetching.download import Remote, part_of
from harness.fetching.progress import ByteProgress, together
from harness.fetching.releases import Wanted, check_space
from harness.registry import detectors as registry
from harness.results.store import canonical_json

JOBS = 4
"""Files at once."""

Key = tuple[str, str]
"""A file's name and sha256: what tells one published file from another."""


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
    code = 0
    if args.fetch:
        taken = (
            _every_verified(args.accept_unverified)
            if args.fetch == "all"
            else [file for name in args.fetch.split(",") for file in chosen(name)]
        )
        code = fetch_files(taken, folder, accept_unverified=args.accept_unverified, jobs=JOBS)
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


def chosen(name: str) -> list[File]:
    """The files that ``DETECTOR`` or ``DETECTOR:CHECKPOINT`` means.

    Raises:
        UsageError: there is no such detector or checkpoint, or it has none.
    """
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
    return _files(spec, checkpoint)


def _every_verified(accept_unverified: bool) -> list[File]:
    """All files but those that only ``--accept-unverified`` takes; says which those are."""
    taken = []
    for file in _known():
        if file.weights.sha256 or accept_unverified:
            taken.append(file)
        else:
            said = f"{file.label}: {file.weights.filename}: skipped, sha256 not known"
            print(said, file=sys.stderr)
    return taken


def fetch_files(files: Sequence[File], folder: Path, *, accept_unverified: bool, jobs: int) -> int:
    """Fetches each file once, several at once, and says for each detector what became of it.

    Returns:
        The exit code: that of the first file that did not come, else 0.

    Raises:
        OutputError: they would not fit on the disk.
    """
    groups: dict[str, dict[Key, Weights]] = {}
    for file in files:  # one after another where they come out of one archive
        groups.setdefault(file.weights.url, {})[_key(file)] = file.weights
    missing = [weights for weights in _different(files) if not file_presence(weights, folder).paths]
    wanted = {
        part_of(folder / weights.filename): Wanted(
            target=folder / weights.filename, remote=Remote(url=weights.url, size=weights.size)
        )
        for weights in missing
        if weights.size and not weights.archive
    }
    check_space(folder, wanted.values())
    with ByteProgress(sum(file.remote.size for file in wanted.values()), [*wanted]) as progress:

        def bring(group: Mapping[Key, Weights]) -> dict[Key, Path | HarnessError]:
            return {
                key: _attempt(weights, folder, accept_unverified, progress)
                for key, weights in group.items()
            }

        found = together([partial(bring, group) for group in groups.values()], jobs, progress)
    outcomes: dict[Key, Path | HarnessError] = {}
    for group in found:
        assert not isinstance(group, HarnessError)  # each file's own is kept in its place
        outcomes |= group
    return _tell(files, outcomes)


def _attempt(
    weights: Weights, folder: Path, accept_unverified: bool, progress: ByteProgress
) -> Path | HarnessError:
    try:
        return fetch(weights, folder, accept_unverified=accept_unverified, progress=progress)
    except HarnessError as error:
        return error


def _key(file: File) -> Key:
    return file.weights.filename, file.weights.sha256


def _different(files: Iterable[File]) -> list[Weights]:
    return list({_key(file): file.weights for file in files}.values())


def _tell(files: Iterable[File], outcomes: Mapping[Key, Path | HarnessError]) -> int:
    code = 0
    for file in files:
        outcome = outcomes[_key(file)]
        if isinstance(outcome, HarnessError):
            code = code or outcome.exit_code
        print(f"{file.label}: {outcome}{_marked(file, outcome)}", file=sys.stderr)
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
