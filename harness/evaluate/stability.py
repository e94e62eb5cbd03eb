"""Does how a score is computed move it? The same images, scored under variations that should not.

The order of the files, the workers, threads and shards must leave every bit of a score where a CPU
takes one image a forward pass (the default there). The batch size, and the threads inside a batch,
change the order in which floats are added, and another runtime the operations themselves: scores
then agree within a tolerance.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from harness.data.adapters import sample_order
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.engine.accelerate import TOLERANCE
from harness.engine.scorer import Compute, Job
from harness.errors import HarnessError
from harness.evaluate.matrix import Matrix
from harness.evaluate.plan import Settings, take
from harness.evaluate.shards import Shard, share
from harness.results.predictions import read_predictions
from harness.results.records import RunRecord

Order = Literal["sorted", "reversed", "shuffled"]
Array = np.ndarray[Any, np.dtype[np.float64]]
BATCHES, WORKERS, THREADS, SHARDS = (1, 8, 32), (1, 2, 4), (1, 2, 4), (2, 3)
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One way to compute the same scores.

    Args:
        name: what is varied, "" for the run that the others are compared with.
        compute: where and how networks run.
        order: in which the images are scored.
        threads: torch's, inside an operation; 0 = as they are.
        shards: runs that share the subsets.
    """

    name: str
    compute: Compute
    order: Order = "sorted"
    threads: int = 0
    shards: int = 1


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


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A variation's records, and its scores by image: detector -> (subset, image) -> score."""

    records: Mapping[str, Sequence[RunRecord]]
    scores: Mapping[str, Mapping[tuple[str, str], float]]


