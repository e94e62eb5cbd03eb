"""Images looked at by several detectors: scores, decisions, maps, and how local the maps are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.api import Detector
from harness.data.decode import Image8
from harness.data.operations import in_8_bits
from harness.data.preprocess import parse, refuse_size, to_tensor
from harness.engine.scorer import Job
from harness.explain.maps import Explanation, explain
from harness.metrics.bootstrap import percentiles, resampled
from harness.metrics.focus import focus
from harness.metrics.values import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A decoded image that is looked at.

    Args:
        name: unique among those looked at together.
        kind: ``real``, ``fake`` or "" where it is not known.
        source: the generator, "photo", or "".
        suite: whose geometry applies, "" = the detectors' default.
        pixels: (H, W, 3) uint8 RGB.
    """

    name: str
    kind: str = ""
    source: str = ""
    suite: str = ""
    pixels: Image8

    @property
    def label(self) -> str:
        """``fake (gan_tconv)``."""
        return f"{self.kind} ({self.source})" if self.kind and self.source else self.kind


@dataclass(frozen=True, kw_only=True)
class MapRow:
    """What one map of one detector says of one image.

    Args:
        detector, weights: which run.
        kind: ``grad-cam`` or ``exact``.
        layer: of Grad-CAM.
        score, threshold, decision: ``fake`` when the score exceeds the threshold.
        focus: see :func:`harness.metrics.focus.focus`; None where nothing speaks for fake.
        taken: share of the cells from which a top-K pooling took a value; None for other maps.
    """

    detector: str
    weights: str
    kind: str
    layer: str
    score: float
    threshold: float
    decision: str
    focus: float | None
    taken: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One detector's look at one image: what it saw, and its maps."""

    job: Job
    pixels: Image8
    explanations: Sequence[Explanation]

    def rows(self) -> Iterator[MapRow]:
        """One a map."""
        threshold = self.job.spec.score.threshold
        for found in self.explanations:
            taken = None if found.selected is None else float((found.selected > 0).mean())
            yield MapRow(
                detector=self.job.spec.name,
                weights=self.job.weights.label,
                kind=found.kind,
                layer=found.layer,
                score=found.score,
                threshold=threshold,
                decision="fake" if found.score > threshold else "real",
                focus=focus(found.map).value,
                taken=taken,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Observer:
    """A detector ready to be asked for its maps.

    Args:
        job: spec and weights.
        detector: from :func:`harness.explain.maps.ready`.
        layer: of Grad-CAM, "" for the last map.
    """

    job: Job
    detector: Detector
    layer: str = ""

    def look(self, subject: Subject) -> Observation:
        """Its maps of one image.

        Raises:
            InputSizeError: a size that it cannot take.
            HarnessError: see :func:`harness.explain.maps.explain`.
        """
        pixels = parse(self.job.preprocess_for(subject.suite))(subject.pixels, subject.name)
        refuse_size(self.job.spec, pixels.shape[:2], subject.name)
        found = explain(self.detector, to_tensor(pixels)[None], self.layer, subject.name)
        return Observation(job=self.job, pixels=in_8_bits(pixels), explanations=found)


@dataclass(frozen=True, kw_only=True)
class FocusMean:
    """Mean focus of a detector's maps over images, with its 95 % bootstrap interval.

    Args:
        of: which images: ``fake``, ``real`` or "" where it is not known.
        called: what the detector calls them. One that says real has little left that speaks for
            fake, so images of both decisions together would measure the detector's errors.
        mean, low, high: shares of the cells; None without an image that has a focus, the
            interval of fewer than two.
        pictures: images that have a focus, and of how many.
    """

    detector: str
    weights: str
    kind: str
    of: str
    called: str
    mean: float | None
    low: float | None
    high: float | None
    pictures: int
    out_of: int


@dataclass(frozen=True, kw_only=True)
class FocusDifference:
    """Mean of (first - second) over the images that both call the same and have a focus of;
    negative = the first is more local. The interval is of the paired difference.
    """

    first: str
    second: str
    kind: str
    of: str
    called: str
    mean: float
    low: float | None
    high: float | None
    pictures: int


Measured = tuple[str, str, MapRow]
"""An image's name, its kind, and a row about it."""


class _Group(NamedTuple):
    """Rows that a mean is over."""

    detector: str
    weights: str
    kind: str
    of: str
    called: str


def focus_means(measured: Iterable[Measured], resamples: int) -> list[FocusMean]:
    """Mean focus of each detector by kind of map, kind of image and decision.

    Args:
        measured: of all images.
        resamples: bootstrap resamples of images, at least 1.
    """
    found = []
    for group, values in _grouped(measured).items():
        defined = {name: value for name, value in values.items() if value is not None}
        mean, low, high = _mean(defined, resamples) if defined else (None, None, None)
        found.append(
            FocusMean(
                **group._asdict(),
                mean=mean,
                low=low,
                high=high,
                pictures=len(defined),
                out_of=len(values),
            )
        )
    return found


def focus_differences(measured: Iterable[Measured], resamples: int) -> list[FocusDifference]:
    """The first detector against each other one, by kind of map and of image and decision."""
    found = []
    grouped = _grouped(measured := list(measured))
    rows = list(dict.fromkeys((row.detector, row.weights) for _, _, row in measured))
    for same in dict.fromkeys(group[2:] for group in grouped):
        first = grouped.get(_Group(*rows[0], *same), {})
        for second in rows[1:]:
            theirs = grouped.get(_Group(*second, *same), {})
            gaps = {
                name: mine - other
                for name, mine in first.items()
                if mine is not None and (other := theirs.get(name)) is not None
            }
            if gaps:
                mean, low, high = _mean(gaps, resamples)
                found.append(
                    FocusDifference(
                        first=":".join(filter(None, rows[0])),
                        second=":".join(filter(None, second)),
                        **dict(zip(("kind", "of", "called"), same, strict=True)),
                        mean=mean,
                        low=low,
                        high=high,
                        pictures=len(gaps),
                    )
                )
    return found


def _grouped(measured: Iterable[Measured]) -> dict[_Group, dict[str, float | None]]:
    """Group -> image -> focus, sorted by kind of image and decision, then as detectors come."""
    grouped: dict[_Group, dict[str, float | None]] = {}
    for name, of, row in measured:
        group = _Group(row.detector, row.weights, row.kind, of, row.decision)
        grouped.setdefault(group, {})[name] = row.focus
    rows = list(dict.fromkeys(group[:2] for group in grouped))
    order = sorted(grouped, key=lambda group: (*group[3:], rows.index(group[:2])))
    return {group: grouped[group] for group in order}


def _mean(values: Mapping[str, float], resamples: int) -> tuple[float, float | None, float | None]:
    """Mean and 95 % percentile interval over resampled images; one image has no interval."""
    numbers: Floats = np.asarray(list(values.values()), dtype=np.float64)
    if len(numbers) < 2:
        return float(numbers[0]), None, None
    with np.errstate(invalid="ignore"):  # a resample may draw none of few images
        means = [
            drawn.astype(np.float64) @ numbers / drawn.sum(axis=1)
            for drawn in resampled(list(values), resamples)
        ]
    low, high = percentiles(np.concatenate(means))
    return float(numbers.mean()), low, high
