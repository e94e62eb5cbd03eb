"""Mini tables: means over sets, spread over seeds, controls as false alarms."""

from dataclasses import replace
from statistics import stdev

import pytest

from harness.errors import SchemaError
from harness.metrics.verdict import Verdict
from harness.report.table import Cell, Row, Table
from harness.report.tables.mini import build_mini_table
from harness.results.records import Metric, Resampling, RunRecord

from .synthetic import SPECS, mini_record, paper_like, sources


def table(*records: RunRecord, name: str = "mini-groups") -> Table:
    return build_mini_table(SPECS[name], sources(*records))


def row(built: Table, title: str) -> Row:
    return next(row for row in built.rows if row.title == title)


def cell(built: Table, title: str, column: str, metric: str) -> Cell:
    keys = [(c.key, c.metric) for c in built.columns]
    return row(built, title).cells[keys.index((column, metric))]


def three(detector: str, *aps: float) -> list[RunRecord]:
    return [mini_record(detector, seed, ap, 0.8) for seed, ap in enumerate(aps)]


def test_mean_and_spread_over_seeds() -> None:
    built = table(*three("lfm", 0.90, 0.92, 0.97))
    shown = cell(built, "LFM (3 seeds)", "diffusion", "AP")
    assert shown.value == pytest.approx(93.0)
    assert shown.spread == pytest.approx(stdev([90, 92, 97]))
    assert shown.seeds == 3


def test_mean_over_the_sets_of_a_column() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    results = list(one.subsets)
    results[0] = replace(results[0], metrics={**results[0].metrics, "ap": Metric(value=0.5)})
    built = table(replace(one, subsets=tuple(results)))
    assert cell(built, "LFM (1 seed)", "gan", "AP").value == pytest.approx((50 + 3 * 90) / 4)
    assert cell(built, "LFM (1 seed)", "all fakes", "AP").value == pytest.approx(
        (50 + 12 * 90) / 13
    )
    assert cell(built, "LFM (1 seed)", "unseen fakes", "AP").value == pytest.approx(90)
    assert cell(built, "LFM (1 seed)", "gan", "AP").spread is None


def test_intervals_are_asked_for_the_mean_over_sets_and_seeds() -> None:
    asked = []

    def interval(records, subsets, metric):
        asked.append((len(records), len(subsets), metric))
        return 0.2, 0.5

    built = build_mini_table(
        SPECS["mini-groups"], replace(sources(*three("lfm", 0.9, 0.9)), interval=interval)
    )
    title = "LFM (2 seeds)"
    shown = cell(built, title, "all fakes", "AP")
    assert (shown.low, shown.high) == pytest.approx((20, 50))
    assert (2, 13, "ap") in asked
    assert cell(built, title, "real photographs", "ACC").low == pytest.approx(20)
    false_alarms = cell(built, title, "controls", "flagged as fake")
    assert (false_alarms.low, false_alarms.high) == pytest.approx((50, 80))
    assert "Brackets" in built.caption
    assert "Brackets" not in table(*three("lfm", 0.9)).caption


def test_resampled_sets_are_said() -> None:
    one = replace(mini_record("lfm", 0, 0.9, 0.8), resampling=Resampling(unit="subsets"))
    assert "resample the sets" in row(table(one), "LFM (1 seed)").notes[0]


def test_reals_and_controls_show_false_alarms() -> None:
    built = table(*three("lfm", 0.9, 0.9))
    title = "LFM (2 seeds)"
    assert cell(built, title, "real photographs", "ACC").value == pytest.approx(90)
    assert cell(built, title, "real photographs", "flagged as fake").value == pytest.approx(10)
    assert cell(built, title, "controls", "flagged as fake").value == pytest.approx(30)
    assert cell(built, title, "gan", "flagged as fake").value == pytest.approx(70)
    assert cell(built, title, "controls", "AP").status == "undefined"
    assert cell(built, title, "real photographs", "AP").status == "undefined"


