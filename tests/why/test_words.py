"""What is printed of an answer: text and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.diagnosis.words import SHOWN, as_json, as_text

from .answers import ACC, AP, EXPLAINED, NOTHING, POSSIBLE, answer, outcome


def block(text: str, start: str) -> list[str]:
    """The lines of the paragraph that begins so."""
    (found,) = [part for part in text.split("\n\n") if part.startswith(start)]
    return found.splitlines()


def test_what_explains_comes_with_numbers_source_and_what_to_do() -> None:
    text = as_text(EXPLAINED)
    assert text.startswith("why: lfm:released on gangen:began\n\ngiven:\n")
    assert "  ACC  62.3  matched by 62.250 to 62.350" in text
    assert "  images: the counts are the published ones" in text
    assert "resize(256) bilinear or resize(256) by OpenCV explains 2 of 2." in text
    lines = block(text, "explains: ")
    assert lines[0].endswith("(the given numbers do not tell them apart)")
    assert lines[1] == (
        "  resize(256) bilinear (geometry): ACC 62.28, AP 70.20; accidental matches expected: 0.004"
    )
    assert lines[2:5] == [
        "      changes: what resize(256) bilinear changes.",
        "      seen: a thread",
        "      do: what to do about resize(256) bilinear.",
    ]
    assert "tried: 5 (2 explain, 3 excluded)" in text
    assert "nearest" not in text


def test_what_is_possible_comes_with_why_and_what_would_decide() -> None:
    text = as_text(POSSIBLE)
    assert "Nothing is sure to explain 62.3; 2 conditions are possible: BGR; JPEG 90." in text
    assert block(text, "possible: BGR")[2] == "      why not sure: other images"
    assert block(text, "what would decide")[1] == (
        "  AP would be 87.2 under BGR, 71.0 under JPEG 90."
    )
    assert "images: not known to be these, so nothing can be said to explain" in text
    assert block(text, "not tried (3)") == [
        "not tried (3):",
        "  2, no time: ten-crop and five-crop",
        "  1, no reals: pool",
    ]
    assert block(text, "to know") == ["to know:", "  The budget was spent."]


def test_where_nothing_matches_the_nearest_is_named_and_what_remains() -> None:
    text = as_text(NOTHING)
    assert "None of 3 conditions makes 62.3; the nearest is 61.80 (JPEG 90 of both)." in text
    assert block(text, "nearest")[1:] == [
        "  JPEG 90 of both: ACC 61.80",
        "  BGR: ACC 55.00",
        "  as published: ACC 99.90",
    ]
    assert block(text, "what remains")[1] == "  Other weights: these have the published sha256."
    assert "explains:" not in text and "possible:" not in text


def test_of_several_numbers_the_one_furthest_off_counts() -> None:
    two = answer(
        outcome("one right", "excluded", 0.623, 0.90),
        outcome("both near", "excluded", 0.60, 0.71),
        outcome("one unknown", "excluded", 0.623, None),
        wanted=(ACC, AP),
        by_subset={"began": ("x", "y")},
    )
    text = as_text(two)
    assert (
        "None of 3 conditions makes all of ACC 62.3 and AP 70.2; the nearest is ACC 60.00, AP 71.00"
        " (both near)." in text
    )
    assert block(text, "what matches all")[1] == "  began: x and y"


def test_long_lists_are_cut_and_counted() -> None:
    many = answer(
        *(outcome(f"c{n}", "explains", 0.623, group=0) for n in range(SHOWN + 3)),
        *(outcome(f"p{n}", "possible", 0.623, group=n + 1) for n in range(SHOWN + 2)),
    )
    text = as_text(many)
    assert "  and 3 more: --json lists them" in text
    assert "possible: 2 groups more: --json lists them" in text
    assert len(json.loads(as_json(many))["conditions"]) == 2 * SHOWN + 5


def test_numbers_alone_and_nothing_asked() -> None:
    assert as_text(replace(NOTHING, detector="", weights="", suite="")).startswith(
        "why: numbers alone\n"
    )
    agrees = answer(wanted=(), remarks=("No number is off.",))
    assert "There is no number to explain." in as_text(agrees)
    assert "No number is off." in as_text(agrees)


def test_json_has_everything_that_is_not_excluded_in_percent() -> None:
    found = json.loads(as_json(EXPLAINED))
    assert found["tried"] == 5
    assert [each["name"] for each in found["conditions"]] == [
        "resize(256) bilinear",
        "resize(256) by OpenCV",
    ]
    assert found["conditions"][0] == {
        "name": "resize(256) bilinear",
        "family": "geometry",
        "verdict": "explains",
        "numbers": {"ACC": 62.28, "AP": 70.2},
        "group": 0,
        "accidental": 0.004,
        "changes": "what resize(256) bilinear changes.",
        "seen": "a thread",
        "do": "what to do about resize(256) bilinear.",
        "why": "",
    }
    assert found["given"][0]["low"] == 62.25
    assert found["same_images"] == "the counts are the published ones"
    assert [each["name"] for each in found["nearest"]] == ["JPEG 90", "BGR"]
    nothing = json.loads(as_json(NOTHING))
    assert nothing["conditions"] == []
    assert nothing["nearest"][0]["numbers"] == {"ACC": 61.8}
    assert nothing["remains"] == ["Other weights: these have the published sha256."]
    possible = json.loads(as_json(POSSIBLE))
    assert possible["deciding"] and possible["remarks"]
    assert possible["not_tried"]["pool"] == "no reals"
