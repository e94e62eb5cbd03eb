"""The strip plot of an answer: every condition on one axis, the target, the explanation."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from harness.figures.strip import SIZE, in_words, strip_plot

from ..why.answers import ACC, EXPLAINED, NOTHING, POSSIBLE, answer, outcome

Shape = dict[str, str]


def drawn(found: object) -> tuple[list[Shape], list[Shape], list[str]]:
    """Circles with their titles, paths and texts."""
    root = ElementTree.fromstring(str(found))
    circles = [
        {**each.attrib, "told": each.findtext("title") or ""} for each in root.iter("circle")
    ]
    return circles, [p.attrib for p in root.iter("path")], [t.text or "" for t in root.iter("text")]


def middle_of(path: str) -> float:
    """Pixels of a vertical line's place."""
    return float(re.match(r"M([\d.]+) ", path)[1])  # type: ignore[index]


def test_a_dot_for_each_condition_that_has_the_number() -> None:
    circles, _, _ = drawn(strip_plot(EXPLAINED, "AP"))
    assert sorted(each["told"] for each in circles) == [
        "BGR: 51.00",
        "JPEG 90: 80.00",
        "resize(256) bilinear: 70.20",
        "resize(256) by OpenCV: 70.21",
    ]
    assert len(drawn(strip_plot(EXPLAINED, "ACC"))[0]) == 5
    with pytest.raises(StopIteration):
        strip_plot(EXPLAINED, "AUC")


def test_verdicts_differ_in_more_than_colour() -> None:
    explains = {each["told"]: each for each in drawn(strip_plot(EXPLAINED, "ACC"))[0]}
    possible = {each["told"]: each for each in drawn(strip_plot(POSSIBLE, "ACC"))[0]}
    looks = [
        (explains["resize(256) by OpenCV: 62.30"], "series c0"),
        (possible["BGR: 62.29"], "maybe"),
        (possible["as published: 99.90"], "series reference"),
    ]
    assert [each["class"] for each, _ in looks] == [kind for _, kind in looks]
    assert len({each["r"] for each, _ in looks}) == 3


def test_the_target_is_a_line_in_a_band_and_what_makes_it_stands_there() -> None:
    circles, paths, texts = drawn(strip_plot(EXPLAINED, "ACC"))
    (aim,) = [each["d"] for each in paths if each["class"] == "aim"]
    (reach,) = [each["d"] for each in paths if each["class"] == "reach"]
    assert reach.endswith("Z")
    places = {each["told"]: float(each["cx"]) for each in circles}
    assert places["resize(256) by OpenCV: 62.30"] == middle_of(aim)
    assert places["BGR: 50.00"] < middle_of(aim) < places["no AP: 99.00"]
    assert "given: 62.3" in texts
    assert "resize(256) bilinear or resize(256) by OpenCV" in texts


def test_where_nothing_explains_the_possible_or_the_nearest_is_named() -> None:
    assert "BGR" in drawn(strip_plot(POSSIBLE, "ACC"))[2]
    assert "nearest: JPEG 90 of both" in drawn(strip_plot(NOTHING, "ACC"))[2]


@pytest.mark.parametrize("target", [0.62, 0.9])
def test_names_stand_beside_the_line_where_there_is_room(target: float) -> None:
    text = f"{100 * target:.1f}"
    aimed = replace(ACC, text=text, low=target - 0.0005, high=target + 0.0005)
    ends = [outcome(f"end {n}", "excluded", 0.5 + n / 2) for n in (0, 1)]
    found = answer(*ends, outcome("here", "explains", target, group=0), wanted=(aimed,))
    root = ElementTree.fromstring(str(strip_plot(found, "ACC")))
    (aim,) = [middle_of(p.attrib["d"]) for p in root.iter("path") if p.attrib["class"] == "aim"]
    names = [each for each in root.iter("text") if each.text in ("here", f"given: {text}")]
    assert len(names) == 2
    for each in names:
        beside = float(each.attrib["x"]) - aim
        assert (beside > 0, each.attrib["text-anchor"]) == (
            (True, "start") if target < 0.75 else (False, "end")
        )


def test_dots_of_one_number_stand_above_each_other_inside_the_frame() -> None:
    many = answer(*(outcome(f"c{n}", "excluded", 0.5) for n in range(300)))
    circles, _, _ = drawn(strip_plot(many, "ACC"))
    heights = [float(each["cy"]) for each in circles]
    assert len(circles) == 300
    assert len(set(heights)) > 50
    assert min(heights) > 0
    assert max(heights) < SIZE[1] - 42
    assert len({each["cx"] for each in circles}) == 1


def test_words_and_bytes() -> None:
    assert in_words(EXPLAINED, ACC) == (
        "Strip plot of ACC under 5 conditions, from 50.00 to 99.00; given is 62.3; resize(256) "
        "bilinear or resize(256) by OpenCV explains it, with 62.28."
    )
    assert in_words(POSSIBLE, ACC).endswith("BGR is possible, with 62.29.")
    assert in_words(NOTHING, ACC).endswith("JPEG 90 of both is nearest, with 61.80.")
    alone = answer()
    assert in_words(alone, ACC) == "Strip plot of ACC under 0 conditions; given is 62.3."
    assert "aim" in strip_plot(alone, "ACC")
    assert strip_plot(EXPLAINED, "ACC") == strip_plot(EXPLAINED, "ACC")
    marked = answer(outcome("<b>&", "explains", 0.623, group=0))
    assert "<b>" not in strip_plot(marked, "ACC")
