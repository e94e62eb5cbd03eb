from __future__ import annotations

from dataclasses import replace

import pytest

from harness.metrics.verdict import Verdict
from harness.report.layout import lay_out
from harness.report.table import Column, Table
from harness.report.tables.robustness import panels, treatments
from harness.report.tables.treatments import (
    CONTROLS,
    FIRST,
    REALS,
    Question,
    Treated,
    build_treatment_table,
)
from harness.results.records import Metric, RunRecord, WeightsRef
from tests.report.synthetic import metrics, record, result


def _record(ap: float, real_acc: float, **changes: object) -> RunRecord:
    values = metrics(ap=ap, acc=0.8, real_acc=real_acc, fake_acc=0.7)
    control = {**metrics(acc=0.9, real_acc=0.9), "ap": Metric(value=None, note="one class")}
    subsets = (
        result("a", metrics=values),
        result("b", metrics=values),
        result("ctl", metrics=control, group="controls"),
    )
    return record("mini", subsets, **changes)


QUESTION = Question(
    about=Table(name="t", title="T", caption="C."),
    treatments=(
        Column(key=FIRST, title="as run"),
        Column(key="resize", title="value", group="resize: resize(256,256)"),
    ),
    suite="mini",
    subsets=("a", "b"),
    controls=("ctl",),
    differences=True,
    interval=lambda records, subsets, metric: (0.1, 0.3),
    tell=lambda second, first, places, metric: Verdict(low=-0.6, high=-0.2),
)


def _cells(question: Question, *rows: Treated) -> dict[tuple[str, str], object]:
    table = build_treatment_table(question, rows)
    return {
        (c.metric, c.key): cell for c, cell in zip(table.columns, table.rows[0].cells, strict=True)
    }


def test_values_differences_and_false_alarms() -> None:
    row = Treated(records={FIRST: [_record(0.9, 0.95)], "resize": [_record(0.6, 0.55)]})
    cells = _cells(QUESTION, row)
    assert cells["AP", FIRST].value == pytest.approx(90)
    assert cells["AP", "resize difference"].value == pytest.approx(-30)
    alarms = cells[REALS, "resize difference"]
    assert alarms.value == pytest.approx(40)
    assert (alarms.low, alarms.high) == pytest.approx((20, 60))
    shown = cells[REALS, "resize"]
    assert (shown.value, shown.low, shown.high) == pytest.approx((45, 70, 90))
    assert cells[CONTROLS, FIRST].value == pytest.approx(10)


def test_real_photographs_that_become_fake_get_a_sentence() -> None:
    row = Treated(records={FIRST: [_record(0.9, 0.95)], "resize": [_record(0.6, 0.55)]})
    (said,) = build_treatment_table(QUESTION, [row]).statements
    assert said == (
        "LFM (released) calls 45.0 % of the real photographs fake under resize: resize(256,256), "
        "5.0 % without (+40.0 points)."
    )
    small = Treated(records={FIRST: [_record(0.9, 0.95)], "resize": [_record(0.6, 0.86)]})
    assert build_treatment_table(QUESTION, [small]).statements == ()
    unsure = replace(QUESTION, tell=lambda *_: Verdict(low=-0.6, high=0.1))
    assert build_treatment_table(unsure, [row]).statements == ()


def test_seeds_are_averaged_and_named() -> None:
    seeds = [
        _record(ap, 0.9, weights=WeightsRef(label=f"mini-train/seed{i}", seed=i))
        for i, ap in enumerate((0.8, 0.9))
    ]
    row = Treated(records={FIRST: seeds, "resize": seeds})
    cell = _cells(QUESTION, row)["AP", FIRST]
    assert row.title == "LFM (mini-train, 2 seeds)"
    assert (cell.value, cell.seeds) == (pytest.approx(85), 2)


def test_holes_say_why_and_partial_runs_are_marked() -> None:
    limited = _record(0.9, 0.9, limit=5)
    row = Treated(records={FIRST: [limited]}, reasons={"resize": "takes one size"})
    cell = _cells(QUESTION, row)["AP", "resize"]
    assert (cell.status, cell.reason) == ("hole", "takes one size")
    layout = lay_out(build_treatment_table(QUESTION, [row]))
    assert "takes one size" in layout.notes
    assert "Partial: at most 5 images of each class." in layout.notes


def test_differences_are_printed_with_their_sign() -> None:
    row = Treated(records={FIRST: [_record(0.9, 0.95)], "resize": [_record(0.95, 0.95)]})
    layout = lay_out(build_treatment_table(QUESTION, [row]))
    texts = [cell.text for cell in layout.blocks[0].lines[0].cells]
    assert texts == ["90.0 [10.0, 30.0]", "95.0 [10.0, 30.0]", "+5.0 [−60.0, −20.0]"]


def test_families_get_axes_with_the_untouched_pictures_at_their_place() -> None:
    texts = ["jpeg(90)", "scale(1.5)", "jpeg(50)", "webp(80)", "scale(0.5)", "blur(1.0)|png"]
    columns = treatments(texts, {"blur(1.0)|png": "soft"})
    assert [(c.group, c.title) for c in columns] == [
        ("", "none"),
        ("JPEG quality", "90"),
        ("JPEG quality", "50"),
        ("scale", "1.5"),
        ("scale", "0.5"),
        ("other", "webp(80)"),
        ("other", "soft"),
    ]
    assert [(p.title, p.keys, p.joined) for p in panels(columns)] == [
        ("JPEG quality", (FIRST, "jpeg(90)", "jpeg(50)"), True),
        ("scale", ("scale(0.5)", FIRST, "scale(1.5)"), True),
        ("other", (FIRST, "webp(80)", "blur(1.0)|png"), False),
    ]
