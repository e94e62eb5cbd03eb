"""A page for each record: reads its kept scores and its images, draws, and renders."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from harness.data.decode import decode, display_name, read_bytes
from harness.data.manifest import load_manifest
from harness.data.sample import Sample
from harness.data.score_sets import NO_IMAGES
from harness.errors import DataError, HarnessError, UsageError
from harness.figures.scores import (
    histogram_plot,
    precision_recall_plot,
    reliability_plot,
    roc_plot,
    subset_tile,
)
from harness.metrics.calibration import probabilities, reliability
from harness.metrics.curve import curve
from harness.metrics.meanings import MEANINGS
from harness.metrics.points import histogram, operating_point
from harness.metrics.values import missing_class
from harness.registry import detectors as registry
from harness.registry.suites import as_found, find_root, get_suite
from harness.results.answers import WhyAnswer
from harness.results.intervals import rule_of
from harness.results.predictions import Predictions, read_predictions, scores_root
from harness.results.records import Metric, RunRecord
from harness.results.store import write_atomic
from harness.site import record_facts as about
from harness.site.explained import explained
from harness.site.pool import (
    Pool,
    WrongImage,
    furthest_wrong,
    pool,
    pooled_metrics,
    say_histogram,
    say_precision_recall,
    say_reliability,
    say_roc,
)
from harness.site.renderer import PageRenderer, data_uri

WRONG = 8
"""Images of each class among the most wrong ones."""
THUMBNAIL = 96
"""Longest side, pixels."""
_TILE_BINS = 24


@dataclass(frozen=True, kw_only=True)
class Plate:
    """Plots of one thing, and what they show in words.

    Args:
        heading: above them.
        plots: none where ``text`` says why.
        text: what they show.
    """

    heading: str
    plots: tuple[Markup, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The most wrong images of one kind.

    Args:
        heading: above them.
        kind: ``real`` or ``fake``, what they are.
        images: the most wrong one first.
        problem: why some have no thumbnail, "" where all have one.
    """

    heading: str
    kind: str
    images: Sequence[WrongImage]
    problem: str


def write(
    out: Path,
    to: Path,
    records: Sequence[RunRecord],
    page_renderer: PageRenderer,
    data_root: Path | None = None,
    *,
    answers: Sequence[WhyAnswer] = (),
) -> list[Path]:
    """Writes the page of every record that has kept scores in ``out``, to ``to``; returns the
    files, in the records' order. ``data_root`` holds the official test sets, for the thumbnails;
    ``answers`` are those of ``why``, about any records.

    Raises:
        SchemaError: a prediction file is damaged.
    """
    thumbnails = Thumbnails(out, data_root)
    paths = []
    for record in records:
        parts = _scores(out, record)
        if parts:
            paths.append(to / about.file_name(record))
            page = _page(record, parts, thumbnails, page_renderer, answers)
            write_atomic(paths[-1], page.encode())
    return paths


class Thumbnails:
    """Small pictures of scored images, for as long as the data on disk is what was scored.

    Args:
        out: output folder, for the remembered content hashes.
        data_root: folder of the official test sets.
    """

    def __init__(self, out: Path, data_root: Path | None) -> None:
        self._out = out
        self._data_root = data_root
        self._samples: dict[tuple[str, str], tuple[str, dict[str, Sample]]] = {}
        self._made: dict[Sample, str] = {}

    def of(self, record: RunRecord, images: Sequence[WrongImage]) -> tuple[list[WrongImage], str]:
        """The images with the addresses of their thumbnails, and why some have none ("" if all)."""
        found, problems = [], []
        for image in images:
            address = ""
            try:
                address = self._of(record, image)
            except HarnessError as error:
                problems.append(error.message)
            found.append(dataclasses.replace(image, thumbnail=address))
        return found, "; ".join(dict.fromkeys(problems))

    def _of(self, record: RunRecord, image: WrongImage) -> str:
        place = f"{record.suite}:{image.subset}"
        if any(r.source == NO_IMAGES for r in record.subsets if r.subset == image.subset):
            raise DataError(f"{record.suite}: {NO_IMAGES} were imported")
        digest, samples = self._manifest(record.suite, image.subset)
        scored = next(r.manifest for r in record.subsets if r.subset == image.subset)
        if digest != scored or image.id not in samples:
            raise DataError(f"{place}: the data on disk is not what was scored")
        sample = samples[image.id]
        if sample not in self._made:
            self._made[sample] = data_uri(_small(sample), "webp")
        return self._made[sample]

    def _manifest(self, suite_name: str, name: str) -> tuple[str, dict[str, Sample]]:
        key = (suite_name, name)
        if key not in self._samples:
            suite = as_found(get_suite(suite_name), self._data_root)
            subset = next((subset for subset in suite.subsets if subset.name == name), None)
            if subset is None:
                raise UsageError(f"{suite_name} has no subset {name} any more")
            root = find_root(suite, self._data_root)
            manifest = load_manifest(suite, subset, root, self._out)
            self._samples[key] = manifest.digest, {s.id: s for s in manifest.samples}
        return self._samples[key]


