"""Pictures looked at by several detectors: scores, decisions, maps, and how local the maps are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.api import Detector
from harness.data.decode import Image8
from harness.data.preprocess import parse, refuse_size, to_tensor
from harness.engine.scorer import Job
from harness.explain.maps import Explanation, explain
from harness.metrics.bootstrap import percentiles, unit_weights
from harness.metrics.focus import focus
from harness.metrics.values import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture.

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
class Row:
    """What one map of one detector says of one picture.

    Args:
        detector, weights: which row of a table.
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


@dataclass(frozen=True, kw_only=True)
class FocusMean:
    """Mean focus of a detector's maps over pictures, with its 95 % bootstrap interval.

    Args:
        of: which pictures: ``fake``, ``real`` or "" where it is not known.
        called: what the detector calls them. One that says real has little left that speaks for
            fake, so pictures of both decisions together would measure the detector's errors.
        mean, low, high: shares of the cells; None without a picture that has a focus, the
            interval of fewer than two.
        pictures: that have a focus, and of how many.
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
    """Mean of (first - second) over the pictures that both call the same and have a focus of;
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


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One detector's look at one picture: what it saw, and its maps."""

    job: Job
    pixels: Image8
    explanations: Sequence[Explanation]

    def rows(self) -> Iterator[Row]:
        """One a map."""
        threshold = self.job.spec.score.threshold
        for found in self.explanations:
            taken = None if found.selected is None else float((found.selected > 0).mean())
            yield Row(
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

    def look(self, picture: Picture) -> View:
        """Its maps of one picture.

        Raises:
            InputSizeError: a size that it cannot take.
            HarnessError: see :func:`harness.explain.maps.explain`.
        """
        pixels = parse(self.job.preprocess_for(picture.suite))(picture.pixels, picture.name)
        refuse_size(self.job.spec, pixels.shape[:2], picture.name)
        found = explain(self.detector, to_tensor(pixels)[None], self.layer, picture.name)
        return View(job=self.job, pixels=pixels, explanations=found)


Measured = tuple[str, str, Row]
"""Picture's name, its kind, and a row about it."""


def focus_means(measured: Iterable[Measured], resamples: int) -> list[FocusMean]:
    """Mean focus of each detector by kind of map, kind of picture and decision.

    Args:
        measured: of all pictures.
        resamples: bootstrap resamples of pictures, at least 1.
    """
    found = []
    for (detector, weights, kind, of, called), values in _grouped(measured).items():
        defined = {name: value for name, value in values.items() if value is not None}
        mean, low, high = _mean(defined, resamples) if defined else (None, None, None)
        found.append(
            FocusMean(
                detector=detector,
                weights=weights,
                kind=kind,
                of=of,
                called=called,
                mean=mean,
                low=low,
                high=high,
                pictures=len(defined),
                out_of=len(values),
            )
        )
    return found


def focus_differences(measured: Iterable[Measured], resamples: int) -> list[FocusDifference]:
    """The first detector against each other one, by kind of map and of picture and decision."""
    found = []
    measured = list(measured)
    grouped = _grouped(measured)
    rows = list(dict.fromkeys((row.detector, row.weights) for _, _, row in measured))
    for kind, of, called in dict.fromkeys(key[2:] for key in grouped):
        first = grouped.get((*rows[0], kind, of, called), {})
        for second in rows[1:]:
            theirs = grouped.get((*second, kind, of, called), {})
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
                        kind=kind,
                        of=of,
                        called=called,
                        mean=mean,
                        low=low,
                        high=high,
                        pictures=len(gaps),
                    )
                )
    return found


Key = tuple[str, str, str, str, str]


def _grouped(measured: Iterable[Measured]) -> dict[Key, dict[str, float | None]]:
    """(detector, weights, kind of map, kind of picture, decision) -> picture -> focus.

    Sorted by kind of picture and decision, then in the order of the detectors.
    """
    grouped: dict[Key, dict[str, float | None]] = {}
    for name, of, row in measured:
        key = (row.detector, row.weights, row.kind, of, row.decision)
        grouped.setdefault(key, {})[name] = row.focus
    rows = list(dict.fromkeys(key[:2] for key in grouped))
    order = sorted(grouped, key=lambda key: (*key[3:], rows.index(key[:2])))
    return {key: grouped[key] for key in order}


Estimate = tuple[float, float | None, float | None]


def _mean(values: Mapping[str, float], resamples: int) -> Estimate:
    """Mean and 95 % percentile interval over resampled pictures; one picture has no interval."""
    numbers: Floats = np.asarray(list(values.values()), dtype=np.float64)
    if len(numbers) < 2:
        return float(numbers[0]), None, None
    weights = unit_weights(list(values), resamples).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a resample may draw none of few pictures
        low, high = percentiles(weights @ numbers / weights.sum(axis=1))
    return float(numbers.mean()), low, high
