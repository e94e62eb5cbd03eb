"""Every condition's number on one axis, with the number that is to be explained as a line."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.figures.inline import Plot, Scale, even
from harness.report.explanations import groups, named, nearest_of, percent
from harness.results.answers import VERDICTS, ConditionResult, WantedNumber, WhyAnswer

SIZE = (640, 150)
"""Width and height, CSS pixels."""
PILE = 5.0
"""Pixels along the axis in which dots stand above each other."""
_KINDS = {"explains": ("series c0", 5.0), "possible": ("maybe", 4.0)}
"""Verdict -> class and radius of its dots: full, hollow, and small for all others."""
_OTHERS = ("series reference", 2.5)
_SPACE = 0.14
"""Between the dots of a pile, as a share of the height, while they fit."""
_HIGHEST = 0.72
"""Of a pile; above are the names."""


def strip_plot(answer: WhyAnswer, name: str) -> Markup:
    """A strip plot of one wanted number.

    Args:
        answer: what was found.
        name: of the wanted number.

    Raises:
        StopIteration: the answer has no such number.
    """
    wanted = next(each for each in answer.wanted if each.name == name)
    points = _points(answer, wanted)
    plot = Plot(_axis(wanted, [value for value, _ in points]), Scale(low=0, high=1), SIZE)
    low, high = 100 * wanted.low, 100 * wanted.high
    plot.line([low, low, high, high], [0, 1, 1, 0], "reach", closed=True)
    given = float(wanted.text)
    plot.line([given, given], [0, 1], "aim")
    for height, (value, each) in zip(_heights(plot, points), points, strict=True):
        kind, radius = _KINDS.get(each.verdict, _OTHERS)
        told = f"{each.name}: {percent(value / 100, wanted.text)}"
        plot.dot(value, height, kind, told, radius=radius)
    _name(plot, [given], 0.94, f"given: {wanted.text}")
    known = {each.name: value for value, each in points}
    for best in _named(answer)[:1]:
        if best[0].name in known:
            nearest = "nearest: " if best[0].verdict == "excluded" else ""
            _name(plot, [given, known[best[0].name]], 0.8, nearest + named(best))
    return plot.svg(in_words(answer, wanted))


def in_words(answer: WhyAnswer, wanted: WantedNumber) -> str:
    """What a strip plot shows."""
    values = [value for value, _ in _points(answer, wanted)]
    text = f"Strip plot of {wanted.name} under {len(values)} conditions"
    if values:
        low, high = (percent(edge / 100, wanted.text) for edge in (min(values), max(values)))
        text += f", from {low} to {high}"
    text += f"; given is {wanted.text}"
    best = _named(answer)
    if not best:
        return f"{text}."
    found = percent(best[0][0].numbers[wanted.name].value, wanted.text)
    does = {"explains": "explains it", "possible": "is possible", "excluded": "is nearest"}
    return f"{text}; {named(best[0])} {does[best[0][0].verdict]}, with {found}."


def _named(answer: WhyAnswer) -> list[list[ConditionResult]]:
    """The groups to be named: what explains, else what is possible, else the nearest."""
    return (
        groups(answer, "explains")
        or groups(answer, "possible")
        or [[each] for each in nearest_of(answer)]
    )


def _points(answer: WhyAnswer, wanted: WantedNumber) -> list[tuple[float, ConditionResult]]:
    """(percent, condition) of each that has the number; those to be seen best come last."""
    found = []
    for each in answer.outcomes:
        number = each.numbers.get(wanted.name)
        if number is not None and number.value is not None:
            found.append((100 * number.value, each))
    return sorted(found, key=lambda point: -VERDICTS.index(point[1].verdict))


def _axis(wanted: WantedNumber, values: Sequence[float]) -> Scale:
    edges = [*values, 100 * wanted.low, 100 * wanted.high, float(wanted.text)]
    room = max(0.5, 0.05 * (max(edges) - min(edges)))
    return even(min(edges) - room, max(edges) + room, f"{wanted.name}, %", count=8)


def _heights(plot: Plot, points: Sequence[tuple[float, ConditionResult]]) -> list[float]:
    """Dots of nearly one number stand above each other, closer the more they are; what is to be
    seen best stands at the bottom of its pile."""
    piles: dict[int, list[int]] = {}
    for number, (value, _) in enumerate(points):
        pile = int(plot.place(value, 0.0)[0] // PILE)
        piles.setdefault(pile, []).append(number)
    heights = [0.0] * len(points)
    for members in piles.values():
        step = min(_SPACE, _HIGHEST / len(members))
        for level, number in enumerate(reversed(members)):
            heights[number] = _SPACE / 2 + step * level
    return heights


def _name(plot: Plot, values: Sequence[float], height: float, text: str) -> None:
    """A text beside numbers, on the side where there is more room."""
    places = plot.place(values, [height] * len(values))
    across, top = places[:, 0].tolist(), float(places[0, 1])
    if max(across) < (plot.box[0] + plot.box[2]) / 2:
        plot.write(max(across) + 6, top + 4, text, "start")
    else:
        plot.write(min(across) - 6, top + 4, text, "end")
