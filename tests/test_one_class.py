"""Places of one class, and groups that share a pool of reals: what is shown, and how sure it is."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from harness.__main__ import main
from harness.commands import _compare, _run
from harness.data.disk import DiskFolder
from harness.data.manifest import load_manifest
from harness.data.own import own_selections
from harness.data.suite import Selection
from harness.evaluation.recorder import Recorder, not_scored
from harness.metrics.interval import wilson
from harness.report.compare_runs import against_run
from harness.report.layout import between
from harness.report.measured import subset_value, suite_value
from harness.results.comparison import Contender, compare
from harness.results.intervals import Replicates
from harness.results.predictions import (
    Predictions,
    prediction_path,
    read_predictions,
    unit_of,
    write_predictions,
)
from harness.results.rates import one_class_rate, stands_alone
from harness.results.records import Resampling, RunRecord, WeightsRef
from harness.results.store import load_records
from harness.site.entries import some_sets
from harness.site.record_facts import subset_table
from tests.conftest import write_images
from tests.evidence import RESAMPLING, keep, scores_of

REALS, FAKES = 60, 30
GROUPS = tuple(f"g{number}" for number in range(6))
SMALL = (8, 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "photos/0_real", range(REALS), *SMALL)
    for number, group in enumerate(GROUPS, start=1):
        write_images(folder / group / "1_fake", range(100 * number, 100 * number + FAKES), *SMALL)
    return folder


# --- what is shown --------------------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path: Path) -> RunRecord:
    """Two sets of both classes, one of fakes alone, one of reals alone."""
    names = ("a", "b", "alone", "ctl")
    return keep(tmp_path, "lfm", {name: scores_of(i, 1.0) for i, name in enumerate(names)})


def test_a_set_of_one_class_has_its_rate_and_no_accuracy(mixed: RunRecord) -> None:
    both, _, fakes, reals = mixed.subsets
    assert one_class_rate(both) is None
    hits, alarms = one_class_rate(fakes), one_class_rate(reals)
    assert hits is not None and alarms is not None
    assert (hits.name, alarms.name) == ("hits", "false alarms")
    for result, rate, count in ((fakes, hits, 40), (reals, alarms, 60)):
        assert result.metrics["acc"].value is None
        low, high = wilson(rate.value, count)
        assert (rate.low, rate.high) == (
            pytest.approx(low, abs=0.02),
            pytest.approx(high, abs=0.02),
        )
    assert hits.value == fakes.metrics["fake_acc"].value
    assert alarms.value == 1 - reals.metrics["real_acc"].value


def test_the_printed_table_shows_rates_by_name(mixed: RunRecord) -> None:
    head, _, row, *notes = _lines(mixed)
    assert head.split() == ["detector", "a", "b", "alone", "ctl", "mean", "95", "%", "interval"]
    hits, alarms = (mixed.result(name).metrics for name in ("alone", "ctl"))
    assert f"hits {100 * hits['fake_acc'].value:.1f} [" in row
    assert f"false alarms {100 - 100 * alarms['real_acc'].value:.1f} [" in row
    assert any("over 2 of 3 sets, one class in: alone" in note for note in notes)


def test_the_mean_of_fakes_alone_is_that_of_their_hits(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", {f"alone{i}": scores_of(i, 0.5 + i) for i in range(2)})
    _, _, row, *_ = _lines(record)
    mean = record.mean["fake_acc"]
    assert mean.low < mean.value < mean.high
    edges = between(100 * mean.low, 100 * mean.high)
    assert row.endswith(edges)
    assert row.removesuffix(edges).rstrip().endswith(f"hits {100 * mean.value:.1f} [1]")
    assert "-/-" not in row


@pytest.mark.parametrize(
    ("expected", "is_right"), [((None, None), True), ((0, 40), True), ((60, 40), False)]
)
def test_a_set_that_is_published_as_fakes_alone_is_no_hole(
    mixed: RunRecord, expected: tuple[int | None, int | None], is_right: bool
) -> None:
    result = mixed.result("alone")
    assert result is not None
    declared = dataclasses.replace(result, expected_real=expected[0], expected_fake=expected[1])
    assert stands_alone(declared) == is_right
    both = mixed.result("a")
    assert both is not None
    assert not stands_alone(dataclasses.replace(both, expected_real=0, expected_fake=40))


def _lines(record: RunRecord) -> list[str]:
    subsets = tuple(_subset(result.subset) for result in record.subsets)
    suite = type("S", (), {"name": record.suite})()
    selection = Selection(suite=suite, subsets=subsets)
    return _run.report([record], [selection]).splitlines()[1:]


def _subset(name: str) -> object:
    return type("Named", (), {"name": name})()


def test_tables_and_pages_give_the_rate_as_the_reason(mixed: RunRecord) -> None:
    found = subset_value(mixed, "alone", "acc")
    assert found.value is None
    rate = mixed.result("alone").metrics["fake_acc"]
    assert found.reason.startswith(f"no real images: hits {100 * rate.value:.1f} [")
    assert subset_value(mixed, "ctl", "ap").reason.startswith("no fake images: false alarms ")
    assert subset_value(mixed, "a", "ap").value is not None


def test_a_mean_says_over_how_many_sets_it_is(mixed: RunRecord) -> None:
    over = "over 2 of 3 sets, one class in: alone"
    assert suite_value(mixed, "acc").over == suite_value(mixed, "ap").over == over
    assert over in suite_value(mixed, "ap").notes
    assert suite_value(mixed, "fake_acc").over == ""
    two = [result.metrics["acc"].value for result in mixed.subsets[:2]]
    assert mixed.mean["acc"].value == pytest.approx(np.mean(two))
    names = ("acc", "ap", "fake_acc")
    foot = subset_table(mixed, dict.fromkeys(names, "")).grid.foot[-1].text
    assert f"acc, ap {over}" in foot


def test_metrics_says_over_how_many_sets_a_mean_is(
    mixed: RunRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--suite", "own", "--subset", "mean", "--out", str(tmp_path))
    assert main(["metrics", "lfm", *flags]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:] if line}
    assert "over 2 of 3 sets, one class in: alone" in lines["ap"]
    assert "over" not in lines["fake_acc"]


def test_compare_judges_rates_and_says_what_means_are_over(
    mixed: RunRecord, tmp_path: Path
) -> None:
    names = ("a", "b", "alone", "ctl")
    other = keep(tmp_path, "npr", {n: scores_of(i, 1.0) - 1.0 for i, n in enumerate(names)})
    sides = [Contender(name=r.detector, records=(r,)) for r in (mixed, other)]
    found = compare(tmp_path, sides, RESAMPLING)
    assert (found.averaged, found.without) == (("a", "b"), ("alone",))
    text = _compare.as_text(found, sides)
    assert "means: over 2 of 3 sets, one class in: alone" in text
    shares = [1 - r.result("ctl").metrics["real_acc"].value for r in (mixed, other)]
    first, second = (f"{100 * share:.1f}" for share in shares)
    # The second flags less: fewer false alarms, so the difference is above zero.
    assert f"ctl: false alarms {first} against {second}: difference +" in text
    assert "alone: hits " in text


def test_runs_are_compared_by_rates_where_a_set_has_one_class(tmp_path: Path) -> None:
    names = ("a", "alone", "ctl")
    here, there = (
        [keep(tmp_path / side, "lfm", {n: scores_of(i, 1.0) - by for i, n in enumerate(names)})]
        for side, by in (("here", 0.0), ("there", 1.0))
    )
    cells = against_run(tmp_path / "here", here, tmp_path / "there", there).cells
    found = {(cell.column, cell.metric): cell for cell in cells}
    assert set(found) == {
        ("a", "ACC"),
        ("a", "AP"),
        ("alone", "hits"),
        ("ctl", "false alarms"),
        ("mean", "ACC"),
        ("mean", "AP"),
    }
    assert found["ctl", "false alarms"].delta > 0
    assert found["ctl", "false alarms"].status == "off"


def test_a_page_of_sets_of_one_class_says_each_rate_once(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", {name: scores_of(1, 1.0) for name in ("alone", "ctl")})
    table = subset_table(record, dict.fromkeys(("acc", "ap", "real_acc", "fake_acc", "gone"), ""))
    fakes, reals = (row[-1].text for row in table.grid.rows)
    assert re.fullmatch(r"no real images: hits [\d.]+ \[[\d., ]+\]", fakes)
    assert re.fullmatch(r"no fake images: false alarms [\d.]+ \[[\d., ]+\]", reals)
    both = "no real images; no fake images"
    assert table.left_out == {"acc": both, "ap": both, "gone": "the record has no gone"}


def test_a_suite_that_lacks_sets_tells_the_rates_of_those_it_has(mixed: RunRecord) -> None:
    entry = some_sets([mixed], "own", "ACC", "incomplete")
    assert entry is not None
    assert entry.text == "4 of 4 sets"
    assert "\nalone: no real images: hits " in entry.why
    assert "\nctl: no fake images: false alarms " in entry.why


def test_treatments_show_sets_of_fakes_alone_apart(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--images", str(data), "--perturbations", "jpeg(50)", "--out", str(tmp_path)]
    write_images(tmp_path / "more/0_real", range(4), *SMALL)
    write_images(tmp_path / "more/1_fake", range(4, 8), *SMALL)
    both = ["--images", str(tmp_path / "more")]
    assert main(["robustness", "--method", "chance", *flags, *both]) == 0
    first, second = capsys.readouterr().out.split("more: robustness")
    assert "fakes without reals flagged as fake" in first
    assert "controls flagged as fake" in first
    assert "AP" not in first.split()
    assert "AP" in second.split()
    assert "without reals" not in second
    shown = re.search(r"fakes without reals.*?Chance +([\d.]+)", first, re.DOTALL)
    (record,) = (
        r for r in load_records(tmp_path) if not r.perturbation and len(r.subsets) > len(GROUPS)
    )
    assert shown is not None
    assert float(shown[1]) == round(100 * record.mean["fake_acc"].value, 1)


# --- the pool in the commands ---------------------------------------------------------------------


def test_an_image_of_the_pool_is_scored_once(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flags = ["--method", "chance", "--images", str(data), "--reals", "photos"]
    assert main(["run", *flags, "--out", str(tmp_path)]) == 0
    fresh = REALS + FAKES * len(GROUPS)
    shared = REALS * len(GROUPS)
    assert f"{fresh} scores computed, {shared} were on disk" in caplog.text
    (record,) = load_records(tmp_path)
    kept = [read_predictions(tmp_path / r.predictions) for r in record.subsets]
    reals = [dict(zip(k.units, k.scores, strict=True)) for k in kept if 1 in k.labels]
    pool = [{u: s for u, s in each.items() if u in kept[-1].units} for each in reals]
    assert [result.subset for result in record.subsets][-1] == "photos"
    assert all(each == pool[0] and len(each) == REALS for each in pool)
    assert {(r.n_real, r.n_fake) for r in record.subsets} == {(REALS, FAKES), (REALS, 0)}
    assert record.mean["ap"].value is not None
    assert record.mean["ap"].note == ""


def test_check_takes_the_pool(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--images", str(data), "--reals", "photos", "--out", str(tmp_path)]
    assert main(["check", *flags]) == 0
    out = capsys.readouterr().out
    assert f"{REALS} real files are in each of: g0, g1, g2, g3, g4, g5, photos" in out


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_pool_needs_own_images(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    method = ["--method", "chance"] if command == "run" else []
    assert main([command, *method, "--suite", "mini:gan", "--reals", "x"]) == 2
    assert "--reals is a pool for your own images" in capsys.readouterr().err


# --- the bootstrap draws the pool once ------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[RunRecord], list[dict[str, np.ndarray]]]:
    """Two detectors' scores of the paired groups: logits of the pool (once) and of each group."""
    out = tmp_path_factory.mktemp("out")
    (selection,) = own_selections([data], reals="photos")
    rng = np.random.default_rng(3)
    first = {"photos": rng.normal(-0.6, 1, REALS)}
    first |= {group: rng.normal(0.5, 1, FAKES) for group in GROUPS}
    second = {name: scores + rng.normal(0.2, 0.7, scores.size) for name, scores in first.items()}
    records = [
        _record(out, selection, detector, scores)
        for detector, scores in (("lfm", first), ("npr", second))
    ]
    return out, records, [first, second]


