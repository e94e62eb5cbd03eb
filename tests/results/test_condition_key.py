"""A key that says a condition names other files; one that says none names those that it named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.results.predictions import key_json, prediction_path
from harness.results.records import PredictionKey, RunRecord, WeightsRef

KEY = PredictionKey(
    suite="gangen",
    subset="began",
    manifest="m" * 64,
    detector="lfm",
    version=1,
    variant="released",
    weights="w" * 64,
    preprocess="native",
)
# Written by the version before there were conditions.
WRITTEN = (
    '{"decode": 1, "detector": "lfm", "limit": 0, "manifest": "' + "m" * 64 + '", '
    '"on_bad_image": "error", "perturbation": "", "precision": "fp32", "preprocess": "native", '
    '"subset": "began", "suite": "gangen", "variant": "released", "version": 1, '
    '"weights": "' + "w" * 64 + '"}'
)
NAMED = "predictions/gangen/began/lfm/761c6c1ea892b975.parquet"


def test_without_a_condition_text_and_file_name_are_what_they_were() -> None:
    assert key_json(KEY) == WRITTEN
    assert prediction_path(Path(), KEY).as_posix() == NAMED
    assert "condition" not in repr(KEY)


def test_a_condition_is_part_of_the_key() -> None:
    changed = dataclasses.replace(KEY, condition="normalise(clip)")
    assert changed.fields()["condition"] == "normalise(clip)"
    assert changed != KEY
    assert prediction_path(Path(), changed) != prediction_path(Path(), KEY)
    assert PredictionKey(**changed.fields()) == changed  # type: ignore[arg-type]


def test_no_record_has_one() -> None:
    record = RunRecord(
        detector="lfm",
        title="LFM",
        version=1,
        variant="released",
        suite="gangen",
        weights=WeightsRef(label="released", sha256="w" * 64),
        preprocess="native",
        published_preprocess="native",
    )
    assert record.key("began", "m" * 64) == KEY
    assert record.scorer().condition == ""