class Stability:
    """Scores the same images again and again.

    Args:
        jobs: the detectors with their weights.
        selections: the subsets.
        settings: how they are scored; ``limit`` images of each class are taken in every variation.
        folder: an empty one, for what the runs leave; a folder ``cache`` in the settings' output
            folder keeps the images' hashes.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selections: Sequence[Selection],
        settings: Settings,
        folder: Path,
    ) -> None:
        self.jobs = jobs
        self.selections = selections
        self.settings = settings
        self.folder = folder
        self.plain = Variation(name="", compute=settings.compute)
        self._first = self._run(self.plain)

    def variations(self) -> list[Variation]:
        """All that there are on this machine, beside the plain run."""
        compute = self.settings.compute
        subsets = sum(len(selection.subsets) for selection in self.selections)
        batches = [n for n in BATCHES if n != compute.batch_size]
        orders: tuple[Order, ...] = ("reversed", "shuffled")
        found = [
            Variation(name="run again", compute=compute),
            *(Variation(name=f"files {o}", compute=compute, order=o) for o in orders),
            *(_with(compute, f"workers {n}", workers=n) for n in WORKERS if n != compute.workers),
            *(Variation(name=f"threads {n}", compute=compute, threads=n) for n in THREADS),
            *(
                Variation(name=f"shards {n}", compute=compute, shards=n)
                for n in SHARDS
                if n <= subsets
            ),
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
        again = self._run(variation)
        allowed = 0.0 if self._is_exact(variation) else TOLERANCE
        return [
            _effect(variation.name, job, self._first, again, allowed=allowed) for job in self.jobs
        ]

    def _is_exact(self, variation: Variation) -> bool:
        plain = self.plain.compute
        one_by_one = plain.per_image and variation.compute.per_image
        return one_by_one and plain.runtime == variation.compute.runtime

    def _run(self, variation: Variation) -> _Run:
        out = self.folder / (variation.name or "plain")
        cache = self.settings.out.resolve() / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        out.mkdir()
        (out / "cache").symlink_to(cache)  # the images are the same: no file is hashed twice
        settings = dataclasses.replace(
            self.settings, out=out, compute=variation.compute, limit=0, resampling=None
        )
        selections = [
            dataclasses.replace(each, suite=_taken(each.suite, self.settings.limit, variation))
            for each in self.selections
        ]
        with _threads(variation.threads):
            if variation.shards > 1:
                for index in range(1, variation.shards + 1):
                    shard = Shard(index=index, count=variation.shards)
                    Matrix(self.jobs, settings).run(share(selections, shard, settings.data_root))
            matrix = Matrix(self.jobs, settings)
            matrix.run(selections)
        records = {
            job.label: [matrix.record(job, each.suite.name) for each in selections]
            for job in self.jobs
        }
        return _Run(
            records=records,
            scores={label: self._scores(out, found) for label, found in records.items()},
        )

    def _scores(self, out: Path, records: Sequence[RunRecord]) -> dict[tuple[str, str], float]:
        """(``suite:subset``, image) -> score, whatever place the image had."""
        chosen = {(s.suite.name, subset.name) for s in self.selections for subset in s.subsets}
        scores = {}
        for record in records:
            for result in record.subsets:
                if (record.suite, result.subset) not in chosen:
                    continue
                place = f"{record.suite}:{result.subset}"
                if not result.predictions:
                    raise HarnessError(f"{record.detector} on {place}: {result.error}")
                kept = read_predictions(out / result.predictions)
                for name, score in zip(kept.ids, kept.scores.tolist(), strict=True):
                    scores[place, name.partition("/")[2]] = score
        return scores


def _with(compute: Compute, name: str, **changes: Any) -> Variation:
    return Variation(name=name, compute=dataclasses.replace(compute, **changes))


def _has_other_runtime(compute: Compute) -> bool:
    plain = compute.device.type == "cpu" and compute.precision == "fp32"
    packages = ("onnx", "onnxscript", "onnxruntime")
    return plain and compute.runtime == "torch" and all(map(importlib.util.find_spec, packages))


def _taken(suite: Suite, limit: int, variation: Variation) -> Suite:
    """The suite with at most ``limit`` images of each class, named so that they sort as wished.

    Files are scored in the order of their names, however a folder or a list gives them; so the
    names change here: ``00000012/`` and the name that the image had.
    """

    def adapter(_: Suite, subset: Subset, root: Path) -> list[Sample]:
        listed = sorted(suite.adapter(suite, subset, root), key=sample_order)
        samples = take(Manifest(subset.name, tuple(listed)), limit)
        ranks = np.arange(len(samples))
        if variation.order == "reversed":
            ranks = ranks[::-1]
        elif variation.order == "shuffled":
            ranks = np.random.default_rng(_SEED).permutation(len(samples))
        return [
            dataclasses.replace(sample, id=f"{rank:08d}/{sample.id}")
            for sample, rank in zip(samples, ranks.tolist(), strict=True)
        ]

    return dataclasses.replace(suite, adapter=adapter)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch with this many threads inside an operation; 0 = as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _effect(variation: str, job: Job, first: _Run, again: _Run, *, allowed: float) -> Effect:
    scores, others = first.scores[job.label], again.scores[job.label]
    before: Array = np.array(list(scores.values()))
    after: Array = np.array([others[image] for image in scores])
    apart = np.abs(after - before)
    threshold = job.spec.score.threshold
    records = (first.records[job.label], again.records[job.label])
    return Effect(
        variation=variation,
        detector=job.label,
        images=len(before),
        differing=int(np.count_nonzero(apart)),
        largest=float(apart.max(initial=0.0)),
        relative=float((apart / np.maximum(1.0, np.abs(before))).max(initial=0.0)),
        allowed=allowed,
        flipped=int(np.count_nonzero((before > threshold) != (after > threshold))),
        acc=_points(*records, "acc"),
        ap=_points(*records, "ap"),
    )


def _points(first: Sequence[RunRecord], again: Sequence[RunRecord], metric: str) -> float | None:
    """The largest difference of a subset's metric between two runs, in percentage points."""
    values = [
        [s.metrics[metric].value for record in records for s in record.subsets if s.metrics]
        for records in (first, again)
    ]
    pairs = zip(*values, strict=True)
    return max(
        (100 * abs(a - b) for a, b in pairs if a is not None and b is not None), default=None
    )