def _record(
    out: Path, selection: Selection, detector: str, scores: dict[str, np.ndarray]
) -> RunRecord:
    suite = selection.suite
    record = RunRecord(
        detector=detector,
        title=detector,
        version=1,
        variant="",
        suite=suite.name,
        weights=WeightsRef(label="released", sha256=detector),
        preprocess="native",
        published_preprocess="native",
        subsets=tuple(map(not_scored, selection.subsets)),
        resampling=Resampling(resamples=4000),
    )
    recorder = Recorder(out, record.resampling)
    for subset in selection.subsets:
        manifest = load_manifest(suite, subset, DiskFolder(out), out)
        labels = np.array([s.label for s in manifest.samples], dtype=np.int8)
        values = np.concatenate([scores["photos"], scores[subset.name]])[: labels.size]
        predictions = Predictions(
            key=record.key(subset.name, manifest.digest),
            ids=tuple(s.id for s in manifest.samples),
            labels=labels,
            scores=values,
            units=tuple(map(unit_of, manifest.samples)),
        )
        path = prediction_path(out, predictions.key)
        write_predictions(path, predictions)
        blank = record.result(subset.name)
        assert blank is not None
        result, made = recorder.scored(record, blank, read_predictions(path))
        record = recorder.with_result(record, result, made)
    return record


