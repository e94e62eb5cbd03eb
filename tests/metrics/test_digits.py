"""Printed digits against counting by hand: every count of n is printed, and looked for."""

from __future__ import annotations

import doctest
from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import pytest

from harness.metrics import digits as module
from harness.metrics.digits import Digits


def printed(right: int, n: int, decimals: int, rounding: str) -> Decimal:
    unit = Decimal(1).scaleb(-decimals)
    return (Decimal(100 * right) / n).quantize(unit, rounding=rounding)


@pytest.mark.parametrize(("text", "n"), [("62.3", 4000), ("62.5", 40), ("99.95", 7), ("100", 300)])
def test_counts_are_those_that_are_printed_so(text: str, n: int) -> None:
    given = Digits.parse(text)
    both = (ROUND_HALF_UP, ROUND_HALF_DOWN)
    expected = [
        right
        for right in range(n + 1)
        if any(printed(right, n, given.decimals, way) == Decimal(text) for way in both)
    ]
    assert list(given.counts(n)) == expected


@pytest.mark.parametrize(("text", "n"), [("62.3", 4000), ("62.5", 40), ("33.3", 3), ("66.6", 3)])
def test_counts_under_truncation(text: str, n: int) -> None:
    given = Digits.parse(text)
    expected = [
        right
        for right in range(n + 1)
        if printed(right, n, given.decimals, ROUND_DOWN) == Decimal(text)
    ]
    assert list(given.counts(n, truncated=True)) == expected


def test_truncated_digits_end_where_the_next_begin() -> None:
    assert Digits.parse("62.3").truncated == (0.623, 0.624)
    assert Digits.parse("62.4").truncated[0] == Digits.parse("62.3").truncated[1]
    assert list(Digits.parse("62.3").counts(1000, truncated=True)) == [623]
    assert list(Digits.parse("66.7").counts(3, truncated=True)) == []


def test_a_half_is_taken_whichever_way_it_is_rounded() -> None:
    assert list(Digits.parse("62.2").counts(400)) == [249]
    assert list(Digits.parse("62.3").counts(400)) == [249]
    assert 0.6225 in Digits.parse("62.2")
    assert 0.6225 in Digits.parse("62.3")
    assert 0.62249 not in Digits.parse("62.3")


def test_possible_numbers_of_images() -> None:
    given = Digits.parse("62.3")
    assert given.possible_n(61) == [n for n in range(1, 62) if given.counts(n)]
    assert given.possible_n(61) == [53, 61]  # 33/53, 38/61
    assert given.possible_n(61, smallest=54) == [61]
    assert Digits.parse("50").possible_n(3) == [2]


def test_all_digits_of_a_program_are_a_count() -> None:
    for text in (f"{100 * (187 / 300)}", "62.333333333333", "62.333333333333336"):
        assert list(Digits.parse(text).counts(300)) == [187]
        assert not Digits.parse(text).counts(400)


def test_the_ends_are_exact() -> None:
    for text in ("62.3", "0.1", "99.99", "7"):
        given = Digits.parse(text)
        assert given.low == float(Decimal(text) / 100 - Decimal(str(given.half)))
        assert given.high == float(Decimal(text) / 100 + Decimal(str(given.half)))


@pytest.mark.parametrize(
    ("text", "digits", "decimals"),
    [("62.3", "62.3", 1), (" 62.30 % ", "62.30", 2), ("100%", "100", 0), ("-0.00", "-0.00", 2)],
)
def test_what_is_read(text: str, digits: str, decimals: int) -> None:
    assert Digits.parse(text) == Digits(digits, decimals)


@pytest.mark.parametrize("text", ["", "nan", "1e2", "62,3", "6 2", "62.3.1", "%", ".5", "٦٢"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number in percent"):
        Digits.parse(text)


@pytest.mark.parametrize("text", ["-0.1", "100.1", "623"])
def test_what_lies_outside(text: str) -> None:
    with pytest.raises(ValueError, match="lies outside 0 to 100"):
        Digits.parse(text)


@pytest.mark.parametrize(("reals", "fakes"), [(3, 5), (5, 3), (7, 7), (1, 40)])
def test_a_balanced_accuracy_is_that_of_some_two_counts(reals: int, fakes: int) -> None:
    possible = {
        printed(i * fakes + j * reals, 2 * reals * fakes, 1, way)
        for i in range(reals + 1)
        for j in range(fakes + 1)
        for way in (ROUND_HALF_UP, ROUND_HALF_DOWN)
    }
    for tenth in range(0, 1001):
        text = f"{tenth / 10:.1f}"
        assert Digits.parse(text).balanced(reals, fakes) == (Decimal(text) in possible), text


def test_the_examples_of_the_documentation() -> None:
    assert doctest.testmod(module).failed == 0
