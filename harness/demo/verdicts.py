"""What one detector says of one image, and whether it says the same when shown it otherwise."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from harness.api import FileHeader
from harness.data.perturb import UNPERTURBED, Perturbation, parse_perturbation
from harness.data.preprocess import Preprocess, parse
from harness.engine.scorer import Compute, Job, Scorer
from harness.errors import HarnessError, attempt
from harness.evaluation import image_file
from harness.evaluation.image_file import ImageFile
from harness.evaluation.twins import SuiteSizes, geometry_text
from harness.explain.columns import drawn, in_words
from harness.explain.maps import ready
from harness.explain.observer import Observer, Subject

log = logging.getLogger(__name__)

Value = TypeVar("Value")

LARGEST = 2048 * 2048
"""Pixels after preprocessing up to which the page scores: a network's memory grows with them."""
LARGEST_MAP = 1024 * 1024
"""The same for maps: gradients hold every activation in memory."""

GEOMETRIES = {"native": "no resize", "resize": "resized", "center_crop": "centre crop"}
CODECS = {"JPEG 96": "jpeg(96)", "JPEG 75": "jpeg(75)"}


class Way(NamedTuple):
    """How an image is shown: its name for people, what happens before, and the geometry."""

    name: str
    preprocess: Preprocess
    perturbation: Perturbation = UNPERTURBED

    @property
    def text(self) -> str:
        """``jpeg(96), then resize(256,256)``."""
        before = f"{self.perturbation}, then " if self.perturbation else ""
        return f"{before}{self.preprocess}"


def ways(job: Job, header: FileHeader, *, pixels: bool) -> list[Way]:
    """As published (the geometry of ``python -m harness score``) first, then otherwise.

    Args:
        job: the detector.
        header: the image's.
        pixels: whether it looks at pixels; for one that does not, geometry means nothing.

    Returns:
        Distinct ways; a geometry twin that comes to the published one is left out.
    """
    published = parse(job.preprocess_for("*"))
    found = [Way("as published", published)]
    if pixels:
        sizes = SuiteSizes(counts={(header.height, header.width): 1})
        for name, title in GEOMETRIES.items():
            found.append(Way(title, parse(geometry_text(name, job, sizes))))
    found += [Way(name, published, parse_perturbation(text)) for name, text in CODECS.items()]
    distinct: dict[str, Way] = {}
    for way in found:
        distinct.setdefault(way.text, way)
    return list(distinct.values())


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A score under one way of showing, or why there is none.

    Args:
        way: how the image was shown.
        score: larger = more fake; None where ``error`` says why.
        fake: the decision, ``score > threshold``.
        error: one line.
    """

    way: Way
    score: float | None = None
    fake: bool = False
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One detector on one image.

    Args:
        job: the detector.
        readings: as published first; that is the score of ``python -m harness score``.
        panel: an SVG file with its maps of the image, empty where there are none.
        alt: the panel in words, or why there are no maps.
    """

    job: Job
    readings: tuple[Reading, ...]
    panel: bytes = b""
    alt: str = ""

    @property
    def published(self) -> Reading:
        """The reading that counts."""
        return self.readings[0]

    @property
    def is_control(self) -> bool:
        """Whether it is no method but a control of the harness."""
        return self.job.spec.family == "control"

    @property
    def probability(self) -> float | None:
        """The score on a scale of 0 to 1, where it is a logit or a probability; not calibrated."""
        score, kind = self.published.score, self.job.spec.score.kind
        if score is None or kind == "uncalibrated":
            return None
        if kind == "probability":
            return score
        return 1 / (1 + math.exp(-max(score, -700.0)))  # exp overflows a double above 709

    @property
    def flips(self) -> tuple[Reading, ...]:
        """The ways of showing this very image that turn the decision."""
        first = self.published
        if first.score is None:
            return ()
        return tuple(r for r in self.readings if r.score is not None and r.fake != first.fake)


class Contestant:
    """A detector with its weights, ready to look at images.

    Args:
        job: detector and weights.
        compute: where it runs.
    """

    def __init__(self, job: Job, compute: Compute) -> None:
        self.job = job
        self.scorer = Scorer(job.spec, job.loaded, compute)
        self._device = compute.device

    @cached_property
    def _observer(self) -> Observer:
        """The plain form, which gradients need, is loaded when maps are first asked for."""
        return Observer(job=self.job, detector=ready(self.job, self._device))

    def look(self, picture: ImageFile, header: FileHeader) -> Answer:
        """Its answer; what goes wrong inside it is in the answer and stops no one else."""
        shown = ways(self.job, header, pixels=self.scorer.reads_pixels)
        readings = tuple(self._read(picture, way) for way in shown)
        panel, alt = b"", "No score, no map."
        if not self.scorer.reads_pixels:
            alt = "It reads the file itself, not its pixels: there is no place to show."
        elif readings[0].score is not None:
            found = self._tried(self._maps, picture, readings[0].way)
            panel, alt = (b"", _said(found)) if isinstance(found, HarnessError) else found
        return Answer(job=self.job, readings=readings, panel=panel, alt=alt)

    def _tried(self, function: Callable[..., Value], *arguments: object) -> Value | HarnessError:
        """As ``attempt``, with a traceback in the log of what nobody raised on purpose."""
        found = attempt(function, *arguments)
        if isinstance(found, HarnessError) and found.__cause__:
            log.error("%s failed", self.job.spec.name, exc_info=found.__cause__)
        return found

    def _read(self, picture: ImageFile, way: Way) -> Reading:
        found = self._tried(self._score, picture, way)
        if isinstance(found, HarnessError):
            return Reading(way=way, error=found.message)
        return Reading(way=way, score=found, fake=found > self.job.spec.score.threshold)

    def _score(self, picture: ImageFile, way: Way) -> float:
        if self.scorer.reads_pixels:
            height, width = way.preprocess(picture.pixels(way.perturbation)).shape[:2]
            if height * width > LARGEST:
                raise HarnessError(
                    f"{width}x{height} pixels after preprocessing, this page scores up to "
                    f"{LARGEST:,}; python -m harness score FILE does without a limit"
                )
        return image_file.score(picture, self.scorer, way.preprocess, way.perturbation)

    def _maps(self, picture: ImageFile, way: Way) -> tuple[bytes, str]:
        """A panel and its words."""
        height, width = way.preprocess(picture.pixels()).shape[:2]
        if height * width > LARGEST_MAP:
            raise HarnessError(
                f"no map of {width}x{height} pixels: the page makes maps of up to {LARGEST_MAP:,}"
            )
        subject = Subject(name=picture.name, pixels=picture.pixels())
        look = self._observer.look(subject)
        return drawn(subject, [look], "svg"), f"{in_words(look)}."


def _said(error: HarnessError) -> str:
    text = f"{error.message}; next: {error.hint}" if error.hint else f"{error.message}."
    return text[:1].upper() + text[1:]
