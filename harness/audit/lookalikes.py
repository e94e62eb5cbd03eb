"""Images that look the same without being the same file: near duplicates.

A perceptual hash, also of the mirrored image, says which pairs are worth a look; their pixels
decide (:func:`harness.audit.likeness.alike`). Aligned faces agree in the first alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.audit.candidates import Unseen, candidates
from harness.audit.findings import CLASS_NAMES, EXAMPLES
from harness.audit.likeness import KeptThumbnail, Thumbnail, alike

LOOKS = 300_000
"""Pairs whose pixels are compared at most, those of the nearest hashes: about five minutes."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
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
    thumbnail: Thumbnail | KeptThumbnail | None = None


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Near duplicates of one kind.

    Args:
        pairs: how many pairs of different files.
        files: how many different files are in one or more of them.
        examples: of the pairs.
        more: the search ended at its bounds: there may be more.
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
        left_out: what the search left out at its bounds, in words; "" for nothing.
    """

    within: Mapping[str, Pairs]
    across_subsets: Pairs
    across_classes: Pairs
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of a suite a training set holds.

    Args:
        training: its name.
        exact: label -> files that are in it, byte by byte.
        near: pairs of a file of the suite and another of the training set that looks the same.
        examples: ``subset/id`` of exact ones.
        left_out: what the search for near ones left out at its bounds, in words.
    """

    training: str
    exact: Mapping[str, int]
    near: Pairs
    examples: tuple[str, ...]
    left_out: str = ""


def find_lookalikes(contents: Sequence[Content]) -> Lookalikes:
    """Near duplicates inside and across the subsets and classes of a suite."""
    within: dict[str, list[tuple[int, int]]] = defaultdict(list)
    across: list[tuple[int, int]] = []
    classes: list[tuple[int, int]] = []
    pairs, unseen = _near(contents)
    more = bool(unseen)
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
        left_out=str(unseen),
    )


def find_overlap(contents: Sequence[Content], training: Sequence[Content], name: str) -> Overlap:
    """What of a suite is in a training set, exactly or nearly."""
    known = {content.sha256 for content in training}
    exact = [content for content in contents if content.sha256 in known]
    others = [content for content in contents if content.sha256 not in known]
    both = [*others, *training]
    near, unseen = _near(both, split=len(others))
    return Overlap(
        training=name,
        exact=dict(Counter(CLASS_NAMES[content.label] for content in exact)),
        near=_pairs(both, near, bool(unseen)),
        left_out=str(unseen),
        examples=tuple(content.places[0] for content in exact[:EXAMPLES]),
    )


def _pairs(contents: Sequence[Content], found: Sequence[tuple[int, int]], more: bool) -> Pairs:
    return Pairs(
        pairs=len(found),
        files=len({i for pair in found for i in pair}),
        examples=tuple((contents[i].places[0], contents[j].places[0]) for i, j in found[:EXAMPLES]),
        more=more,
    )


def _near(contents: Sequence[Content], split: int = 0) -> tuple[list[tuple[int, int]], Unseen]:
    """Index pairs, ascending, of images that look the same, and what was left out.

    Args:
        contents: all.
        split: where not 0, only pairs of an image before this place and one from it on.
    """
    found: dict[tuple[int, int], None] = {}
    rows, unseen = candidates([content.hashes for content in contents], split)
    if len(rows) > LOOKS:
        unseen = replace(unseen, unlooked=len(rows) - LOOKS)
        rows = rows[np.sort(np.argsort(rows[:, 2], kind="stable")[:LOOKS])]
    for i, j, _, mirrored in rows.tolist():
        one, two = contents[i], contents[j]
        if (i, j) in found or one.sha256 == two.sha256:
            continue
        if one.thumbnail is None or two.thumbnail is None:
            continue
        first, second = np.asarray(one.thumbnail), np.asarray(two.thumbnail)
        if alike(first, second[:, ::-1] if mirrored else second):
            found[i, j] = None
    return list(found), unseen
