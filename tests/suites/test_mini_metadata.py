"""The embedded suite cannot be solved without looking at pixels."""

from __future__ import annotations

import numpy as np
import pytest

from harness.api import FileHeader
from harness.data.decode import read_bytes, read_header
from harness.data.disk import DiskFolder
from harness.data.sample import Sample
from harness.metrics.classification import evaluate
from harness.registry import detectors as registry
from harness.registry.suites import all_suites
from harness.suites.mini import DATA, train_samples

SUITE = all_suites()["mini"]


def headers(samples: list[Sample]) -> list[FileHeader]:
    return [read_header(read_bytes(sample), sample.id) for sample in samples]


@pytest.fixture(scope="module")
def detector() -> object:
    fitted = registry.detector("metadata").build()
    samples = train_samples()
    labels = np.array([sample.label for sample in samples])
    assert 0.4 < labels.mean() < 0.6
    fitted.fit_headers(headers(samples), labels, seed=0)
    return fitted


@pytest.mark.parametrize("subset", [s for s in SUITE.subsets if s.in_mean], ids=lambda s: s.name)
def test_metadata_scores_at_chance(subset: object, detector: object) -> None:
    samples = SUITE.adapter(SUITE, subset, DiskFolder(DATA))  # type: ignore[arg-type]
    labels = [sample.label for sample in samples]
    scores = detector.score_headers(headers(samples))  # type: ignore[attr-defined]
    metrics = evaluate(labels, scores, 0.0, "logit")
    assert metrics["balanced_acc"].value == 0.5
    assert metrics["auc"].value == 0.5
    assert metrics["ap"].value == pytest.approx(metrics["fake_share"].value)


def test_file_length_says_nothing_either() -> None:
    samples = train_samples()
    for subset in SUITE.subsets:
        samples += SUITE.adapter(SUITE, subset, DiskFolder(DATA))
    assert len({len(read_bytes(sample)) for sample in samples}) == 1
