"""Faults of which images count, and with which label and score."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.diagnosis.planted.planter import Planter
from harness.diagnosis.planted.world import Measure, PlantedFault, Rows, Table, class_accuracy

DRAW = 99
Floats = np.ndarray[Any, Any]


def each(change: Callable[[Rows], Rows]) -> PlantedFault:
    """A change of every subset's rows."""
    return PlantedFault(rows=lambda table: {name: change(rows) for name, rows in table.items()})


def kept(places: Callable[[Rows], Sequence[int] | Floats]) -> PlantedFault:
    """Some rows of every subset."""
    return each(lambda rows: rows.take(places(rows)))


def of_classes(part: Callable[[list[int], int], Sequence[int]]) -> PlantedFault:
    """Some of each class; ``part`` gets its places and the smaller class's size."""

    def places(rows: Rows) -> list[int]:
        classes = [[place for place, at in enumerate(rows.labels) if at == k] for k in (0, 1)]
        smaller = min(map(len, classes))
        return sorted(place for members in classes for place in part(members, smaller))

    return kept(places)


def labels_exchanged() -> PlantedFault:
    """0 is fake."""
    return each(lambda rows: replace(rows, labels=1 - rows.labels))


def other_output() -> PlantedFault:
    """P(real)."""
    return each(lambda rows: replace(rows, scores=-rows.scores))


def _rescored(rows: Rows, ids: Sequence[int], scores: Sequence[float]) -> Rows:
    """The k-th id of a list gets the k-th score."""
    found = rows.scores.copy()
    found[list(ids)] = scores
    return replace(rows, scores=found)


def shuffled(how: str) -> PlantedFault:
    """Shifted by one, reversed, or fakes first."""

    def change(rows: Rows) -> Rows:
        places = list(range(len(rows.ids)))
        real = int((rows.labels == 0).sum())
        order = {
            "one row on": places[-1:] + places[:-1],
            "one row back": places[1:] + places[:1],
            "in reversed order": places[::-1],
            "of fakes first": places[real:] + places[:real],
        }[how]
        return _rescored(rows, places, [rows.scores[at] for at in order])

    return each(change)


def sorted_names(what: str, how: str, inside: str | None, by_class: str | None) -> PlantedFault:
    """Ids sorted one way, scores another."""

    def numbers(name: str) -> list[Any]:
        parts = re.split(r"([0-9]+)", name)
        return [int(part) if part.isdigit() else part for part in parts]

    def order(rows: Rows, places: list[int], natural: bool) -> list[int]:
        def key(at: int) -> Any:
            name = rows.ids[at].split("/")[-1] if what == "base names" else rows.ids[at]
            return numbers(name) if natural else name

        return sorted(places, key=key)

    def change(rows: Rows) -> Rows:
        groups = [np.flatnonzero(rows.labels == k).tolist() for k in (0, 1)]
        found = rows
        for places in groups if inside else [groups[0] + groups[1]]:
            scores = order(rows, places, how == "1, 2, 10")
            ids = places if by_class else order(rows, places, how == "1, 10, 2")
            found = _rescored(found, ids, [rows.scores[at] for at in scores])
        return found

    return each(change)


def listed(ids: Sequence[str]) -> tuple[str, ...]:
    """Ids as a folder may list them, in no order that their names tell."""
    return tuple(sorted(ids, key=lambda name: hashlib.md5(name.encode()).hexdigest()))


def by_list(inside: str | None) -> PlantedFault:
    """Scores in the order of :func:`listed`, ids sorted."""

    def change(rows: Rows) -> Rows:
        place = {name: at for at, name in enumerate(rows.ids)}
        scores = [place[name] for name in listed(rows.ids)]
        groups = [np.flatnonzero(rows.labels == k).tolist() for k in (0, 1)]
        found = rows
        for places in groups if inside else [groups[0] + groups[1]]:
            mine = set(places)
            found = _rescored(found, places, [rows.scores[at] for at in scores if at in mine])
        return found

    return each(change)


def first(which: str, count: str) -> PlantedFault:
    """The first or last of each class."""
    n = int(count.replace(",", ""))
    return of_classes(lambda members, _: members[:n] if which == "first" else members[-n:])


def first_images(count: str) -> PlantedFault:
    """The first of a list."""
    return kept(lambda rows: range(min(len(rows.ids), int(count.replace(",", "")))))


def equal_counts(which: str) -> PlantedFault:
    """As many of the larger class."""
    return of_classes(
        lambda members, n: members[:n] if which == "first" else members[len(members) - n :]
    )


def drop_last(size: str) -> PlantedFault:
    """Without the batch that is not full."""
    return kept(lambda rows: range(len(rows.ids) - len(rows.ids) % int(size)))


