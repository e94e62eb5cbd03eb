"""What many images cost a run beside scoring: memory, and the seconds of every stage.

A run of synthetic images, which are made in memory, in a process of its own: no folder is listed
and nothing is read from a disk, so that what is left is ours. The functions behind the stages are
wrapped in that process and nothing else is changed.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cost.bench_loops import UNTRAINED, load
from harness.data.sample import Manifest
from harness.data.suite import Selection
from harness.data.synthetic import synthetic_suite
from harness.engine.scorer import CPU, Compute, Job, make_job
from harness.env import current_memory, forget_peak_memory, peak_memory, usable_cores
from harness.errors import HarnessError, WeightsError
from harness.evaluation import matrix as matrix_module
from harness.evaluation.images import SubsetScoring
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings
from harness.evaluation.run_records import RunRecords
from harness.registry.detectors import detector
from harness.results import intervals
from harness.results.journal import Journal
from harness.results.records import Resampling, RunRecord
from harness.results.store import load_records

MIB = 1 << 20
SCORING, PLANNING, TABLE, BOOTSTRAP = "scoring", "planning", "table", "bootstrap"
STAGES = ("indexing", PLANNING, SCORING, "journal", "merge", "metrics", BOOTSTRAP, "record", TABLE)
"""What a run consists of; planning is also whatever is none of the others."""
_BEHIND: tuple[tuple[Any, str, str], ...] = (
    (matrix_module, "load_manifest", "indexing"),
    (SubsetScoring, "run", SCORING),
    (Journal, "add", "journal"),
    (Journal, "finish", "merge"),
    (RunRecords, "result", "metrics"),
    (RunRecords, "add", "record"),
    (intervals, "replicates", BOOTSTRAP),
)
"""Whose function is behind which stage."""

Tabulate = Callable[[Sequence[RunRecord], Sequence[Selection]], str]


@dataclass(frozen=True, kw_only=True)
class ScalePlan:
    """What is run.

    Args:
        methods: detectors, as after ``--method``.
        preprocess: their geometry.
        resamples: behind every interval.
        tabulate: makes the table that a run prints.
    """

    methods: tuple[str, ...]
    preprocess: str
    resamples: int
    tabulate: Tabulate


@dataclass(frozen=True, kw_only=True)
class ScaleResult:
    """One number of images. Memory is resident memory of the driver's process, in bytes.

    Args:
        images: how many.
        detectors: label of each, untrained ones are said to be.
        workers: threads that scored.
        start: memory before the run, with everything imported and every network built.
        peak: the largest; None where the system does not tell.
        manifest: bytes of an image in the manifest: its sample, id, hash and source.
        bootstrap: the largest that one bootstrap took on top of what was there.
        seconds: stage -> seconds, of all detectors together.
    """

    images: int
    detectors: tuple[str, ...]
    workers: int
    start: int | None
    peak: int | None
    manifest: float
    bootstrap: int | None
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds from the first stage to the last."""
        return sum(self.seconds.values())

    @property
    def beside_scoring(self) -> float:
        """Share of the time that is not scoring."""
        return 1 - self.seconds[SCORING] / self.total


class Stages:
    """Seconds of stages, each without those inside it; of the thread that made it alone.

    Attributes:
        seconds: stage -> seconds so far.
        peak: the largest resident memory so far, bytes; None where the system does not tell.
        bootstrap: the largest that one bootstrap took on top of what was there; None likewise.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.peak: int | None = None
        self.bootstrap: int | None = None
        self.manifest = 0.0
        self._inside: list[float] = []
        self._thread = threading.get_ident()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts what happens inside; stages may lie in each other."""
        start = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self.seconds[name] += seconds - self._inside.pop()
            if self._inside:
                self._inside[-1] += seconds

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Counts the stages of the run that happens inside."""
        with ExitStack() as stack:
            for owner, name, stage in _BEHIND:
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, self._wrapped(getattr(owner, name), stage))
            yield

    def _wrapped(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*arguments, **named)
            with self.stage(stage):
                if stage == BOOTSTRAP:
                    return self._bootstrap(function, *arguments, **named)
                value = function(*arguments, **named)
            if isinstance(value, Manifest):
                self.manifest = bytes_per_image(value)
            return value

        return counted

    def _bootstrap(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.look()
        before = current_memory() or 0
        if not forget_peak_memory():
            return function(*arguments, **named)
        value = function(*arguments, **named)
        # None of its own where the memory that earlier work gave back was enough: 0, not unknown.
        taken = max(0, (peak_memory() or 0) - before)
        self.bootstrap = max(self.bootstrap or 0, taken)
        return value

    def look(self) -> None:
        """Notes the peak so far."""
        peak = peak_memory()
        if peak is not None:
            self.peak = max(self.peak or 0, peak)


def bytes_per_image(manifest: Manifest) -> float:
    """What the manifest keeps of an image alone: Python's objects and the place in the tuple."""
    samples = manifest.samples
    kept = sum(
        sys.getsizeof(each)
        for sample in samples
        for each in (sample, sample.id, sample.sha256, sample.source)
    )
    return kept / len(samples) + 8


class ScaleRun:
    """A run of ``run``'s own code over synthetic images.

    Args:
        count: images.
        plan: what is run.
        out: output folder.
    """

    def __init__(self, count: int, plan: ScalePlan, out: Path) -> None:
        suite = synthetic_suite(count, out)
        self.selection = Selection(suite=suite, subsets=suite.subsets)
        self.count, self.plan, self.out = count, plan, out

    def result(self) -> ScaleResult:
        """Runs it."""
        jobs = [job(name, self.plan.preprocess) for name in self.plan.methods]
        settings = Settings(
            out=self.out,
            compute=Compute(device=CPU, workers=usable_cores()),
            resampling=Resampling(resamples=self.plan.resamples),
        )
        gc.collect()
        start, stages = current_memory(), Stages()
        with stages.watched():
            with stages.stage(PLANNING):
                records = Matrix(jobs, settings).run([self.selection])
            with stages.stage(TABLE):
                self.plan.tabulate(load_records(self.out), [self.selection])
        stages.look()
        for result in (result for record in records for result in record.subsets):
            if result.status != "ok":
                raise HarnessError(f"{result.subset}: {result.error}")
        return ScaleResult(
            images=self.count,
            detectors=tuple(each.label for each in jobs),
            workers=settings.compute.workers,
            start=start,
            peak=stages.peak,
            manifest=stages.manifest,
            bootstrap=stages.bootstrap,
            seconds=stages.seconds,
        )


def job(name: str, preprocess: str) -> Job:
    """A detector at the synthetic images' own size; untrained where its weights are not there."""
    method, _, token = name.partition(":")
    try:
        made = make_job(detector(method), token)
    except WeightsError:
        if token:
            raise
        spec, loaded = load(method, UNTRAINED)
        made = Job(spec=spec, loaded=loaded)
    return Job(spec=made.spec, loaded=made.loaded, token=made.token, geometry={"*": preprocess})
