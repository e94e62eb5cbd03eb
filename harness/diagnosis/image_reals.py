"""Conditions in which a set's fakes were judged beside other reals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.api import FAKE, REAL
from harness.diagnosis.condition import (
    Absent,
    Condition,
    RowFacts,
    RowsChange,
    ScoredSubset,
    ScoreRule,
    Sets,
    pooled,
)

_ALL_SEEN = "grip-unina/ClipBased-SyntheticImageDetection: each generator against all reals"


def reals(about: RowFacts) -> Iterator[Condition | Absent]:
    """Reals of each subset, of all of them, and of pools from elsewhere."""
    known = {**about.other_sets, **about.sets}
    donors = [name for name, scored in known.items() if (scored.labels == REAL).any()]
    if len(known) < 2 or not donors:
        why = "no other subset has reals with scores"
        yield Absent(name="reals of another subset", family="images", why=why)
    else:
        for name in donors:
            yield _condition(f"reals of subset {name}", about, [name], {})
        yield _condition("reals of all subsets", about, donors, {})
    if not about.pools:
        why = "no reals of the training set: --training-reals PLACE"
        yield Absent(name="training reals", family="images", why=why)
    for name, pool in about.pools.items():
        yield _condition(f"reals of {name}", about, [], {name: pool})


def _condition(name: str, about: RowFacts, donors: Sequence[str], pools: Sets) -> Condition:
    """Fakes beside the reals of these subsets and pools."""
    # What is scored in another way has no kept scores of images that were not asked about.
    as_published = bool(pools) or any(donor not in about.sets for donor in donors)

    def of(sets: Sets, rule: ScoreRule) -> Sets | None:
        del rule
        if as_published and not _kept(about, sets):
            return None
        known = {**about.other_sets, **sets}
        if not known.keys() >= set(donors):
            return None
        lent = _reals([*(known[donor] for donor in donors), *pools.values()])
        others = [each for each in sets if [each] != list(donors)]
        return {**sets, **{each: _beside(lent, sets[each]) for each in others}} if others else None

    return Condition(
        name=name,
        family="images",
        changes=f"every set's fakes were judged beside the {name}, each file once, and not beside "
        "the set's own.",
        act=RowsChange(of=of),
        do="judge a set's fakes beside the reals that the data set gives it.",
        seen=_ALL_SEEN if len(donors) > 1 else "",
        kin="other reals",
    )


def _kept(about: RowFacts, sets: Sets) -> bool:
    """Whether these are the published scores, and not those of another view or of a sample."""
    return all(
        name in about.sets and np.array_equal(scored.scores, about.sets[name].scores)
        for name, scored in sets.items()
    )


def _reals(donors: Sequence[ScoredSubset]) -> ScoredSubset:
    """The reals of several sets under names that are unique; a file that several have, once."""
    parts = [each.take(each.labels == REAL) for each in donors]
    sha256 = tuple(digest for part in parts for digest in part.sha256)
    pool = pooled(parts)
    if len(sha256) < len(pool.ids):
        return pool
    pool = replace(pool, sha256=sha256)
    return pool.take(np.sort(np.unique(np.array(sha256), return_index=True)[1]))


def _beside(lent: ScoredSubset, scored: ScoredSubset) -> ScoredSubset:
    fakes = scored.take(scored.labels == FAKE)
    known = len(lent.sha256) + len(fakes.sha256) == len(lent.ids) + len(fakes.ids)
    return ScoredSubset(
        subset=scored.subset,
        ids=(*lent.ids, *fakes.ids),
        labels=np.concatenate([lent.labels, fakes.labels]),
        scores=np.concatenate([lent.scores, fakes.scores]),
        sha256=(*lent.sha256, *fakes.sha256) if known else (),
    )
