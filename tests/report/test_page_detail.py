"""What a detector's page says of a record: names, facts, the recipe, the table of subsets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.meanings import MEANINGS
from harness.report.layout import HOLE
from harness.report.measured import suite_value
from harness.report.words import say_rate
from harness.results.paths import TABLES
from harness.results.rates import FALSE_ALARMS, rate_of
from harness.results.records import (
    Calibration,
    Made,
    Metric,
    Resampling,
    RunRecord,
    SubsetResult,
    WeightsRef,
)
from harness.site import record_page
from harness.site.grid import Entry
from harness.site.record_facts import (
    SubsetTable,
    facts,
    file_name,
    recipe,
    sessions,
    subset_table,
    title_of,
)
from harness.site.renderer import PageRenderer

from ..evidence import FAKES, REALS, keep, scores_of
from .synthetic import metrics, record, result


@dataclass
class Line:
    """A row of the table of subsets."""

    name: str
    group: str
    n_real: float | None
    n_fake: float | None
    cells: list[Entry]
    status: str
    notes: tuple[str, ...]


def line(row: Sequence[Entry]) -> Line:
    name, group, reals, fakes, *cells, status, notes = row
    told = tuple(filter(None, notes.text.split("; ")))
    return Line(name.text, group.text, reals.value, fakes.value, cells, status.text, told)


def lines(table: SubsetTable) -> list[Line]:
    return [line(row) for row in table.grid.rows]


BASE = record("mini", (result("a"),))
CHANGES: dict[str, Callable[[RunRecord], RunRecord]] = {
    "suite": lambda r: replace(r, suite="ufd"),
    "detector": lambda r: replace(r, detector="npr"),
    "variant": lambda r: replace(r, variant="released"),
    "label": lambda r: replace(r, weights=replace(r.weights, label="mini-train/seed0")),
    "alike": lambda r: replace(r, weights=replace(r.weights, label="mini-train-seed0")),
    "perturbation": lambda r: replace(r, perturbation="jpeg(90)"),
    "preprocess": lambda r: replace(r, preprocess="native"),
    "precision": lambda r: replace(r, precision="bf16"),
    "limit": lambda r: replace(r, limit=10),
}


def test_records_of_other_rows_have_other_pages() -> None:
    names = [file_name(BASE), *(file_name(change(BASE)) for change in CHANGES.values())]
    assert len({name.lower() for name in names}) == len(names)


def test_suites_that_read_alike_have_other_pages() -> None:
    names = {file_name(replace(BASE, suite=suite)).lower() for suite in ("a b", "a-b", "A-b")}
    assert len(names) == 3


def test_a_page_keeps_its_name_when_the_row_is_scored_anew() -> None:
    again = replace(
        BASE,
        version=2,
        subsets=(),
        mean={},
        made={"there": Made(environment={"cpu": "another"})},
        weights=replace(BASE.weights, sha256="b" * 64),
    )
    assert file_name(again) == file_name(BASE)
    assert re.fullmatch(r"mini-lfm-released-[0-9a-f]{10}\.html", file_name(BASE))


# Surrogates too: a file's name need not be decodable.
@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=300))
def test_names_of_pages_are_safe_and_distinct(one: str, other: str) -> None:
    names = []
    for label in (one, other):
        weights = replace(BASE.weights, label=label)
        for suite in ("mini", f"x{label}"):
            names.append(file_name(replace(BASE, suite=suite, weights=weights)))
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.html", name)
        assert quote(name) == name
        assert len(name) < 200
        assert name != "index.html"
    assert len(set(names)) == (4 if one != other else 2)


def test_titles() -> None:
    assert title_of(replace(BASE, variant="")) == "LFM, released, on mini"
    assert title_of(BASE) == "LFM, released, algorithm1, on mini"
    assert title_of(replace(BASE, variant="released")) == "LFM, released, on mini"
    bare = replace(BASE, title="Chance", variant="", weights=WeightsRef())
    assert title_of(bare) == "Chance, on mini"
    other = replace(bare, perturbation="jpeg(90)", limit=10, preprocess="native", precision="bf16")
    assert title_of(other) == (
        "Chance, on mini (preprocess native; perturbation jpeg(90); precision bf16; limit 10)"
    )


def test_facts_of_a_plain_run() -> None:
    found = dict(facts(BASE, "released"))
    assert found["Detector"] == "LFM (lfm), version 1"
    assert found["Weights"] == "released (the published ones)"
    assert found["SHA-256 of the weights"] == "a" * 64
    assert found["Preprocess"] == "resize(256,256), as published"
    assert found["Threshold"] == "0: an image is flagged as fake above it"
    assert found["Scores"] == "logit"
    assert found["Images"] == "1,000 real and 1,000 fake in 1 of 1 subsets, shared ones in each"
    assert found["Intervals"] == "none: python -m harness rescore makes them"
    assert found["Departs from the published conditions"] == "in nothing"
    assert found["Perturbation"] == "none"
    assert not {"Limit", "Training seed", "Threshold of another set", "Metrics"} & set(found)
    assert all(term and text for term, text in facts(BASE, "released"))


def test_facts_of_a_run_that_departs() -> None:
    own = replace(
        BASE,
        weights=WeightsRef(
            label="mini-train/seed3",
            sha256="c" * 64,
            seed=3,
            trained_on="mini-train",
            licence="MIT",
            note="a note",
            files={"b.pth": "2", "a.pth": "1"},
        ),
        preprocess="native",
        perturbation="jpeg(90)",
        precision="bf16",
        limit=10,
        threshold=0.25,
        score_kind="probability",
        resampling=Resampling(resamples=2000, seed=4, unit="subsets"),
        calibration=Calibration(on="ufd:dalle", threshold=0.5),
        schema=1,
        subsets=(result("a"), result("b", status="missing", metrics={}, n=0)),
    )
    found = dict(facts(own, "released"))
    assert found["Weights"] == "mini-train/seed3 (not the published: released)"
    assert found["SHA-256 of their files"] == "a.pth 1; b.pth 2"
    assert (found["Training seed"], found["Trained on"]) == ("3", "mini-train")
    assert (found["Licence of the weights"], found["Note on the weights"]) == ("MIT", "a note")
    assert found["Preprocess"] == "native, not as published: resize(256,256)"
    assert found["Limit"] == "at most 10 images of each class"
    assert found["Threshold of another set"] == "0.5, the best on ufd:dalle"
    assert found["Images"] == "1,000 real and 1,000 fake in 1 of 2 subsets, shared ones in each"
    assert found["Intervals"] == (
        "95 %, 2,000 resamples (images taken as independent), in means the subsets as well, seed 4"
    )
    assert found["Metrics"].startswith("of schema 1: ")
    away = found["Departs from the published conditions"]
    for reason in ("other weights", "other preprocess", "perturbed", "precision", "partial"):
        assert reason in away


@pytest.mark.parametrize(
    ("weights", "published", "text"),
    [
        (WeightsRef(), "", "none"),
        (WeightsRef(label="x/seed0", sha256="d"), "", "x/seed0 (none are published)"),
    ],
)
def test_weights_in_words(weights: WeightsRef, published: str, text: str) -> None:
    assert dict(facts(replace(BASE, weights=weights), published))["Weights"] == text


def test_a_recipe_in_words() -> None:
    assert recipe(BASE) == ()
    known: dict[str, object] = {
        "balanced": True,
        "decay_vectors": False,
        "betas": [0.9, 0.999],
        "epochs": 3,
        "lr": 2e-4,
        "scaling": "",
        "started_from": {"label": "imagenet", "sha256": "e", "seed": None},
        "generators": ["gan", "vae"],
        "train_manifest": "f",
        "val_ap": 0.97123,
        "weight_decay": 0.0,
    }
    found = recipe(replace(BASE, weights=WeightsRef(label="x", recipe=known)))
    assert found == (
        ("learning rate", "0.0002"),
        ("epochs", "3"),
        ("AP on the validation images", "97.1 %"),
        ("generators of the fakes", "gan, vae"),
        ("started from", "label imagenet, sha256 e"),
        ("balanced", "yes"),
        ("betas", "0.9, 0.999"),
        ("decay vectors", "no"),
        ("train manifest", "f"),
        ("weight decay", "0"),
    )


def test_table_of_kept_scores(tmp_path: Path) -> None:
    sets = {"weak": scores_of(1, 0.5), "strong": scores_of(2, 3.0), "ctl": scores_of(3, 0.0)}
    kept = keep(tmp_path, "lfm", sets)
    table = subset_table(kept, MEANINGS)
    expected = [n for n in MEANINGS if n not in ("tpr_at_fpr1", "acc_calibrated")]
    assert list(table.heads) == expected
    assert table.heads["ap"] == MEANINGS["ap"]
    assert table.heads["acc"] == "accuracy at the declared threshold, 0"
    assert [each.name for each in lines(table)] == ["weak", "strong", "ctl"]
    assert [(each.n_real, each.n_fake) for each in lines(table)] == [
        (REALS, FAKES),
        (REALS, FAKES),
        (REALS, 0),
    ]
    for each, of in zip(lines(table), kept.subsets, strict=True):
        for name, cell in zip(table.heads, each.cells, strict=True):
            metric = of.metrics[name]
            if metric.value is None:
                assert (cell.value, cell.text, cell.spread) == (None, HOLE, "")
                continue
            assert cell.value == pytest.approx(100 * metric.value)
            assert cell.text == f"{100 * metric.value:.1f}"
            if name == "auc":
                assert metric.low is not None and metric.high is not None
                assert cell.spread == f"[{100 * metric.low:.1f}, {100 * metric.high:.1f}]"
    (control,) = lines(table)[2].notes
    rate = rate_of(kept.subsets[2].metrics, FALSE_ALARMS)
    assert rate is not None and rate.low is not None
    assert control == f"no fake images: {say_rate(rate)}"
    assert lines(table)[0].notes == ()
    assert line(table.grid.foot).name == "mean"
    assert line(table.grid.foot).notes == ("without the controls",)
    for name, cell in zip(table.heads, line(table.grid.foot).cells, strict=True):
        assert cell.value == suite_value(kept, name).value
    both = [kept.subsets[i].metrics["auc"].value for i in (0, 1)]
    auc = line(table.grid.foot).cells[list(table.heads).index("auc")]
    assert auc.value == pytest.approx(50 * sum(value for value in both if value is not None))
    reason = "fewer than 1,000 real images: 1 % of them is no rate; no fake images"
    assert table.left_out == {
        "tpr_at_fpr1": reason,
        "acc_calibrated": "the record has no acc_calibrated",
    }


def lines_of(*results: SubsetResult, **changes: object) -> dict[str, Line]:
    table = subset_table(record("mini", results, **changes), {"acc": "accuracy", "ap": "AP"})
    return {each.name: each for each in (*lines(table), line(table.grid.foot))}


def test_notes_say_why_there_is_no_number_and_what_else_is_known() -> None:
    found = (
        result("whole", seen="generator gan", skipped=("x", "y")),
        result("fewer", expected_real=1002),
        result("gone", status="missing", metrics={}, error="no folder"),
        result("broken", status="failed", metrics={}, error="out of memory\nmore"),
        result("half", metrics={**metrics(acc=0.5), "ap": Metric(value=None, note="one class")}),
    )
    lines = lines_of(*found)
    assert lines["whole"].notes == (
        "2 of 2002 images could not be read or scored and are left out: x, y",
        "seen in training: generator gan",
    )
    assert lines["fewer"].notes == (
        "1000 real and 1000 fake images, declared are 1002 and unknown (that count is unknown)",
    )
    table = subset_table(record("mini", found), {"acc": "accuracy", "ap": "AP"})
    assert table.without == {
        "no data for this subset": ["gone"],
        "failed: out of memory": ["broken"],
    }
    assert [cell.text for cell in lines["half"].cells] == ["50.0", HOLE]
    assert lines["half"].notes == ("one class",)
    assert [cell.value for cell in lines["mean"].cells] == [None, None]
    assert lines["mean"].notes[0] == "not whole: gone, broken"
    assert "whole: seen in training: generator gan" in lines["mean"].notes


def test_notes_of_a_limited_run_and_of_other_resampling() -> None:
    lines = lines_of(
        result("a", 10, status="partial", expected_real=500, group="gan"),
        limit=10,
        mean={},
        resampling=Resampling(unit="subsets"),
    )
    assert (lines["a"].status, lines["a"].group) == ("partial", "gan")
    assert lines["a"].notes == ("only 10 real and 10 fake images scored",)
    assert lines["mean"].notes == (
        "no subset was scored whole",
        "a: only 10 real and 10 fake images scored",
        "The intervals of its means resample the sets as well as the images",
    )


def test_intervals_of_no_width_are_not_printed() -> None:
    flat = {"acc": Metric(value=1.0, low=1.0, high=1.0), "ap": Metric(value=0.5, low=0.4, high=0.6)}
    cells = lines_of(result("a", metrics=flat))["a"].cells
    assert [(cell.text, cell.spread) for cell in cells] == [
        ("100.0", ""),
        ("50.0", "[40.0, 60.0]"),
    ]


def test_what_no_subset_has_is_told_by_those_that_were_scored() -> None:
    own = record(
        "mini",
        (
            result("a", metrics=metrics(acc=0.5)),
            result("b", status="failed", metrics={}, error="boom"),
        ),
    )
    table = subset_table(own, {"acc": "accuracy", "ap": "AP"})
    assert (list(table.heads), table.left_out) == (["acc"], {"ap": "the record has no ap"})
    nothing = subset_table(replace(own, subsets=own.subsets[1:]), {"acc": "accuracy"})
    assert (dict(nothing.heads), nothing.left_out) == ({}, {"acc": "failed: boom"})


def test_the_page_counts_shared_reals_once(tmp_path: Path) -> None:
    sets = {"weak": scores_of(1, 0.5), "strong": scores_of(2, 3.0), "ctl": scores_of(3, 0.0)}
    kept = keep(tmp_path, "lfm", sets)
    renderer = PageRenderer(TABLES / "templates")
    (page,) = record_page.write(tmp_path, tmp_path / "report", [kept], renderer)
    html = page.read_text(encoding="utf-8")
    assert page.name == file_name(kept)
    assert f"{REALS} real and {2 * FAKES} fake images" in html
    assert (
        f"without the 1 control, every image counting once. Subsets share their reals: {REALS}"
        in html
    )
    assert "Not defined on any subset: <code>tpr_at_fpr1</code>" in html
    assert html.count('<tr><th scope="row">') == 4


def test_a_record_of_several_sessions_shows_several() -> None:
    here, there = (Made(environment={"threads": n}, settings={"batch_size": n}) for n in ("1", "2"))
    own = replace(
        BASE,
        subsets=(result("a", made=(here.digest,)), result("b", made=(here.digest, there.digest))),
        made={each.digest: each for each in (here, there)},
    )
    assert sessions(own) == [
        ("a, b", (("threads", "1"),), (("batch_size", "1"),)),
        ("b", (("threads", "2"),), (("batch_size", "2"),)),
    ]


def test_subsets_without_a_number_are_one_line() -> None:
    gone = {"status": "missing", "metrics": {}, "error": "not run"}
    own = record("mini", (result("a"), result("b", **gone), result("c", **gone)))
    table = subset_table(own, {"acc": "accuracy"})
    assert [each.name for each in lines(table)] == ["a"]
    assert table.without == {"not run": ["b", "c"]}