def test_rows_kinds_and_order() -> None:
    built = table(
        *three("zebra", 0.9),
        *three("trivial", 0.6),
        mini_record("chance", None, 0.5, 0.5, label=""),
        mini_record("lfm", None, 0.7, 0.6, label="released"),
        *three("lfm", 0.9, 0.9),
    )
    assert [(r.title, r.kind) for r in built.rows] == [
        ("LFM (2 seeds)", "method"),
        ("LFM (released)", "method"),
        ("npr", "method"),
        ("gap", "method"),
        ("gap-rgb", "method"),
        ("frank", "method"),
        ("durall", "method"),
        ("TRIVIAL (1 seed)", "trivial"),
        ("metadata", "control"),
        ("CHANCE", "control"),
    ]
    assert cell(built, "npr", "gan", "AP").reason == "not run on mini"
    assert cell(built, "metadata", "gan", "AP").reason == "detector not implemented yet"
    assert cell(built, "npr", "controls", "AP").status == "undefined"


def test_a_detector_that_no_spec_names_is_in_the_table_of_all() -> None:
    assert table(*three("zebra", 0.9), name="mini-all").rows[-1].title == "ZEBRA (1 seed)"


@pytest.mark.parametrize(("val_ap", "marked"), [(0.52, True), (0.6, False), (None, False)])
def test_a_training_that_learned_nothing_is_marked(val_ap: float | None, marked: bool) -> None:
    one = mini_record("lfm", 0, 0.5, 0.5)
    recipe = {} if val_ap is None else {"val_ap": val_ap}
    built = table(replace(one, weights=replace(one.weights, recipe=recipe)))
    notes = row(built, "LFM (1 seed)").notes
    assert any("validation AP below 60%" in note for note in notes) == marked


def test_paper_records_never_enter_a_mini_table() -> None:
    for name in ("mini-groups", "mini-sets"):
        assert table(paper_like("gangen"), name=name) == table(name=name)


@pytest.mark.parametrize(
    "changes",
    [{"perturbation": "jpeg(70)"}, {"precision": "bf16"}, {"preprocess": "native"}, {"limit": 20}],
    ids=str,
)
def test_records_of_other_conditions_change_no_table(changes: dict[str, object]) -> None:
    """Neither those of detectors that have a row, nor of others."""
    plain = [*three("lfm", 0.90, 0.92), mini_record("lfm", None, 0.7, 0.6, label="released")]
    others = [replace(one, **changes) for one in (*plain, *three("zebra", 0.99))]
    for name in ("mini-groups", "mini-all"):
        assert table(*plain, *others, name=name) == table(*plain, name=name)
        assert table(*others, *plain, name=name) == table(*plain, name=name)


def test_a_row_without_numbers_is_not_displaced_by_a_perturbed_one() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    holes = tuple(
        replace(each, status="missing", error="weights missing: x", metrics={})
        for each in one.subsets
    )
    failed = replace(one, subsets=holes, mean={})
    built = table(failed, replace(one, perturbation="jpeg(70)"))
    assert cell(built, "LFM (1 seed)", "gan", "AP").reason == "weights missing: x"


def test_a_smoke_run_shows_and_is_marked() -> None:
    partial = [replace(one, limit=10) for one in three("lfm", 0.5, 0.6)]
    built = table(*partial)
    assert row(built, "LFM (2 seeds)").notes == ("Partial: at most 10 images of each class.",)
    assert cell(built, "LFM (2 seeds)", "gan", "AP").value == pytest.approx(55)


def test_a_partial_row_does_not_stand_among_whole_ones() -> None:
    partial = replace(mini_record("npr", 0, 0.99, 0.99), limit=10)
    built = table(partial, mini_record("lfm", 0, 0.9, 0.8))
    assert cell(built, "npr", "gan", "AP").reason == "not run on mini"


def test_holes_name_the_set() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    results = tuple(
        replace(r, status="missing", metrics={}) if r.subset == "vq_nearest" else r
        for r in one.subsets
    )
    built = table(replace(one, subsets=results))
    hole = cell(built, "LFM (1 seed)", "autoencoder", "AP")
    assert (hole.status, hole.reason) == ("hole", "vq_nearest: no data for this subset")
    assert cell(built, "LFM (1 seed)", "gan", "AP").status == "measured"


def test_a_set_that_no_column_shows_is_an_error() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    extra = replace(one.subsets[0], subset="new_gan")
    with pytest.raises(SchemaError, match="new_gan"):
        table(replace(one, subsets=(*one.subsets, extra)))


