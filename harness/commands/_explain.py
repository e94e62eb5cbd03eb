"""The work of ``explain``."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness.commands import _flags, _jobs, _text
from harness.data import decode
from harness.data.named import images_at
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.env import resolve_device
from harness.errors import BadImageError, HarnessError, UsageError, printable
from harness.explain.columns import NAMES, drawn, in_words
from harness.explain.embeddings import distinct
from harness.explain.gradcam import NoMapError, layer_grad_cam
from harness.explain.maps import ready
from harness.explain.observer import (
    FocusDifference,
    FocusMean,
    MapRow,
    Observation,
    Observer,
    Subject,
    focus_differences,
    focus_means,
)
from harness.figures.svg import FORMS
from harness.registry.suites import parse_selection
from harness.results.records import row_name
from harness.results.store import canonical_json, write_atomic

RESAMPLES = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An image that is to be looked at.

    Args:
        sample: it.
        suite: that lists it, "" for a file.
        named: it was named itself, not only a folder or a suite that holds it.
    """

    sample: Sample
    suite: str = ""
    named: bool = False

    def read(self) -> Subject:
        """Decodes it; BadImageError when that fails."""
        sample, suite = self.sample, self.suite
        return Subject(
            # Subsets repeat their ids.
            name=printable(f"{suite}/{sample.place}" if suite else str(sample.source)),
            kind=("real", "fake")[sample.label] if suite else "",
            source=printable(sample.generator),
            suite=suite,
            pixels=decode.decode(decode.read_bytes(sample), decode.display_name(sample)),
        )


@dataclass(kw_only=True)
class Findings:
    """What was seen so far.

    Args:
        measured: (picture, its kind, row) of every map.
        panels: entries of ``index.json``.
        failed: what could not be read or explained.
    """

    measured: list[tuple[str, str, MapRow]] = field(default_factory=list)
    panels: list[dict[str, Any]] = field(default_factory=list)
    failed: list[HarnessError] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    """Writes panels and ``index.json``, prints the rows and the mean focus.

    Returns:
        0; that of the error when a picture could not be read or explained, 1 when a detector that
        was named offers no map.
    """
    layer_grad_cam()  # a missing extra is said before anything is loaded
    _jobs.selected(args)  # and a typing error before data is read
    targets = list(_targets(args))
    observers, refused = _observers(args)
    folder = args.to or args.out / "explain"
    _flags.require_writable(folder)
    chosen = _drawn(targets, args.panels)
    found = Findings()
    for number, target in enumerate(tqdm(targets, unit="picture", leave=False)):
        try:
            subject = target.read()
        except BadImageError as error:
            found.failed.append(error)
            continue
        looks = _looks(subject, observers, refused, found)
        if number in chosen and looks:
            found.panels.append(_write(folder, subject, looks))
    if not found.measured:
        raise next(iter([*found.failed, *refused.values()]))
    _report(folder, found)
    lines = [f"{name}: {error}" for name, error in refused.items()]
    for line in [*lines, *map(str, found.failed)]:
        log.warning("%s", line)
    if found.failed:
        return found.failed[0].exit_code
    return 1 if refused and args.method != "all" else 0


def _targets(args: argparse.Namespace) -> Iterator[Asked]:
    """What the flags mean; HarnessError for nothing, both kinds, or data that is absent."""
    seen: set[str] = set()
    if bool(args.suite) == bool(args.paths):
        raise UsageError("say what to explain", hint="IMAGE... or --suite mini:gan (one of them)")
    for path in args.paths:
        for file in images_at(path).files:
            place = os.path.realpath(str(file.source))
            if place not in seen:
                seen.add(place)
                sample = Sample(id=file.id, label=0, source=file.source)
                yield Asked(sample=sample, named=str(file.source) in args.paths)
    selections = parse_selection(args.suite, args.data_root) if args.suite else ()
    for suite, _, sample in distinct(selections, args.data_root, args.out, args.limit):
        yield Asked(sample=sample, suite=suite.name)


def _drawn(targets: Sequence[Asked], count: int) -> set[int]:
    """Places of the targets that are drawn: the named ones, then some of the others."""
    named = [place for place, target in enumerate(targets) if target.named]
    others = [place for place, target in enumerate(targets) if not target.named]
    first = _spread(named, count)
    return {*first, *_spread(others, count - len(first))}


