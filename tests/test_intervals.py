"""Intervals in records: of cells, of means whose subsets share reals, taken over or made anew."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.errors import SchemaError, UsageError
from harness.evaluation.rescore import rescore
from harness.metrics.classification import OF_THE_SET, Rule
from harness.metrics.interval import interval
from harness.metrics.replicates import replicates
from harness.results import intervals
from harness.results.intervals import Replicates
from harness.results.records import SCHEMA, Resampling
from harness.results.store import load_records, save_record
from tests.conftest import write_images
from tests.evidence import REALS, RESAMPLING, keep, labels_of, scores_of

STRENGTHS = {"a": 0.5, "b": 1.0, "c": 1.5}


def three_subsets(*, shared: bool) -> dict[str, np.ndarray]:
    return {
        name: scores_of(number, strength, reals_seed=0 if shared else number)
        for number, (name, strength) in enumerate(STRENGTHS.items())
    }


def test_every_defined_metric_of_every_cell_has_an_interval(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", {**three_subsets(shared=True), "ctl": scores_of(9, 0.0)})
    for result in record.subsets:
        for name, metric in result.metrics.items():
            wanted = metric.value is not None and name not in OF_THE_SET
            assert (metric.low is not None) == wanted, (result.subset, name)
            if wanted:
                assert metric.low <= metric.high
    ap = record.subsets[0].metrics["ap"]
    assert ap.low < ap.value < ap.high
    assert record.mean["ap"].low < record.mean["ap"].value < record.mean["ap"].high
    assert record.resampling == RESAMPLING


def test_the_interval_is_that_of_the_bootstrap(tmp_path: Path) -> None:
    scores = three_subsets(shared=True)
    record = keep(tmp_path, "lfm", scores)
    ids = [f"real/{i}" for i in range(60)] + [f"a/{i}" for i in range(40)]
    rule = Rule(threshold=0.0, kind="logit")
    draws = replicates(labels_of(), scores["a"], ids, rule, RESAMPLING.resamples)
    ap = record.subsets[0].metrics["ap"]
    assert (ap.low, ap.high) == interval(draws["ap"])


def test_images_of_one_photograph_are_one_unit(tmp_path: Path) -> None:
    """Tiles of 20 photographs are worth 20 images where all tiles of one share their fate."""
    fate = np.random.default_rng(0).normal(0.5, 1, 20)
    scores = {"a": np.concatenate([np.repeat(-fate[:12], 5), np.repeat(fate[12:], 5)])}
    alone, tiles = (
        keep(tmp_path, "lfm", scores, units=units).subsets[0].metrics["real_acc"]
        for units in (None, [f"photograph {i // 5}" for i in range(100)])
    )
    assert alone.value == tiles.value
    assert tiles.high - tiles.low > 1.7 * (alone.high - alone.low)


@pytest.mark.parametrize("shared", [True, False])
def test_a_mean_knows_which_subsets_share_their_reals(tmp_path: Path, shared: bool) -> None:
    record = keep(tmp_path, "lfm", three_subsets(shared=shared), resampling=Resampling())
    cells = [result.metrics["real_acc"] for result in record.subsets]
    widths = [cell.high - cell.low for cell in cells]
    mean = record.mean["real_acc"]
    # The same images thrice are as unsure as once; the shares of others add their variances.
    wanted = widths[0] if shared else sum(width**2 for width in widths) ** 0.5 / 3
    assert mean.high - mean.low == pytest.approx(wanted, rel=0.05 if shared else 0.2)


def test_resampling_subsets_is_another_explicit_statement(tmp_path: Path) -> None:
    scores = three_subsets(shared=True)
    images = keep(tmp_path, "lfm", scores)
    subsets = keep(tmp_path, "lfm", scores, resampling=Resampling(resamples=300, unit="subsets"))
    assert images.subsets == subsets.subsets
    of_images, of_subsets = images.mean["fake_acc"], subsets.mean["fake_acc"]
    assert of_subsets.value == of_images.value
    assert of_subsets.high - of_subsets.low > 1.5 * (of_images.high - of_images.low)


def test_seeds_are_averaged_on_the_same_resamples(tmp_path: Path) -> None:
    scores = three_subsets(shared=True)
    one = keep(tmp_path, "lfm", scores, label="mini-train/seed0")
    same = keep(tmp_path, "lfm", scores, label="mini-train/seed1")
    kept = Replicates(tmp_path)
    alone = kept.interval([one], ["a", "b"], "ap")
    # Two seeds with the same scores: nothing is added, and images and seeds have no interplay.
    assert kept.interval([one, same], ["a", "b"], "ap") == pytest.approx(alone)
    other = dataclasses.replace(same, resampling=Resampling(resamples=50))
    assert kept.interval([one, other], ["a"], "ap") is None
    assert kept.interval([one], ["a", "nowhere"], "ap") is None


def test_without_resamples_there_are_no_intervals(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", three_subsets(shared=True), resampling=None)
    assert record.mean["ap"].value is not None
    metrics = [m for result in record.subsets for m in result.metrics.values()]
    assert {(m.low, m.high) for m in [*metrics, *record.mean.values()]} == {(None, None)}


def test_rescore_brings_an_old_record_up_to_date(tmp_path: Path) -> None:
    new = keep(tmp_path, "lfm", three_subsets(shared=True))
    save_record(tmp_path, dataclasses.replace(new, schema=1, resampling=None, mean={}))
    assert main(["rescore", "--out", str(tmp_path), "--resamples", "300"]) == 0
    assert load_records(tmp_path) == [new]


def test_rescore_needs_the_scores(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", three_subsets(shared=True))
    (tmp_path / record.subsets[0].predictions).unlink()
    with pytest.raises(SchemaError, match="scores are gone"):
        rescore(tmp_path, RESAMPLING)


def test_a_threshold_from_another_set(tmp_path: Path) -> None:
    shifted = {name: values + 3 for name, values in three_subsets(shared=True).items()}
    keep(tmp_path, "lfm", shifted)
    keep(tmp_path, "npr", {"b": scores_of(1, 1.0)})
    flags = ("--out", str(tmp_path), "--resamples", "100", "--calibrate-on", "own:a")
    assert main(["rescore", *flags]) == 0
    shared = load_records(tmp_path)[0].subsets[1].metrics["acc_calibrated"]
    assert shared.value is None
    assert shared.note == f"{REALS} of its images share their content with own:a"
    assert main(["rescore", *flags, "--calibrate-shared"]) == 0
    lfm, npr = load_records(tmp_path)
    assert lfm.calibration.on == "own:a"
    assert 2 < lfm.calibration.threshold < 4.5
    here, b, _ = (result.metrics["acc_calibrated"] for result in lfm.subsets)
    assert here.note == "the threshold was taken from this set"
    assert b.value > lfm.subsets[1].metrics["acc"].value
    assert b.low < b.value < b.high
    assert "acc_calibrated" not in npr.subsets[0].metrics
    with pytest.raises(UsageError, match="no whole set of scores on 'own:nope'"):
        rescore(tmp_path, None, "own:nope")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for place, first in (("a", 0), ("b", 20)):
        write_images(root / place / "0_real", range(first, first + 7))
        write_images(root / place / "1_fake", range(first + 100, first + 107))
    return root


def test_a_run_makes_intervals_and_takes_them_over(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    flags = ["run", "--method", "chance", "--images", str(images), "--out", str(out)]
    assert main([*flags, "--resamples", "50"]) == 0
    (first,) = load_records(out)
    assert first.resampling == Resampling(resamples=50)
    assert first.subsets[0].metrics["ap"].low is not None
    ap = first.mean["ap"]
    assert capsys.readouterr().out.strip().endswith(f"/[{100 * ap.low:.1f}, {100 * ap.high:.1f}]")

    def forbidden(*_: object) -> None:
        raise AssertionError("resampled again")

    with monkeypatch.context() as patch:
        patch.setattr(intervals, "replicates", forbidden)
        assert main([*flags, "--resamples", "50"]) == 0
    assert load_records(out)[0].subsets == first.subsets
    assert load_records(out)[0].mean == first.mean
    assert main([*flags, "--resamples", "0"]) == 0
    (without,) = load_records(out)
    assert without.mean["ap"].low is None
    assert without.mean["ap"].value == first.mean["ap"].value


def test_a_run_brings_an_old_record_up_to_date(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ["run", "--method", "chance", "--images", str(images), "--out", str(out)]
    assert main(flags) == 0
    (new,) = load_records(out)
    (path,) = out.glob("results/*/*.json")
    raw = json.loads(path.read_text())
    del raw["resampling"], raw["calibration"]
    for subset in raw["subsets"]:
        subset["metrics"] = {"acc": {"value": 0.1, "low": None, "high": None, "note": ""}}
    path.write_text(json.dumps({**raw, "schema": 1}))
    assert main(flags) == 0
    (again,) = load_records(out)
    assert again.schema == SCHEMA
    assert (again.subsets, again.mean) == (new.subsets, new.mean)
