"""The ablation's tables and statistics against SciPy, enumeration and numbers worked by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest
from scipy import stats

from harness.metrics.differences import detectable, t_test, wilcoxon
from harness.metrics.paired import holm
from harness.report.ablation import Ablation, AblationRow, ScoredSet, build_ablation_tables
from harness.report.layout import lay_out
from harness.report.render import Renderer, render_csv
from harness.report.table import Cell, Table
from harness.results.records import Metric, RunRecord

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
    undefined = {"ap": Metric(value=None, note="one class"), **metrics(acc=0.7)}
    results.append(result("jpeg", n=20, group="controls", metrics=undefined))
    return [record("mini", tuple(results))]


def ablation() -> Ablation:
    """Three seeds; B is better than A by 2, 1 and 0 points on the sets, a seed adds 0, 1, 2."""
    a = {0: (0.90, 0.80, 0.70), 1: (0.91, 0.82, 0.73), 2: (0.92, 0.81, 0.70)}
    b = {
        seed: (x + 0.02 + seed / 100, y + 0.01 + seed / 100, z + seed / 100)
        for seed, (x, y, z) in a.items()
    }
    c = {seed: (x - 0.1, y - 0.1, z - 0.2) for seed, (x, y, z) in a.items()}
    rows = [
        AblationRow(
            label=label,
            options=f"pooling={label.lower()}",
            records={seed: scored(values, 0.8 + seed / 50) for seed, values in of_row.items()},
        )
        for label, of_row in (("A", a), ("B", b), ("C", c))
    ]
    rows.append(AblationRow(label="D", options="k=3", records={**rows[0].records, 2: ()}))
    return Ablation(
        name="small-ablation",
        title="Small",
        caption="A caption.",
        detector="lfm",
        rows=tuple(rows),
        reference="A",
        sets=SETS,
        statements=("Made by: a test.",),
    )


def cell(table: Table, row: str, column: str, metric: str = "AP") -> Cell:
    at = [(c.key, c.metric) for c in table.columns].index((column, metric))
    return next(r for r in table.rows if r.key == row).cells[at]


# --- statistics -----------------------------------------------------------------------------------


def test_t_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(0.4, 1, 7), rng.normal(0, 1, 7)
    expected = stats.ttest_rel(one, two).pvalue
    assert t_test((one - two).tolist()).p == pytest.approx(expected, rel=1e-12)


def test_t_of_one_two_three() -> None:
    # t = 2 / (1 / sqrt 3) with 2 degrees of freedom, whose tail is 1/2 - t / (2 sqrt(t^2 + 2)).
    t = 2 * 3**0.5
    assert t_test([1.0, 2.0, 3.0]).p == pytest.approx(1 - t / (t * t + 2) ** 0.5)


@pytest.mark.parametrize("differences", [[], [1.0], [0.5, 0.5, 0.5], [0.0, 0.0]])
def test_t_without_a_spread_is_not_defined(differences: list[float]) -> None:
    found = t_test(differences)
    assert found.p is None
    assert found.reason


def test_wilcoxon_is_the_share_of_sign_patterns_at_least_as_extreme() -> None:
    differences = [3.1, -0.4, 2.2, 1.7, -0.9, 4.0, 0.2]
    ranks = stats.rankdata(np.abs(differences))
    total = ranks.sum()
    observed = ranks[np.array(differences) > 0].sum()
    extreme = [
        max(found, total - found) >= max(observed, total - observed)
        for signs in product((0, 1), repeat=7)
        for found in [float(ranks @ np.array(signs))]
    ]
    assert wilcoxon(differences).p == pytest.approx(sum(extreme) / 2**7)


def test_wilcoxon_leaves_zeros_out_and_needs_a_difference() -> None:
    assert wilcoxon([0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0]).p == 2 / 2**5
    found = wilcoxon([0.0, 0.0])
    assert (found.p, found.reason) == (None, "no difference other than 0")


def test_wilcoxon_with_many_ties_is_defined() -> None:
    found = wilcoxon([1.0] * 20 + [-1.0] * 19)
    assert found.p is not None
    assert found.p > 0.5


def test_detectable_is_where_the_t_test_turns() -> None:
    for n in (2, 3, 10):
        values = np.random.default_rng(n).normal(size=n)
        values = (values - values.mean()) / values.std(ddof=1)
        least = detectable(n)
        above, below = (t_test((values + least * factor).tolist()).p for factor in (1.001, 0.999))
        assert above is not None and below is not None
        assert above < 0.05 < below
    assert detectable(1) == float("inf")


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
    for table, column in ((means, "gan"), (tests, "difference"), (tests, "p, t over seeds")):
        shown = cell(table, "D", column)
        assert (shown.status, shown.value) == ("hole", None)
        assert shown.reason.endswith("seed 2: not trained")


def test_differences_are_tested_over_seeds_and_over_pairs() -> None:
    _, tests = build_ablation_tables(ablation())
    by_seed = [1.0, 2.0, 3.0]  # B - A: the mean of 2, 1, 0 on the sets, plus the seed
    shown = cell(tests, "B", "difference")
    assert shown.value == pytest.approx(2.0)
    assert shown.spread == pytest.approx(1.0)
    assert cell(tests, "B", "p, t over seeds").value == pytest.approx(t_test(by_seed).p)
    pairs = [base + seed for seed in range(3) for base in (2.0, 1.0, 0.0)]
    counts = [cell(tests, "B", f"pairs {which}").value for which in ("better", "worse")]
    assert counts == [8, 0]  # nine pairs, one without a difference
    found = cell(tests, "B", "p, Wilcoxon over pairs").value
    assert found == pytest.approx(stats.wilcoxon([p for p in pairs if p]).pvalue, abs=0.01)


def test_holm_is_over_the_rows_that_have_a_test() -> None:
    _, tests = build_ablation_tables(ablation())
    plain = [cell(tests, row, "p, Wilcoxon over pairs").value for row in "BCD"]
    corrected = [cell(tests, row, "p, Wilcoxon, Holm").value for row in "BCD"]
    assert plain[2] is None
    assert corrected[2] is None
    assert corrected[:2] == holm([p for p in plain if p is not None])
    assert corrected[1] == pytest.approx(2 * min(p for p in plain if p is not None))


def test_equal_rows_have_no_p_and_say_why() -> None:
    _, tests = build_ablation_tables(ablation())
    shown = cell(tests, "B", "p, t over seeds", "ACC")
    assert (shown.status, shown.value) == ("hole", None)
    assert "all differences are equal" in shown.reason
    assert cell(tests, "B", "difference", "ACC").value == 0


def test_what_the_tests_cannot_say_is_said() -> None:
    _, tests = build_ablation_tables(ablation())
    text = " ".join(tests.statements)
    assert "n = 3" in text
    assert "9 pairs" in text
    assert "the rows that have a p, 3 at most" in text
    assert "must be 2.5 of their standard deviations" in text
    single = ablation()
    rows = tuple(replace(r, records={0: r.records[0]}) for r in single.rows)
    means, tests = build_ablation_tables(replace(single, rows=rows))
    assert "One seed: nothing can be said" in " ".join(tests.statements)
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
