"""``python -m harness tsne``: what detectors make of a suite, as a picture and as numbers."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import FAKE
from harness.commands import _flags, _jobs, _text
from harness.data.own import own_selections
from harness.data.preprocess import parse
from harness.data.suite import Selection
from harness.engine.scorer import Job, make_job
from harness.errors import HarnessError, UsageError
from harness.evaluate.plan import Settings
from harness.explain.embeddings import COMPONENTS, EmbeddingStore, Picture, pictures, plane
from harness.figures.embedding import Generator, Panel, embedding, shown
from harness.metrics.separation import (
    Estimate,
    Points,
    Separation,
    difference,
    separation,
    silhouette,
)
from harness.registry.suites import parse_selection
from harness.report import separability
from harness.results.store import canonical_json, write_atomic

HELP = "draw detectors' features of a suite with t-SNE, and measure how far classes lie apart"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``tsne``."""
    parser.add_argument("--method", required=True, help=_jobs.METHOD_HELP)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--suite", default="", help="one suite or a part of it: mini, mini:gan")
    data.add_argument(
        "--images",
        type=Path,
        action="append",
        help="own data: a folder with 0_real/1_fake below, or a CSV/Parquet manifest",
    )
    _jobs.add_weights(parser)
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--limit",
        type=_flags.positive,
        default=0,
        help="images of each class and subset; time grows with the square of all images",
    )
    parser.add_argument(
        "--perplexity", type=float, default=30.0, help="neighbours that count in t-SNE (30)"
    )
    parser.add_argument(
        "--seed", type=_flags.count, default=0, help="of t-SNE, folds and resamples (0)"
    )
    parser.add_argument("--overwrite", choices=("missing", "always"), default="missing")
    parser.add_argument("--on-bad-image", choices=("error", "skip"), default="error")
    _flags.add_resampling(parser)
    _flags.add_compute(parser)
    _flags.add_data_root(parser)
    _flags.add_out(parser)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One checkpoint.

    Args:
        job: the detector.
        preprocess: its geometry here.
        pictures: its readable images.
        separation: figures in the space of its features.
        places: (N, 2) its images in the plane.
        dims: how many features it has.
    """

    job: Job
    preprocess: str
    pictures: tuple[Picture, ...]
    separation: Separation
    places: np.ndarray[Any, np.dtype[np.float32]]
    dims: int

    @property
    def kind(self) -> tuple[str, str]:
        """What training seeds share."""
        weights = self.job.weights
        return self.job.spec.name, weights.label.removesuffix(f"/seed{weights.seed}")

    def figure(self, name: str) -> Estimate:
        """One of :data:`separability.FIGURES`."""
        found: Estimate = getattr(self.separation, name)
        return found


def run(args: argparse.Namespace) -> int:
    """Writes ``<out>/tsne/tsne-SUITE`` as SVG, PDF, JSON and Markdown; prints the numbers."""
    selection = _selection(args)
    settings = Settings(
        out=args.out,
        compute=_jobs.compute(args),
        data_root=args.data_root,
        limit=args.limit,
        overwrite=args.overwrite,
        skip_bad=args.on_bad_image == "skip",
        resampling=_flags.resampling(args),
    )
    wanted = _jobs.selected(args)  # a typing error is said before data is read
    _flags.require_writable(args.out)
    images = pictures(selection, settings)
    rows: list[Row] = []
    errors: list[HarnessError] = []
    for chosen in wanted:
        try:
            rows.append(_row(_job(chosen, args.preprocess), selection, images, settings, args))
        except HarnessError as error:
            log.warning("%s: %s", chosen.spec.name, error)
            errors.append(error)
    if not rows:
        raise errors[0]
    facts = _facts(rows, args.suite or selection.suite.name, args)
    files = _files(rows, facts, selection, args.seed)
    head, *cells = separability.cells(facts["rows"])
    print("\n".join([_text.table(head, cells), "", *separability.statements(facts)]))
    for ending, content in files.items():
        path = args.out / "tsne" / f"tsne-{separability.slug(facts['suite'])}.{ending}"
        write_atomic(path, content)
        log.info("%s", path)
    # `all` means all that can be drawn; what is asked for by name must be.
    return 1 if errors and args.method != "all" else 0


def _selection(args: argparse.Namespace) -> Selection:
    if args.precision != "fp32" or args.runtime != "torch":
        raise UsageError(
            "features are computed by torch at fp32", hint="leave out --precision and --runtime"
        )
    own = own_selections(args.images or [])
    selections = own or parse_selection(args.suite)
    if len(selections) > 1:
        names = ", ".join(selection.suite.name for selection in selections)
        given = "--images" if own else f"--suite {args.suite}"
        raise UsageError(f"one suite a picture, {given} names {names}", hint="run tsne for each")
    return selections[0]


def _job(chosen: _jobs.Chosen, preprocess: str) -> Job:
    job = make_job(*chosen)
    if not preprocess:
        return job
    return dataclasses.replace(job, geometry={"*": str(parse(preprocess))})


def _row(
    job: Job,
    selection: Selection,
    images: Sequence[Picture],
    settings: Settings,
    args: argparse.Namespace,
) -> Row:
    store = EmbeddingStore(job, selection.suite.name, settings)
    known = store.vectors(images)
    log.info("%s: %d images embedded, the others were on disk", job.label, store.computed)
    readable = tuple(picture for picture in images if picture.sample.sha256 in known)
    if len(readable) < len(images):
        log.warning("%s: %d unreadable images left out", job.label, len(images) - len(readable))
    features = np.stack([known[picture.sample.sha256] for picture in readable])
    points = Points(
        features=features.astype(np.float64),
        fake=np.array([picture.sample.label == FAKE for picture in readable]),
        generators=[picture.generator for picture in readable],
        photographs=[picture.photograph for picture in readable],
    )
    resampling = settings.resampling
    return Row(
        job=job,
        preprocess=str(parse(job.preprocess_for(selection.suite.name))),
        pictures=readable,
        separation=separation(
            points,
            resamples=resampling.resamples if resampling else 0,
            seed=args.seed,
            over_generators=resampling is not None and resampling.unit == "subsets",
        ),
        places=plane(features, perplexity=args.perplexity, seed=args.seed),
        dims=features.shape[1],
    )


def _facts(rows: Sequence[Row], suite: str, args: argparse.Namespace) -> dict[str, Any]:
    """What the JSON file holds."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    drawn = [members[0] for members in kinds.values()]
    most = max(len(row.pictures) for row in drawn)
    count = len(shown(most, len(drawn), args.seed))
    return {
        "suite": suite,
        "caption": _caption(drawn, count, suite, args),
        "alt": _alt(drawn, suite),
        "reading": separability.READING,
        "seed": args.seed,
        "perplexity": args.perplexity,
        "limit": args.limit,
        "resamples": args.resamples,
        "drawn": [row.job.label for row in drawn],
        "marks": count,
        "rows": [_numbers(row) for row in rows],
        "details": [_details(row) for row in rows],
        "means": [_mean(members) for members in kinds.values() if len(members) > 1],
        "differences": _differences(list(kinds.values())),
    }