def _spread(places: Sequence[int], count: int) -> set[int]:
    """Evenly spread ones, at most ``count``."""
    return {places[i * len(places) // count] for i in range(count)} if places else set()


def _observers(args: argparse.Namespace) -> tuple[list[Observer], dict[str, HarnessError]]:
    """Detectors whose weights load, and why the others are left out; raises if none does."""
    if args.preprocess:
        parse(args.preprocess)
    device = resolve_device(args.device)
    observers: list[Observer] = []
    refused: dict[str, HarnessError] = {}
    for chosen in _jobs.selected(args):
        try:
            job = _jobs.job(chosen, args.preprocess)
            observers.append(Observer(job=job, detector=ready(job, device), layer=args.layer))
        except HarnessError as error:
            refused[row_name(chosen.spec.name, chosen.token)] = error
    if not observers:
        raise next(iter(refused.values()))
    return observers, refused


def _looks(
    subject: Subject, observers: list[Observer], refused: dict[str, HarnessError], found: Findings
) -> list[Observation]:
    """What the observers see; one that offers no map is taken off the list."""
    looks = []
    for observer in list(observers):
        try:
            looks.append(observer.look(subject))
        except (NoMapError, UsageError) as error:
            refused[observer.job.label] = error
            observers.remove(observer)
        except HarnessError as error:
            found.failed.append(error)
    rows = [row for look in looks for row in look.rows()]
    found.measured += [(subject.name, subject.kind, row) for row in rows]
    return looks


def _write(folder: Path, subject: Subject, looks: Sequence[Observation]) -> dict[str, Any]:
    """The panel in every form, and its entry in ``index.json``."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(subject.name).stem).strip("-.")[-80:]
    # With a digest of where it lies: two images never share a file.
    digest = hashlib.sha256(subject.name.encode()).hexdigest()[:12]
    name = "-".join(filter(None, (readable, digest)))
    for form in FORMS:
        write_atomic(folder / f"{name}.{form}", drawn(subject, looks, form))
    parts = [f"{subject.label or 'picture'} {subject.name}, beside maps of its evidence"]
    return {
        "file": f"{name}.svg",
        "picture": subject.name,
        "label": subject.label,
        "alt": ". ".join([*parts, *map(in_words, looks)]) + ".",
        "rows": [asdict(row) for look in looks for row in look.rows()],
    }


def _report(folder: Path, found: Findings) -> None:
    means = focus_means(found.measured, RESAMPLES)
    differences = focus_differences(found.measured, RESAMPLES)
    index = {
        "panels": found.panels,
        "focus": [asdict(mean) for mean in means],
        "differences": [asdict(difference) for difference in differences],
    }
    write_atomic(folder / "index.json", canonical_json(index).encode())
    header = ["picture", "detector", "map", "decision", "score", "focus %"]
    print(_text.table(header, _lines(found.panels), left=4))
    header = ["detector", "map", "pictures", "n", "mean focus %", "95 %"]
    lines = [
        _estimate(row_name(m.detector, m.weights), m, f"{m.pictures} of {m.out_of}") for m in means
    ]
    print("\n" + _text.table(header, lines, left=3))
    if differences:
        header = ["difference", "map", "pictures", "n", "mean", "95 %"]
        lines = [_estimate(f"{d.first} minus {d.second}", d, str(d.pictures)) for d in differences]
        print("\n" + _text.table(header, lines, left=3))
    for reason in _reasons(means):
        print(reason)
    forms = ", ".join(FORMS)
    log.info("%d panels (%s) and index.json in %s", len(found.panels), forms, folder)


def _lines(panels: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            panel["picture"],
            row_name(row["detector"], row["weights"]),
            NAMES[row["kind"]],
            row["decision"],
            f"{row['score']:.2f}",
            _text.percent(row["focus"]),
        ]
        for panel in panels
        for row in panel["rows"]
    ]


def _estimate(name: str, found: FocusMean | FocusDifference, count: str) -> list[str]:
    kind = f"{found.of} called {found.called}".lstrip()
    low, high = _text.percent(found.low), _text.percent(found.high)
    span = "-" if found.low is None else f"{low} to {high}"
    return [name, NAMES[found.kind], kind, count, _text.percent(found.mean), span]


def _reasons(means: Sequence[FocusMean]) -> list[str]:
    """Why there are dashes."""
    found = []
    if any(mean.pictures < mean.out_of for mean in means):
        found.append("focus -: nothing in the map speaks for fake; n is how many pictures have one")
    if any(mean.pictures == 1 for mean in means):
        found.append("95 % -: one picture gives no interval")
    return found
