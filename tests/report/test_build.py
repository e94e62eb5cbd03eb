"""The paper's tables: which record fills which cell, and what a hole says."""

from dataclasses import replace

import pytest

from harness.report.table import Cell, Column, Row, Table, ranked
from harness.report.tables.paper import NetworkCost, build_paper_table
from harness.results.records import Metric, RunRecord, WeightsRef

from .synthetic import (
    PAPER,
    SPECS,
    means,
    metrics,
    mini_record,
    paper_like,
    record,
    result,
    sources,
    subsets_of,
)


def table(name: str, *records: RunRecord, **costs: NetworkCost) -> Table:
    return build_paper_table(SPECS[name], sources(*records, **costs))


def row(built: Table, title: str) -> Row:
    return next(row for row in built.rows if row.title == title)


def cell(built: Table, title: str, column: str, metric: str) -> Cell:
    index = next(i for i, c in enumerate(built.columns) if (c.key, c.metric) == (column, metric))
    return row(built, title).cells[index]


def test_without_records_the_papers_numbers_stand_alone() -> None:
    built = table("gangen")
    assert [r.title for r in built.rows] == PAPER.methods("gangen")
    cells = [c for r in built.rows for c in r.cells]
    assert len(cells) == 220
    assert {c.status for c in cells} == {"hole"}
    assert all(c.paper is not None and c.value is None for c in cells)
    assert cell(built, "Frank", "BEGAN", "ACC").reason == "detector not implemented yet"
    assert cell(built, "LFM", "BEGAN", "ACC").reason.startswith("not run with its published")


def test_our_number_stands_beside_the_papers() -> None:
    built = table("gangen", paper_like("gangen", shift=-0.3))
    ours = cell(built, "LFM", "S3GAN", "ACC")
    assert (ours.status, ours.paper) == ("measured", 88.4)
    assert ours.value == pytest.approx(88.1)
    assert ours.difference == pytest.approx(-0.3)
    mean = cell(built, "LFM", "mean", "AP")
    assert mean.value == pytest.approx(99.478 - 0.3, abs=1e-3)
    assert mean.paper == 99.5


def test_best_and_second_among_rows_of_one_source() -> None:
    built = table(
        "gangen",
        paper_like("gangen", "LFM", shift=-50),
        paper_like("gangen", "NPR", detector="npr", title="NPR"),
    )
    assert cell(built, "LFM", "BEGAN", "ACC").paper_emphasis == "best"  # 99.9
    assert cell(built, "NPR", "BEGAN", "ACC").paper_emphasis == "second"  # 99.0
    assert cell(built, "LFM", "BEGAN", "ACC").emphasis == "second"
    assert cell(built, "NPR", "BEGAN", "ACC").emphasis == "best"
    assert cell(built, "Frank", "BEGAN", "ACC").emphasis == ""


def ranks(*values: float | None, low: float | None = None) -> list[str]:
    column = Column(key="c", title="c", metric="ACC")
    rows = tuple(
        Row(
            key=str(i),
            title="",
            detector="",
            kind="method",
            cells=(Cell(value=v, low=low, status="hole" if v is None else "measured"),),
        )
        for i, v in enumerate(values)
    )
    grid = Table(name="", title="", caption="", by_metric=False, columns=(column,), rows=rows)
    return [r.cells[0].emphasis for r in ranked(grid).rows]


def test_ranks() -> None:
    assert ranks(90.0, 95.0, None, 80.0) == ["second", "best", "", ""]
    assert ranks(99.96, 100.0, 99.94) == ["best", "best", "second"]
    assert ranks(50.0, 50.0) == ["best", "best"]
    assert ranks(50.0, None) == ["", ""]


def test_ties_are_what_the_interval_of_the_best_holds() -> None:
    assert ranks(90.0, 95.0, 93.0, 92.9, low=93.0) == ["", "best", "tie", ""]
    assert ranks(90.0, 95.0, 92.9, low=93.0) == ["", "best", "second"]
    assert ranks(90.0, 95.0, low=95.0) == ["second", "best"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weights": WeightsRef(label="mini-train/seed0", sha256="b")}, "other weights: mini-tr"),
        ({"precision": "bf16"}, "other precision: bf16"),
        ({"limit": 50}, "partial: at most 50 images"),
    ],
)
def test_other_conditions_are_an_extra_row(changes: dict[str, object], reason: str) -> None:
    built = table("gangen", paper_like("gangen", **changes))
    assert cell(built, "LFM", "BEGAN", "ACC").status == "hole"
    extra = [r for r in built.rows if r.kind == "extra"]
    assert len(extra) == 1
    assert reason in extra[0].notes[0]
    assert extra[0].cells[2].value == pytest.approx(99.9)
    assert {c.emphasis for c in extra[0].cells} == {""}
    assert {c.paper for c in extra[0].cells} == {None}


def test_a_detector_outside_the_paper_is_an_extra_row() -> None:
    built = table(
        "gangen",
        paper_like("gangen", detector="chance", title="Chance", weights=WeightsRef()),
    )
    assert row(built, "Chance").notes == (
        "Not in the ranking: not a row of the paper.",
        "AP ranks the scores as they are.",
    )


