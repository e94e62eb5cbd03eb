"""Conditions of the table family on measured rows: small sets with numbers that are counted."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from harness.api import DetectorSpec
from harness.diagnosis.condition import (
    MEAN,
    Absent,
    Condition,
    Given,
    MetricCell,
    MetricChange,
    RowFacts,
    ScoredSubset,
    ScoreRule,
)
from harness.diagnosis.numbers import all_tables
from harness.diagnosis.published import number, under
from harness.diagnosis.table_family import conditions, copied
from harness.metrics.digits import Digits
from harness.registry import detectors as registry
from harness.results.answers import ConditionResult

RULE = ScoreRule(kind="probability", threshold=0.5)


def scored(subset: str, wrong: int, n: int = 20) -> ScoredSubset:
    """Of ``n`` a class, the ``wrong`` last reals score above the threshold and the first fakes."""
    reals = np.linspace(0.01, 0.4, n)
    reals[n - wrong :] += 0.5
    return ScoredSubset(
        subset=subset,
        ids=tuple(f"{i:03d}.png" for i in range(2 * n)),
        labels=np.repeat(np.array([0, 1], dtype=np.int8), n),
        scores=np.concatenate([reals, np.linspace(0.6, 0.99, n)]),
    )


SETS = {"a": scored("a", 1), "b": scored("b", 6), "c": scored("c", 11, 30)}
OTHERS = {"d": scored("d", 17)}


def spec() -> DetectorSpec:
    return next(iter(registry.detectors().values()))


def about(
    sets: Mapping[str, ScoredSubset] = SETS, others: Mapping[str, ScoredSubset] = OTHERS
) -> RowFacts:
    return RowFacts(spec=spec(), rule=RULE, geometry="native", sets=sets, other_sets=others)


def catalogue(**rows: Mapping[MetricCell, float]) -> dict[str, Condition]:
    return {
        each.name: each
        for each in conditions(dataclasses.replace(about(), rows=rows or {}))
        if isinstance(each, Condition)
    }


ALL = catalogue()


def given(subset: str, metric: str = "acc", text: str = "50.0") -> Given:
    return Given(
        cell=MetricCell(subset, metric), name=f"{subset}.{metric}", digits=Digits.parse(text)
    )


def value(name: str, subset: str, metric: str = "acc", text: str = "50.0") -> float:
    act = ALL[name].act
    assert isinstance(act, MetricChange)
    found = under(act, SETS, RULE, given(subset, metric, text))
    assert found is not None
    return found


def own(subset: str, metric: str = "acc") -> float:
    found = number({**OTHERS, **SETS}, RULE, MetricCell(subset, metric))
    assert found is not None
    return found


def test_names_are_unique_and_all_is_free() -> None:
    found = [
        each
        for each in conditions(dataclasses.replace(about(), rows={"x": {}}))
        if isinstance(each, Condition)
    ]
    assert len({each.name for each in found}) == len(found)
    assert {(each.family, each.cost) for each in found} == {("table", "free")}
    assert all(each.changes and each.do for each in found)


def test_columns_exchanged() -> None:
    for metric in ("acc", "ap"):
        assert value("columns exchanged: a and b", "a", metric) == own("b", metric)
        assert value("columns exchanged: a and b", "b", metric) == own("a", metric)
        assert value("columns exchanged: a and b", "c", metric) == own("c", metric)
        assert value("columns exchanged: a and d", "a", metric) == own("d", metric)
    assert value("columns exchanged: a and b", MEAN) == pytest.approx(
        np.mean([own(s) for s in SETS])
    )
    assert value("columns exchanged: a and d", MEAN) == pytest.approx(
        np.mean([own(s) for s in "dbc"])
    )


def test_columns_that_are_not_asked_for_are_not_exchanged_with_each_other() -> None:
    two = {"d": OTHERS["d"], "e": scored("e", 3)}
    names = {each.name for each in conditions(about(others=two))}
    assert "columns exchanged: c and e" in names
    assert "columns exchanged: d and e" not in names


def test_the_pair_transposed() -> None:
    assert value("ACC and AP exchanged", "a") == own("a", "ap")
    assert value("ACC and AP exchanged", "a", "ap") == own("a")
    assert value("ACC and AP exchanged", "a", "auc") == own("a", "auc")
    assert value("ACC and AP exchanged", MEAN) == pytest.approx(
        np.mean([own(s, "ap") for s in SETS])
    )


def test_one_pair_transposed_moves_the_mean() -> None:
    name = "ACC and AP exchanged: b"
    assert value(name, "b") == own("b", "ap")
    assert value(name, "a") == own("a")
    expected = np.mean([own("a"), own("b", "ap"), own("c")])
    assert value(name, MEAN) == pytest.approx(expected)
    assert value(name, MEAN) != pytest.approx(own("a") / 3 + own("b") / 3 + own("c") / 3)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mean over the 3 subsets but b", {"a": 1, "c": 1}),
        ("mean over the 4 subsets of the suite", {"a": 1, "b": 1, "c": 1, "d": 1}),
        ("mean over the 4 subsets of the suite but a", {"b": 1, "c": 1, "d": 1}),
        ("mean over the first 2 columns of the 4 subsets of the suite", {"a": 1, "b": 1}),
        ("mean over the 3 subsets by their images", {"a": 40, "b": 40, "c": 60}),
    ],
)
def test_other_means(name: str, weights: dict[str, float]) -> None:
    for metric in ("acc", "ap"):
        expected = sum(w * own(s, metric) for s, w in weights.items()) / sum(weights.values())
        assert value(name, MEAN, metric) == pytest.approx(expected)
    assert value(name, "a") == own("a")


def test_the_usual_mean_is_no_condition() -> None:
    assert "mean over the 3 subsets" not in ALL
    same = {"a": scored("a", 1), "b": scored("b", 6)}
    names = {each.name for each in conditions(about(same, {}))}
    assert not [name for name in names if "by their images" in name]


def test_the_mean_under_a_column() -> None:
    name = "number of another column: the mean under a"
    assert value(name, "a") == pytest.approx(own("a") / 3 + own("b") / 3 + own("c") / 3)
    assert value(name, "b") == own("b")


def test_cut_by_the_decimals_that_are_given() -> None:
    exact = own("c")  # 49 of 60
    assert exact == pytest.approx(49 / 60)
    assert value("cut, not rounded", "c", text="81.6") == pytest.approx(0.816)
    assert value("cut, not rounded", "c", text="81.66") == pytest.approx(0.8166)
    assert value("cut, not rounded", "c", text="81") == pytest.approx(0.81)
    assert exact not in Digits.parse("81.6")


def test_the_row_of_another_detector() -> None:
    name = f"row of another method: other in that of {spec().name}"
    (act,) = (
        each.act
        for key, each in catalogue(other={MetricCell("a", "acc"): 0.7}).items()
        if key == name
    )
    assert isinstance(act, MetricChange)
    assert under(act, SETS, RULE, given("a")) == 0.7
    assert under(act, SETS, RULE, given("b")) == own("b")


def test_what_cannot_be_tried_says_why() -> None:
    absent = {
        each.name: each.why
        for each in conditions(about({"a": SETS["a"]}, {}))
        if isinstance(each, Absent)
    }
    assert set(absent) == {"columns exchanged", "mean over other columns", "row of another method"}
    assert "no records of other detectors" in absent["row of another method"]
    names = {each.name for each in conditions(about({"a": SETS["a"]}, {}))}
    assert {"ACC and AP exchanged", "cut, not rounded"} <= names


def searched(but: str = "", **cells: str) -> dict[str, ConditionResult]:
    numbers = []
    for name, text in cells.items():
        subset, metric = name.split("_")
        numbers.append(given(subset, metric, text))
    found = copied(numbers, "npr", "forensynths", all_tables(), but)
    return {each.name: each for each in found}


def test_another_papers_value_copied() -> None:
    row = {"gaugan_acc": "82.5", "gaugan_ap": "85.5", "biggan_acc": "84.4", "biggan_ap": "87.8"}
    found = searched(**row)
    best = next(iter(found.values()))
    assert (
        best.name
        == "npr: copied: NPR of thread-rerun (chuangchuangtan/NPR-DeepfakeDetection issue 4)"
    )
    assert (best.verdict, len(best.numbers)) == ("explains", 4)
    assert [each.verdict for each in found.values()].count("explains") == 1
    assert len(found) > 10  # what was searched is counted


def test_one_number_is_no_evidence_of_a_copy() -> None:
    found = searched(gaugan_acc="82.5")
    assert "explains" not in {each.verdict for each in found.values()}
    assert "possible" in {each.verdict for each in found.values()}


def test_the_reference_that_the_numbers_are_from_is_passed_over() -> None:
    row = {"gaugan_acc": "86.6", "gaugan_ap": "88.8", "biggan_acc": "87.5", "biggan_ap": "94.5"}
    name = "npr: copied: NPR of paper (LFM paper (BMVC 2025), table b)"
    assert searched(**row)[name].verdict == "explains"
    assert name not in searched("paper", **row)
