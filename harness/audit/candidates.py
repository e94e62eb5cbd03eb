"""Which pairs of images are worth a look, by their perceptual hashes, in bounded time and memory.

Hashes that differ in fewer bits than there are bands agree in one of the bands: pairs are looked
for among those alone. A band of a million images still holds billions of pairs, so that the search
has bounds, and says what lies beyond them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

NEAR = 8
"""Bits in which the hashes of near duplicates differ at most, of 63."""
WINDOW = 4096
"""Others that an image's hash is compared with at most, in each band."""
COMPARED = 4_000_000_000
"""Pairs of hashes that are compared at most; beyond it the window is narrower. About a minute."""
PARTNERS = 32
"""Candidates of an image whose pixels are compared at most, each pair counted at one of its two."""
_BANDS = NEAR + 1  # hashes that differ in fewer bits than there are bands agree in one of them
_EDGES = [64 * band // _BANDS for band in range(_BANDS + 1)]
_ONES = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)
_PRUNE = 1 << 23  # found pairs that are held before all but the nearest are dropped

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Rows = Places  # (M, 4)


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What a search left out at its bounds.

    Args:
        agreeing: pairs of hashes, of images and of their mirror images, that agree in a band.
        uncompared: those of them that were not compared (:data:`WINDOW`, :data:`COMPARED`).
        crowded: images of whose candidates the nearest alone were taken (:data:`PARTNERS`).
        candidates: pairs of images that are near by their hashes.
        unlooked: those of them whose pixels were not compared.
    """

    agreeing: int = 0
    uncompared: int = 0
    crowded: int = 0
    candidates: int = 0
    unlooked: int = 0

    def __bool__(self) -> bool:
        return bool(self.uncompared or self.crowded or self.unlooked)

    def __str__(self) -> str:
        """In words, "" where nothing was left out."""
        parts = []
        if self.uncompared:
            parts.append(
                f"{self.uncompared:,} of {self.agreeing:,} pairs of hashes that share a band were "
                "not compared, the nearest in order were"
            )
        if self.crowded:
            parts.append(
                f"of {self.crowded:,} images the {PARTNERS} nearest candidates alone were looked at"
            )
        if self.unlooked:
            parts.append(
                f"the pixels of {self.unlooked:,} of {self.candidates:,} candidate pairs were not "
                "compared, those of the nearest hashes were"
            )
        return "; ".join(parts)


def candidates(hashes: Sequence[tuple[int, int] | None], split: int = 0) -> tuple[Rows, Unseen]:
    """Pairs of images that may be near duplicates, and what was left out.

    Time and memory grow with the number of images times the bounds, never with its square.

    Args:
        hashes: of each image and its mirror image, None where there is none.
        split: where not 0, only pairs of an image before this place and one from it on.

    Returns:
        (M, 4): index, larger index, bits apart, 1 if the second is mirrored; in this order.
    """
    known = np.array([i for i, both in enumerate(hashes) if both is not None], dtype=np.int64)
    values = np.array([both for both in hashes if both is not None], dtype=np.uint64).T.ravel()
    owners, turned = np.tile(known, 2), np.repeat(np.array([0, 1]), len(known))

    def packed(left: Places, right: Places, apart: Places) -> Places:
        one, two = owners[left], owners[right]
        # Two mirror images lie as far apart as the two images.
        useful = (turned[left] + turned[right] < 2) & (one != two)
        if split:
            useful &= (one < split) != (two < split)
        turns = turned[left] + turned[right]
        pairs = _pack(np.minimum(one, two), np.maximum(one, two), apart, turns)
        return np.asarray(pairs[useful])

    keys = [_key(values, *edges) for edges in pairwise(_EDGES)]
    sizes = np.concatenate([np.bincount(key.astype(np.int64)) for key in keys])
    window = _window(sizes)
    nearest = _Nearest()
    for key in keys:
        _search(values, key, window, nearest, packed)
    agreeing = int(np.sum(sizes * (sizes - 1)) // 2)
    rows = nearest.rows()
    unseen = Unseen(
        agreeing=agreeing,
        uncompared=agreeing - nearest.compared,
        crowded=len(nearest.crowded),
        candidates=len(rows),
    )
    return rows, unseen


def _key(values: Hashes, low: int, high: int) -> Hashes:
    """The bits from ``low`` to ``high``."""
    return np.asarray((values >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1))


def _window(sizes: Places) -> int:
    """The widest window, up to :data:`WINDOW`, in which no more than :data:`COMPARED` pairs lie.

    Args:
        sizes: hashes that agree in a band, of every value and band.
    """
    low, high = 1, WINDOW
    while low < high:
        middle = (low + high + 1) // 2
        reach = np.minimum(sizes - 1, middle).clip(0)
        pairs = int(np.sum(reach * sizes - reach * (reach + 1) // 2))
        low, high = (middle, high) if pairs <= COMPARED else (low, middle - 1)
    return low


def _search(
    values: Hashes,
    keys: Hashes,
    window: int,
    nearest: _Nearest,
    packed: Callable[[Places, Places, Places], Places],
) -> None:
    """Adds the near pairs among hashes that agree in a band."""
    order = np.lexsort((values, keys))
    keys, ordered = keys[order], values[order]
    ends = np.searchsorted(keys, keys, side="right")
    count = np.zeros(len(keys), dtype=np.int64)
    places = np.arange(len(keys))
    for offset in range(1, window + 1):
        places = places[places + offset < ends[places]]  # who has another of its group that far on
        places = places[count[places] < PARTNERS]
        if not len(places):
            return
        nearest.compared += len(places)
        apart = np.bitwise_xor(ordered[places], ordered[places + offset])
        # Four counts a hash, added up in the highest byte of a product: quicker than a sum.
        four = _ONES[apart.view(np.uint16)].view(np.uint32)
        bits = (four * np.uint32(0x01010101) >> np.uint32(24)).astype(np.int64)
        near = places[bits <= NEAR]
        count[near] += 1
        nearest.add(packed(order[near], order[near + offset], bits[bits <= NEAR]))


class _Nearest:
    """Of each image the nearest few of the pairs that were added.

    A pair is one number: 32 bits of index, 4 of bits apart, 27 of the larger index, 1 if mirrored.
    Numbers in order are then pairs of an image by their distance.

    Attributes:
        compared: pairs of hashes so far.
        crowded: images that had more pairs than are kept.
    """

    def __init__(self) -> None:
        self.compared = 0
        self.crowded: Places = np.empty(0, dtype=np.int64)
        self._found: list[Places] = [np.empty(0, dtype=np.int64)]
        self._held = 0

    def add(self, packed: Places) -> None:
        self._found.append(packed)
        self._held += len(packed)
        if self._held > _PRUNE:
            self._found, self._held = [self._pruned()], 0

    def rows(self) -> Rows:
        """(M, 4), see :func:`candidates`."""
        left = self._pruned()
        columns = (left >> 32, (left >> 1) & ((1 << 27) - 1), (left >> 28) & 15, left & 1)
        rows = np.stack(columns, axis=1)
        return np.asarray(rows[np.lexsort(columns[::-1])])

    def _pruned(self) -> Places:
        once = np.unique(np.concatenate(self._found))
        owners = once >> 32
        kept = np.arange(len(once)) - np.searchsorted(owners, owners) < PARTNERS
        self.crowded = np.union1d(self.crowded, owners[~kept])
        return np.asarray(once[kept])


def _pack(one: Places, two: Places, apart: Places, mirrored: Places) -> Places:
    return np.asarray((one << 32) | (apart << 28) | (two << 1) | mirrored)