def repeated(processes: str) -> PlantedFault:
    """As ``DistributedSampler`` fills up."""

    def places(rows: Rows) -> list[int]:
        found = list(range(len(rows.ids)))
        while len(found) % int(processes):
            found.append(found[len(found) - len(rows.ids)])
        return found

    return kept(places)


def drawn(what: str) -> PlantedFault:
    """Some of each class at random."""
    limits = {"1,000 of each class drawn, or 100": 0, "2,000 of each class drawn": 2000}

    def part(members: list[int], smaller: int) -> list[int]:
        limit = limits.get(what, smaller) or (1000 if smaller >= 1000 else 100)
        return list(np.random.default_rng(DRAW).permutation(members)[:limit])

    return of_classes(part)


def named(kind: str, value: str = "") -> PlantedFault:
    """Names of one form, of a class that has any."""

    def has(name: str) -> bool:
        *folders, base = name.split("/")
        stem, dot, end = base.rpartition(".")
        tail = (stem if dot else base).rpartition("_")
        scenes = [part for part in folders if part not in ("0_real", "1_fake")]
        return {
            "dots": base.count(".") < 2,
            "files ending in": (dot + end).lower() == value.replace("nothing", ""),
            "names ending in": tail[1] + tail[2] == value,
            "scene": scenes[:1] == [value],
        }[kind]

    def places(rows: Rows) -> list[int]:
        good = [has(name) for name in rows.ids]
        present = {int(at) for p, at in enumerate(rows.labels) if good[p]}
        return [p for p, at in enumerate(rows.labels) if good[p] or at not in present]

    return kept(places)


def distinct() -> PlantedFault:
    """Of equal files the first."""
    return kept(lambda rows: [p for p, d in enumerate(rows.digests) if d not in rows.digests[:p]])


def one_class(which: str) -> PlantedFault:
    """Scored without the other class; what sklearn makes of it."""
    fakes = class_accuracy(1)
    of: dict[str, tuple[Measure, float]] = {
        "scored without reals": (fakes, 1.0),
        "scored without reals, fakes labelled 0": (lambda rows: 1 - fakes(rows), 0.0),
        "scored without fakes": (class_accuracy(0), 0.0),
    }
    return PlantedFault(measures={"acc": of[which][0], "ap": lambda rows: of[which][1]})


def other_reals(which: str) -> PlantedFault:
    """Fakes beside the reals of one subset, or of all, each file once."""

    def change(table: Table) -> Table:
        donors = list(table) if which == "all subsets" else [which.removeprefix("subset ")]
        lent: dict[str, tuple[str, float]] = {}
        for donor in donors:
            rows = table[donor]
            for at in np.flatnonzero(rows.labels == 0):
                lent.setdefault(rows.digests[at], (rows.ids[at], float(rows.scores[at])))
        found = {}
        for name, rows in table.items():
            fakes = rows.take(np.flatnonzero(rows.labels == 1))
            found[name] = replace(
                rows,
                ids=(*(known for known, _ in lent.values()), *fakes.ids),
                labels=np.array([0] * len(lent) + [1] * len(fakes.ids)),
                scores=np.array([score for _, score in lent.values()] + fakes.scores.tolist()),
                digests=(*lent, *fakes.digests),
            )
        return {**found, **{name: table[name] for name in table if donors == [name]}}

    return PlantedFault(rows=change)


PLANTERS = tuple(
    Planter(family=family, pattern=pattern, make=make)
    for family, pattern, make in (
        ("labels", r"labels exchanged", labels_exchanged),
        ("labels", r"P\(real\) read as P\(fake\)", other_output),
        ("labels", r"scores (one row on|one row back|in reversed order|of fakes first)", shuffled),
        (
            "labels",
            r"scores by (paths|base names) (1, 2, 10|1, 10, 2)(, in each class)?(, ids by class)?",
            sorted_names,
        ),
        ("labels", r"scores in the order of a stored list(, in each class)?", by_list),
        ("images", r"(first|last) ([\d,]+) of each class", first),
        ("images", r"first ([\d,]+) images", first_images),
        ("images", r"equal counts: (first|last) of the larger class", equal_counts),
        ("images", r"drop_last at batches of (\d+)", drop_last),
        ("images", r"first images repeated for (\d+) GPUs", repeated),
        ("images", r"(.* drawn(?:, or 100)?)", drawn),
        ("images", r"names with a second dot left out", lambda: named("dots")),
        ("images", r"(files ending in|names ending in|scene) (.*)", named),
        ("images", r"duplicates dropped", distinct),
        ("images", r"(scored without .*)", one_class),
        ("images", r"reals of (all subsets|subset .*)", other_reals),
    )
)
