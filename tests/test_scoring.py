"""Scoring a subset for several tasks: what an image that one geometry cannot take does to them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.engine.scorer import Compute, Scorer
from harness.evaluation.images import Share, SubsetScoring
from harness.results.journal import Journal, scored
from harness.results.records import PredictionKey
from tests.conftest import write_images

KEY = PredictionKey(
    suite="s",
    subset="b",
    manifest="m" * 64,
    detector="d",
    version=1,
    variant="",
    weights="",
    preprocess="native",
)


class Zeros:
    """Scores every picture 0."""

    reads_pixels = True

    def pixels(self, images: Tensor, name: str) -> np.ndarray[Any, Any]:
        return np.zeros(len(images))


def _score(folder: Path, texts: tuple[str, ...], batch_size: int, *, skip_bad: bool) -> list[Share]:
    samples = [
        Sample(id=p.name, label=0, source=FileSource(str(p))) for p in sorted(folder.rglob("*.png"))
    ]
    tasks = []
    for text in texts:
        key = dataclasses.replace(KEY, preprocess=text)
        journal = Journal(folder / f"{len(tasks)}.journal", key, len(samples))
        scorer = cast(Scorer, Zeros())
        tasks.append(Share(scorer=scorer, preprocess=parse(text), journal=journal))
    compute = Compute(device=torch.device("cpu"), batch_size=batch_size, workers=2)
    scoring = SubsetScoring(samples, tasks, compute, skip_bad=skip_bad, tick=lambda *counts: None)
    scoring.run()
    for task in tasks:
        task.journal.close()
    return tasks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures and, between them, a strip of 3000x2."""
    write_images(tmp_path, range(2), 64, 64)
    write_images(tmp_path / "strip", range(7, 8), 2, 3000)
    return tmp_path


@pytest.mark.parametrize("batch_size", [1, 2])
def test_an_image_that_a_geometry_cannot_take_concerns_the_tasks_of_that_geometry_alone(
    folder: Path, batch_size: int
) -> None:
    native, resized = _score(folder, ("native", "resize(256)"), batch_size, skip_bad=True)
    assert len(dict(scored(native.journal.scores))) == 3
    assert (len(dict(scored(resized.journal.scores))), len(resized.journal.skipped)) == (2, 1)
    assert native.error is resized.error is None


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_error_names_the_file_and_what_would_become_of_it(
    folder: Path, batch_size: int
) -> None:
    native, resized = _score(folder, ("native", "resize(256)"), batch_size, skip_bad=False)
    assert native.error is None
    assert len(dict(scored(native.journal.scores))) == 3
    assert resized.error is not None
    assert "would be enlarged from 3000x2 to 384000x256" in resized.error.message
    assert str(folder / "strip") in resized.error.message