def test_variants_are_named_where_they_differ() -> None:
    one, two = three("lfm", 0.9, 0.8)
    built = table(replace(one, variant="algorithm1"), replace(two, variant="released"))
    assert [r.title for r in built.rows if r.detector == "lfm"] == [
        "LFM (algorithm1, 1 seed)",
        "LFM (released, 1 seed)",
    ]


def test_two_recipes_are_no_two_seeds_of_one_row() -> None:
    """The same label, and everything equal but one value of the recipe."""
    one, two, three_ = three("lfm", 0.9, 0.8, 0.7)
    other = replace(two, weights=replace(two.weights, recipe={"val_preprocess": "native"}))
    built = table(one, other, three_)
    assert [r.title for r in built.rows if r.detector == "lfm"] == [
        "LFM (val preprocess none, 2 seeds)",
        "LFM (val preprocess native, 1 seed)",
    ]
    found = {"val_ap": 0.9, "weights_epoch": 3, "training_images": 660}
    same = replace(two, weights=replace(two.weights, recipe=found))
    assert [r.title for r in table(one, same).rows if r.detector == "lfm"] == ["LFM (2 seeds)"]
    newer = replace(two, version=2)
    titles = [r.title for r in table(one, newer).rows if r.detector == "lfm"]
    assert titles == ["LFM (version 1, 1 seed)", "LFM (version 2, 1 seed)"]


def test_what_must_be_said_of_a_set_is_said_at_the_number() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    results = (replace(one.subsets[0], skipped=("a.png",)), *one.subsets[1:])
    weights = replace(one.weights, verified=False, note="no sha256")
    built = table(replace(one, subsets=results, weights=weights))
    for column in ("gan", "all fakes"):
        (note,) = cell(built, "LFM (1 seed)", column, "AP").notes
        assert note.endswith("1 of 201 images could not be read or scored and are left out: a.png")
        assert note.startswith("gan_tconv: ")
    assert cell(built, "LFM (1 seed)", "diffusion", "AP").notes == ()
    assert row(built, "LFM (1 seed)").notes == ("weights not verified: no sha256",)


def test_two_checkpoints_of_one_label_are_said() -> None:
    one = mini_record("lfm", 0, 0.9, 0.8)
    again = replace(one, weights=replace(one.weights, sha256="other"))
    assert "2 checkpoints share 1 labels" in row(table(one, again), "LFM (2 seeds)").notes[0]


def test_seen_columns_are_marked_and_false_alarms_not_ranked() -> None:
    built = table(name="mini-sets")
    assert {c.title for c in built.columns if c.note} == {"gan_tconv"}
    assert not any(c.ranked for c in built.columns if c.metric == "flagged as fake")
    assert not any(c.ranked for c in built.columns if c.group in ("controls", "real"))
    assert sum(c.ranked for c in built.columns) == 2 * 13


def test_the_two_compared_detectors_get_the_one_verdict() -> None:
    records = [*three("lfm", 0.90, 0.91, 0.92), *three("gap", 0.91, 0.92, 0.93)]
    asked = []

    def tell(first, second, places, metric) -> Verdict:
        asked.append((len(first), len(second), len(places), metric))
        return Verdict(value=0.5, low=-0.03, high=0.01, p=0.2, p_holm=0.2, freedom=2.5, units=131)

    built = build_mini_table(SPECS["mini-groups"], replace(sources(*records), tell=tell))
    assert built.statements[0] == (
        "AP over 13 sets of fakes, lfm against gap: 91.0 (sd 1.0, 3 seeds) against "
        "92.0 (sd 1.0, 3 seeds); difference −1.0 [−3.0, +1.0], p 0.2 "
        "(t with 2.5 degrees of freedom over images): not told apart."
    )
    assert asked == [(3, 3, 13, "ap"), (3, 3, 13, "acc")]
    assert "cannot be compared" in table(*three("lfm", 0.9)).statements[0]
    assert any("stand-in" in text for text in built.statements)


def test_without_scores_nothing_is_told_apart() -> None:
    """A table of records alone knows nothing of the images' chance: no rule of thumb instead."""
    built = table(*three("lfm", 0.90, 0.90, 0.90), *three("gap", 0.60, 0.60, 0.60))
    assert "difference +30.0: not told apart, the scores are not at hand." in built.statements[0]
