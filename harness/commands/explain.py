"""``python -m harness explain IMAGE...``: where detectors see evidence, drawn and measured."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness.commands import _flags, _jobs, _text
from harness.data import decode
from harness.data.folders import walk_images
from harness.data.manifest import load_manifest
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.engine.scorer import make_job
from harness.env import DEVICES, resolve_device
from harness.errors import BadImageError, HarnessError, UsageError, printable
from harness.evaluate.plan import take
from harness.explain.gradcam import NoMapError, layer_grad_cam
from harness.explain.maps import Explanation, ready
from harness.explain.observer import (
    FocusDifference,
    FocusMean,
    Observer,
    Picture,
    Row,
    View,
    focus_differences,
    focus_means,
)
from harness.figures.panels import Column, Heat, panel
from harness.figures.svg import FORMS
from harness.metrics.focus import focus
from harness.registry.suites import find_root, parse_selection
from harness.results.store import canonical_json, write_atomic

HELP = "draw Grad-CAM and exact maps of pictures side by side, and measure how local they are"

NAMES = {"grad-cam": "Grad-CAM", "exact": "exact map"}
RESAMPLES = 1000
TITLE = 24  # characters

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``explain``."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="IMAGE", help="files or folders")
    parser.add_argument("--suite", default="", help="pictures of a suite instead: mini:gan")
    parser.add_argument(
        "--limit",
        type=_flags.positive,
        default=4,
        help="pictures of each class and subset, evenly spread (default: %(default)s)",
    )
    parser.add_argument(
        "--panels",
        type=_flags.count,
        default=16,
        help="how many pictures are drawn, those that are named first, the others evenly spread; "
        "all are measured (default: %(default)s)",
    )
    parser.add_argument("--method", required=True, help=_jobs.METHOD_HELP)
    _jobs.add_weights(parser)
    parser.add_argument(
        "--layer", default="", help="of Grad-CAM (default: the last map on the way to the score)"
    )
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--to", type=Path, help="folder of the panels (default: OUT/explain)")
    _flags.add_data_root(parser)
    _flags.add_out(parser)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A picture that is to be read.

    Args:
        sample: it.
        suite: that lists it, "" for a file.
        named: it was named itself, not only a folder or a suite that holds it.
    """

    sample: Sample
    suite: str = ""
    named: bool = False

    @property
    def name(self) -> str:
        """The file, or ``suite/subset/id``: subsets repeat their ids."""
        return printable(
            f"{self.suite}/{self.sample.place}" if self.suite else str(self.sample.path)
        )

    def read(self) -> Picture:
        """Decodes it; BadImageError when that fails."""
        kind = ("real", "fake")[self.sample.label] if self.suite else ""
        pixels = decode.decode(decode.read_bytes(self.sample), decode.display_name(self.sample))
        return Picture(
            name=self.name,
            kind=kind,
            source=printable(self.sample.generator),
            suite=self.suite,
            pixels=pixels,
        )


@dataclass(kw_only=True)
class Findings:
    """What was seen so far.

    Args:
        measured: (picture, its kind, row) of every map.
        panels: entries of ``index.json``.
        failed: what could not be read or explained.
    """

    measured: list[tuple[str, str, Row]] = field(default_factory=list)
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
    drawn = _drawn(targets, args.panels)
    found = Findings()
    for number, target in enumerate(tqdm(targets, unit="picture", leave=False)):
        try:
            picture = target.read()
        except BadImageError as error:
            found.failed.append(error)
            continue
        views = _views(picture, observers, refused, found)
        if number in drawn and views:
            found.panels.append(_write(folder, picture, views))
    if not found.measured:
        raise next(iter([*found.failed, *refused.values()]))
    _report(folder, found)
    lines = [f"{name}: {error}" for name, error in refused.items()]
    for line in [*lines, *map(str, found.failed)]:
        log.warning("%s", line)
    if found.failed:
        return found.failed[0].exit_code
    return 1 if refused and args.method != "all" else 0


def _targets(args: argparse.Namespace) -> Iterator[Target]:
    """The pictures that the flags mean; a picture of several subsets (a shared real) once.

    Raises:
        HarnessError: none, both kinds, or data that is absent.
    """
    seen: set[object] = set()
    if bool(args.suite) == bool(args.paths):
        raise UsageError("say what to explain", hint="IMAGE... or --suite mini:gan (one of them)")
    for path in args.paths:
        files = list(walk_images(path)) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path}: no image below this folder", hint="name a picture")
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                named = file == path or file in args.paths
                yield Target(sample=Sample(id=file.name, label=0, path=file), named=named)
    for selection in parse_selection(args.suite) if args.suite else ():
        root = find_root(selection.suite, args.data_root)
        for subset in selection.subsets:
            manifest = load_manifest(selection.suite, subset, root, args.out)
            for sample in take(manifest, args.limit):
                if sample.sha256 not in seen:
                    seen.add(sample.sha256)
                    yield Target(sample=sample, suite=selection.suite.name)


def _drawn(targets: Sequence[Target], count: int) -> set[int]:
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
    for spec, token, variant in _jobs.selected(args):
        try:
            job = make_job(spec, token, variant)
            if args.preprocess:
                job = dataclasses.replace(job, geometry={"*": args.preprocess})
            observers.append(Observer(job=job, detector=ready(job, device), layer=args.layer))
        except HarnessError as error:
            refused[f"{spec.name}:{token}" if token else spec.name] = error
    if not observers:
        raise next(iter(refused.values()))
    return observers, refused


