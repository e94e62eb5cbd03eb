"""Does how a score is computed move it? The same images, scored under variations that should not.

The order of the files, the workers and the threads must leave every bit of a score where a CPU
takes one image a forward pass (the default there). The batch size, and the threads inside a batch,
change the order in which floats are added, and another runtime the operations themselves: scores
then agree within a tolerance.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from harness.data.adapters import sample_order
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection
from harness.engine import onnx_session
from harness.engine.accelerate import TOLERANCE
from harness.engine.scorer import Compute, Job, Scorer
from harness.errors import HarnessError
from harness.evaluation.images import Share, SubsetScoring
from harness.evaluation.plan import Settings, take
from harness.metrics.classification import Rule
from harness.registry.suites import find_root
from harness.results.journal import open_journal
from harness.results.records import PredictionKey

Order = Literal["sorted", "reversed", "shuffled"]
Array = np.ndarray[Any, np.dtype[np.float64]]
BATCHES, WORKERS, THREADS = (1, 8, 32), (1, 2, 4), (1, 2, 4)
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One way to compute the same scores.

    Args:
        name: what is varied, "" for the run that the others are compared with.
        compute: where and how networks run.
        order: in which the images of a class are scored.
        threads: torch's, inside an operation; 0 = as they are.
    """

    name: str
    compute: Compute
    order: Order = "sorted"
    threads: int = 0


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a variation did to a detector's scores.

    Args:
        variation, detector: names.
        images: scores compared.
        differing: those that are not the same float64.
        largest: absolute difference of two scores.
        relative: the largest of ``|difference| / max(1, |score|)``.
        allowed: of ``relative``: 0 where every bit must stay.
        flipped: decisions that differ.
        acc, ap: the largest difference of a subset's metric in percentage points, None where it is
            not defined.
    """

    variation: str
    detector: str
    images: int
    differing: int
    largest: float
    relative: float
    allowed: float
    flipped: int
    acc: float | None
    ap: float | None

    @property
    def within(self) -> bool:
        """Whether the scores agree as they should."""
        return self.relative <= self.allowed


Scores = list[Array]
"""One detector's, an array a subset, in the sorted order of the images."""


