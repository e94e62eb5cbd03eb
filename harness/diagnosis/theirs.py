"""Scores of another program: read from a file, and which of its rows is about which image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

import numpy as np

from harness.data.scores import ScoreColumns, read_scores
from harness.diagnosis.condition import ScoredSubset, Scores
from harness.errors import UsageError

FINEST = 8
"""Decimals from which on scores are taken as they are: nobody prints so many to round them."""

Places = tuple[tuple[int, ...], tuple[int, ...]]
"""(K,) places among our images, and (K,) among their rows, of the images that both have."""


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """The scores of another program.

    Args:
        ids: (N,) names of images as the file has them, with the group before where it has groups.
        scores: (N,) float64, on whatever scale.
        labels: (N,) 0 real, 1 fake, None where the file does not say.
        half: half a unit of the last decimal that the file prints; 0 where it rounds nothing.
    """

    ids: tuple[str, ...]
    scores: Scores
    labels: tuple[int | None, ...] = ()
    half: float = 0.0


def read_theirs(place: str, asked: ScoreColumns) -> Theirs:
    """Reads a file of scores, as ``import`` does; rows without a score are left out.

    Args:
        place: a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file.
        asked: what its columns mean.

    Raises:
        UsageError, DataError: as :func:`harness.data.scores.read_scores`; or scores of several
            detectors are asked for.
    """
    file = read_scores(place, asked)
    if len(file.scores) > 1:
        raise UsageError(
            f"{file.place}: {len(file.scores)} columns of scores are asked for",
            hint="name one: the scores of one program are explained at a time",
        )
    (scores,) = file.scores.values()
    rows = np.flatnonzero(~np.isnan(scores)).tolist()
    groups = [f"{group}/" for group in file.groups] or [""] * len(file.ids)
    return Theirs(
        ids=tuple(groups[row] + file.ids[row] for row in rows),
        scores=scores[rows],
        labels=tuple(file.labels[row] for row in rows) if file.labels else (),
        half=half_unit(scores[rows]),
    )


def half_unit(scores: Scores) -> float:
    """Half a unit of the last decimal that any of (N,) scores has; 0 from ``FINEST`` on."""
    for decimals in range(FINEST):
        if np.allclose(np.round(scores, decimals), scores, rtol=1e-12, atol=1e-15):
            return 0.5 * float(10.0**-decimals)
    return 0.0


def common(ours: ScoredSubset, theirs: Theirs) -> Places:
    """Which image each row is about.

    By the full id ``SUBSET/ID``, else by as many of its last folders as it takes, else the same
    without the ending of the file; each, where names come twice, with the label that the file
    gives. A name that is not unique on either side matches nothing. All rows are matched one way:
    a row about an image that is not here is not given to another image of its base name.
    """
    prefix = f"{ours.subset}/" if ours.subset else ""
    labels = tuple(ours.labels.tolist())
    return _common(prefix, ours.ids, labels, theirs.ids, theirs.labels)


@lru_cache(maxsize=8)  # the same images under hundreds of conditions
def _common(
    prefix: str,
    our_ids: tuple[str, ...],
    our_labels: tuple[int, ...],
    their_ids: tuple[str, ...],
    their_labels: tuple[int | None, ...],
) -> Places:
    ours = [PurePosixPath(prefix + name) for name in our_ids]
    theirs = [PurePosixPath(name.replace("\\", "/")) for name in their_ids]
    best: Places = ((), ())
    for our_keys, their_keys in _ways(ours, our_labels, theirs, their_labels):
        found = _joined(our_keys, their_keys)
        if len(found[0]) > len(best[0]):
            best = found
        if 2 * len(best[0]) > min(len(ours), len(theirs)):
            break
    return best


_Keys = Sequence[tuple[object, ...]]


def _ways(
    ours: Sequence[PurePosixPath],
    our_labels: Sequence[int],
    theirs: Sequence[PurePosixPath],
    their_labels: Sequence[int | None],
) -> Iterator[tuple[_Keys, _Keys]]:
    """The ways to name images, the strictest first."""
    deepest = max((len(path.parts) for path in (*ours, *theirs)), default=0)
    for bare in (False, True):
        for depth in range(deepest, 0, -1):
            left, right = _tails(ours, depth, bare), _tails(theirs, depth, bare)
            yield left, right
            if their_labels:
                yield (
                    [(*key, label) for key, label in zip(left, our_labels, strict=True)],
                    [(*key, label) for key, label in zip(right, their_labels, strict=True)],
                )


def _tails(paths: Sequence[PurePosixPath], depth: int, bare: bool) -> list[tuple[object, ...]]:
    """The last ``depth`` parts of each path, ``bare`` without the ending."""
    shown = [path.with_suffix("") if bare and path.name else path for path in paths]
    return [path.parts[-depth:] for path in shown]


def _joined(ours: _Keys, theirs: _Keys) -> Places:
    here = Counter(ours)
    there = {key: place for place, key in enumerate(theirs)}
    often = Counter(theirs)
    pairs = [
        (place, there[key]) for place, key in enumerate(ours) if here[key] == 1 and often[key] == 1
    ]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
