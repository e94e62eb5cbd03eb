"""What one detector says of one picture, and whether it says the same when shown it otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.api import DetectorSpec, FileHeader
from harness.demo.overlays import Map, Mapper
from harness.demo.ways import Treatment, treatments
from harness.engine.scorer import Compute, Job, Scorer
from harness.errors import HarnessError
from harness.evaluate.image_file import ImageFile, attempt, score

LARGEST = 2048 * 2048
"""Pixels after preprocessing up to which the page scores: a network's memory grows with them."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A score under one treatment, or why there is none.

    Args:
        treatment: how the picture was shown.
        score: larger = more fake; None where ``error`` says why.
        fake: the decision, ``score > threshold``.
        error: one line.
    """

    treatment: Treatment
    score: float | None = None
    fake: bool = False
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One detector on one picture.

    Args:
        spec: the detector.
        label: it and its weights, ``lfm:released``.
        readings: as published first; that is the score of ``python -m harness score``.
        trained_on: its weights' training data, where known.
        maps: where in the picture the score comes from.
        map_note: why there are no maps, "" where there are.
    """

    spec: DetectorSpec
    label: str
    readings: tuple[Reading, ...]
    trained_on: str = ""
    maps: tuple[Map, ...] = ()
    map_note: str = ""

    @property
    def published(self) -> Reading:
        """The reading that counts."""
        return self.readings[0]

    @property
    def is_control(self) -> bool:
        """Whether it is no method but a control of the harness."""
        return self.spec.family == "control"

    @property
    def probability(self) -> float | None:
        """The score on a scale of 0 to 1, where it is a logit or a probability; not calibrated."""
        score = self.published.score
        if score is None or self.spec.score.kind == "uncalibrated":
            return None
        if self.spec.score.kind == "probability":
            return score
        return 1 / (1 + math.exp(-max(score, -700.0)))  # exp overflows a double above 709

    @property
    def flips(self) -> tuple[Reading, ...]:
        """The treatments of this very picture that turn the decision."""
        first = self.published
        if first.score is None:
            return ()
        return tuple(r for r in self.readings if r.score is not None and r.fake != first.fake)


class Contestant:
    """A detector with its weights, ready to look at pictures.

    Args:
        job: detector and weights.
        compute: where it runs.
    """

    def __init__(self, job: Job, compute: Compute) -> None:
        self.job = job
        self.scorer = Scorer(job.spec, job.loaded, compute)
        self._mapper = Mapper(job, compute.device)

    def look(self, picture: ImageFile, header: FileHeader) -> Verdict:
        """Its verdict; what goes wrong inside it is in the verdict and stops no one else."""
        spec = self.job.spec
        ways = treatments(spec, header, pixels=self.scorer.reads_pixels)
        readings = tuple(self._read(picture, way) for way in ways)
        maps: tuple[Map, ...] = ()
        note = "It reads the file's header and no pixel: there is no place to show."
        if readings[0].score is None:
            note = "No score, no map."
        elif self.scorer.reads_pixels:
            found = attempt(lambda: self._mapper.maps(ways[0].preprocess(picture.pixels())))
            maps, note = (found, "") if isinstance(found, tuple) else ((), _message(found))
        return Verdict(
            spec=spec,
            label=self.job.label,
            trained_on=self.job.weights.trained_on,
            readings=readings,
            maps=maps,
            map_note=note,
        )

    def _read(self, picture: ImageFile, way: Treatment) -> Reading:
        found = attempt(lambda: self._score(picture, way))
        if isinstance(found, HarnessError):
            return Reading(treatment=way, error=found.message)
        return Reading(treatment=way, score=found, fake=found > self.job.spec.score.threshold)

    def _score(self, picture: ImageFile, way: Treatment) -> float:
        if self.scorer.reads_pixels:
            height, width = way.preprocess(picture.pixels(way.perturbation)).shape[:2]
            if height * width > LARGEST:
                raise HarnessError(
                    f"{width}x{height} pixels after preprocessing, this page scores up to "
                    f"{LARGEST:,}; python -m harness score FILE does without a limit"
                )
        return score(picture, self.scorer, way.preprocess, way.perturbation)


def _message(error: HarnessError) -> str:
    text = f"{error.message}; next: {error.hint}" if error.hint else f"{error.message}."
    return text[:1].upper() + text[1:]
