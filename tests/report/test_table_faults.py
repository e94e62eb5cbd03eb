"""Faults of tables: what a table would hold, and when that is no accident."""

import random

import pytest

from harness.metrics.digits import Digits
from harness.report.printed import load_paper
from harness.report.references import load_references
from harness.report.table_faults import (
    COPIED,
    EXCHANGED,
    FAULTS,
    MEAN,
    ONE_CLASS,
    ONE_FOLDER,
    OTHER_COLUMN,
    OTHER_ROW,
    ROWS,
    TRANSPOSED,
    Attempt,
    Key,
    cut,
    exchanged_columns,
    exchanged_rows,
    mean_rules,
    mean_taken,
    meaning,
    means,
    own_means,
    transposed,
)
from harness.report.table_verdicts import equal_groups, judge, near, told
from harness.results.paths import REFERENCES

COLUMNS = ("a", "b", "c", "d")
ROW = {
    ("x", "a", "ACC"): 91.3, ("x", "a", "AP"): 97.1,
    ("x", "b", "ACC"): 74.9, ("x", "b", "AP"): 85.2,
    ("x", "c", "ACC"): 62.4, ("x", "c", "AP"): 71.8,
    ("x", "d", "ACC"): 83.6, ("x", "d", "AP"): 93.9,
}  # fmt: skip
OVER = {"4 columns": dict.fromkeys(COLUMNS, 1.0)}


def digits(**cells: str) -> dict[Key, Digits]:
    """``a_ACC="91.3"`` of row x."""
    return {("x", *name.split("_")): Digits.parse(text) for name, text in cells.items()}  # type: ignore[misc]


def words(given: dict[Key, Digits], attempts: list[Attempt]) -> dict[str, str]:
    return {each.attempt.fault.name: each.verdict for each in judge(given, attempts)}


def test_the_faults_are_told_apart_and_say_what_to_do() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        assert fault.changes.endswith(".") and fault.do.endswith("."), fault.name


def test_what_is_said_to_be_seen_is_there() -> None:
    sources = {value.source for each in load_references(REFERENCES) for value in each.values}
    paper = load_paper(REFERENCES / "paper")
    sources |= {cell.source for cell in paper.cells.values()}
    for fault in FAULTS:
        assert not fault.seen or fault.seen.partition(": ")[0] in sources, fault.name


def test_two_columns_exchanged() -> None:
    given = digits(a_ACC="62.4", a_AP="71.8", c_ACC="91.3", c_AP="97.1")
    found = words(given, list(exchanged_columns(ROW, "x")))
    assert found[EXCHANGED.at("a and c").name] == "explains"
    assert found[OTHER_COLUMN.at("c under a").name] == "explains"
    assert found[EXCHANGED.at("a and b").name] == "excluded"


def test_one_column_under_another_is_no_exchange() -> None:
    given = digits(a_ACC="62.4", a_AP="71.8", c_ACC="62.4", c_AP="71.8")
    off = [key for key in given if key[1] == "a"]
    found = {str(each.attempt.fault.name): each for each in judge(given, moved(), off)}
    assert found[EXCHANGED.at("a and c").name].verdict == "excluded"
    assert found[OTHER_COLUMN.at("c under a").name].verdict == "explains"


def moved() -> list[Attempt]:
    return list(exchanged_columns(ROW, "x"))


def test_rows_exchanged() -> None:
    other = {("y", column, metric): value - 7.3 for (_, column, metric), value in ROW.items()}
    both = {**ROW, **other}
    given = digits(a_ACC="84.0", a_AP="89.8")
    found = words(given, list(exchanged_rows(both, "x")))
    assert found[OTHER_ROW.at("y in that of x").name] == "explains"
    given["y", "a", "ACC"] = Digits.parse("84.0")  # its own: no exchange
    found = words(given, list(exchanged_rows(both, "x")))
    assert found[ROWS.at("x and y").name] == "excluded"
    given["y", "a", "ACC"] = Digits.parse("91.3")
    assert words(given, list(exchanged_rows(both, "x")))[ROWS.at("x and y").name] == "explains"


def test_a_pair_transposed() -> None:
    found = words(digits(b_ACC="85.2", b_AP="74.9"), list(transposed(ROW, "x")))
    assert found[TRANSPOSED.at("b").name] == "explains"
    assert TRANSPOSED.at("a").name not in found  # it is about no given cell
    given = digits(a_ACC="97.1", a_AP="91.3", b_ACC="85.2", b_AP="74.9")
    assert words(given, list(transposed(ROW, "x")))[TRANSPOSED.at("all columns").name] == "explains"


