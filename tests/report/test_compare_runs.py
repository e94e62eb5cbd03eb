"""Diff against another run: counterparts, settings that differ, scores image by image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import SchemaError, UsageError
from harness.report.compare_runs import (
    ImageDiff,
    RunDiff,
    against_run,
    counterpart,
    lacking,
    reference_records,
)
from harness.report.diff import NO_REASON, DiffCell, exceeding
from harness.results.predictions import Predictions, write_predictions
from harness.results.records import Made, PredictionKey, RunRecord, WeightsRef
from harness.results.store import load_records, save_record

from .synthetic import means, metrics, paper_like, record, result

Rows = list[tuple[str, int, float]]
ROWS: Rows = [("a", 0, -1.0), ("b", 0, -0.2), ("c", 1, 0.5), ("d", 1, 2.0)]
KEY = PredictionKey(
    suite="gangen",
    subset="began",
    manifest="m" * 64,
    detector="lfm",
    version=1,
    variant="",
    weights="a",
    preprocess="native",
)


PLACES = {(column, metric) for column in ("began", "mean") for metric in ("ACC", "AP")}


def session(**environment: str) -> dict[str, Made]:
    return {"session": Made(environment=environment)}


def save(
    root: Path, rows: Rows = ROWS, key: PredictionKey = KEY, acc: float = 0.9, **changes: object
) -> RunRecord:
    """A record with one scored subset and its prediction file."""
    kept = Predictions(
        key=key,
        ids=tuple(row[0] for row in rows),
        labels=np.array([row[1] for row in rows], dtype=np.int8),
        scores=np.array([row[2] for row in rows]),
    )
    write_predictions(root / "predictions" / "began.parquet", kept)
    results = (
        result(
            "began",
            predictions="predictions/began.parquet",
            metrics=metrics(acc=acc, ap=0.9),
            made=("session",),
        ),
    )
    changes = {"made": session(torch="2.13"), **changes}
    made = record("gangen", results, mean=means(results), **changes)
    save_record(root, made)
    return made


def found(tmp_path: Path) -> RunDiff:
    here, there = tmp_path / "here", tmp_path / "there"
    return against_run(here, load_records(here), there, reference_records(there))


def compare(tmp_path: Path) -> tuple[dict[tuple[str, str], DiffCell], list[ImageDiff]]:
    diff = found(tmp_path)
    assert diff.not_compared == ()
    return {(cell.column, cell.metric): cell for cell in diff.cells}, list(diff.images)


def test_what_a_run_without_weights_left_is_no_hole_once_they_were_found(tmp_path: Path) -> None:
    for name in ("here", "there"):
        save(tmp_path / name)
    absent = result("began", status="missing", metrics={}, error="weights missing")
    without = record("gangen", (absent,), variant="", weights=WeightsRef(label="released"))
    save_record(tmp_path / "here", without)
    cells, _ = compare(tmp_path)
    assert {cell.status for cell in cells.values()} == {"equal"}


def test_equal_runs(tmp_path: Path) -> None:
    for name in ("here", "there"):
        save(tmp_path / name)
    cells, images = compare(tmp_path)
    assert {cell.status for cell in cells.values()} == {"equal"}
    assert set(cells) == PLACES
    assert lacking(list(cells.values())) == []
    (image,) = images
    assert (image.images, image.differing, image.max_delta, image.flipped) == (4, 0, 0.0, 0)
    assert (image.only_here, image.only_there, image.settings) == (0, 0, ())


def test_scores_image_by_image(tmp_path: Path) -> None:
    save(tmp_path / "here")
    other: Rows = [("a", 0, -1.0), ("b", 0, 0.3), ("c", 0, 0.6), ("e", 1, 2.0), ("f", 1, 2.0)]
    save(tmp_path / "there", other, key=replace(KEY, precision="bf16", decode=2), acc=0.8)
    cells, (image,) = compare(tmp_path)
    assert image.images == 3
    assert image.differing == 2
    assert image.max_delta == pytest.approx(0.5)
    assert image.median_delta == pytest.approx(0.1)
    assert image.flipped == 1
    assert image.relabelled == 1
    assert (image.only_here, image.only_there) == (1, 2)
    assert image.settings == ("precision: fp32, there bf16", "decode: 1, there 2")
    assert cells["began", "ACC"].status == "off"
    assert cells["began", "ACC"].delta == pytest.approx(10)
    assert cells["began", "ACC"].reasons == (NO_REASON,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "other version: 1, there 2"),
        ({"variant": "released"}, "other variant: algorithm1, there released"),
        (
            {"preprocess": "native", "published_preprocess": "native"},
            "other preprocess: resize(256,256), there native",
        ),
        ({"made": session(torch="2.4")}, "other environment: torch 2.13, there 2.4"),
        ({"made": {}}, "the environment there was not recorded"),
        (
            {"weights": WeightsRef(label="released", sha256="b" * 64)},
            f"other weights: sha256 {'a' * 64}, there {'b' * 64}",
        ),
        (
            {"weights": WeightsRef(label="mine", sha256="b")},
            "other weights: label released, there mine",
        ),
    ],
)
def test_settings_that_differ_are_named(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    save(tmp_path / "here")
    save(tmp_path / "there", acc=0.8, **changes)
    cells, _ = compare(tmp_path)
    assert cells["began", "ACC"].reasons == (reason,)
    assert cells["mean", "ACC"].reasons == (reason,)
    assert cells["began", "AP"].reasons == ()
    (setting,) = found(tmp_path).settings
    assert (setting.detector, setting.reasons) == ("lfm", (reason,))


CONDITIONS = [
    ({"precision": "bf16"}, "precision bf16, there fp32"),
    ({"limit": 20}, "limit 20, there none"),
    ({"perturbation": "jpeg(90)"}, "perturbation jpeg(90), there none"),
    ({"preprocess": "native"}, "preprocess native, there as published"),
]


@pytest.mark.parametrize(("changes", "reason"), CONDITIONS)
def test_other_conditions_are_not_compared(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    save(tmp_path / "here", acc=0.1, **changes)
    save(tmp_path / "there")
    diff = found(tmp_path)
    assert (diff.images, diff.settings) == ((), ())
    assert list(diff.cells) == lacking(diff.cells)  # and the plain one is not here
    assert {(c.column, c.metric) for c in diff.cells} == PLACES
    (one,) = diff.not_compared
    assert (one.suite, one.detector, one.weights) == ("gangen", "lfm", "released")
    assert one.reasons == (reason,)


@pytest.mark.parametrize(("changes", "_"), CONDITIONS)
def test_the_same_conditions_are_compared_whatever_else_is_there(
    tmp_path: Path, changes: dict[str, object], _: str
) -> None:
    for name, acc in (("here", 0.8), ("there", 0.7)):
        save(tmp_path / name, acc=acc, **changes)
        save(tmp_path / name)  # the plain record, which is the same in both
    diff = found(tmp_path)
    assert diff.not_compared == ()
    deltas = [cell.delta for cell in diff.cells if (cell.column, cell.metric) == ("began", "ACC")]
    assert sorted(deltas) == pytest.approx([0, 10])


def test_other_manifest_and_counts(tmp_path: Path) -> None:
    save(tmp_path / "here")
    made = save(tmp_path / "there", acc=0.8)
    results = (replace(made.subsets[0], manifest="x" * 64, n_real=7),)
    save_record(tmp_path / "there", replace(made, subsets=results))
    cells, _ = compare(tmp_path)
    assert cells["began", "ACC"].reasons == (
        "other manifest: began mmmmmmmmmmmm, there xxxxxxxxxxxx",
        "other counts: began real, fake (1000, 1000), there (7, 1000)",
    )


def test_counterparts() -> None:
    def seed(number: int, **changes: object) -> RunRecord:
        weights = WeightsRef(label=f"mini-train/seed{number}", sha256=str(number))
        return paper_like("gangen", weights=weights, **changes)

    here = [seed(0), seed(1)]
    there = [seed(1), seed(0, precision="bf16", version=1), seed(0, version=2)]
    assert counterpart(here[0], here, there) is there[2]  # conditions before settings
    assert counterpart(here[1], here, there) is there[0]
    assert counterpart(here[1], here, [seed(0)]) is None
    assert counterpart(here[1], here, [paper_like("gangen")]) is not None
    assert counterpart(here[0], here, [paper_like("ufd")]) is None


def test_no_counterpart_is_no_reference(tmp_path: Path) -> None:
    save(tmp_path / "here")
    save_record(tmp_path / "there", paper_like("ufd"))
    diff = found(tmp_path)
    ours = [cell for cell in diff.cells if cell.suite == "gangen"]
    assert {cell.status for cell in ours} == {"no reference"}
    assert diff.images == ()


def test_what_the_reference_holds_and_is_not_here_is_named(tmp_path: Path) -> None:
    save(tmp_path / "there")
    (tmp_path / "here").mkdir()
    diff = found(tmp_path)
    assert {(c.column, c.metric) for c in lacking(diff.cells)} == PLACES
    assert {cell.reasons for cell in diff.cells} == {("not here",)}
    assert exceeding(diff.cells, 0) == []
    made = save(tmp_path / "here")
    hole = replace(made.subsets[0], status="failed", metrics={}, error="boom", predictions="")
    save_record(tmp_path / "here", replace(made, subsets=(hole,), mean=means((hole,))))
    assert {(c.column, c.metric) for c in lacking(found(tmp_path).cells)} == PLACES


def test_what_must_be_said_of_equal_numbers_is_said(tmp_path: Path) -> None:
    for name in ("here", "there"):
        made = save(tmp_path / name)
    skipped = replace(made.subsets[0], skipped=("x.png",))
    save_record(tmp_path / "here", replace(made, subsets=(skipped,)))
    cells, _ = compare(tmp_path)
    assert cells["began", "AP"].status == "equal"
    (said,) = cells["began", "AP"].reasons
    assert said == "1 of 2001 images could not be read or scored and are left out: x.png"


def test_errors(tmp_path: Path) -> None:
    save(tmp_path / "here")
    with pytest.raises(UsageError, match="no run records"):
        compare(tmp_path)
    save(tmp_path / "there")
    (tmp_path / "there" / "predictions" / "began.parquet").write_bytes(b"junk")
    with pytest.raises(SchemaError, match="not a prediction file"):
        compare(tmp_path)
