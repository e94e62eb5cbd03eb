"""``--shard K/N``: a suite's subsets dealt out to several runs, each subset whole.

A subset is the smallest share because its scores are one file: what a shard leaves on disk is what
an undivided run leaves there, byte for byte, and nothing has to be joined afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.places import Folder
from harness.data.suite import Selection, Subset, Suite
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Number ``index``, from 1 on, of ``count`` runs that share the work."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/3``: the second of three.

        Raises:
            UsageError: anything else.
        """
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise UsageError(
                f"--shard {text!r}: expected K/N with K from 1 to N", hint="for example --shard 1/2"
            )
        return cls(index=int(found[1]), count=int(found[2]))


def share(
    selections: Sequence[Selection], shard: Shard, data_root: Path | None, *, limit: int = 0
) -> list[Selection]:
    """The subsets that a shard scores.

    The largest subset that is left goes to the shard with the fewest images so far. Every run finds
    the same deal for itself, from the counts on its disk.

    Args:
        selections: what all shards score together.
        shard: which one.
        data_root: as for :func:`harness.registry.suites.find_root`.
        limit: images of each class that count, 0 = all.

    Raises:
        UsageError: there are fewer subsets than shards.
    """
    every = [(selection.suite, subset) for selection in selections for subset in selection.subsets]
    if len(every) < shard.count:
        raise UsageError(
            f"--shard {shard.index}/{shard.count}: only {len(every)} subsets, so at most "
            f"{len(every)} shards",
            hint=f"--shard 1/{len(every)}",
        )
    roots = {s.suite.name: find_root(s.suite, data_root) for s in selections}
    counts = {
        (suite.name, subset.name): _count(suite, subset, roots[suite.name], limit)
        for suite, subset in every
    }
    shares: list[list[tuple[str, str]]] = [[] for _ in range(shard.count)]
    for place in sorted(counts, key=lambda place: (-counts[place], place)):
        # Of equals the one with fewer subsets, so that absent ones leave no shard without any.
        min(shares, key=lambda mine: (sum(counts[p] for p in mine), len(mine))).append(place)
    mine = set(shares[shard.index - 1])
    cut = [
        replace(s, subsets=tuple(each for each in s.subsets if (s.suite.name, each.name) in mine))
        for s in selections
    ]
    return [selection for selection in cut if selection.subsets]


def _count(suite: Suite, subset: Subset, root: Folder, limit: int) -> int:
    """Images to score; 0 of a subset that is absent, which its shard reports."""
    try:
        labels = [sample.label for sample in suite.adapter(suite, subset, root)]
    except DataError:
        return 0
    return sum(min(labels.count(label), limit or len(labels)) for label in (0, 1))