def test_means_over_other_columns() -> None:
    values = {"a": 90.0, "b": 80.0, "c": 70.0, "d": 40.0}
    found = dict(
        means(values, {"4 sets": dict.fromkeys(values, 1.0), "9 subsets": {"a": 6.0, "d": 3.0}})
    )
    assert found["over the 4 sets"] == 70.0
    assert found["over the 4 sets but d"] == 80.0
    assert found["over the first 2 columns of the 4 sets"] == 85.0
    assert found["over the 9 subsets"] == pytest.approx(220 / 3)


def test_a_rule_that_makes_both_means_explains_and_one_alone_does_not() -> None:
    over = {**OVER, "10 subsets": {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}}
    acc, ap = (
        sum(w * ROW["x", c, m] for c, w in over["10 subsets"].items()) / 10 for m in ("ACC", "AP")
    )
    given = {
        ("x", MEAN, "ACC"): Digits.parse(f"{acc:.1f}"),
        ("x", MEAN, "AP"): Digits.parse(f"{ap:.1f}"),
    }
    found = words(given, list(own_means(ROW, "x", over, 0.05)))
    assert found[mean_taken("over the 10 subsets").name] == "explains"
    assert found[mean_taken("over the 10 subsets, AP").name] == "possible"
    assert found[mean_taken("over the 4 columns").name] == "excluded"


def test_a_transposed_pair_shows_in_the_mean() -> None:
    acc = (ROW["x", "c", "AP"] + sum(ROW["x", c, "ACC"] for c in "abd")) / 4
    ap = (ROW["x", "c", "ACC"] + sum(ROW["x", c, "AP"] for c in "abd")) / 4
    given = {
        ("x", MEAN, "ACC"): Digits.parse(f"{acc:.2f}"),
        ("x", MEAN, "AP"): Digits.parse(f"{ap:.2f}"),
    }
    found = words(given, list(own_means(ROW, "x", OVER, 0.005)))
    assert [name for name, word in found.items() if word == "explains"] == [TRANSPOSED.at("c").name]


def test_a_rule_of_a_column_may_fail_in_some_rows() -> None:
    numbers: dict[Key, float] = {}
    for i in range(5):
        numbers |= {
            (f"r{i}", column, metric): value - 3.7 * i for (_, column, metric), value in ROW.items()
        }
    rules = mean_rules(
        numbers, {**OVER, "10 subsets": {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}}, 0.05
    )
    wanted = next(each for each in rules if each.fault == mean_taken("over the 10 subsets"))
    given = {key: Digits.parse(f"{value:.1f}") for key, value in wanted.numbers.items()}
    given["r2", MEAN, "ACC"] = Digits.parse("12.3")
    found = {each.attempt.fault: each for each in judge(given, rules)}
    assert found[wanted.fault].verdict == "explains"
    assert len(found[wanted.fault].cells) == 9


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [(0.7256, 2, 0.72), (62.38, 1, 62.3), (62.3, 1, 62.3), (0.29, 2, 0.29), (99.96, 0, 99.0)],
)
def test_cut(value: float, decimals: int, shown: float) -> None:
    assert cut(value, decimals) == pytest.approx(shown)


def test_equal_pairs_in_several_columns() -> None:
    pairs = {
        "a": (83.0, 96.2),
        "b": (52.4, 53.0),
        "c": (52.4, 53.0),
        "d": (79.0, 80.1),
        "e": (52.4, 53.0),
    }
    (same,) = equal_groups(pairs, 0.05)
    assert (same.columns, same.values, same.verdict) == (("b", "c", "e"), (52.4, 53.0), "explains")
    crowd = {name: (round(90 + 0.1 * i, 1),) for i, name in enumerate("abcdefgh")}
    (same,) = equal_groups({**crowd, "i": (90.3,)}, 0.05)
    assert same.verdict == "possible"  # among numbers this close that happens
    (often,) = equal_groups(pairs, 0.05, rows=10)
    (once,) = equal_groups(pairs, 0.05)
    assert often.accidental == pytest.approx(10 * once.accidental)
    (solved,) = equal_groups({"a": (83.0,), "b": (100.0,), "c": (100.0,)}, 0.05)
    assert solved.verdict == "possible"


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ({"ACC": 0.0, "AP": 100.0}, ONE_FOLDER),
        ({"ACC": 93.1, "AP": -0.0}, ONE_FOLDER),
        ({"ACC": 50.0, "AP": 100.0}, ONE_CLASS),
        ({"real ACC": 100.0, "fake ACC": 0.0}, ONE_CLASS),
        ({"ACC": 50.1, "AP": 50.1}, None),
        ({"ACC": 100.0, "AP": 100.0}, None),
    ],
)
def test_numbers_with_a_meaning(column: dict[str, float], fault: object) -> None:
    assert meaning(column) == fault


