"""``run --twin``: what stands beside a row, and that it differs from it in one thing only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.commands import _treatments
from harness.data.own import own_name, own_suite
from harness.data.suite import Selection
from harness.engine.scorer import Job, make_job
from harness.errors import UsageError
from harness.evaluation.twins import SuiteSizes, suite_sizes, twins
from harness.registry import detectors as registry
from harness.registry.suites import get_suite
from harness.results.predictions import read_predictions
from harness.results.records import WeightsRef
from harness.results.store import load_records
from tests.conftest import noise
from tests.report.synthetic import record, result


def _write(path: Path, image: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Reals are JPEG of mixed sizes, fakes PNG of one: what the field's sets are often like."""
    root = tmp_path / "data"
    for seed in range(6):
        _write(root / f"0_real/{seed}.jpg", noise(seed, 80 + 2 * seed, 101), quality=90 - seed)
        _write(root / f"1_fake/{seed}.png", noise(seed + 50, 96, 96))
    return root


def _twins(images: Path, method: str, *names: str) -> dict[str, object]:
    suite = own_suite(images)
    selection = Selection(suite=suite, subsets=suite.subsets)
    found = twins(names, [_job(method)], [selection], None)
    return {twin.name: twin for twin in found}


def _job(method: str) -> Job:
    return make_job(registry.detector(method), "")


def test_one_size_for_a_suite() -> None:
    assert SuiteSizes(counts={(128, 128): 500}).side == 128
    assert SuiteSizes(counts={(500, 375): 10, (1024, 1024): 5}).side == 256
    assert SuiteSizes(counts={(230, 900): 10}).side == 224
    few = SuiteSizes(counts={(40, 40): 1, (256, 300): 999})
    assert few.side == 256  # one small picture does not shrink all
    assert few.square(256) == "tile(256)|center_crop(256)"  # it is repeated, not framed in black
    assert SuiteSizes(counts={(40, 40): 5}).side == 64
    assert SuiteSizes(counts={(128, 128): 5}).square(128) == "center_crop(128)"


def test_the_size_is_of_the_whole_suite_whatever_is_selected() -> None:
    assert suite_sizes(get_suite("mini"), None).counts == {(128, 128): 1850}


def test_codec_twins_put_both_classes_through_one_path(images: Path) -> None:
    found = _twins(images, "chance", "jpeg96", "png")
    assert found["jpeg96"].job.perturbation == {own_name(images): "center_crop(80)|jpeg(96)"}
    assert found["png"].job.perturbation == {own_name(images): "resize(80,80)|png"}
    assert found["png"].job.geometry == {}


def test_geometry_twins_change_the_geometry_alone(images: Path, lfm_job: Job) -> None:
    suite = own_suite(images)
    selection = Selection(suite=suite, subsets=suite.subsets)
    found = {
        twin.name: twin
        for twin in twins(("native", "center_crop", "resize"), [lfm_job], [selection], None)
    }
    assert found["native"].job.geometry == {own_name(images): "crop_multiple(2)"}  # 101 is odd
    assert found["center_crop"].job.geometry == {own_name(images): "center_crop(80)"}
    assert found["resize"].reasons == {own_name(images): "that is the geometry of the first row"}
    assert all(not twin.job.perturbation for twin in found.values())


@pytest.fixture
def lfm_job() -> Job:
    """LFM's spec; its weights do not matter here."""
    return dataclasses.replace(_job("chance"), spec=registry.detector("lfm"))


def test_a_detector_of_one_size_has_no_native_twin(images: Path) -> None:
    job = dataclasses.replace(_job("chance"), spec=registry.detector("frank-net"))
    suite = own_suite(images)
    selection = Selection(suite=suite, subsets=suite.subsets)
    (native,) = twins(["native"], [job], [selection], None)
    assert "128" in native.reasons[own_name(images)]


