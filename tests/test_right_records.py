"""A record tells the truth about the scores behind it: nothing stale, nothing mixed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.data.own import own_selections
from harness.data.suite import Selection
from harness.env import environment
from harness.registry import detectors as registry
from harness.results.predictions import read_made, read_predictions, write_predictions
from harness.results.records import RunRecord, SubsetResult
from harness.results.store import load_records
from tests.conftest import noise, write_images

PLACES = ("a", "b")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two places of 7 + 7 images: fakes are brighter, by less at the sides."""
    root = tmp_path / "data"
    for number, place in enumerate(PLACES):
        write_images(root / place / "0_real", range(100 * number, 100 * number + 7))
        folder = root / place / "1_fake"
        folder.mkdir(parents=True)
        for seed in range(7):
            pixels = noise(5000 + 100 * number + seed).astype(np.int16)
            pixels[16:48, 16:48] += 30
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{seed}.png")
    return root


def run(images: Path, out: Path, method: str = "chance", *more: object) -> int:
    arguments = ["run", "--method", method, "--images", images, "--out", out, *more]
    resamples = [] if "--resamples" in more else ["--resamples", "50"]
    return main([*map(str, arguments), *resamples])


def only(out: Path) -> RunRecord:
    (record,) = load_records(out)
    return record


def by_name(record: RunRecord) -> dict[str, SubsetResult]:
    return {result.subset: result for result in record.subsets}


