"""Kept scores and records without images, for tests of intervals and comparisons."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from harness.evaluation.recorder import Recorder
from harness.results.predictions import Predictions, prediction_path, write_predictions
from harness.results.records import (
    PredictionKey,
    Resampling,
    RunRecord,
    SubsetResult,
    WeightsRef,
)
from harness.results.store import save_record

REALS, FAKES = 60, 40
RESAMPLING = Resampling(resamples=300)


def labels_of(fakes: int = FAKES) -> np.ndarray:
    return np.array([0] * REALS + [1] * fakes, dtype=np.int8)


def scores_of(seed: int, strength: float, reals_seed: int = 0) -> np.ndarray:
    """Logits: reals from one seed, so that subsets can share them, and fakes of some strength."""
    reals = np.random.default_rng([7, reals_seed]).normal(-1, 1, REALS)
    return np.concatenate([reals, np.random.default_rng(seed).normal(strength, 1, FAKES)])


def keep(
    out: Path,
    detector: str,
    scores: dict[str, np.ndarray],
    *,
    label: str = "released",
    resampling: Resampling | None = RESAMPLING,
    suite: str = "own",
    units: list[str] | None = None,
) -> RunRecord:
    """Writes prediction files and the record of a detector; subsets share their reals' ids.

    A subset called ``ctl...`` has the reals alone and is a control, one called ``alone...`` has
    fakes alone. ``units`` are those of the
    images of each subset; None = every image is one.
    """
    seed = re.search(r"/seed(\d+)$", label)
    results = []
    for subset, values in scores.items():
        control = subset.startswith("ctl")
        ids = [f"real/{i}" for i in range(REALS)] + [f"{subset}/{i}" for i in range(FAKES)]
        labels = labels_of()
        if control:
            ids, labels, values = ids[:REALS], labels[:REALS], values[:REALS]
        elif subset.startswith("alone"):
            ids, labels, values = ids[REALS:], labels[REALS:], values[REALS:]
        key = PredictionKey(
            suite=suite,
            subset=subset,
            manifest=subset,
            detector=detector,
            version=1,
            variant="",
            weights=label,
            preprocess="native",
        )
        path = prediction_path(out, key)
        predictions = Predictions(
            key=key, ids=tuple(ids), labels=labels, scores=values, units=tuple(units or ids)
        )
        write_predictions(path, predictions)
        results.append(
            SubsetResult(
                subset=subset,
                status="ok",
                n_real=int((labels == 0).sum()),
                n_fake=int(labels.sum()),
                manifest=subset,
                predictions=path.relative_to(out).as_posix(),
                group="controls" if control else "",
            )
        )
    record = RunRecord(
        detector=detector,
        title=detector.upper(),
        version=1,
        variant="",
        suite=suite,
        weights=WeightsRef(label=label, sha256=label, seed=int(seed[1]) if seed else None),
        preprocess="native",
        published_preprocess="native",
        subsets=tuple(results),
    )
    record = Recorder(out, resampling).rescored(record)
    save_record(out, record)
    return record
