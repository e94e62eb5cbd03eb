"""Exchanged classes and orders, on sets that are small enough to be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.diagnosis.condition import Absent, ScoreRule
from harness.diagnosis.label_family import conditions
from harness.diagnosis.listing import ending, lexicographic, natural, scene, suffix
from tests.why.free_sets import (
    DISTANCE,
    LOGIT,
    PROBABILITY,
    about,
    by_name,
    numbered,
    rows_of,
    scored,
)

# By class, then id, as a manifest is; scores tell the places.
MIXED = scored(
    "a",
    ("car/0_real/2.png", 0, 0.0),
    ("horse/0_real/1.png", 0, 1.0),
    ("horse/0_real/10.png", 0, 2.0),
    ("car/1_fake/11.png", 1, 3.0),
    ("car/1_fake/3.png", 1, 4.0),
)
LISTED = ("horse/0_real/10.png", "car/1_fake/3.png", *MIXED.ids[:2], "car/1_fake/11.png")
CATALOGUE = by_name(conditions(about(MIXED, orders={"a": LISTED})))

# Whole paths by characters: 0 3 4 1 2; by numbers: 0 4 3 1 2.
# Base names by characters: 1.png 10.png 11.png 2.png 3.png; by numbers: 1 2 3 10 11.
EXPECTED = {
    # Ids by characters (0 3 4 1 2) get the scores by numbers (0 4 3 1 2), and the other way round.
    "scores by paths 1, 2, 10": [0, 1, 2, 4, 3],
    "scores by paths 1, 10, 2": [0, 1, 2, 4, 3],
    "scores by paths 1, 2, 10, in each class": [0, 1, 2, 4, 3],
    "scores by paths 1, 10, 2, in each class": [0, 1, 2, 4, 3],
    "scores by paths 1, 2, 10, ids by class": [0, 4, 3, 1, 2],
    "scores by paths 1, 10, 2, ids by class": [0, 3, 4, 1, 2],
    # Ids 1 2 3 0 4 by characters get scores 1 0 4 2 3 by numbers.
    "scores by base names 1, 2, 10": [2, 1, 0, 4, 3],
    # Ids 1 0 4 2 3 by numbers get scores 1 2 3 0 4 by characters.
    "scores by base names 1, 10, 2": [2, 1, 0, 4, 3],
    # Reals: ids 1 2 0 get scores 1 0 2; fakes: ids 3 4 get scores 4 3.
    "scores by base names 1, 2, 10, in each class": [2, 1, 0, 4, 3],
    # Reals: ids 1 0 2 get scores 1 2 0.
    "scores by base names 1, 10, 2, in each class": [2, 1, 0, 4, 3],
    "scores by base names 1, 2, 10, ids by class": [1, 0, 4, 2, 3],
    "scores by base names 1, 10, 2, ids by class": [1, 2, 3, 0, 4],
    "scores one row on": [4, 0, 1, 2, 3],
    "scores one row back": [1, 2, 3, 4, 0],
    "scores in reversed order": [4, 3, 2, 1, 0],
    "scores of fakes first": [3, 4, 0, 1, 2],
    "scores in the order of a stored list": [2, 4, 0, 1, 3],
    "scores in the order of a stored list, in each class": [2, 0, 1, 4, 3],
}


def test_the_catalogue_is_what_is_tested_here() -> None:
    assert set(CATALOGUE) == {*EXPECTED, "labels exchanged", "P(real) read as P(fake)"}
    assert {each.family for each in CATALOGUE.values()} == {"labels"}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_image_gets_the_score_of_another(name: str) -> None:
    found = rows_of(CATALOGUE[name], MIXED)
    assert found is not None
    assert found["a"].scores.tolist() == EXPECTED[name]
    assert found["a"].ids == MIXED.ids
    assert found["a"].labels.tolist() == [0, 0, 0, 1, 1]


def test_two_lists_that_are_each_others_turn() -> None:
    """Where a permutation is not its own inverse, the two readings give different scores."""
    names = [f"1_fake/{n}.png" for n in ("1", "10", "100", "2", "20")]
    one = scored("a", *((name, 1, float(n)) for n, name in enumerate(names)))
    # By numbers: 1 2 10 20 100, that is places 0 3 1 4 2.
    by_numbers = rows_of(CATALOGUE["scores by paths 1, 2, 10"], one)
    by_characters = rows_of(CATALOGUE["scores by paths 1, 10, 2"], one)
    assert by_numbers and by_numbers["a"].scores.tolist() == [0, 3, 1, 4, 2]
    assert by_characters and by_characters["a"].scores.tolist() == [0, 2, 4, 1, 3]


def test_exchanged_labels() -> None:
    found = rows_of(CATALOGUE["labels exchanged"], MIXED)
    assert found and found["a"].labels.tolist() == [1, 1, 1, 0, 0]
    assert found["a"].labels.dtype == np.int8
    assert found["a"].scores.tolist() == MIXED.scores.tolist()


@pytest.mark.parametrize(
    ("rule", "score", "expected"),
    [(LOGIT, 1.5, -1.5), (PROBABILITY, 0.25, 0.75), (DISTANCE, -0.5, 0.0)],
)
def test_the_other_output_is_read(rule: ScoreRule, score: float, expected: float) -> None:
    one = scored("a", ("0_real/a", 0, score), ("1_fake/a", 1, score))
    found = rows_of(CATALOGUE["P(real) read as P(fake)"], one, rule)
    assert found and found["a"].scores.tolist() == [expected, expected]
    assert found["a"].labels.tolist() == [0, 1]


def test_a_list_of_other_images_says_nothing() -> None:
    name = "scores in the order of a stored list"
    other = numbered("b", 2, 2)
    known = by_name(conditions(about(MIXED, other, orders={"a": LISTED})))
    for each in (name, f"{name}, in each class"):
        assert rows_of(known[each], other) is None
        found = rows_of(known[each], {"a": MIXED, "b": other})
        assert found and found["b"] is other
        assert found["a"].scores.tolist() == EXPECTED[each]
    without = by_name(conditions(about(MIXED)))[name]
    assert isinstance(without, Absent) and "os.listdir" in without.why


def test_what_an_id_says() -> None:
    assert [ending(name) for name in ("a/b.PNG", "b.tar.jpg", "a.b/c")] == [".png", ".jpg", ""]
    names = ("a_b/c_12_0.PNG", "c.png", "a_b/c.png", "a_1", "a.b_2.c")
    assert [suffix(name) for name in names] == ["_0", "", "", "_1", "_2"]
    assert scene("horse/0_real/a.png") == scene("0_Real/horse/a.png") == "horse"
    assert scene("0_real/a.png") == scene("a.png") == ""
    ids = ("x/b2", "x/b10", "x/2", "y/a", "x/b")
    assert natural(ids) == (2, 4, 0, 1, 3)
    assert lexicographic(ids) == (2, 4, 1, 0, 3)
    assert natural(ids, True) == (2, 3, 4, 0, 1)
    assert lexicographic(ids, True) == (2, 3, 4, 1, 0)