@pytest.mark.parametrize("changes", [{"preprocess": "native"}, {"perturbation": "jpeg(70)"}])
def test_treated_images_have_no_place_beside_the_papers_numbers(
    changes: dict[str, object],
) -> None:
    for name in ("gangen", "summary"):
        assert table(name, paper_like("gangen", **changes)) == table(name)
    plain = paper_like("gangen")
    assert table("gangen", plain, paper_like("gangen", **changes)) == table("gangen", plain)


def with_results(made: RunRecord, subset: str, **changes: object) -> RunRecord:
    results = tuple(
        replace(r, **changes) if r.subset == subset else r  # type: ignore[arg-type]
        for r in made.subsets
    )
    return replace(made, subsets=results)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_real": 0}, "no real images"),
        (
            {"expected_real": 6000, "expected_fake": 6000, "counts": "documented"},
            "1000 real and 1000 fake images, declared are 6000 and 6000",
        ),
        (
            {"skipped": ("a.png",)},
            "1 of 2001 images could not be read or scored and are left out: a.png",
        ),
    ],
)
def test_other_images_are_shown_marked_and_neither_ranked_nor_compared(
    changes: dict[str, object], said: str
) -> None:
    npr = paper_like("gangen", "NPR", shift=-20, detector="npr", title="NPR")
    built = table("gangen", with_results(paper_like("gangen"), "began", **changes), npr)
    shown = cell(built, "LFM", "BEGAN", "ACC")
    assert shown.value == pytest.approx(99.9)
    assert (shown.difference, shown.emphasis, shown.comparable) == (None, "", False)
    (note,) = shown.notes
    assert note == f"Not comparable with the paper's: {said}"
    mean = cell(built, "LFM", "mean", "ACC")
    assert not mean.comparable and mean.notes[0].endswith(f"began: {said}")
    assert cell(built, "LFM", "STGAN", "ACC").difference == pytest.approx(0)


def test_a_published_name_over_unknown_bytes_is_marked_at_its_row() -> None:
    weights = WeightsRef(
        label="released", sha256="b" * 64, verified=False, note="no sha256 is known"
    )
    built = table("gangen", paper_like("gangen", weights=weights))
    shown = row(built, "LFM")
    assert shown.notes[0] == (
        "Not comparable with the paper's: weights not verified: no sha256 is known."
    )
    assert {c.difference for c in shown.cells} == {None}
    assert {c.emphasis for c in shown.cells} == {""}


def test_ap_is_by_the_rule_of_the_release_with_the_raw_one_beside_it() -> None:
    made = paper_like("gangen", published_ap="ap_sigmoid32")
    values = metrics(acc=0.999, ap=0.678, ap_sigmoid32=0.507)
    close = metrics(acc=0.999, ap=0.6784, ap_sigmoid32=0.678)
    made = with_results(with_results(made, "began", metrics=values), "stgan", metrics=close)
    built = table("gangen", made)
    shown = cell(built, "LFM", "BEGAN", "AP")
    assert shown.value == pytest.approx(50.7)
    (note,) = shown.notes
    assert note.endswith("of the raw scores it is 67.8")
    assert cell(built, "LFM", "STGAN", "AP").notes == ()
    assert row(built, "LFM").notes == (
        "AP ranks float32 sigmoids of the logits, as the release does.",
    )
    assert cell(built, "LFM", "AttGAN", "AP").reason == "the record has no ap_sigmoid32"


def test_checkpoints_of_one_label_make_no_row_together() -> None:
    """One suite scored before, another after the weights were trained again."""
    again = WeightsRef(label="mini-train/seed0", sha256="c" * 64, seed=0, recipe={"epochs": 3})
    before = replace(again, sha256="d" * 64, recipe={"epochs": 9})
    built = table("summary", paper_like("gangen", weights=again), paper_like("ufd", weights=before))
    assert len([r for r in built.rows if r.kind == "extra"]) == 2


def test_mini_records_never_enter_a_paper_table() -> None:
    mini = [mini_record("lfm", 0, 0.9, 0.8), mini_record("lfm", None, 0.7, 0.6, label="released")]
    for name in ("gangen", "forensynths", "diffusion", "ufd", "summary"):
        assert table(name, *mini) == table(name)


def test_holes_say_why_and_leave_the_mean_open() -> None:
    results = list(paper_like("gangen").subsets)
    results[0] = replace(results[0], status="missing", metrics={}, error="looked in /data\nhint")
    results[1] = replace(results[1], status="failed", metrics={}, error="nan scores\nhint")
    built = table("gangen", record("gangen", tuple(results), mean=means(tuple(results))))
    assert cell(built, "LFM", "AttGAN", "AP").reason == "no data for this subset"
    assert cell(built, "LFM", "BEGAN", "AP").reason == "failed: nan scores"
    assert cell(built, "LFM", "mean", "AP").reason == "not whole: attgan, began"
    assert cell(built, "LFM", "STGAN", "AP").status == "measured"


