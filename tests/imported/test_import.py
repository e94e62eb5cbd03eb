"""``import``: scores that something else made, judged like any detector's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands import _contenders
from harness.errors import UsageError
from harness.results.store import load_records
from tests.imported.files import FEW, PROBABILITY, Says, kept, record_of, save, table

# --- what comes out -------------------------------------------------------------------------------


def test_every_column_is_a_row_with_records_as_of_any_detector(here: Path, says: Says) -> None:
    save(here / "scores.csv", table())
    wide = ("--scores", "prob_*", "--data", "mine")
    printed = says("import", "scores.csv", "--name", "their", *PROBABILITY, *wide, *FEW)
    assert "their-a:imported" in printed and "scores were made elsewhere (scores.csv)" in printed
    record = record_of("their-a")
    assert record.origin is not None and record.origin.kind == "imported"
    assert "not known" in record.origin.facts["geometry"]
    assert (record.threshold, record.score_kind, record.suite[:9]) == (
        0.5,
        "probability",
        "own-mine-",
    )
    by_id = {row[0]: float(str(row[3])) for row in table()[1:]}
    found = kept(record, "g1")
    assert dict(zip(found.ids, found.scores.tolist(), strict=True)).items() <= by_id.items()
    assert record.mean["ap"].low is not None and record.result("g0").metrics["ece"].value  # type: ignore[union-attr]
    # What needs no pixels works on it.
    compared = says("compare", "their-a", "their-b", "--resamples", "50")
    assert "their-a against their-b" in compared and "not compared" not in compared
    assert "made elsewhere" in says("metrics", "their-a", "--suite", record.suite)
    assert says("figures", "--reliability", "their-a", "--suite", record.suite).count("runs/") == 3
    assert "rescored" in says("rescore", *FEW, "--calibrate-on", f"{record.suite}:g0")
    assert record_of("their-a").result("g1").metrics["acc_calibrated"].value is not None  # type: ignore[union-attr]
    assert "off: 0" in says("diff", "--against", "runs", "--brief")
    says("tables", "--suite", record.suite)
    shown = Path("runs/tables", f"{record.suite}.md").read_text(encoding="utf-8")
    assert "their-a (imported)" in shown and "mean of 2" in shown and "| g1 |" in shown


def test_a_page_of_imported_scores_says_so_and_that_it_has_no_pictures(
    here: Path, says: Says
) -> None:
    save(here / "scores.csv", table())
    score = ("--score", "prob_a", "--data", "mine")
    says("import", "scores.csv", "--name", "theirs", *PROBABILITY, *score, *FEW)
    says("report", "--to", "report")
    (page,) = Path("report").glob("own-mine-*theirs-imported-*.html")
    text = page.read_text(encoding="utf-8")
    for said in ("imported: these scores were made elsewhere (scores.csv)", "no images"):
        assert said in text
    assert "native" not in text  # no geometry that nobody knows
    assert "under conditions that are not known here" in text


def test_scores_without_images_are_named_where_pixels_are_needed(says: Says) -> None:
    for words in (("check",), ("run", "--method", "chance"), ("explain", "--method", "lfm")):
        said = says(*words, "--suite", "own-mine-0", code=2)
        assert "imported have no images" in said


def test_lower_is_fake_turns_scores_and_threshold(here: Path, says: Says) -> None:
    rows = [["id", "score", "label"], ["a", -3, "fake"], ["b", -1, "fake"], ["c", 5, "real"]]
    save(here / "s.csv", rows)
    turned = ("--threshold", "-2", "--lower-is-fake", *FEW)
    says("import", "s.csv", "--name", "up", "--kind", "uncalibrated", *turned)
    record = record_of("up")
    assert record.threshold == 2.0
    assert sorted(kept(record, "all").scores.tolist()) == [-5.0, 1.0, 3.0]
    assert record.result("all").metrics["fake_acc"].value == 0.5  # type: ignore[union-attr]
    assert record.origin is not None and "below -2" in record.origin.facts["direction"]
    save(here / "p.csv", [["id", "score", "label"], ["a", 0.2, "fake"], ["b", 0.9, "real"]])
    says("import", "p.csv", "--name", "p", *PROBABILITY, "--threshold", "0.25", *turned[2:])
    assert record_of("p").threshold == 0.75
    assert kept(record_of("p"), "all").scores.tolist() == [1 - 0.9, 1 - 0.2]


# --- what is absent -------------------------------------------------------------------------------


def test_an_empty_score_is_an_image_without_one(here: Path, says: Says) -> None:
    rows = table()
    rows[2][3] = ""
    save(here / "scores.csv", rows)
    words = ("import", "scores.csv", "--name", "x", *PROBABILITY, "--score", "prob_a", *FEW)
    said = says(*words, code=3)
    assert "scores.csv, line 3: no prob_a in 1 of 12 rows" in said and "--missing skip" in said
    assert not Path("runs/results").exists()
    assert "1 of 6 images have no score and are left out: i1.png" in says(
        *words, "--missing", "skip"
    )
    result = record_of("x").result("g0")
    assert result is not None and (result.skipped, result.n_fake) == (("i1.png",), 2)
    assert "i1.png" not in kept(record_of("x"), "g0").ids


def test_a_group_without_any_score_has_no_number(here: Path, says: Says) -> None:
    rows = table()
    for row in rows[1:7]:
        row[3] = ""
    save(here / "scores.csv", rows)
    words = ("--score", "prob_a", "--missing", "skip", *FEW)
    says("import", "scores.csv", "--name", "x", *PROBABILITY, *words)
    record = record_of("x")
    (empty, scored) = record.subsets
    assert (empty.status, empty.metrics, scored.status) == ("missing", {}, "ok")
    assert "none of its 6 images" in empty.error and record.mean["ap"].value is None


REFUSED = {
    "percent": ([["a", 99, "fake"], ["b", 1, "real"]], (), "looks like percent"),
    "negative": ([["a", -0.5, "fake"], ["b", 1, "real"]], (), "line 2: score -0.5 is no prob"),
    "one class": ([["a", 0.5, "fake"]], (), "every image is fake"),
    "registered": ([["a", 1, "fake"], ["b", 0, "real"]], ("--name", "LFM"), "of this project"),
    "no name": ([["a", 1, "fake"], ["b", 0, "real"]], ("--name", "../"), "no letter or digit"),
    "threshold": ([["a", 1, "fake"], ["b", 0, "real"]], ("--threshold", "2"), "no probability"),
    "where": ([["a", 1, "fake"], ["b", 0, "real"]], ("--where", "x"), "no COLUMN=VALUE"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(
    case: str, here: Path, says: Says
) -> None:
    rows, words, message = REFUSED[case]
    save(here / "s.csv", [["id", "score", "label"], *rows])
    name = () if "--name" in words else ("--name", "x")
    typed = ("import", "s.csv", *name, *PROBABILITY, *words)
    assert main(list(typed)) in (2, 3)
    said = says(*typed, code=main(list(typed)))
    assert message in said and "next:" in said
    assert not Path("runs/results").exists()


def test_what_a_score_means_is_never_guessed(here: Path, says: Says) -> None:
    save(here / "s.csv", [["id", "score", "label"], ["a", 1, "fake"], ["b", 0, "real"]])
    assert "--kind" in says("import", "s.csv", "--name", "x", code=2)
    uncalibrated = says("import", "s.csv", "--name", "x", "--kind", "uncalibrated", code=2)
    assert "--threshold T" in uncalibrated


def test_other_scores_of_a_name_replace_it_only_where_that_is_asked_for(
    here: Path, says: Says
) -> None:
    words = ("--name", "x", *PROBABILITY, "--score", "prob_a", "--data", "d", *FEW)
    rows = table()
    save(here / "first.csv", rows)
    save(here / "moved.csv", [rows[0], *reversed(rows[1:])])
    says("import", "first.csv", *words)
    sha = record_of("x").origin.sha256  # type: ignore[union-attr]
    says("import", "moved.csv", *words)  # the same scores in another file: the same row
    assert record_of("x").origin.sha256 == sha  # type: ignore[union-attr]
    rows[1][3] = "0.125"
    save(here / "other.csv", rows)
    assert "other scores on own-d-" in says("import", "other.csv", *words, code=2)
    says("import", "other.csv", *words, "--overwrite")
    assert 0.125 in kept(record_of("x"), "g0").scores.tolist()


def test_a_row_that_nobody_knows_is_named_with_what_there_is(here: Path, says: Says) -> None:
    save(here / "scores.csv", table())
    says("import", "scores.csv", "--name", "mine", *PROBABILITY, "--score", "prob_a", *FEW)
    with pytest.raises(UsageError, match="unknown detector 'min'") as found:
        _contenders.contenders("min", load_records(Path("runs")))
    assert "did you mean 'mine'" in found.value.hint
