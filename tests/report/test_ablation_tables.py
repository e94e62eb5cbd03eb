"""The ablation's tables and statistics against SciPy, enumeration and numbers worked by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest
from scipy import stats

from harness.ablation.spec import AblationSpec, RowOptions
from harness.ablation.tables import Ablation, ScoredSet, build_ablation_tables
from harness.errors import SchemaError
from harness.metrics.bootstrap import Draws
from harness.metrics.paired import holm
from harness.metrics.verdict import Verdict, tell_apart
from harness.report.layout import lay_out
from harness.report.render import Renderer, render_csv
from harness.report.table import Cell, Table
from harness.results.records import Metric, RunRecord, WeightsRef

from .synthetic import ROOT, metrics, record, result

GOLDEN = Path(__file__).parent / "golden"
RENDERER = Renderer(ROOT / "tables" / "templates")
SETS = (
    ScoredSet(suite="mini", name="a", group="gan", seen=True),
    ScoredSet(suite="mini", name="b", group="gan"),
    ScoredSet(suite="mini", name="c", group="diffusion"),
    ScoredSet(suite="mini", name="jpeg", group="controls"),
)


def scored(aps: tuple[float, float, float], acc: float = 0.8) -> list[RunRecord]:
    """One record on three sets of fakes, 40 scores each, and a control."""
    results = [
        result(entry.name, n=20, group=entry.group, metrics=metrics(ap=ap, acc=acc))
        for entry, ap in zip(SETS, aps, strict=False)
    ]
    lacking = dict.fromkeys(("ap", "acc"), Metric(value=None, note="no fake images"))
    undefined = {**lacking, **metrics(real_acc=0.7)}
    results.append(result("jpeg", n=20, group="controls", metrics=undefined))
    return [record("mini", tuple(results))]


def seeds_alone(first, second, places, metric) -> Verdict:
    """A verdict from the records' numbers: here no scores are kept."""

    def mean(one: RunRecord) -> Draws:
        values = {r.subset: r.metrics[metric].value for r in one.subsets}
        found = [values[subset] for _, subset in places]
        return Draws(value=float(np.mean(found)), values=np.empty(0), masses=np.empty((1, 0)))

    sides = [{seed: mean(each) for seed, each in enumerate(rows)} for rows in (first, second)]
    return tell_apart(*sides)


def ablation() -> Ablation:
    """Three seeds; B is better than A by 2, 1 and 0 points on the sets, a seed adds 0, 1, 2."""
    a = {0: (0.90, 0.80, 0.70), 1: (0.91, 0.82, 0.73), 2: (0.92, 0.81, 0.70)}
    b = {
        seed: (x + 0.02 + seed / 100, y + 0.01 + seed / 100, z + seed / 100)
        for seed, (x, y, z) in a.items()
    }
    c = {seed: (x - 0.1, y - 0.1, z - 0.2) for seed, (x, y, z) in a.items()}
    records = {
        (label, seed): scored(values, 0.8 + seed / 50)
        for label, of_row in (("A", a), ("B", b), ("C", c))
        for seed, values in of_row.items()
    }
    records |= {("D", seed): records["A", seed] for seed in (0, 1)}
    spec = AblationSpec(
        name="small-ablation",
        title="Small",
        caption="A caption.",
        detector="lfm",
        rows=(
            *(RowOptions(label=x, options={"pooling": x.lower()}) for x in "ABC"),
            RowOptions(label="D", options={"k": 3}),
        ),
        reference="A",
        seeds=(0, 1, 2),
        recipe={},
    )
    return Ablation(
        spec=spec, records=records, sets=SETS, made="Made by: a test.", tell=seeds_alone
    )


def cell(table: Table, row: str, column: str, metric: str = "AP") -> Cell:
    at = [(c.key, c.metric) for c in table.columns].index((column, metric))
    return next(r for r in table.rows if r.key == row).cells[at]


# --- tables ---------------------------------------------------------------------------------------


def test_a_cell_is_the_mean_and_sample_deviation_over_seeds() -> None:
    means, _ = build_ablation_tables(ablation())
    shown = cell(means, "A", "gan")
    assert shown.value == pytest.approx((85 + 86.5 + 86.5) / 3)
    assert shown.spread == pytest.approx(stdev([85, 86.5, 86.5]))
    assert shown.seeds == 3
    assert cell(means, "A", "all fakes").value == pytest.approx((80 + 82 + 81) / 3)
    assert cell(means, "A", "unseen fakes").value == pytest.approx((75 + 77.5 + 75.5) / 3)


