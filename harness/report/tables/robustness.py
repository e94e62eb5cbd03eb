"""Perturbation texts -> the columns of a robustness table and the panels of its curves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.table import Column
from harness.report.tables.treatments import FIRST

OTHERS = "other"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Perturbations that differ in one number.

    Args:
        title: what the number is.
        untouched: the number that would leave a picture as it is.
        falling: whether pictures lose more the smaller it is.
    """

    title: str
    untouched: float
    falling: bool = False


FAMILIES = {
    "jpeg": Family(title="JPEG quality", untouched=math.inf, falling=True),
    "webp": Family(title="WebP quality", untouched=math.inf, falling=True),
    "scale": Family(title="scale", untouched=1.0),
    "crop": Family(title="crop, share of a side", untouched=1.0, falling=True),
    "blur": Family(title="blur, sigma in pixels", untouched=0.0),
    "noise": Family(title="noise, sigma of 255", untouched=0.0),
}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One set of axes.

    Args:
        title: below it.
        keys: columns along it.
        joined: neighbours are joined by a line, because they differ in one number.
    """

    title: str
    keys: tuple[str, ...]
    joined: bool


def treatments(texts: Sequence[str], names: Mapping[str, str]) -> tuple[Column, ...]:
    """The untouched pictures, then every family of two texts or more, then the other texts.

    Args:
        texts: canonical perturbation texts.
        names: text -> its name, for those that have one.
    """
    found: dict[str, list[Column]] = {}
    for text in texts:
        kind, level = _level(text)
        column = Column(key=text, title=names.get(text, text), group=OTHERS)
        if kind and sum(_level(other)[0] == kind for other in texts) > 1:
            column = Column(key=text, title=f"{level:g}", group=FAMILIES[kind].title)
        found.setdefault(column.group, []).append(column)
    last = found.pop(OTHERS, [])
    return (
        Column(key=FIRST, title="none"),
        *(column for members in found.values() for column in members),
        *last,
    )


def panels(columns: Sequence[Column]) -> tuple[Axis, ...]:
    """Axes for each family, the untouched pictures at their place in it, and for the others."""
    found = []
    for group in dict.fromkeys(column.group for column in columns if column.key != FIRST):
        keys = [column.key for column in columns if column.group == group and column.key != FIRST]
        if group == OTHERS:
            found.append(Axis(title=group, keys=(FIRST, *keys), joined=False))
            continue
        family = FAMILIES[_level(keys[0])[0]]
        places = {FIRST: family.untouched, **{key: _level(key)[1] for key in keys}}
        order = sorted(places, key=places.__getitem__, reverse=family.falling)
        found.append(Axis(title=family.title, keys=tuple(order), joined=True))
    return tuple(found)


def _level(text: str) -> tuple[str, float]:
    """Family and number of a text, or ("", 0) for a chain and what has no family."""
    match = re.fullmatch(r"([a-z_]+)\(([0-9.e+-]+)\)", text)
    if match is None or match[1] not in FAMILIES:
        return "", 0.0
    return match[1], float(match[2])
