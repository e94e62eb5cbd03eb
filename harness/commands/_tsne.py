"""The work of ``tsne``."""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.api import FAKE
from harness.commands import _flags, _jobs, _text
from harness.data.own import own_selections
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.data.suite import Selection, Subset
from harness.engine.scorer import Job
from harness.errors import HarnessError, UsageError
from harness.evaluation.plan import Settings
from harness.explain.embeddings import COMPONENTS, Vectors, content_of, distinct, embedded, plane
from harness.figures.embedding import LegendEntry, Plane, embedding, shown
from harness.metrics.probe import Probe, difference, probe
from harness.registry.suites import parse_selection
from harness.report import separability
from harness.results.records import row_name
from harness.results.store import canonical_json, write_atomic

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DistinctImage:
    """A distinct image of the selection, and the first subset that holds it."""

    sample: Sample
    subset: Subset

    @property
    def generator(self) -> str:
        """What made it; "" for a real."""
        return (self.sample.generator or self.subset.name) if self.sample.label == FAKE else ""

    @property
    def photograph(self) -> str:
        """What images that are not independent share; itself where the suite does not tell."""
        return self.sample.unit or content_of(self.sample)


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """A checkpoint's features.

    Args:
        job: the detector.
        preprocess: its geometry here.
        images: those that it could read.
        probe: in the space of its features.
        places: (N, 2) its images in the plane.
        dims: how many features it has.
    """

    job: Job
    preprocess: str
    images: Sequence[DistinctImage]
    probe: Probe
    places: Vectors
    dims: int

    @property
    def kind(self) -> tuple[str, str]:
        """What training seeds share."""
        weights = self.job.weights
        return self.job.spec.name, weights.label.removesuffix(f"/seed{weights.seed}")


def run(args: argparse.Namespace) -> int:
    selection = _selection(args)
    settings = Settings(
        out=args.out, compute=_jobs.compute(args), skip_bad=args.on_bad_image == "skip"
    )
    wanted = _jobs.selected(args)  # a typing error is said before data is read
    _flags.require_writable(args.out)
    images = _images(selection, args)
    rows: list[Embedded] = []
    errors: list[HarnessError] = []
    for chosen in wanted:
        try:
            job = _jobs.job(chosen, args.preprocess)
            rows.append(_embedded(job, selection.suite.name, images, settings, args))
        except HarnessError as error:
            log.warning("%s: %s", chosen.spec.name, error)
            errors.append(error)
    if not rows:
        raise errors[0]
    _report(rows, args.suite or selection.suite.name, args)
    # `all` means all that can be drawn; what is asked for by name must be.
    return 1 if errors and args.method != "all" else 0


def _selection(args: argparse.Namespace) -> Selection:
    if args.precision != "fp32" or args.runtime != "torch":
        raise UsageError(
            "features are computed by torch at fp32", hint="leave out --precision and --runtime"
        )
    own = own_selections(args.images, _flags.columns(args), args.reals)
    selections = own or parse_selection(args.suite, args.data_root)
    if len(selections) > 1:
        names = ", ".join(selection.suite.name for selection in selections)
        given = "--images" if own else f"--suite {args.suite}"
        raise UsageError(f"one suite a picture, {given} names {names}", hint="run tsne for each")
    return selections[0]


def _images(selection: Selection, args: argparse.Namespace) -> list[DistinctImage]:
    """Controls are left out: they are treated photographs, of neither class."""
    found = [
        DistinctImage(sample=sample, subset=subset)
        for _, subset, sample in distinct([selection], args.data_root, args.out, args.limit)
        if subset.in_mean
    ]
    if not found:
        raise UsageError(
            f"{selection.suite.title}: no fakes are selected; reals or controls alone show no "
            "classes",
            hint="select subsets with fakes, or a folder with 0_real and 1_fake",
        )
    return found


def _embedded(
    job: Job,
    suite: str,
    images: Sequence[DistinctImage],
    settings: Settings,
    args: argparse.Namespace,
) -> Embedded:
    places, features = embedded(job, suite, [image.sample for image in images], settings)
    log.info("%s: %d images embedded", job.label, len(places))
    if len(places) < len(images):
        log.warning("%s: %d unreadable images left out", job.label, len(images) - len(places))
    readable = [images[place] for place in places]
    return Embedded(
        job=job,
        preprocess=str(parse(job.preprocess_for(suite))),
        images=readable,
        probe=probe(
            features.astype(np.float64),
            np.array([image.sample.label == FAKE for image in readable]),
            [image.photograph for image in readable],
            resamples=args.resamples,
            seed=args.seed,
        ),
        places=plane(features, perplexity=args.perplexity, seed=args.seed),
        dims=features.shape[1],
    )