def test_a_detector_that_could_not_be_set_up_shows_its_error_in_its_row() -> None:
    failed = tuple(
        result(name, status="failed", metrics={}, error="weights absent: npr")
        for name in subsets_of("gangen")
    )
    broken = record(
        "gangen", failed, detector="npr", title="NPR", weights=WeightsRef(), mean=means(failed)
    )
    built = table("gangen", broken)
    assert len(built.rows) == 11
    assert cell(built, "NPR", "BEGAN", "ACC").reason == "failed: weights absent: npr"
    works = table("gangen", broken, paper_like("gangen", "NPR", detector="npr", title="NPR"))
    assert len(works.rows) == 11
    assert cell(works, "NPR", "BEGAN", "ACC").value == pytest.approx(99.0)


def test_a_failed_set_does_not_hide_the_sets_that_ran() -> None:
    failed = tuple(
        result(name, status="failed", metrics={}, error="boom") for name in subsets_of("ufd")
    )
    broken = record("ufd", failed, weights=WeightsRef(), mean=means(failed))
    built = table("summary", broken, paper_like("gangen"))
    assert cell(built, "LFM", "Test Set2", "ACC").status == "measured"


def test_an_older_version_of_a_detector_is_replaced() -> None:
    built = table("gangen", paper_like("gangen", version=2), paper_like("gangen", shift=-40))
    assert len(built.rows) == 11
    assert cell(built, "LFM", "BEGAN", "ACC").value == pytest.approx(99.9)


def five_sets() -> list[RunRecord]:
    records = [paper_like(suite) for suite in ("forensynths", "gangen", "diffusion", "ufd")]
    results = tuple(
        result(name, metrics=metrics(acc=0.889, ap=0.958)) for name in subsets_of("diffusion1k")
    )
    return [*records, record("diffusion1k", results)]


def test_summary_keeps_both_means() -> None:
    built = table("summary", *five_sets(), lfm=NetworkCost(macs=1_591_812_992, params=725_641))
    over_38 = cell(built, "LFM", "mean", "ACC")
    assert over_38.value == pytest.approx(95.92, abs=0.03)
    assert over_38.paper == 95.9
    over_5 = cell(built, "LFM", "all-sets", "ACC")
    assert over_5.value == pytest.approx(95.34, abs=0.02)
    assert over_5.paper == pytest.approx(95.34)
    assert cell(built, "LFM", "Test Set5", "AP").difference == pytest.approx(0)
    flops = cell(built, "LFM", "flops", "FLOPs")
    assert (flops.value, flops.paper) == (1.591812992, 1.61)
    assert cell(built, "NPR", "params", "Params").reason.startswith("not counted: python -m ")


def with_intervals(record: RunRecord, below: float, above: float) -> RunRecord:
    mean = {
        name: replace(m, low=(m.value or 0) - below, high=(m.value or 0) + above)
        for name, m in record.mean.items()
    }
    return replace(record, mean=mean)


def test_means_over_sets_join_the_intervals_of_independent_sets() -> None:
    built = table("summary", *(with_intervals(r, 0.03, 0.01) for r in five_sets()))
    over_5 = cell(built, "LFM", "all-sets", "ACC")
    assert over_5.value - over_5.low == pytest.approx(3 / 5**0.5)
    assert over_5.high - over_5.value == pytest.approx(1 / 5**0.5)
    over_38 = cell(built, "LFM", "mean", "ACC")
    half = 3 * sum((n / 38) ** 2 for n in (8, 9, 8, 8, 5)) ** 0.5
    assert over_38.value - over_38.low == pytest.approx(half)
    assert cell(table("summary", *five_sets()), "LFM", "mean", "ACC").low is None


def test_summary_mean_needs_every_set() -> None:
    built = table("summary", *five_sets()[:-1])
    assert cell(built, "LFM", "Test Set1", "ACC").status == "measured"
    assert cell(built, "LFM", "mean", "ACC").reason == "needs all sets, not run: diffusion1k"


def test_paper_footnotes() -> None:
    built = table("summary")
    assert "fits only the exchanged pair" in cell(built, "LGrad", "Test Set5", "ACC").paper_notes[0]
    assert "look exchanged" in cell(built, "SAFE", "Test Set4", "AP").paper_notes[0]
    assert cell(built, "NPR", "Test Set1", "ACC").paper_notes == ()
    assert "OCR 93.5" in cell(table("gangen"), "LFM", "S3GAN", "AP").paper_notes[0]


def test_intervals_pass_through() -> None:
    results = list(paper_like("gangen").subsets)
    ap = Metric(value=0.9, low=0.88, high=0.93)
    results[0] = replace(results[0], metrics={**results[0].metrics, "ap": ap})
    built = table("gangen", record("gangen", tuple(results)))
    shown = cell(built, "LFM", "AttGAN", "AP")
    assert (shown.low, shown.value, shown.high) == (88.0, 90.0, 93.0)