def test_columns_are_groups_then_all_then_unseen_then_controls() -> None:
    means, _ = build_ablation_tables(ablation())
    titles = ["gan", "diffusion", "all fakes", "unseen fakes", "controls"]
    assert [c.key for c in means.columns] == titles * 2
    assert cell(means, "A", "controls").status == "undefined"
    assert cell(means, "A", "controls", "ACC").value == pytest.approx(70)
    assert [c.key for c in means.columns if c.note] == ["gan", "all fakes"] * 2


def test_sets_without_groups_are_columns_by_suite() -> None:
    sets = tuple(replace(entry, group="", seen=False) for entry in SETS[:3])
    means, _ = build_ablation_tables(replace(ablation(), sets=sets))
    assert [c.key for c in means.columns] == ["mini"] * 2


def test_a_seed_that_is_not_there_is_a_hole_and_not_a_smaller_mean() -> None:
    means, tests = build_ablation_tables(ablation())
    for table, column in ((means, "gan"), (tests, "difference"), (tests, "p")):
        shown = cell(table, "D", column)
        assert (shown.status, shown.value) == ("hole", None)
        assert shown.reason.endswith("seed 2: not trained")


def test_a_difference_is_judged_over_seeds_in_pairs() -> None:
    _, tests = build_ablation_tables(ablation())
    by_seed = [1.0, 2.0, 3.0]  # B - A: the mean of 2, 1, 0 on the sets, plus the seed
    shown = cell(tests, "B", "difference")
    assert shown.value == pytest.approx(2.0)
    assert shown.spread == pytest.approx(1.0)
    expected = stats.ttest_1samp(by_seed, 0.0)
    assert cell(tests, "B", "p").value == pytest.approx(expected.pvalue)
    edges = expected.confidence_interval(0.95)
    assert (shown.low, shown.high) == pytest.approx((edges.low, edges.high))
    counts = [cell(tests, "B", f"pairs {which}").value for which in ("better", "worse")]
    assert counts == [8, 0]  # nine pairs, one without a difference


def test_holm_is_over_the_rows_that_have_a_p() -> None:
    _, tests = build_ablation_tables(ablation())
    plain = [cell(tests, row, "p").value for row in "BCD"]
    corrected = [cell(tests, row, "p, Holm").value for row in "BCD"]
    assert plain[1:] == [None, None]  # C's seeds all differ alike; D lacks a seed
    assert corrected == [holm([plain[0]])[0], None, None]


def test_what_the_tests_say_is_said_in_the_words_of_all_other_tables() -> None:
    built = ablation()
    _, tests = build_ablation_tables(built)
    said = " ".join(tests.statements)
    assert "AP, B: difference +2.0 [−0.5, +4.5], p 0.074 (t with 2.0 degrees of freedom" in said
    assert "paired by seed): not told apart." in said
    assert "AP, C: difference −13.3: not told apart, the seeds do not differ" in said
    assert "ACC, B: difference 0.0, p 1" in said
    assert "not shown to be equal" in said
    without = replace(built, tell=Ablation.tell)
    _, tests = build_ablation_tables(without)
    assert cell(tests, "B", "p").reason == "the scores are not at hand"
    means, tests = build_ablation_tables(replace(built, spec=replace(built.spec, seeds=(0,))))
    assert cell(tests, "B", "p").reason == "neither images nor seeds to draw"
    assert cell(means, "A", "gan").spread is None


RENDERED = {
    f"{table.name}.{ending}": text
    for table in build_ablation_tables(ablation())
    for ending, text in (("md", RENDERER.markdown(lay_out(table))), ("csv", render_csv(table)))
}


@pytest.mark.parametrize("name", RENDERED)
def test_golden(name: str) -> None:
    if os.environ.get("LFM_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(RENDERED[name], encoding="utf-8")
    assert (GOLDEN / name).read_text(encoding="utf-8") == RENDERED[name]


def test_trainings_of_two_recipes_are_no_seeds_of_one_row() -> None:
    made = ablation()
    records = {**made.records, ("A", 2): ()}
    for seed, epochs in enumerate((3, 9)):
        (each,) = made.records["A", seed]
        weights = WeightsRef(label=f"a/seed{seed}", seed=seed, recipe={"epochs": epochs})
        records["A", seed] = [replace(each, weights=weights)]
    with pytest.raises(SchemaError, match="more than the seed: epochs 3; epochs 9"):
        build_ablation_tables(replace(made, records=records))


def test_what_must_be_said_of_a_set_stands_at_its_numbers() -> None:
    made = ablation()
    (first,) = made.records["A", 0]
    results = (replace(first.subsets[0], skipped=("x.png",)), *first.subsets[1:])
    records = {**made.records, ("A", 0): [replace(first, subsets=results)]}
    table, _ = build_ablation_tables(replace(made, records=records))
    said = {c.title for c, cell in zip(table.columns, table.rows[0].cells, strict=True)
            if any("x.png" in note for note in cell.notes)}  # fmt: skip
    assert said == {"gan", "all fakes"}
