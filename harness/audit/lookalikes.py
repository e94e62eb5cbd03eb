"""Images that look the same without being the same file: near duplicates.

A perceptual hash, also of the mirrored image, says which pairs are worth a look; their pixels
decide (:func:`harness.audit.likeness.alike`). Aligned faces agree in the first alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from harness.audit.findings import CLASS_NAMES, EXAMPLES
from harness.audit.likeness import Thumbnail, alike

NEAR = 8
"""Bits in which the hashes of near duplicates differ at most, of 63."""
WINDOW = 4096
"""Others that an image's hash is compared with at most, in each band."""
PARTNERS = 32
"""Candidates of an image whose pixels are compared at most, each pair counted at one of its two."""
_BANDS = NEAR + 1  # hashes that differ in fewer bits than there are bands agree in one of them
_EDGES = [64 * band // _BANDS for band in range(_BANDS + 1)]
_ONES = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)

_Hashes = np.ndarray[Any, np.dtype[np.uint64]]
_Places = np.ndarray[Any, np.dtype[np.int64]]
_Rows = _Places  # (M, 4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """One content, wherever it lies.

    Args:
        places: ``subset/id`` of every copy.
        subsets: who holds it.
        label: 0 real, 1 fake.
        sha256: of the file.
        hashes: perceptual, of the image and of its mirror image; None for a nearly flat image
            and where the pixels are not at hand.
        thumbnail: its pixels, None where they are not at hand.
    """

    places: tuple[str, ...]
    subsets: frozenset[str]
    label: int
    sha256: str
    hashes: tuple[int, int] | None = None
    thumbnail: Thumbnail | None = None


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Near duplicates of one kind.

    Args:
        pairs: how many pairs of different files.
        files: how many different files are in one or more of them.
        examples: of the pairs.
        more: the search ended at its bounds (:data:`WINDOW`, :data:`PARTNERS`): there may be more.
    """

    pairs: int
    files: int
    examples: tuple[tuple[str, str], ...]
    more: bool = False


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


def find_lookalikes(contents: Sequence[Content]) -> Lookalikes:
    """Near duplicates inside and across the subsets and classes of a suite."""
    within: dict[str, list[tuple[int, int]]] = defaultdict(list)
    across: list[tuple[int, int]] = []
    classes: list[tuple[int, int]] = []
    pairs, more = _near(contents)
    for pair in pairs:
        one, two = (contents[i] for i in pair)
        if one.label != two.label:
            classes.append(pair)
        elif shared := one.subsets & two.subsets:
            for subset in shared:
                within[f"{subset} {CLASS_NAMES[one.label]}"].append(pair)
        else:
            across.append(pair)
    return Lookalikes(
        within={name: _pairs(contents, found, more) for name, found in sorted(within.items())},
        across_subsets=_pairs(contents, across, more),
        across_classes=_pairs(contents, classes, more),
    )


def find_overlap(contents: Sequence[Content], training: Sequence[Content], name: str) -> Overlap:
    """What of a suite is in a training set, exactly or nearly."""
    known = {content.sha256 for content in training}
    exact = [content for content in contents if content.sha256 in known]
    others = [content for content in contents if content.sha256 not in known]
    near, more = _near([*others, *training], split=len(others))
    return Overlap(
        training=name,
        exact=dict(Counter(CLASS_NAMES[content.label] for content in exact)),
        near=_pairs([*others, *training], near, more),
        examples=tuple(content.places[0] for content in exact[:EXAMPLES]),
    )


def _pairs(contents: Sequence[Content], found: Sequence[tuple[int, int]], more: bool) -> Pairs:
    return Pairs(
        pairs=len(found),
        files=len({i for pair in found for i in pair}),
        examples=tuple((contents[i].places[0], contents[j].places[0]) for i, j in found[:EXAMPLES]),
        more=more,
    )


def _near(contents: Sequence[Content], split: int = 0) -> tuple[list[tuple[int, int]], bool]:
    """Index pairs, ascending, of images that look the same, and whether there may be more.

    Args:
        contents: all.
        split: where not 0, only pairs of an image before this place and one from it on.
    """
    found: dict[tuple[int, int], None] = {}
    rows, more = _candidates([content.hashes for content in contents], split)
    for i, j, _, mirrored in rows.tolist():
        one, two = contents[i], contents[j]
        if (i, j) in found or one.sha256 == two.sha256:
            continue
        if one.thumbnail is None or two.thumbnail is None:
            continue
        if alike(one.thumbnail, two.thumbnail[:, ::-1] if mirrored else two.thumbnail):
            found[i, j] = None
    return list(found), more


def _candidates(hashes: Sequence[tuple[int, int] | None], split: int = 0) -> tuple[_Rows, bool]:
    """(M, 4): index, larger index, bits apart, 1 if the second is mirrored; and whether more.

    Time and memory grow with the number of images times the two bounds, never with its square.
    """
    known = np.array([i for i, both in enumerate(hashes) if both is not None], dtype=np.int64)
    values = np.array([both for both in hashes if both is not None], dtype=np.uint64).T.ravel()
    owners, turned = np.tile(known, 2), np.repeat(np.array([0, 1]), len(known))

    def rows(left: _Places, right: _Places, apart: _Places) -> _Rows:
        one, two = owners[left], owners[right]
        # Two mirror images lie as far apart as the two images.
        useful = (turned[left] + turned[right] < 2) & (one != two)
        if split:
            useful &= (one < split) != (two < split)
        columns = (np.minimum(one, two), np.maximum(one, two), apart, turned[left] + turned[right])
        return np.asarray(np.stack(columns, axis=1)[useful])

    bands = [_band(values, low, high, rows) for low, high in pairwise(_EDGES)]
    found, dropped = _nearest(np.concatenate([band for band, _ in bands]))
    return found, dropped or any(cut for _, cut in bands)


def _nearest(rows: _Rows) -> tuple[_Rows, bool]:
    """Each row once, of each index the nearest few; and whether any were left out."""
    once = np.unique(rows, axis=0)
    ranked = once[np.lexsort((once[:, 3], once[:, 1], once[:, 2], once[:, 0]))]
    first = np.searchsorted(ranked[:, 0], ranked[:, 0])
    kept = ranked[np.arange(len(ranked)) - first < PARTNERS]
    return np.unique(kept, axis=0), len(kept) < len(once)


def _band(
    values: _Hashes, low: int, high: int, rows: Callable[[_Places, _Places, _Places], _Rows]
) -> tuple[_Rows, bool]:
    """Near hashes among those that agree in the bits from ``low`` to ``high``, and if cut short."""
    keys = (values >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.lexsort((values, keys))
    keys, ordered = keys[order], values[order]
    ends = np.searchsorted(keys, keys, side="right")
    count = np.zeros(len(keys), dtype=np.int64)
    found = [np.zeros((0, 4), dtype=np.int64)]
    places, cut = np.arange(len(keys)), False
    for offset in range(1, WINDOW + 1):
        places = places[places + offset < ends[places]]  # who has another of its group that far on
        full = count[places] >= PARTNERS
        cut, places = cut or bool(full.any()), places[~full]
        if not len(places):
            return np.concatenate(found), cut
        apart = np.bitwise_xor(ordered[places], ordered[places + offset])
        bits = _ONES[apart.view(np.uint16).reshape(-1, 4)].sum(axis=1, dtype=np.int64)
        near = places[bits <= NEAR]
        count[near] += 1
        found.append(rows(order[near], order[near + offset], bits[bits <= NEAR]))
    return np.concatenate(found), True