def _numbers(row: Row) -> dict[str, Any]:
    """A flat line of the table."""
    fakes = [picture.sample.label == FAKE for picture in row.pictures]
    both = 0 < sum(fakes) < len(fakes)
    line: dict[str, Any] = {
        "detector": row.job.spec.name,
        "weights": row.job.weights.label,
        "images": len(row.pictures),
        "dims": row.dims,
    }
    for name in separability.FIGURES:
        line |= _flat(name, row.figure(name))
    in_plane = silhouette(row.places.astype(np.float64), fakes) if both else None
    return {**line, "silhouette_plane": in_plane}


def _details(row: Row) -> dict[str, Any]:
    """What the table has no room for."""
    return {
        "row": row.job.label,
        "sha256": row.job.weights.sha256,
        "preprocess": row.preprocess,
        "reals": sum(not picture.generator for picture in row.pictures),
        "photographs": len({picture.photograph for picture in row.pictures}),
        "unseen_by_generator": dict(row.separation.unseen_by_generator),
        "notes": {n: row.figure(n).note for n in separability.FIGURES if row.figure(n).note},
    }


def _flat(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _mean(members: Sequence[Row]) -> dict[str, Any]:
    """Mean and standard deviation over training seeds."""
    detector, weights = members[0].kind
    found: dict[str, Any] = {"detector": detector, "weights": weights, "seeds": len(members)}
    for name in separability.FIGURES:
        values = [v for row in members if (v := row.figure(name).value) is not None]
        if len(values) == len(members):
            found[name] = {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}
    return found


def _differences(kinds: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """The first detector minus each other one, means over seeds, where the images are the same."""
    first = kinds[0]
    found = []
    for other in kinds[1:]:
        if any(row.pictures != first[0].pictures for row in (*first, *other)):
            continue
        entry: dict[str, Any] = {
            "first": separability.name_of(*first[0].kind),
            "second": separability.name_of(*other[0].kind),
        }
        for name in separability.PROBES:
            sides = [[row.figure(name) for row in members] for members in (first, other)]
            entry |= _flat(name, difference(*sides))
        found.append(entry)
    return found


def _caption(drawn: Sequence[Row], count: int, suite: str, args: argparse.Namespace) -> str:
    images = drawn[0].pictures
    reals = sum(not picture.generator for picture in images)
    generators = len({picture.generator for picture in images} - {""})
    limited = f", at most {args.limit} of a class and subset" if args.limit else ""
    left_out = f" {count} of the images are drawn." if count < len(images) else ""
    return (
        f"t-SNE (perplexity {args.perplexity:g}, seed {args.seed}) of the features that each "
        "detector's last layer sees, standardised, the first "
        f"{COMPONENTS} principal components where there are more, of {len(images)} images of "
        f"{suite}: {reals} reals, each once, and {len(images) - reals} fakes of "
        f"{generators} generators{limited}. Each column is a plane of its own; above by class, "
        "below by generator (a colour a group where there are several). Sizes and distances of "
        f"clusters mean nothing here.{left_out}"
    )


def _alt(drawn: Sequence[Row], suite: str) -> str:
    parts = [
        f"{row.job.spec.title} ({row.job.weights.label or 'no weights'}): "
        f"linear probe {separability.shown('probe', {'probe': row.figure('probe').value})} %"
        for row in drawn
    ]
    return (
        f"Scatter plots of {suite}, a column for each detector: {'; '.join(parts)}. Above, reals "
        "are blue circles and fakes orange triangles; below, colours and marks tell generators."
    )


def _files(
    rows: Sequence[Row], facts: Mapping[str, Any], selection: Selection, seed: int
) -> dict[str, bytes]:
    """Ending -> content."""
    labels = set(facts["drawn"])
    drawn = [row for row in rows if row.job.label in labels]
    panels = []
    for row in drawn:
        chosen = shown(len(row.pictures), len(drawn), seed)
        panels.append(
            Panel(
                title=f"{row.job.spec.title}, {row.dims} features\n{row.job.weights.label}",
                plane=row.places[chosen],
                generators=[row.pictures[i].generator for i in chosen],
            )
        )
    legend = _legend(selection, drawn)
    title = f"t-SNE of {facts['suite']}"
    files = {form: embedding(panels, legend, title, form) for form in ("svg", "pdf")}
    return {
        **files, "json": canonical_json(facts).encode(), "md": separability.markdown(facts).encode()
    }  # fmt: skip


def _legend(selection: Selection, drawn: Sequence[Row]) -> list[Generator]:
    """The generators in the order of the subsets; their titles where subsets are generators."""
    subsets = {subset.name: subset for subset in selection.subsets}
    found: dict[str, Generator] = {}
    for picture in (p for row in drawn for p in row.pictures if p.generator):
        subset = subsets[picture.subset]
        own = subsets.get(picture.generator)
        title = (own.title or own.name) if own else picture.generator
        found[picture.generator] = Generator(
            name=picture.generator, title=title, family=subset.group
        )
    return list(found.values())