def _small(sample: Sample) -> bytes:
    """A WebP of at most ``THUMBNAIL`` pixels a side."""
    image = Image.fromarray(decode(read_bytes(sample), display_name(sample)))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=70)
    return buffer.getvalue()


def _scores(out: Path, record: RunRecord) -> dict[str, Predictions]:
    """Subset -> its kept scores, of those that have any, in the suite's order."""
    found = {}
    for result in record.subsets:
        root = scores_root(out, result)
        kept = None if root is None else read_predictions(root / result.predictions)
        if kept is not None and kept.ids:
            found[result.subset] = kept
    return found


def _page(
    record: RunRecord,
    parts: Mapping[str, Predictions],
    thumbnails: Thumbnails,
    renderer: PageRenderer,
    answers: Iterable[WhyAnswer],
) -> str:
    tested, controls = _split(record, parts)
    # Controls have no fakes to be told from, so they are in no curve but where there is no other.
    judged = pool(tested or controls)
    metrics = pooled_metrics(judged, rule_of(record), record.resampling)
    spec = registry.detectors().get(record.detector)
    published = spec.weights[0].name if spec is not None and spec.weights else ""
    return renderer.page(
        "detail.html.j2",
        title=about.title_of(record),
        record=record,
        facts=about.facts(record, published),
        recipe=about.recipe(record),
        sessions=about.sessions(record),
        pool=judged,
        gone=[r.subset for r in record.subsets if r.predictions and r.subset not in parts],
        controls=len(controls) if tested else 0,
        plates=list(_plates(record, judged, metrics)),
        tiles=list(_tiles(record, parts)) if len(parts) > 1 else [],
        table=about.subset_table(record, MEANINGS),
        explained=explained(record, answers),
        galleries=list(_galleries(record, tested, controls, thumbnails)),
    )


def _split(
    record: RunRecord, parts: Mapping[str, Predictions]
) -> tuple[list[Predictions], list[Predictions]]:
    """What counts in the suite's mean, and the controls."""
    groups = {result.subset: result.group for result in record.subsets}
    tested = [kept for name, kept in parts.items() if groups[name] != "controls"]
    return tested, [kept for name, kept in parts.items() if groups[name] == "controls"]


def _plates(record: RunRecord, images: Pool, metrics: Mapping[str, Metric]) -> Iterator[Plate]:
    """The plots of all images together."""
    threshold, kind = record.threshold, record.score_kind
    point = operating_point(images.fake, images.scores, threshold)
    missing = missing_class(images.fake)
    for heading, draw, say in (
        ("ROC curve", roc_plot, say_roc),
        ("Precision and recall", precision_recall_plot, say_precision_recall),
    ):
        if missing:
            yield Plate(heading=heading, plots=(), text=f"Not defined: {missing}.")
            continue
        text = say(metrics, point)
        drawn = draw(curve(images.fake, images.scores), point, text)
        yield Plate(heading=heading, plots=(drawn,), text=text)
    bins = histogram(images.fake, images.scores, threshold)
    text = say_histogram(bins, images, threshold)
    drawn = histogram_plot(bins, threshold, kind, text)
    yield Plate(heading="Scores of both classes", plots=(drawn,), text=text)
    reason = probabilities(images.scores, kind)[1]
    bars = reliability(images.fake, images.scores, kind)
    text = f"Not defined: {reason}." if reason else say_reliability(metrics, images, kind)
    plots = (reliability_plot(bars, text),) if bars else ()
    yield Plate(heading="Reliability of the probabilities", plots=plots, text=text)


def _tiles(record: RunRecord, parts: Mapping[str, Predictions]) -> Iterator[Plate]:
    """A small plot of each subset."""
    results = {result.subset: result for result in record.subsets}
    for name, kept in parts.items():
        fake = np.asarray(kept.labels == 1)
        point = operating_point(fake, kept.scores, record.threshold)
        bins = histogram(fake, kept.scores, record.threshold, _TILE_BINS)
        line = None if missing_class(fake) else curve(fake, kept.scores)
        text = say_roc(results[name].metrics, point)
        drawn = subset_tile(bins, line, point, f"{name}: {text}")
        yield Plate(heading=name, plots=drawn, text=text)


def _galleries(
    record: RunRecord,
    tested: Sequence[Predictions],
    controls: Sequence[Predictions],
    thumbnails: Thumbnails,
) -> Iterator[Gallery]:
    """The most wrong images: reals, fakes, and apart from them the controls."""
    for heading, kind, members in (
        ("Reals with the highest scores", "real", tested),
        ("Fakes with the lowest scores", "fake", tested),
        ("Controls with the highest scores", "real", controls),
    ):
        if not members:
            continue
        images = furthest_wrong(pool(members), record.threshold, fake=kind == "fake", count=WRONG)
        if images:
            shown, problem = thumbnails.of(record, images)
            yield Gallery(heading=heading, kind=kind, images=shown, problem=problem)