def test_unknown_twin(images: Path) -> None:
    with pytest.raises(UsageError, match="unknown twin 'jpg'"):
        _twins(images, "chance", "jpg")


def test_metadata_loses_what_it_owed_to_the_file(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Solved by the file format alone; under either codec twin it is at chance."""
    out = tmp_path / "out"
    data = ("--train-data", str(images), "--val-data", str(images))
    weights = tmp_path / "metadata"
    assert main(["train", "--method", "metadata", *data, "--out", str(weights)]) == 0
    flags = ("--method", f"metadata:{weights},chance", "--images", str(images), "--out", str(out))
    capsys.readouterr()
    assert main(["run", *flags, "--twin", "jpeg96,png,native"]) == 0
    values = {
        (record.detector, record.perturbation): record.mean["ap"].value
        for record in load_records(out)
    }
    assert values["metadata", ""] == 1.0
    assert values["metadata", "center_crop(80)|jpeg(96)"] == 0.5
    assert values["metadata", "resize(80,80)|png"] == 0.5
    printed = capsys.readouterr().out
    assert "(−50.0" in printed
    rendered = (out / "twins" / f"twins-{own_name(images)}.md").read_text()
    assert "jpeg96: both classes" in rendered
    assert "real photographs fake under" not in rendered  # 7 images cannot say so
    assert "that is the geometry of the first row" in rendered
    assert sorted(path.suffix for path in (out / "twins").iterdir()) == [
        ".csv", ".html", ".md", ".tex",
    ]  # fmt: skip


def test_twins_leave_the_first_rows_untouched_and_are_kept(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    flags = ("run", "--method", "chance", "--images", str(images), "--out", str(out))
    assert main([*flags]) == 0
    before = {p: p.read_bytes() for p in out.glob("predictions/**/*.parquet")}
    caplog.set_level("INFO")
    assert main([*flags, "--twin", "all"]) == 0
    assert before.items() <= {p: p.read_bytes() for p in out.rglob("*.parquet")}.items()
    caplog.clear()
    assert main([*flags, "--twin", "all"]) == 0
    assert "0 scores computed" in caplog.text


def test_the_released_weights_and_photographs_that_a_resize_makes_fake(
    tmp_path: Path, released_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card's finding, on the two of its photographs that scikit-learn carries."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images()
    for name, image in zip(photos.filenames, photos.images, strict=True):
        _write(tmp_path / f"data/0_real/{Path(name).stem}.png", image)
    out = tmp_path / "out"
    flags = ("--method", f"lfm:{released_weights}", "--images", str(tmp_path / "data"))
    assert main(["run", *flags, "--out", str(out), "--twin", "native"]) == 0
    scores = {
        record.preprocess: read_predictions(out / record.subsets[0].predictions).scores
        for record in load_records(out)
    }
    assert scores["resize(256,256)"] == pytest.approx([2.97, 24.82], abs=0.01)
    assert scores["crop_multiple(2)"] == pytest.approx([-44.9, -34.0], abs=0.1)
    printed = capsys.readouterr().out
    assert "flagged as fake" in printed
    assert "100.0" in printed
    assert "(−100.0)" in printed


def test_two_recipes_are_no_two_seeds_of_one_row() -> None:
    records = {}
    for seed, recipe in enumerate(({"epochs": 3}, {"epochs": 3}, {"epochs": 9})):
        label = f"mini-train/seed{seed}"
        weights = WeightsRef(label=label, sha256=str(seed), seed=seed, recipe=recipe)
        job = SimpleNamespace(spec=SimpleNamespace(family="local"), name=label)
        records[label] = (job, record("mini", (result("a"),), weights=weights))
    matrix = SimpleNamespace(record=lambda job, suite: records[job.name][1])
    rows = _treatments.treated(matrix, [job for job, _ in records.values()], [], "mini")
    assert [row.title for row in rows] == [
        "LFM (mini-train, epochs 3, 2 seeds)",
        "LFM (mini-train, epochs 9)",
    ]