def _report(rows: Sequence[Embedded], suite: str, args: argparse.Namespace) -> None:
    kinds: dict[tuple[str, str], list[Embedded]] = defaultdict(list)
    for row in rows:
        kinds[row.kind].append(row)
    drawn = [members[0] for members in kinds.values()]  # of several seeds the first
    facts = {
        "suite": suite,
        "caption": _caption(drawn, suite, args),
        "alt": _alt(drawn, suite),
        "reading": separability.READING,
        "seed": args.seed,
        "perplexity": args.perplexity,
        "limit": args.limit,
        "resamples": args.resamples,
        "drawn": [row.job.label for row in drawn],
        "rows": [_numbers(row) for row in rows],
        "means": [_mean(members) for members in kinds.values() if len(members) > 1],
        "differences": _differences(list(kinds.values())),
    }
    head, *cells = separability.cells(facts["rows"])
    print("\n".join([_text.table(head, cells), "", *separability.statements(facts)]))
    files = _pictures(drawn, f"t-SNE of {suite}", args.seed)
    files |= {"json": canonical_json(facts).encode(), "md": separability.markdown(facts).encode()}
    for ending, content in files.items():
        path = args.out / "tsne" / f"tsne-{separability.slug(suite)}.{ending}"
        write_atomic(path, content)
        log.info("%s", path)


def _numbers(row: Embedded) -> dict[str, Any]:
    """A line of the table, and what it has no room for."""
    return {
        "detector": row.job.spec.name,
        "weights": row.job.weights.label,
        "sha256": row.job.weights.sha256,
        "preprocess": row.preprocess,
        "images": len(row.images),
        "reals": _reals(row),
        "photographs": len({image.photograph for image in row.images}),
        "dims": row.dims,
        **_flat(row.probe),
        "note": row.probe.note,
    }


def _flat(found: Probe) -> dict[str, float | None]:
    return {"probe": found.value, "probe_low": found.low, "probe_high": found.high}


def _reals(row: Embedded) -> int:
    return sum(not image.generator for image in row.images)


def _mean(members: Sequence[Embedded]) -> dict[str, Any]:
    """Mean and standard deviation over training seeds, on the images that each could read."""
    detector, weights = members[0].kind
    found: dict[str, Any] = {"detector": detector, "weights": weights, "seeds": len(members)}
    values = [row.probe.value for row in members if row.probe.value is not None]
    if len(values) == len(members):
        found["probe"] = {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}
    return found


def _differences(kinds: Sequence[Sequence[Embedded]]) -> list[dict[str, Any]]:
    """The first detector minus each other one, means over seeds, where the images are the same."""
    first = kinds[0]
    return [
        {
            "first": row_name(*first[0].kind),
            "second": row_name(*other[0].kind),
            **_flat(difference([row.probe for row in first], [row.probe for row in other])),
        }
        for other in kinds[1:]
        if all(row.images == first[0].images for row in (*first, *other))
    ]


def _caption(drawn: Sequence[Embedded], suite: str, args: argparse.Namespace) -> str:
    images = drawn[0].images
    reals = _reals(drawn[0])
    generators = len({image.generator for image in images} - {""})
    limited = f", at most {args.limit} of a class and subset" if args.limit else ""
    marks = len(shown(max(len(row.images) for row in drawn), len(drawn), args.seed))
    left_out = f" {marks} of the images are drawn." if marks < len(images) else ""
    return (
        f"t-SNE (perplexity {args.perplexity:g}, seed {args.seed}) of the features that each "
        "detector's last layer sees, standardised, the first "
        f"{COMPONENTS} principal components where there are more, of {len(images)} images of "
        f"{suite}: {reals} reals, each once, and {len(images) - reals} fakes of "
        f"{generators} generators{limited}. Each column is a plane of its own; above by class, "
        "below by generator (a colour a group where there are several). Sizes and distances of "
        f"clusters mean nothing here.{left_out}"
    )


def _alt(drawn: Sequence[Embedded], suite: str) -> str:
    parts = [
        f"{row.job.spec.title} ({row.job.weights.label or 'no weights'}): "
        f"linear probe {separability.shown(_flat(row.probe))} %"
        for row in drawn
    ]
    return (
        f"Scatter plots of {suite}, a column for each detector: {'; '.join(parts)}. Above, reals "
        "are blue circles and fakes orange triangles; below, colours and marks tell generators."
    )


def _pictures(drawn: Sequence[Embedded], title: str, seed: int) -> dict[str, bytes]:
    """Form -> the picture."""
    planes = []
    for row in drawn:
        chosen = shown(len(row.images), len(drawn), seed)
        planes.append(
            Plane(
                title=f"{row.job.spec.title}, {row.dims} features\n{row.job.weights.label}",
                plane=row.places[chosen],
                generators=[row.images[i].generator for i in chosen],
            )
        )
    legend = _legend(drawn)
    return {form: embedding(planes, legend, title, form) for form in ("svg", "pdf")}


def _legend(drawn: Sequence[Embedded]) -> list[LegendEntry]:
    """The generators in the order of the subsets; their titles where subsets are generators."""
    found: dict[str, LegendEntry] = {}
    for image in (image for row in drawn for image in row.images if image.generator):
        name, subset = image.generator, image.subset
        own = subset.name == name
        title = (subset.title or name) if own else name
        found.setdefault(name, LegendEntry(name=name, title=title, family=subset.group))
    return list(found.values())