class Stability:
    """Scores the same images again and again.

    Args:
        jobs: the detectors with their weights.
        selections: the subsets.
        settings: how they are scored; ``limit`` images of each class are taken.
    """

    def __init__(
        self, jobs: Sequence[Job], selections: Sequence[Selection], settings: Settings
    ) -> None:
        self.jobs = jobs
        self.compute = settings.compute
        self.subsets: list[tuple[str, str, tuple[Sample, ...]]] = []
        for selection in selections:
            suite, root = selection.suite, find_root(selection.suite, settings.data_root)
            for subset in selection.subsets:
                listed = sorted(suite.adapter(suite, subset, root), key=sample_order)
                samples = take(Manifest(subset.name, tuple(listed)), settings.limit)
                self.subsets.append((suite.name, subset.name, samples))
        self._first = self._run(Variation(name="", compute=self.compute))

    def variations(self) -> list[Variation]:
        """All that there are on this machine, beside the plain run."""
        compute = self.compute
        batches = [n for n in BATCHES if n != compute.batch_size]
        orders: tuple[Order, ...] = ("reversed", "shuffled")
        found = [
            Variation(name="run again", compute=compute),
            *(Variation(name=f"files {o}", compute=compute, order=o) for o in orders),
            *(_with(compute, f"workers {n}", workers=n) for n in WORKERS if n != compute.workers),
            *(Variation(name=f"threads {n}", compute=compute, threads=n) for n in THREADS),
            *(_with(compute, f"batch {n}", batch_size=n) for n in batches),
        ]
        large = dataclasses.replace(compute, batch_size=batches[-1])
        name = f"batch {large.batch_size}"
        found.append(Variation(name=f"{name}, files shuffled", compute=large, order="shuffled"))
        found += [Variation(name=f"{name}, threads {n}", compute=large, threads=n) for n in THREADS]
        if _has_other_runtime(compute):
            found.append(_with(compute, "onnxruntime", runtime="onnxruntime"))
        return found

    def effects(self, variation: Variation) -> list[Effect]:
        """What a variation does to each detector.

        Raises:
            HarnessError: a subset failed.
        """
        plain, other = self.compute, variation.compute
        one_by_one = plain.per_image and other.per_image and plain.runtime == other.runtime
        allowed = 0.0 if one_by_one else TOLERANCE
        again = self._run(variation)
        return [
            self._effect(variation.name, job, before, after, allowed)
            for job, before, after in zip(self.jobs, self._first, again, strict=True)
        ]

    def _run(self, variation: Variation) -> list[Scores]:
        with _threads(variation.threads), tempfile.TemporaryDirectory() as folder:
            # New scorers each time: building a network may move a score as well as running it.
            scorers = [Scorer(job.spec, job.loaded, variation.compute) for job in self.jobs]
            return [
                [
                    self._scored(job, scorer, place, variation, Path(folder))
                    for place in range(len(self.subsets))
                ]
                for job, scorer in zip(self.jobs, scorers, strict=True)
            ]

    def _scored(
        self, job: Job, scorer: Scorer, place: int, variation: Variation, folder: Path
    ) -> Array:
        suite, subset, samples = self.subsets[place]
        order = _order(samples, variation.order)
        key = PredictionKey(
            suite=suite,
            subset=subset,
            manifest="",
            detector=job.spec.name,
            version=job.spec.version,
            variant=job.loaded.variant,
            weights=job.weights.sha256,
            preprocess=job.preprocess_for(suite),
        )
        with open_journal(
            folder / f"{job.label}-{place}".replace("/", "-"), key, len(samples)
        ) as journal:
            share = Share(
                scorer=scorer,
                preprocess=parse(job.preprocess_for(suite)),
                perturbation=parse_perturbation(job.perturbation_for(suite)),
                journal=journal,
            )
            SubsetScoring(
                [samples[i] for i in order],
                [share],
                variation.compute,
                skip_bad=False,
                tick=lambda *_: None,
            ).run()
            if share.error is not None:
                raise HarnessError(f"{job.spec.name} on {suite}:{subset}: {share.error}")
            scores = np.empty(len(samples))
            scores[order] = journal.scores
            return scores

    def _effect(self, name: str, job: Job, first: Scores, again: Scores, allowed: float) -> Effect:
        before, after = np.concatenate(first), np.concatenate(again)
        apart = np.abs(after - before)
        score = job.spec.score
        rule = Rule(threshold=score.threshold, kind=score.kind)
        points: dict[str, list[float]] = {"acc": [], "ap": []}
        for (_, _, samples), one, other in zip(self.subsets, first, again, strict=True):
            labels = [sample.label for sample in samples]
            values = [rule.evaluate(labels, scores) for scores in (one, other)]
            for metric, found in points.items():
                if metric == "acc" and len(set(labels)) == 1:  # its rate stands for an accuracy
                    metric = "fake_acc" if labels[0] else "real_acc"
                a, b = (value[metric].value if metric in value else None for value in values)
                if a is not None and b is not None:
                    found.append(100 * abs(a - b))
        return Effect(
            variation=name,
            detector=job.label,
            images=len(before),
            differing=int(np.count_nonzero(apart)),
            largest=float(apart.max(initial=0.0)),
            relative=float((apart / np.maximum(1.0, np.abs(before))).max(initial=0.0)),
            allowed=allowed,
            flipped=int(np.count_nonzero((before > score.threshold) != (after > score.threshold))),
            acc=max(points["acc"], default=None),
            ap=max(points["ap"], default=None),
        )


def _with(compute: Compute, name: str, **changes: Any) -> Variation:
    return Variation(name=name, compute=dataclasses.replace(compute, **changes))


def _has_other_runtime(compute: Compute) -> bool:
    plain = compute.device.type == "cpu" and compute.precision == "fp32"
    return plain and compute.runtime == "torch" and onnx_session.installed()


def _order(samples: Sequence[Sample], order: Order) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Places of the samples as they are scored: a class after the other, as everywhere."""
    places = np.arange(len(samples))
    if order == "reversed":
        places = places[::-1]
    elif order == "shuffled":
        places = np.random.default_rng(_SEED).permutation(len(samples))
    labels = np.array([samples[i].label for i in places.tolist()])
    return places[np.argsort(labels, kind="stable")]


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch with this many threads inside an operation; 0 = as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