def test_a_single_match_among_many_is_no_evidence() -> None:
    key = ("x", "a", "ACC")
    rows = [
        Attempt(fault=COPIED.at(str(i)), numbers={key: 60 + 0.5 * i}, partly=True)
        for i in range(60)
    ]
    judged = judge(digits(a_ACC="71.5"), rows)
    assert [each.verdict for each in judged[:2]] == ["possible", "excluded"]
    assert judged[0].accidental is not None and judged[0].accidental > 0.05


def test_one_digit_of_several_is_no_copy() -> None:
    keys = [("x", "a", "ACC"), ("x", "b", "ACC")]
    rows = [
        Attempt(fault=COPIED.at(str(i)), numbers=dict.fromkeys(keys, 60 + 0.5 * i), partly=True)
        for i in range(60)
    ]
    assert set(words(digits(a_ACC="71.5", b_ACC="33.3"), rows).values()) == {"excluded"}


def test_a_row_that_has_some_of_the_digits_is_told_where_that_is_no_accident() -> None:
    generator = random.Random(0)
    keys = [("x", str(i), "ACC") for i in range(8)]
    rows = [
        Attempt(
            fault=COPIED.at(str(i)),
            numbers={key: round(generator.uniform(50, 100), 1) for key in keys},
            partly=True,
        )
        for i in range(40)
    ]
    given = {key: Digits.parse(f"{value:.1f}") for key, value in rows[7].numbers.items()}
    given[keys[0]] = Digits.parse("12.3")
    found = judge(given, rows)
    assert found[0].attempt.fault == COPIED.at("7")
    assert (found[0].verdict, len(found[0].cells)) == ("explains", 7)
    assert {each.verdict for each in found[1:]} == {"excluded"}


def test_the_chance_follows_the_numbers_that_were_tried() -> None:
    assert near(90.0, [90.0, 90.0, 50.0, 60.0], 0.05) == 0.5
    assert near(90.0, [90.2, 89.9, 89.7, 90.3], 0.05) > near(90.0, [88.0, 93.0, 85.0], 0.05)
    assert near(90.0, [], 0.05) == pytest.approx(0.01)
    assert near(90.0, [10.0, 20.0], 0.05) <= 0.01


def test_unrelated_numbers_are_seldom_explained() -> None:
    """Random pairs beside a random row of eight columns: the word is wrong in under 5 %."""
    generator = random.Random(1)

    def drawn(middle: float) -> float:
        return round(min(100.0, generator.gauss(middle, spread)), 1)

    for spread in (1.0, 3.0, 8.0):
        wrong = 0
        for _ in range(200):
            middles = {"ACC": 85.0, "AP": 92.0}
            row = {
                ("x", str(i), what): drawn(middle)
                for i in range(8)
                for what, middle in middles.items()
            }
            given = {
                ("x", "0", what): Digits.parse(f"{drawn(middle):.1f}")
                for what, middle in middles.items()
            }
            judged = judge(given, [*exchanged_columns(row, "x"), *transposed(row, "x")])
            wrong += any(each.verdict == "explains" for each in judged)
        assert wrong <= 10, spread


def test_words() -> None:
    assert told("cut", None) == "cut: excluded"
    assert told("cut", 0.0001) == "cut: explains (under 0.001 accidental matches expected)"
    assert told("cut", 0.05) == "cut: possible (0.05 accidental matches expected)"


def test_numbers_of_other_decimals_are_compared_as_the_coarser() -> None:
    known = {("x", "a", "ACC"): 93.8}
    fine = Attempt(fault=COPIED, numbers=known, half=0.05)
    assert fine.fits(("x", "a", "ACC"), Digits.parse("93.84"))
    assert not fine.fits(("x", "a", "ACC"), Digits.parse("93.9"))
    assert not fine.fits(("x", "a", "ACC"), Digits.parse("93.74"))


def test_a_mean_of_rounded_numbers_is_known_to_their_rounding() -> None:
    key = ("x", MEAN, "ACC")
    taken = Attempt(fault=COPIED, numbers={key: 93.88}, half=0.05, summed=True)
    assert taken.fits(key, Digits.parse("93.8"))
    assert not taken.fits(key, Digits.parse("93.7"))
    assert not Attempt(fault=COPIED, numbers={key: 93.88}, half=0.05).fits(
        key, Digits.parse("93.8")
    )
