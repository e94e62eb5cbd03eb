"""Groups of fakes that have no reals of their own, paired with a pool of reals that they share.

Reals from one place against fakes from many generators is how most own data look, and how
UniversalFakeDetect is published: every group of fakes is tested against the same reals. What is
shared stays recognisable: a pooled real has one name, one content and one unit in all groups, so it
is scored once, and the bootstrap draws it together in all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness.api import FAKE, REAL
from harness.data.adapters import sample_order
from harness.data.disk import DiskFolder
from harness.data.places import Folder
from harness.data.sample import Listing, Sample
from harness.data.suite import Subset, Suite
from harness.errors import DataError, UsageError


def pools_of(
    labels: Mapping[str, Collection[int]], named: Mapping[str, str], pool: str = ""
) -> dict[str, str]:
    """Which pool of reals each group takes: every group that holds fakes and no reals takes one.

    Args:
        labels: group -> the labels in it (0 real, 1 fake).
        named: group -> its pool, where the data names one.
        pool: that of all others; "" = they have none.

    Returns:
        Group -> pool, of the groups that take one.

    Raises:
        DataError: a group with reals of its own names a pool, or names one that is no group of
            reals alone.

    Example:
        >>> pools_of({"photos": {0}, "flux": {1}, "sd3": {1}, "both": {0, 1}}, {}, "photos")
        {'flux': 'photos', 'sd3': 'photos'}
    """
    found: dict[str, str] = {}
    for group, there in labels.items():
        own = named.get(group, "")
        if FAKE in there and REAL not in there:
            found[group] = own or pool
        elif own not in ("", group):
            raise DataError(
                f"group {group} has reals of its own, and names {own} as its reals",
                hint="name a pool for groups of fakes alone",
            )
    for group in found:
        own = named.get(group, "")
        if own and set(labels.get(own, ())) != {REAL}:
            what = "holds fakes too" if own in labels else "is none of its groups"
            raise DataError(f"group {group} names {own} as its reals, which {what}")
    return {group: name for group, name in found.items() if name}


def named_pools(groups: Mapping[str, Iterable[Sample]]) -> dict[str, str]:
    """Group -> the pool that its samples name (``Sample.reals``), of those that name one.

    Raises:
        DataError: samples of one group name two.
    """
    found: dict[str, str] = {}
    for group, samples in groups.items():
        for name in dict.fromkeys(sample.reals for sample in samples if sample.reals):
            if found.setdefault(group, name) != name:
                raise DataError(
                    f"group {group} names two pools of reals: {found[group]} and {name}",
                    hint="one pool a group",
                )
    return found


def with_pool(samples: Iterable[Sample], reals: Iterable[Sample], pool: str) -> list[Sample]:
    """A group's samples, and the reals of its pool where it has none of its own.

    Args:
        samples: of the group.
        reals: of the pool; fakes among them are passed over.
        pool: its name, which the ids of its reals begin with: ``photos/0_real/a.png``.

    Returns:
        Sorted by label, then id. A group with reals of its own, or without any image, is as it was.
    """
    found = list(samples)
    if found and all(sample.label == FAKE for sample in found):
        group = found[0].subset
        found += [
            replace(real, id=pooled_id(pool, real.id), subset=group)
            for real in reals
            if real.label == REAL
        ]
    return sorted(found, key=sample_order)


def pooled_id(pool: str, name: str) -> str:
    """What an image of a pool is called in every group that takes it."""
    return f"{pool}/{name}"


@dataclass(frozen=True)
class RealPool:
    """Reals of some subsets of one suite.

    Args:
        name: what ids of its reals begin with.
        suite: that lists them.
        subsets: whose reals they are.
    """

    name: str
    suite: Suite
    subsets: tuple[Subset, ...]

    @property
    def unit(self) -> str:
        """What its samples' units name."""
        return next((subset.unit for subset in self.subsets if subset.unit), "")

    @cached_property
    def listing(self) -> Listing:
        """Its reals, listed once for all groups, and what lies beside them and is not read.

        Raises:
            DataError: it cannot be listed, or holds no reals.
        """
        reals: list[Sample] = []
        left_out: list[str] = []
        root = DiskFolder(Path(self.suite.folders[0]))  # own data know where they lie
        for subset in self.subsets:
            there = self.suite.adapter(self.suite, subset, root)
            below = f"{subset.name}/" if len(self.subsets) > 1 else ""
            reals += [replace(s, id=below + s.id) for s in there if s.label == REAL]
            left_out += [below + name for name in getattr(there, "left_out", ())]
        if not reals:
            raise DataError(f"--reals {self.name}: no real images there")
        return Listing(reals, left_out=tuple(left_out))


def paired(suite: Suite, pool: RealPool) -> Suite:
    """A suite of own data whose groups of fakes alone take the pool's reals.

    A group of reals alone stays a control, one with both classes stays as it is, and one that names
    a pool itself keeps that.

    Args:
        suite: own data; its subsets say which labels they hold.
        pool: the reals.
    """
    takes = pools_of({s.name: s.labels for s in suite.subsets}, {}, pool.name)

    def adapter(of: Suite, subset: Subset, root: Folder) -> Listing:
        there = suite.adapter(suite, subset, root)
        left_out = getattr(there, "left_out", ())
        if subset.name in takes:
            own = [replace(sample, subset=subset.name) for sample in there]
            left_out += tuple(pooled_id(pool.name, name) for name in pool.listing.left_out)
            there = with_pool(own, pool.listing, pool.name)
        return Listing(there, left_out=left_out)

    return replace(
        suite,
        adapter=adapter,
        subsets=tuple(
            with_reals(s, pool.name, pool.unit) if s.name in takes else s for s in suite.subsets
        ),
    )


def with_reals(subset: Subset, pool: str, unit: str) -> Subset:
    """A subset of fakes once it has the reals of a pool, whose samples' units name ``unit``."""
    units = dict.fromkeys(filter(None, (subset.unit, unit)))
    return replace(subset, real_pool=pool, labels=(REAL, FAKE), unit=" or ".join(units))


def require_fakes(suites: Sequence[Suite], reals: str) -> None:
    """UsageError where no group lacks reals: a pool is then nobody's."""
    if any(subset.labels == (FAKE,) for suite in suites for subset in suite.subsets):
        return
    raise UsageError(
        f"--reals {reals}: no group holds fakes alone, so none takes them",
        hint="leave out --reals: a group with a folder 0_real keeps its own",
    )
