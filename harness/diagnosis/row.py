"""The row that is asked about: a detector on the images of a suite, scored the published way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.data.manifest import load_manifest
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Suite
from harness.diagnosis.condition import ScoredSubset, ScoreRule, Sets
from harness.engine.scorer import Job
from harness.errors import DataError
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings, take
from harness.registry.suites import find_root
from harness.results.predictions import Predictions, read_predictions
from harness.results.records import RunRecord, SubsetResult


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """A detector's record on a suite, with the images and their scores.

    Args:
        job: the detector.
        suite: which.
        settings: as the row was scored.
        record: of the run that scored it.
        manifests: subset -> its images, all of them.
        samples: subset -> those that were scored, in the order of the manifest.
        sets: subset -> images with their scores; unreadable ones are absent.
        others: subsets that nothing is asked about, of which scores are kept.
    """

    job: Job
    suite: Suite
    settings: Settings
    record: RunRecord
    manifests: Mapping[str, Manifest]
    samples: Mapping[str, tuple[Sample, ...]]
    sets: Sets
    others: Sets = field(default_factory=dict)

    @property
    def rule(self) -> ScoreRule:
        """How its scores are judged."""
        score = self.job.spec.score
        return ScoreRule(
            kind=score.kind, threshold=score.threshold, published_ap=score.published_ap
        )

    def result(self, subset: str) -> SubsetResult:
        """What the record holds of a subset."""
        found = self.record.result(subset)
        assert found is not None
        return found

    def places(self, subset: str) -> dict[str, int]:
        """Id of each image -> its place among ``samples``."""
        return {sample.id: place for place, sample in enumerate(self.samples[subset])}


def scored_row(job: Job, selection: Selection, settings: Settings) -> ScoredRow:
    """Scores a selection the published way, as ``run`` does; what is kept is not scored again.

    Raises:
        DataError: the suite is not here, or a subset cannot be scored.
    """
    matrix = Matrix([job], settings)
    matrix.run([selection])
    record = matrix.record(job, selection.suite.name)
    root = find_root(selection.suite, settings.data_root)
    manifests, samples, sets = {}, {}, {}
    for subset in selection.subsets:
        result = record.result(subset.name)
        if result is None or not result.predictions:
            why = result.error if result is not None else "it has no result"
            raise DataError(f"{selection.suite.name}:{subset.name} cannot be scored: {why}")
        manifest = load_manifest(selection.suite, subset, root, settings.out)
        manifests[subset.name] = manifest
        samples[subset.name] = take(manifest, settings.limit)
        kept = read_predictions(settings.out / result.predictions)
        sets[subset.name] = as_scored(subset.name, kept, samples[subset.name])
    asked = {subset.name for subset in selection.subsets}
    others = (result for result in record.subsets if result.subset not in asked)
    return ScoredRow(
        job=job,
        suite=selection.suite,
        settings=settings,
        record=record,
        manifests=manifests,
        samples=samples,
        sets=sets,
        others=_kept(others, settings),
    )


def as_scored(subset: str, kept: Predictions, samples: Iterable[Sample] = ()) -> ScoredSubset:
    """Kept scores as conditions take them."""
    sha256 = {sample.id: sample.sha256 for sample in samples}
    return ScoredSubset(
        subset=subset,
        ids=kept.ids,
        labels=kept.labels,
        scores=kept.scores,
        sha256=tuple(sha256[name] for name in kept.ids) if sha256 else (),
    )


def _kept(results: Iterable[SubsetResult], settings: Settings) -> dict[str, ScoredSubset]:
    """Scores of other subsets, as far as they are on disk."""
    found = {}
    for result in results:
        path = settings.out / result.predictions
        if result.predictions and path.exists():
            found[result.subset] = as_scored(result.subset, read_predictions(path))
    return found
