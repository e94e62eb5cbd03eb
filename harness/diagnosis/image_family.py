"""Conditions in which other images were counted: a part of them, some twice, other reals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from harness.diagnosis.condition import Absent, Condition, RowFacts, ScoredSubset
from harness.diagnosis.image_faults import faults
from harness.diagnosis.image_reals import reals
from harness.diagnosis.image_rows import Places, counted, named, of_each_class
from harness.diagnosis.listing import base_name, ending, scene, suffix
from harness.diagnosis.metric_rows import BATCHES

COUNTS = (100, 200, 250, 500, 1000, 2000, 2500, 5000)
PROCESSES = (2, 4, 8)
SUFFIXES = 8
SCENES = 40
_SUFFIX_SEEN = "roy-ch/Dual-Data-Alignment issue 15: only names ending in _0 were scored"

_ALL = "score every image of the set once, and state how many of each class there are."
_LISTS = "list the files that were read and compare that list with the manifest."


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Parts of the sets, images that count twice, unreadable ones, and other reals."""
    for count in COUNTS:
        yield from _first(count)
    yield from _equal_counts()
    for size in BATCHES:
        yield _drop_last(size)
    for processes in PROCESSES:
        yield _repeated(processes)
    yield from _drawn()
    yield from _by_name(about)
    yield from faults(about)
    yield from reals(about)


def _first(count: int) -> Iterator[Condition]:
    for name, part in (
        (f"first {count:,} of each class", of_each_class(lambda members, _: members[:count])),
        (f"last {count:,} of each class", of_each_class(lambda members, _: members[-count:])),
        (f"first {count:,} images", lambda scored: range(min(count, len(scored.ids)))),
    ):
        yield Condition(
            name=name,
            family="images",
            changes=f"only the {name} were scored, in the order of the sorted list"
            + (", reals first." if name.endswith("images") else "."),
            act=counted(part),
            do=_ALL,
            kin=name.replace(f"{count:,}", "some"),
        )


def _equal_counts() -> Iterator[Condition]:
    for which, part in (
        ("first", of_each_class(lambda members, smaller: members[:smaller])),
        ("last", of_each_class(lambda members, smaller: members[members.size - smaller :])),
    ):
        yield Condition(
            name=f"equal counts: {which} of the larger class",
            family="images",
            changes=f"of the larger class only the {which} images were scored, as many as the "
            "smaller class has.",
            act=counted(part),
            do=_ALL,
            seen="Megum1/CO-SPY: as many fakes as reals" if which == "first" else "",
            kin="equal counts",
        )


def _drop_last(size: int) -> Condition:
    return Condition(
        name=f"drop_last at batches of {size}",
        family="images",
        changes=f"the last batch of {size} was left out where it was not full: the last fakes.",
        act=counted(lambda scored: range(len(scored.ids) // size * size)),
        do="read the test set with `drop_last=False`.",
        kin="drop_last",
    )


def _repeated(processes: int) -> Condition:
    def part(scored: ScoredSubset) -> Places:
        images = len(scored.ids)
        return [*range(images), *(place % images for place in range(-images % processes))]

    return Condition(
        name=f"first images repeated for {processes} GPUs",
        family="images",
        changes=f"the first images were scored again until {processes} processes had equally many, "
        "and counted twice, as torch's `DistributedSampler` does.",
        act=counted(part),
        do="test in one process, or drop the repeated rows before a metric is computed.",
        seen="Ouxiang-Li/SAFE, shilinyan99/AIDE and Michel-liu/FatFormer, tested on several GPUs",
        kin="repeated for several GPUs",
    )


def _draw(members: np.ndarray[Any, Any], count: int) -> Places:
    """Some of a class, the same each time; not those that a release's own generator draws."""
    return np.random.default_rng(0).permutation(members)[:count]


def _drawn() -> Iterator[Condition]:
    def limited(members: np.ndarray[Any, Any], smaller: int) -> Places:
        return _draw(members, 1000 if smaller >= 1000 else 100)

    for name, changes, chosen, seen in (
        (
            "1,000 of each class drawn, or 100",
            "at most 1,000 of each class were drawn; 100 where a class has fewer than 1,000.",
            limited,
            "WisconsinAIVision/UniversalFakeDetect",
        ),
        (
            "2,000 of each class drawn",
            "at most 2,000 of each class were drawn.",
            lambda members, smaller: _draw(members, 2000),
            "IBM/RIGID",
        ),
        (
            "equal counts drawn",
            "of the larger class as many images were drawn as the smaller class has.",
            _draw,
            "BigAandSmallq/D3",
        ),
    ):
        yield Condition(
            name=name,
            family="images",
            changes=changes,
            act=counted(of_each_class(chosen)),
            do=_ALL,
            seen=seen,
            random=True,
        )


def _by_name(about: RowFacts) -> Iterator[Condition | Absent]:
    ids = [name for scored in about.sets.values() for name in scored.ids]
    yield Condition(
        name="names with a second dot left out",
        family="images",
        changes="the type of a file was read after the first dot of its name, so that `a.b.png` "
        "was passed over.",
        act=counted(named(lambda name: base_name(name).count(".") < 2)),
        do=_LISTS,
        seen="Megum1/CO-SPY, BigAandSmallq/D3, WisconsinAIVision/UniversalFakeDetect",
    )
    for kind, found, read, form, seen in (
        ("ending", _several(map(ending, ids)), ending, "files ending in {}", ""),
        ("suffix", _suffixes(ids), suffix, "names ending in {}", _SUFFIX_SEEN),
        ("scene", _several(filter(None, map(scene, ids)))[:SCENES], scene, "scene {}", ""),
    ):
        if not found:
            why = f"the images' names do not differ by {kind}"
            yield Absent(name=f"one {kind} only", family="images", why=why)
        for value in found:
            yield Condition(
                name=form.format(value or "nothing"),
                family="images",
                changes=f"only {form.format(value or 'nothing')} were scored, of a class that has "
                "any.",
                act=counted(named(partial(_equal, read, value))),
                do=_LISTS,
                seen=seen,
                kin=f"one {kind} only",
            )


def _equal(read: Callable[[str], str], value: str, name: str) -> bool:
    return read(name) == value


def _several(values: Iterable[str]) -> list[str]:
    """The values, the most frequent first; none where there is but one."""
    found = [value for value, _ in Counter(values).most_common()]
    return found if len(found) > 1 else []


def _suffixes(ids: Sequence[str]) -> list[str]:
    """Those that a part of the names share. A number that each image has for itself is none."""
    found = Counter(map(suffix, ids))
    least = max(5, len(ids) / 100)
    shared = [tail for tail, count in found.items() if tail and least <= count < len(ids)]
    return sorted(shared, key=lambda tail: (-found[tail], tail))[:SUFFIXES]
