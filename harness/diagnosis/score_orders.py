"""Under which other ids scores can stand, and which part of the images a match can be about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from harness.diagnosis.condition import Labels
from harness.diagnosis.listing import natural
from harness.diagnosis.score_maps import Mask

Order = np.ndarray[Any, np.dtype[np.intp]]

_MANY = 50
"""Folders, or endings, from which on they are no part that a person would name."""


@dataclass(frozen=True)
class Reordering:
    """The score of image ``ours[k]`` stands under the id of image ``theirs[k]``, in words."""

    words: str
    ours: Order
    theirs: Order


def readings(ids: Sequence[str], labels: Labels, rows: Sequence[int]) -> Iterator[Reordering]:
    """The ways in which scores are known to come under other ids.

    Args:
        ids: (N,) by label, then id, as in a manifest.
        labels: (N,).
        rows: (N,) places in the file, which give the order of the file.
    """
    here = np.arange(len(ids))
    numbers = _natural(ids, labels)
    file = np.argsort(np.asarray(rows))
    fakes_first = np.argsort(1 - labels.astype(np.intp), kind="stable")
    for name, order in (("", here), (" of the file", file), (" 1, 2, 10", numbers)):
        where = f"in the order{name}" if name else "in the order of the ids"
        if len(ids) > 1:
            yield Reordering(f"shifted by one {where}: the next image's", order[1:], order[:-1])
            yield Reordering(f"shifted by one {where}: the one before's", order[:-1], order[1:])
    yield Reordering("scored in the order 1, 10, 2, named in the order 1, 2, 10", here, numbers)
    yield Reordering("scored in the order 1, 2, 10, named in the order 1, 10, 2", numbers, here)
    yield Reordering("in reverse", here, here[::-1])
    yield Reordering("in reverse within each class", here, _reversed_blocks(labels))
    yield Reordering("scored reals first, named fakes first", here, fakes_first)
    yield Reordering("scored fakes first, named reals first", fakes_first, here)


def blocks(labels: Labels) -> list[Order]:
    """Places of each run of one label: the classes, of each subset where several are pooled."""
    ends = np.flatnonzero(np.diff(labels)) + 1
    return list(np.split(np.arange(len(labels)), ends))


def _reversed_blocks(labels: Labels) -> Order:
    return np.concatenate([block[::-1] for block in blocks(labels)])


def _natural(ids: Sequence[str], labels: Labels) -> Order:
    """Places in the order 1, 2, 10 within each run of one label."""
    return np.concatenate(
        [block[list(natural(tuple(ids[place] for place in block)))] for block in blocks(labels)]
    )


def part(ids: Sequence[str], labels: Labels, fits: Mask, spare: float) -> str:
    """What sets the images that fit apart, in words; "" where nothing that their ids say does.

    Args:
        ids: (N,) by label, then id.
        labels: (N,).
        fits: (N,) which of them do.
        spare: share of the other images that may fit all the same.
    """
    for words, mask in _parts(ids, labels, int(fits.sum())):
        others = fits[~mask]
        if mask.any() and others.size and fits[mask].all() and others.mean() <= spare:
            return words
    return ""


def _parts(ids: Sequence[str], labels: Labels, count: int) -> Iterator[tuple[str, Mask]]:
    yield "the reals", np.asarray(labels == 0)
    yield "the fakes", np.asarray(labels == 1)
    paths = [PurePosixPath(name) for name in ids]
    endings = np.array([path.suffix.lower() for path in paths])
    folders = np.array([path.parent.as_posix() for path in paths])
    for what, values in (("the files {}", endings), ("the folder {}", folders)):
        found = sorted(set(values.tolist()))
        if len(found) <= _MANY:
            for value in found:
                yield what.format(value or "without ending"), values == value
                if len(found) > 2:
                    yield f"all but {what.format(value or 'without ending')}", values != value
    places = np.arange(len(ids))
    yield f"the first {count}", places < count
    yield f"the last {count}", places >= len(ids) - count
    classes = blocks(labels)
    each = count // len(classes)
    if each * len(classes) == count:
        within = np.concatenate([np.arange(len(block)) for block in classes])
        sizes = np.concatenate([np.full(len(block), len(block)) for block in classes])
        yield f"the first {each} of each class", within < each
        yield f"the last {each} of each class", within >= sizes - each
