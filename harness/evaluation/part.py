"""A node's side of a run that is dealt: what it is told, how it scores a part, what it says."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from harness.cluster.alike import versions
from harness.cluster.crew import UnfitNodeError
from harness.data.decode import display_name
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import UNREADABLE, Sample
from harness.engine.scorer import Compute, Job, make_job
from harness.env import resolve_device
from harness.errors import HarnessError
from harness.evaluation.images import Share, SubsetScoring
from harness.evaluation.scorers import Scorers, session
from harness.outside.declared import NOTHING, Declared
from harness.registry import detectors as registry
from harness.results.records import Made


@dataclass(frozen=True, kw_only=True)
class WeightsOrder:
    """A detector with the weights that the driver has: a node must have just these.

    Args:
        detector, token, variant: as for :func:`harness.engine.scorer.make_job`.
        sha256: of the driver's.
        declared: what the flags say of a detector from elsewhere.
        origin: the sha256 of what it comes from, "" for one of ours.
    """

    detector: str
    token: str
    variant: str
    sha256: str
    declared: Declared = NOTHING
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeOrder:
    """What a node is told before it gets parts.

    Args:
        weights: the detectors.
        compute: where and how; its device is found on the node.
        device: ``cpu``, ``cuda`` or ``mps``.
        config: the resolved command line, noted with the scores.
        folder: the driver's working folder, where relative paths begin.
        threads: torch's, of the driver (inside operations, between them).
        probe: some images of every subset, that must be the driver's.
    """

    weights: tuple[WeightsOrder, ...]
    compute: Compute
    device: str
    config: Mapping[str, str]
    folder: str
    threads: tuple[int, int]
    probe: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class About:
    """What a node says of itself.

    Args:
        versions: what must be the driver's.
        made: noted with the scores that it gives.
    """

    versions: dict[str, str]
    made: Made


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """One detector's work on a part.

    Args:
        weights: its number among ``NodeOrder.weights``.
        preprocess, perturbation: canonical texts.
        wanted: places in the part that are to be scored.
    """

    weights: int
    preprocess: str
    perturbation: str
    wanted: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some images of one subset, for all detectors that want them.

    Args:
        subset: the driver's number of the subset.
        indices: of the images in the manifest.
        samples: the images.
        tasks: by number of the subset's task.
        skip_bad: unreadable images are left out.
    """

    subset: int
    indices: tuple[int, ...]
    samples: tuple[Sample, ...]
    tasks: Mapping[int, PartTask]
    skip_bad: bool

    def cut(self) -> list[Part]:
        """Two halves; of one image, itself."""
        middle = len(self.indices) // 2
        if not middle:
            return [self]
        return [self._only(0, middle), self._only(middle, len(self.indices))]

    def _only(self, first: int, end: int) -> Part:
        tasks = {
            number: replace(task, wanted=tuple(p - first for p in task.wanted if first <= p < end))
            for number, task in self.tasks.items()
        }
        return replace(
            self,
            indices=self.indices[first:end],
            samples=self.samples[first:end],
            tasks={number: task for number, task in tasks.items() if task.wanted},
        )


@dataclass(kw_only=True)
class PartScores:
    """One detector's answer: places in the part.

    Args:
        wanted: those to be scored.
        scores: place -> score.
        skipped: left out as unreadable.
        error: why it stopped.
    """

    wanted: frozenset[int]
    scores: dict[int, float] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    error: HarnessError | None = None

    def __contains__(self, index: int) -> bool:
        return index not in self.wanted or index in self.scores or index in self.skipped

    def add(self, scores: Iterable[tuple[int, float]], made: Iterable[Made] = ()) -> None:
        """Keeps scores."""
        self.scores.update(scores)

    def skip(self, index: int) -> None:
        """Keeps that an image was left out."""
        self.skipped.add(index)


class NodeScorer:
    """Scores parts; each detector is built once.

    Args:
        order: what the driver wants.

    Raises:
        HarnessError: a detector cannot be set up as the driver has it, or data is not the driver's.
    """

    def __init__(self, order: NodeOrder) -> None:
        with contextlib.suppress(OSError):  # what is then not found is named by its path
            os.chdir(order.folder)
        # An image is scored with one thread whatever this says: the note equals the driver's.
        torch.set_num_threads(order.threads[0])
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(order.threads[1])
        self.compute = replace(order.compute, device=resolve_device(order.device))
        self.jobs = [_job(each) for each in order.weights]
        self._scorers = Scorers(self.compute)
        self._made = session(self.compute, order.config)
        require_same(order.probe)

    def about(self) -> About:
        """What the driver compares, and notes."""
        return About(versions=versions(), made=self._made)

    def work(self, part: Part) -> dict[int, PartScores]:
        """The answer of each of the part's tasks.

        Raises:
            UnfitNodeError: an image is not the driver's.
        """
        answers = {n: PartScores(wanted=frozenset(task.wanted)) for n, task in part.tasks.items()}
        shares: dict[int, Share] = {}
        for number, task in part.tasks.items():
            try:
                shares[number] = Share(
                    scorer=self._scorers.of(self.jobs[task.weights]),
                    preprocess=parse(task.preprocess),
                    perturbation=parse_perturbation(task.perturbation),
                    journal=answers[number],
                )
            except HarnessError as error:
                answers[number].error = error
        SubsetScoring(
            part.samples,
            list(shares.values()),
            self.compute,
            skip_bad=part.skip_bad,
            tick=lambda *_: None,
        ).run()
        for number, share in shares.items():
            answers[number].error = share.error
        if any(answer.error or answer.skipped for answer in answers.values()):
            require_same(part.samples)  # what fails here for want of data is no failure
            for answer in answers.values():
                if answer.error is not None and isinstance(answer.error.__cause__, MemoryError):
                    raise answer.error.__cause__
        return answers


def require_same(samples: Sequence[Sample]) -> None:
    """UnfitNodeError where an image is not readable here, or not the one that the driver listed."""
    for sample in samples:
        if sample.sha256 in ("", UNREADABLE):
            continue
        name = display_name(sample)
        try:
            data = sample.source.read()
        except (OSError, IndexError, ValueError, HarnessError) as error:
            raise UnfitNodeError(f"it lacks data that the driver has: {name}: {error}") from None
        found = hashlib.sha256(data).hexdigest()
        if found != sample.sha256:
            raise UnfitNodeError(
                f"it has other data: {name} has sha256 {found[:12]}, the driver's has "
                f"{sample.sha256[:12]}"
            )


def _job(order: WeightsOrder) -> Job:
    """The detector with the driver's weights."""
    try:
        spec, _ = registry.named(order.detector, order.declared)
        job = make_job(spec, order.token, order.variant)
    except HarnessError as error:
        raise UnfitNodeError(f"{order.detector} cannot be set up there: {error}") from error
    comes = registry.origin(spec)
    if (comes.sha256 if comes else "") != order.origin:
        raise UnfitNodeError(f"it has another {order.detector} than the driver")
    if job.weights.sha256 != order.sha256:
        raise UnfitNodeError(
            f"it has other weights of {job.label}: sha256 {job.weights.sha256[:12]}, the driver's "
            f"have {order.sha256[:12]}"
        )
    return job