def drawn(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    return values[rng.integers(0, len(values), len(values))]


def direct_means(
    scores: list[dict[str, np.ndarray]], metric: str, *, together: bool, resamples: int = 1500
) -> np.ndarray:
    """(R, D): the mean over groups in each resample, for each detector; textbook resampling."""
    rng = np.random.default_rng(11)
    stacked = {name: np.stack([each[name] for each in scores], axis=1) for name in scores[0]}
    labels = np.array([0] * REALS + [1] * FAKES)
    found = np.empty((resamples, len(scores)))
    for row in found:
        pool = drawn(rng, stacked["photos"])
        values = []
        for group in GROUPS:
            reals = pool if together else drawn(rng, stacked["photos"])
            both = np.concatenate([reals, drawn(rng, stacked[group])])
            if metric == "acc":
                values.append(((both > 0) == labels[:, None]).mean(axis=0))
            else:
                values.append([average_precision_score(labels, column) for column in both.T])
        row[:] = np.mean(values, axis=0)
    return found


def width(draws: np.ndarray) -> float:
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(high - low)


@pytest.mark.parametrize("metric", ["acc", "ap"])
def test_the_interval_of_a_mean_draws_the_pool_once(scored, metric: str) -> None:
    _, (record, _), scores = scored
    mean = record.mean[metric]
    once = direct_means(scores[:1], metric, together=True)[:, 0]
    anew = direct_means(scores[:1], metric, together=False)[:, 0]
    assert mean.high - mean.low == pytest.approx(width(once), rel=0.12)
    assert mean.high - mean.low > 1.3 * width(anew)


@pytest.mark.parametrize("metric", ["acc", "ap"])
def test_the_interval_of_a_difference_draws_the_pool_once(scored, metric: str) -> None:
    out, (first, second), scores = scored
    places = [(first.suite, group) for group in GROUPS]
    verdict = Replicates(out).tell([first], [second], places, metric)
    once, anew = (direct_means(scores, metric, together=t) for t in (True, False))
    assert verdict.value == pytest.approx(first.mean[metric].value - second.mean[metric].value)
    reach = verdict.high - verdict.low
    assert reach == pytest.approx(width(once[:, 0] - once[:, 1]), rel=0.12)
    assert reach > 1.2 * width(anew[:, 0] - anew[:, 1])
