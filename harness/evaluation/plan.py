"""What a run is asked to do, and its cells: a detector on a subset, on its way to a result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from harness.data.perturb import Perturbation, parse_perturbation
from harness.data.preprocess import Preprocess, parse
from harness.data.sample import Manifest, Sample
from harness.data.suite import Subset, Suite
from harness.engine.scorer import Compute, Job
from harness.evaluation.shards import Shard
from harness.results.predictions import prediction_path
from harness.results.records import Made, PredictionKey, Resampling, RunRecord, SubsetResult


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is asked to do, beyond which detectors and which suites.

    Args:
        out: output folder.
        data_root: folder of the official suites, None when not given.
        compute: device, precision, batch size, workers.
        limit: images of each class to score, 0 = all; results are then ``partial``.
        overwrite: ``missing`` scores what has no result or a failed one, ``never`` leaves failed
            results too, ``always`` scores everything again.
        skip_bad: leave unreadable images out, counted and listed.
        resampling: how intervals are made, None = no intervals.
        config: the resolved command line, stored with results.
        shard: score only these images, and leave journals in place of results; None = all.
    """

    out: Path
    compute: Compute
    data_root: Path | None = None
    limit: int = 0
    overwrite: str = "missing"
    skip_bad: bool = False
    resampling: Resampling | None = dataclasses.field(default_factory=Resampling)
    config: dict[str, str] = dataclasses.field(default_factory=dict)
    shard: Shard | None = None


Done = tuple[SubsetResult, tuple[Made, ...]]
"""A result, and the sessions that made its scores."""


@dataclass(kw_only=True)
class PlannedCell:
    """One detector on one subset, on its way to a result.

    Args:
        job: the detector and its weights.
        manifest: the subset's images, all of them.
        preprocess: its geometry here.
        perturbation: what happens to the images before.
        key, path: what decides its scores, and where they are kept.
        done: its result and what made the scores, once it is done.
    """

    job: Job
    suite: Suite
    subset: Subset
    manifest: Manifest
    preprocess: Preprocess
    perturbation: Perturbation
    key: PredictionKey
    path: Path
    done: Done | None = None

    @property
    def journal_path(self) -> Path:
        """Where scores are kept while the subset is unfinished."""
        return self.path.with_suffix(".journal")

    def content(self, sample: Sample) -> str:
        """What samples of equal score share: their content, the id where it draws noise, and the
        label where the classes are not treated alike."""
        parts = [sample.sha256]
        parts += [str(sample.label)] if self.perturbation.by_class else []
        parts += [sample.id] if self.perturbation.is_random else []
        return " ".join(parts)


def cell_of(
    job: Job, suite: Suite, subset: Subset, manifest: Manifest, record: RunRecord, out: Path
) -> PlannedCell:
    """A job's cell; its place on disk follows from the record that it will be a result of."""
    key = record.key(subset.name, manifest.digest)
    return PlannedCell(
        job=job,
        suite=suite,
        subset=subset,
        manifest=manifest,
        preprocess=parse(job.preprocess_for(suite.name)),
        perturbation=parse_perturbation(job.perturbation_for(suite.name)),
        key=key,
        path=prediction_path(out, key),
    )


def take(manifest: Manifest, limit: int) -> tuple[Sample, ...]:
    """At most ``limit`` images of each class, evenly spread over the sorted list; 0 = all."""
    if not limit:
        return manifest.samples
    chosen: list[Sample] = []
    for label in (0, 1):
        samples = [sample for sample in manifest.samples if sample.label == label]
        count = min(limit, len(samples))
        chosen += [samples[i * len(samples) // count] for i in range(count)]
    return tuple(chosen)
