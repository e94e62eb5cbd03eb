"""Pictures that look the same without being the same file: near duplicates by perceptual hash."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.data.audit import CLASS_NAMES, EXAMPLES

NEAR = 4
"""Bits in which the hashes of near duplicates differ at most, of 63."""
_BANDS = NEAR + 1  # hashes that differ in fewer bits than there are bands agree in one of them
_BITS = 64


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One content, wherever it lies.

    Args:
        places: ``subset/id`` of every copy.
        subsets: who holds it.
        label: 0 real, 1 fake.
        sha256: of the file.
        hash: perceptual, None for a nearly flat picture.
    """

    places: tuple[str, ...]
    subsets: frozenset[str]
    label: int
    sha256: str
    hash: int | None


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Near duplicates of one kind.

    Args:
        pairs: how many pairs of different files.
        pictures: how many different files are in one or more of them.
        examples: of the pairs.
    """

    pairs: int
    pictures: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Lookalikes:
    """Near duplicates in a suite; exact ones are not counted.

    Args:
        within: of one label in one subset, ``subset real`` or ``subset fake`` -> pairs.
        across_subsets: of one label, in subsets of which none holds both.
        across_classes: a real and a fake. Image-to-image fakes are near duplicates of what they
            were made from; else one of the two labels is wrong.
    """

    within: Mapping[str, Pairs]
    across_subsets: Pairs
    across_classes: Pairs


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of a suite a training set holds.

    Args:
        training: its name.
        exact: label -> files that are in it, byte by byte.
        near: pairs of a file of the suite and another of the training set that looks the same.
        examples: ``subset/id`` of exact ones.
    """

    training: str
    exact: Mapping[str, int]
    near: Pairs
    examples: tuple[str, ...]


def find_lookalikes(pictures: Sequence[Picture]) -> Lookalikes:
    """Near duplicates inside and across the subsets and classes of a suite."""
    within: dict[str, list[tuple[int, int]]] = defaultdict(list)
    across: list[tuple[int, int]] = []
    classes: list[tuple[int, int]] = []
    for pair in _near([picture.hash for picture in pictures]):
        one, two = (pictures[i] for i in pair)
        if one.sha256 == two.sha256:
            continue
        if one.label != two.label:
            classes.append(pair)
        elif shared := one.subsets & two.subsets:
            for subset in shared:
                within[f"{subset} {CLASS_NAMES[one.label]}"].append(pair)
        else:
            across.append(pair)
    return Lookalikes(
        within={name: _pairs(pictures, found) for name, found in sorted(within.items())},
        across_subsets=_pairs(pictures, across),
        across_classes=_pairs(pictures, classes),
    )


def find_overlap(pictures: Sequence[Picture], training: Sequence[Picture], name: str) -> Overlap:
    """What of a suite is in a training set, exactly or nearly."""
    known = {picture.sha256 for picture in training}
    exact = [picture for picture in pictures if picture.sha256 in known]
    both = [*pictures, *training]
    near = [
        (i, j)
        for i, j in _near([picture.hash for picture in both])
        if i < len(pictures) <= j and both[i].sha256 not in known
    ]
    return Overlap(
        training=name,
        exact=dict(Counter(CLASS_NAMES[picture.label] for picture in exact)),
        near=_pairs(both, near),
        examples=tuple(picture.places[0] for picture in exact[:EXAMPLES]),
    )


def _pairs(pictures: Sequence[Picture], found: Sequence[tuple[int, int]]) -> Pairs:
    return Pairs(
        pairs=len(found),
        pictures=len({i for pair in found for i in pair}),
        examples=tuple((pictures[i].places[0], pictures[j].places[0]) for i, j in found[:EXAMPLES]),
    )


def _near(hashes: Sequence[int | None]) -> list[tuple[int, int]]:
    """Index pairs, ascending, of hashes at most :data:`NEAR` bits apart."""
    known = [i for i, value in enumerate(hashes) if value is not None]
    values = np.array([hashes[i] for i in known], dtype=np.uint64)
    found: set[tuple[int, int]] = set()
    for members in _candidates(values):
        for place, i in enumerate(members[:-1]):
            rest = members[place + 1 :]
            apart = np.bitwise_xor(values[rest], values[i])
            bits = np.unpackbits(apart.view(np.uint8)).reshape(len(rest), -1).sum(axis=1)
            found.update((known[i], known[int(j)]) for j in rest[bits <= NEAR])
    return sorted(found)


def _candidates(values: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Iterator[np.ndarray]:
    """Groups of indices, ascending, that agree in one band of bits."""
    edges = [_BITS * band // _BANDS for band in range(_BANDS + 1)]
    for low, high in pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = (values >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order])) + 1
        yield from (group for group in np.split(order, starts) if len(group) > 1)