def half(images: Path, out: Path, method: str, *more: object) -> None:
    """A run of the first place alone, as of a suite's one subset: the record is that of both."""

    def first(*arguments: object) -> list[Selection]:
        found = own_selections(*arguments)  # type: ignore[arg-type]
        return [dataclasses.replace(each, subsets=each.subsets[:1]) for each in found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.commands._matrix.own_selections", first)
        assert run(images, out, method, *more) == 0


def train(images: Path, folder: Path, *more: str) -> str:
    data = str(images / "a")
    flags = ["--train-data", data, "--val-data", data, "--out", str(folder), "--progress", "none"]
    assert main(["train", "--method", "trivial", *flags, "--overwrite", "always", *more]) == 0
    return f"trivial:{folder}"


def test_a_retrained_checkpoint_takes_over_no_result_of_the_old_one(
    images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    method = train(images, tmp_path / "run")
    assert run(images, out, method) == 0
    first = only(out)
    crop = "center_crop(32)"
    train(images, tmp_path / "run", "--train-preprocess", crop, "--val-preprocess", crop)
    half(images, out, method)
    record = only(out)
    assert record.weights.sha256 != first.weights.sha256
    (scored,) = [result for result in record.subsets if result.predictions]
    (other,) = [result for result in record.subsets if result is not scored]
    kept = read_predictions(out / scored.predictions)
    assert kept.key.weights == record.weights.sha256
    assert (other.status, other.metrics) == ("missing", {})
    assert record.mean["acc"].value is None
    assert other.subset in record.mean["acc"].note


def test_a_new_version_takes_over_no_result_of_the_old_one(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    newer = dataclasses.replace(registry.detector("chance"), version=99)
    found = {**registry.detectors(), "chance": newer}
    monkeypatch.setattr(registry, "detectors", lambda: found)
    half(images, out, "chance")
    record = only(out)
    assert record.version == 99
    assert sorted(result.status for result in record.subsets) == ["missing", "ok"]


def test_a_result_that_names_other_scores_is_none(images: Path, tmp_path: Path) -> None:
    """Whatever a file says: a result belongs to a record by the record's own key."""
    out = tmp_path / "out"
    assert run(images, out) == 0
    (path,) = out.glob("results/*/*.json")
    raw = json.loads(path.read_text())
    raw["subsets"][0]["predictions"] = raw["subsets"][1]["predictions"]
    raw["subsets"][1]["manifest"] = "0" * 64
    path.write_text(json.dumps(raw))
    assert main(["rescore", "--out", str(out)]) == 5
    half(images, out, "chance")
    assert sorted(result.status for result in only(out).subsets) == ["missing", "ok"]


def test_environment_and_settings_stay_with_the_scores_that_they_made(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    before = only(out)
    monkeypatch.setattr(
        "harness.evaluation.scorers.environment", lambda device: {"threads": "of another"}
    )
    half(images, out, "chance", "--batch-size", "16")
    assert only(out) == before
    assert before.environment["batch_size"] == "1"


def test_a_record_of_two_sessions_shows_both(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    half(images, out, "chance")
    monkeypatch.setattr("harness.evaluation.scorers.environment", lambda device: {"cpu": "another"})
    assert run(images, out) == 0
    record = only(out)
    here = environment()["cpu"]
    assert sorted(record.environment["cpu"].split(" | ")) == sorted([here, "another"])
    cpus = [record.environment_of([result])["cpu"] for result in record.subsets]
    assert sorted(cpus) == sorted([here, "another"])
    for result in record.subsets:
        path = out / result.predictions
        (made,) = read_made(path, read_predictions(path).digest)
        assert made.environment["cpu"] == record.environment_of([result])["cpu"]
        assert made.settings["method"] == "chance"


def test_a_note_about_other_scores_is_none_about_these(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    path = out / only(out).subsets[0].predictions
    kept = read_predictions(path)
    note = path.with_suffix(".made.json").read_bytes()
    write_predictions(path, dataclasses.replace(kept, scores=kept.scores + 1))
    path.with_suffix(".made.json").write_bytes(note)
    assert [made.environment for made in read_made(path, read_predictions(path).digest)] == [{}]


@pytest.mark.parametrize("shown_by", ["run", "rescore"])
def test_metrics_and_intervals_follow_the_content_of_the_scores(
    shown_by: str, images: Path, tmp_path: Path
) -> None:
    """The same path, the same resamples, other scores: as when a detector's code changes without
    a new version, or predictions are deleted and made again.
    """
    out = tmp_path / "out"
    method = train(images, tmp_path / "run")
    assert run(images, out, method) == 0
    first = by_name(only(out))["a"]
    path = out / first.predictions
    kept = read_predictions(path)
    write_predictions(path, dataclasses.replace(kept, scores=-kept.scores))
    command = ["rescore", "--out", str(out), "--resamples", "50"]
    assert (run(images, out, method) if shown_by == "run" else main(command)) == 0
    second = by_name(only(out))["a"]
    assert second.scores == read_predictions(path).digest != first.scores
    for name in ("auc", "ap"):
        one, two = first.metrics[name], second.metrics[name]
        assert one.value is not None and two.value is not None
        assert two.value != one.value
        assert (two.low, two.high) != (one.low, one.high)
        assert two.low is not None and two.high is not None
        if name == "auc":  # AP of so few images is at the edge of its resamples
            assert two.low <= two.value <= two.high
    assert second.metrics["auc"].value == pytest.approx(1 - first.metrics["auc"].value)  # type: ignore[operator]


def test_scoring_everything_again_draws_from_the_new_scores(images: Path, tmp_path: Path) -> None:
    """The old scores are judged first, by the new resamples: none of that may stay."""
    out = tmp_path / "out"
    method = train(images, tmp_path / "run")
    assert run(images, tmp_path / "fresh", method, "--resamples", "60") == 0
    assert run(images, out, method) == 0
    for result in only(out).subsets:
        path = out / result.predictions
        kept = read_predictions(path)
        write_predictions(path, dataclasses.replace(kept, scores=-kept.scores))
    assert run(images, out, method, "--overwrite", "always", "--resamples", "60") == 0
    for mine, fresh in zip(only(out).subsets, only(tmp_path / "fresh").subsets, strict=True):
        assert mine.metrics == fresh.metrics
    assert only(out).mean == only(tmp_path / "fresh").mean


def test_scores_of_an_unselected_subset_that_changed_are_judged_anew(
    images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    for result in only(out).subsets:
        path = out / result.predictions
        kept = read_predictions(path)
        write_predictions(path, dataclasses.replace(kept, scores=-kept.scores))
    before = by_name(only(out))
    half(images, out, "chance")
    for name, result in by_name(only(out)).items():
        assert result.metrics["auc"].value == pytest.approx(
            1 - before[name].metrics["auc"].value  # type: ignore[operator]
        )


def test_scores_that_are_gone_leave_a_hole(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    for result in only(out).subsets:
        (out / result.predictions).unlink()
    half(images, out, "chance")
    record = only(out)
    assert sorted(result.status for result in record.subsets) == ["missing", "ok"]
    assert record.mean["acc"].value is None
    assert any("scores are gone" in result.error for result in record.subsets)


def test_a_prediction_file_cut_short_is_scored_again(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(images, out) == 0
    before = only(out)
    path = out / before.subsets[0].predictions
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert run(images, out) == 0
    assert path.read_bytes() == whole
    assert only(out) == before


def test_a_threshold_comes_from_whole_untreated_scores(images: Path, tmp_path: Path) -> None:
    """Not from a limited run's or a twin's, which lie beside them."""
    out = tmp_path / "out"
    method = train(images, tmp_path / "run")
    for more in (("--preprocess", "center_crop(16)"), ()):
        assert run(images, out, method, *more) == 0
    limit = 1
    while not load_records(out)[-1].limit:  # until one is read after the whole ones
        assert run(images, out, method, "--limit", limit) == 0
        limit += 1
    suite = load_records(out)[0].suite
    flags = ["rescore", "--out", str(out), "--resamples", "0", "--calibrate-on", f"{suite}:a"]
    assert main(flags) == 0
    records = load_records(out)
    assert {bool(record.limit) for record in records} == {True, False}
    for record in records:
        assert record.calibration is not None
        used = read_predictions(out / record.calibration.predictions).key
        assert (used.limit, used.preprocess) == (0, record.preprocess)


def broken(images: Path) -> None:
    for seed in range(5):
        (images / "a" / "0_real" / f"{seed:03d}.png").write_bytes(b"no image")


def test_images_left_out_are_said_wherever_the_number_stands(
    images: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    broken(images)
    caplog.set_level("INFO")
    assert run(images, out, "chance", "--on-bad-image", "skip") == 0
    assert "23 scores computed, 5 left out as unreadable, 0 were on disk" in caplog.text
    shown = capsys.readouterr().out
    assert "a: 5 of 14 images could not be read or scored and are left out: 0_real/000.png" in shown
    line = next(line for line in shown.splitlines() if line.startswith("chance"))
    assert "[1]" in line


def test_another_rule_for_bad_images_reads_only_these_again(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    broken(images)
    assert run(images, out, "chance", "--on-bad-image", "skip") == 0
    assert run(images, out, "chance", "--on-bad-image", "error") == 1
    assert by_name(only(out))["a"].status == "failed"
    assert "000.png" in by_name(only(out))["a"].error
    caplog.clear()
    caplog.set_level("INFO")
    assert run(images, out, "chance", "--on-bad-image", "skip") == 0
    assert "0 scores computed" in caplog.text


def test_a_place_of_one_class_leaves_the_mean_of_the_others(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for path in (images / "a" / "1_fake").iterdir():
        path.unlink()
    assert run(images, out) == 0
    record = only(out)
    assert record.mean["ap"].value == by_name(record)["b"].metrics["ap"].value
    assert record.mean["ap"].note == "over 1 of 2 sets, one class in: a"
    shown = capsys.readouterr().out
    assert "a: no fake images" in shown
    assert "over 1 of 2 sets" in shown


def test_a_place_without_any_image_ends_its_cell_alone(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for path in (images / "a").rglob("*.png"):
        path.unlink()
    assert run(images, out) == 1
    found = by_name(only(out))
    assert found["b"].status == "ok"
    assert found["a"].status != "ok"
    assert "no image" in found["a"].error
