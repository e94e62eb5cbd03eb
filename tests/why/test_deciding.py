"""What would tell conditions apart, where the answer can be read off."""

from __future__ import annotations

import doctest

import numpy as np

from harness.diagnosis import deciding as module
from harness.diagnosis.deciding import deciding, images

AB = [["resize(256)"], ["BGR"]]


def test_the_number_with_the_largest_step_is_named() -> None:
    numbers = {
        "resize(256)": {"AUC": 0.90, "AP": 0.872, "real ACC": 0.5},
        "BGR": {"AUC": 0.85, "AP": 0.71, "real ACC": 0.5},
    }
    assert deciding(AB, numbers) == ("AP would be 87.2 under resize(256), 71.0 under BGR",)


def test_the_smallest_step_between_groups_counts() -> None:
    groups = [["a"], ["b"], ["c"]]
    numbers = {
        "a": {"AP": 0.1, "AUC": 0.60},
        "b": {"AP": 0.9, "AUC": 0.65},
        "c": {"AP": 0.902, "AUC": 0.70},
    }
    assert deciding(groups, numbers) == (
        "AUC would be 60.0 under a, 65.0 under b, 70.0 under c",
    )  # fmt: skip


def test_a_group_is_as_near_as_the_nearest_of_it() -> None:
    groups = [["a", "a like it"], ["b"]]
    numbers = {
        "a": {"AP": 0.1, "AUC": 0.60},
        "a like it": {"AP": 0.899, "AUC": 0.61},
        "b": {"AP": 0.9, "AUC": 0.65},
    }
    assert deciding(groups, numbers) == (
        "AUC would be 60.0 to 61.0 under a and 1 like it, 65.0 under b",
    )  # fmt: skip


def test_what_is_printed_alike_decides_nothing() -> None:
    numbers = {"resize(256)": {"AP": 0.8721}, "BGR": {"AP": 0.8724}}
    assert deciding(AB, numbers) == ()
    numbers["BGR"]["AP"] = 0.8731
    assert deciding(AB, numbers) == ("AP would be 87.2 under resize(256), 87.3 under BGR",)


def test_more_digits_of_a_given_number_decide() -> None:
    numbers = {"resize(256)": {"ACC": 0.62312}, "BGR": {"ACC": 0.62278}}
    assert deciding(AB, numbers, {"ACC": 1}) == (
        "ACC with 2 decimals would be 62.31 under resize(256), 62.28 under BGR",
    )
    numbers["BGR"]["ACC"] = 0.62308
    assert deciding(AB, numbers, {"ACC": 1}) == (
        "ACC with 3 decimals would be 62.312 under resize(256), 62.308 under BGR",
    )
    numbers["BGR"]["ACC"] = 0.623118
    assert deciding(AB, numbers, {"ACC": 1}) == ()


def test_what_one_number_leaves_open_another_decides() -> None:
    groups = [["a"], ["b"], ["c"]]
    numbers = {
        "a": {"AP": 0.1, "AUC": 0.5},
        "b": {"AP": 0.9, "AUC": 0.5},
        "c": {"AP": 0.9, "AUC": 0.6},
    }
    assert deciding(groups, numbers) == (
        "AP would be 10.0 under a, 90.0 under b, 90.0 under c",
        "AUC would be 50.0 under b, 60.0 under c",
    )


def test_a_number_that_is_not_defined_everywhere_decides_nothing_there() -> None:
    numbers = {"resize(256)": {"AP": 0.9, "AUC": 0.8}, "BGR": {"AP": np.nan, "AUC": 0.7}}
    assert deciding(AB, numbers) == ("AUC would be 80.0 under resize(256), 70.0 under BGR",)
    del numbers["BGR"]["AUC"]
    assert deciding(AB, numbers) == ()


def test_of_one_group_or_of_no_numbers_there_is_nothing_to_say() -> None:
    assert deciding([["a"]], {"a": {"AP": 0.9}}) == ()
    assert deciding([], {}) == ()
    assert deciding([["a"], ["b"]], {}) == ()


def test_many_groups_are_not_all_named() -> None:
    groups = [[f"c{i}"] for i in range(9)]
    (sentence,) = deciding(groups, {f"c{i}": {"AP": 0.1 * i} for i in range(9)})
    assert sentence.startswith("AP would be 0.0 under c0, 10.0 under c1, 20.0 under c2")
    assert sentence.endswith(", 30.0 under c3, and other under 5 more")


def test_the_images_whose_scores_differ_most() -> None:
    one = np.array([0.0, 5.0, -3.0, 1.0, np.nan])
    other = np.array([0.0, 1.0, 3.0, 5.0, 9.0])
    found = images(list("abcde"), one, other)
    assert found == (("c", -3.0, 3.0), ("b", 5.0, 1.0), ("d", 1.0, 5.0))
    assert images(list("abcde"), one, other, count=1) == found[:1]
    many = np.arange(30.0)
    assert [name for name, _, _ in images([str(i) for i in range(30)], many, -many)] == [
        str(i) for i in range(29, 19, -1)
    ]


def test_the_examples_of_the_documentation() -> None:
    assert doctest.testmod(module).failed == 0