def _views(
    picture: Picture, observers: list[Observer], refused: dict[str, HarnessError], found: Findings
) -> list[View]:
    """What the observers see; one that offers no map is taken off the list."""
    views = []
    for observer in list(observers):
        try:
            views.append(observer.look(picture))
        except (NoMapError, UsageError) as error:
            refused[observer.job.label] = error
            observers.remove(observer)
        except HarnessError as error:
            found.failed.append(error)
    rows = [row for view in views for row in view.rows()]
    found.measured += [(picture.name, picture.kind, row) for row in rows]
    return views


def _write(folder: Path, picture: Picture, views: Sequence[View]) -> dict[str, Any]:
    """The panel in every form, and its entry in ``index.json``."""
    name = _file_name(picture.name)
    alike = all(view.pixels.shape == views[0].pixels.shape for view in views)
    pixels = views[0].pixels if alike else picture.pixels
    height, width = pixels.shape[:2]
    title = "\n".join(filter(None, (_short(Path(picture.name).name), picture.label)))
    title += f"\n{width} x {height} pixels"
    columns = [_column(view) for view in views]
    for form in FORMS:
        write_atomic(folder / f"{name}.{form}", panel(title, pixels, columns, form))
    return {
        "file": f"{name}.svg",
        "picture": picture.name,
        "label": picture.label,
        "alt": _alt(picture, views),
        "rows": [asdict(row) for view in views for row in view.rows()],
    }


def _file_name(picture: str) -> str:
    """The picture's own name, and a digest of where it lies: two pictures never share a file."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(picture).stem).strip("-.")[-80:]
    return "-".join(filter(None, (readable, hashlib.sha256(picture.encode()).hexdigest()[:12])))


def _short(name: str) -> str:
    """What fits above a picture."""
    return name if len(name) <= TITLE else f"{name[: TITLE - 1]}…"


def _column(view: View) -> Column:
    spec, weights = view.job.spec, view.job.weights.label
    row = next(view.rows())
    sign = ">" if row.decision == "fake" else "≤"
    verdict = f"score {row.score:.2f} {sign} {row.threshold:g}: {row.decision}"
    heats = {
        NAMES[found.kind]: Heat(values=found.map, selected=found.selected, caption=_caption(found))
        for found in view.explanations
    }
    return Column(title=f"{spec.title}\n{weights}\n{verdict}", pixels=view.pixels, heats=heats)


def _caption(found: Explanation) -> str:
    lines = [f"{_focus(focus(found.map).value)}"]
    if found.kind == "exact":
        lines.append(f"{found.map.min():+.2g} to {found.map.max():+.2g} a cell")
    return "\n".join(lines)


def _focus(value: float | None) -> str:
    return "nothing for fake" if value is None else f"focus {100 * value:.1f} %"


def _alt(picture: Picture, views: Sequence[View]) -> str:
    """The panel in words."""
    parts = [f"{picture.label or 'picture'} {picture.name}, beside maps of its evidence"]
    for view in views:
        rows = list(view.rows())
        maps = "; ".join(f"{NAMES[row.kind]}: {_focus(row.focus)}" for row in rows)
        parts.append(f"{view.job.label} says {rows[0].decision} ({rows[0].score:.2f}); {maps}")
    return ". ".join(parts) + "."


def _report(folder: Path, found: Findings) -> None:
    """``index.json``, and the same on stdout."""
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
    print("\n" + _text.table(header, [_mean_line(mean) for mean in means], left=3))
    if differences:
        header = ["difference", "map", "pictures", "n", "mean", "95 %"]
        print("\n" + _text.table(header, [_difference_line(each) for each in differences], left=3))
    for reason in _reasons(means):
        print(reason)
    forms = ", ".join(FORMS)
    log.info("%d panels (%s) and index.json in %s", len(found.panels), forms, folder)


def _lines(panels: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            panel["picture"],
            ":".join(filter(None, (row["detector"], row["weights"]))),
            NAMES[row["kind"]],
            row["decision"],
            f"{row['score']:.2f}",
            _text.percent(row["focus"]),
        ]
        for panel in panels
        for row in panel["rows"]
    ]


def _mean_line(mean: FocusMean) -> list[str]:
    name = ":".join(filter(None, (mean.detector, mean.weights)))
    count = f"{mean.pictures} of {mean.out_of}"
    kind = f"{mean.of} called {mean.called}".lstrip()
    return [name, NAMES[mean.kind], kind, count, _text.percent(mean.mean), _span(mean)]


def _reasons(means: Sequence[FocusMean]) -> list[str]:
    """Why there are dashes."""
    found = []
    if any(mean.pictures < mean.out_of for mean in means):
        found.append("focus -: nothing in the map speaks for fake; n is how many pictures have one")
    if any(mean.pictures == 1 for mean in means):
        found.append("95 % -: one picture gives no interval")
    return found


def _difference_line(each: FocusDifference) -> list[str]:
    name = f"{each.first} minus {each.second}"
    kind = f"{each.of} called {each.called}".lstrip()
    return [name, NAMES[each.kind], kind, str(each.pictures), _text.percent(each.mean), _span(each)]


def _span(found: FocusMean | FocusDifference) -> str:
    """Its interval."""
    if found.low is None:
        return "-"
    return f"{_text.percent(found.low)} to {_text.percent(found.high)}"
