"""Files of scores, and what is kept of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.results.predictions import Predictions, read_predictions
from harness.results.records import RunRecord
from harness.results.store import load_records

Says = Callable[..., str]
"""Types a command; what it prints, once its exit code is the expected one."""
PROBABILITY = ("--kind", "probability")
FEW = ("--resamples", "20")


def save(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def table(groups: int = 2, images: int = 6) -> list[list[object]]:
    """Header and rows of a small data set with scores of two detectors."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = [["id", "label", "group", "prob_a", "prob_b"]]
    for number in range(groups * images):
        fake = number % 2
        scores = np.clip(rng.normal(0.35 + 0.3 * fake, 0.2, 2), 0, 1).tolist()
        label, group = ("real", "fake")[fake], f"g{number // images}"
        rows.append([f"i{number}.png", label, group, *map(repr, scores)])
    return rows


def record_of(name: str, out: str = "runs") -> RunRecord:
    (record,) = [r for r in load_records(Path(out)) if r.detector == name]
    return record


def kept(record: RunRecord, subset: str, out: str = "runs") -> Predictions:
    result = record.result(subset)
    assert result is not None
    return read_predictions(Path(out, result.predictions))


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))
