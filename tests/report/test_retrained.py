"""Rows without published weights: trained here by the published recipe they are ours."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.checkpoints.run_weights import run_folder
from harness.commands._diff import as_text
from harness.commands._sources import retrainable
from harness.registry import detectors as registry
from harness.report.compare_runs import RunDiff
from harness.report.diff import DiffCell, against_paper, compared
from harness.report.layout import lay_out
from harness.report.table import Row
from harness.report.tables.paper import build_paper_table
from harness.results.records import RunRecord
from harness.training import run_folder as written

from ..training import tiny
from .synthetic import SPECS, frank, with_frank


def rows(*records: RunRecord) -> dict[str, Row]:
    built = build_paper_table(SPECS["gangen"], with_frank(*records))
    return {row.title: row for row in built.rows}


def cells(*records: RunRecord) -> list[DiffCell]:
    found = against_paper([SPECS["gangen"]], with_frank(*records))
    return [cell for cell in found if cell.detector == "frank"]


def test_without_a_training_the_row_is_empty_and_says_what_it_lacks() -> None:
    row = rows()["Frank"]
    assert not row.has_number
    expected = "no published weights, and not trained here on forensynths-train"
    assert {cell.reason for cell in row.cells} == {expected}


def test_a_training_by_the_published_recipe_is_ours_with_its_difference() -> None:
    row = rows(frank(shift=1.0))["Frank"]
    assert row.mark == "retrained"
    assert row.notes[0].startswith("retrained here on forensynths-train, seed 0")
    assert "recipe: a README" in row.notes[0]
    assert {round(cell.difference or 0.0, 1) for cell in row.cells[:8]} == {1.0}
    built = build_paper_table(SPECS["gangen"], with_frank(frank(shift=1.0)))
    labels = [line.label for block in lay_out(built).blocks for line in block.lines]
    assert "ours, retrained" in labels


def test_its_cells_have_a_status_of_their_own() -> None:
    found = cells(frank(shift=1.0))
    assert {cell.mark for cell in found} == {"retrained"}
    assert len(compared(found)) == 20  # 9 sets and the mean, ACC and AP
    assert {cell.status for cell in found[:18]} == {"off"}
    assert found[0].reasons[0].startswith("retrained here on forensynths-train")
    assert {cell.status for cell in cells(frank())[:18]} == {"equal"}
    text = as_text(RunDiff(cells=tuple(found)))
    assert "off (retrained)" in text
    assert "of these retrained here, since no weights are published: off: 20" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 2}, "recipe: epochs 2, published: 1"),
        ({"betas": [0.9, 0.999]}, "recipe: betas"),
        ({"train_preprocess": "resize(64,64)"}, "recipe: train_preprocess"),
        ({"scaling": "a tenth"}, "recipe scaled: a tenth"),
        ({"training_images": 24}, "trained on 24 images, others count 144024"),
        ({"training_images": None}, "trained on a number of images that is not known"),
    ],
)
def test_another_training_is_an_extra_row_without_a_difference(
    changes: dict[str, object], reason: str
) -> None:
    found = rows(frank(**changes))  # type: ignore[arg-type]
    assert not found["Frank"].has_number
    extra = found["Frank (forensynths-train/seed0)"]
    assert extra.kind == "extra"
    assert reason in extra.notes[0]
    assert compared(cells(frank(**changes))) == []  # type: ignore[arg-type]


def test_of_several_seeds_the_first_is_the_row() -> None:
    found = rows(frank(1, 2.0), frank(0, 1.0))
    assert round(found["Frank"].cells[0].difference or 0.0, 1) == 1.0
    extra = found["Frank (forensynths-train/seed1)"]
    assert (
        "another training of that row (retrained here on forensynths-train, seed 1"
        in (extra.notes[0])
    )


def test_another_variant_and_another_training_set_are_not_that_row() -> None:
    assert not rows(replace(frank(), variant="other"))["Frank"].has_number
    weights = replace(frank().weights, trained_on="mini-train")
    assert not rows(replace(frank(), weights=weights))["Frank"].has_number


def test_the_six_rows_of_the_paper_without_published_weights() -> None:
    found = retrainable(registry.detectors())
    assert set(found) == {"bihpf", "durall", "f3net", "frank", "frepgan", "selfblended"}
    assert {each.images for each in found.values()} == {144_024}
    assert found["durall"].variant == "svm-rbf"


def test_a_training_says_how_many_images_it_had(tmp_path: Path) -> None:
    spec = tiny.spec()
    record = {
        "schema": written.SCHEMA,
        "detector": spec.name,
        "variant": "",
        "seed": 0,
        "trained_on": "forensynths-train",
        "recipe": {"lr": 0.1},
        "scaling": "",
        "train": {"digest": "d" * 64, "n_real": 72_012, "n_fake": 72_012},
        "val": {"digest": "e" * 64},
        "epochs": [{"val_ap": 0.5}],
    }
    written.write(tmp_path, {"a": torch.ones(2)}, record)
    assert run_folder(spec, tmp_path).ref.recipe["training_images"] == 144_024
