"""Files of equal content inside and across the subsets and classes of a suite.

The same reals in several subsets make one false alarm count several times in a mean; a file that is
called real here and fake there is an error of the data set.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from harness.audit.findings import CLASS_NAMES, EXAMPLES
from harness.data.sample import UNREADABLE, Manifest


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Files of equal content that lie in the same several subsets, under one label.

    Args:
        label: ``real`` or ``fake``.
        subsets: who holds them, in order.
        files: how many distinct contents.
    """

    label: str
    subsets: tuple[str, ...]
    files: int


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Files of equal content (SHA-256 of the encoded file) over the subsets of a suite.

    Args:
        within: subset -> examples of ids of equal content under one label, one tuple a content.
        within_files: subset -> how many files are superfluous copies.
        across: equal content in several subsets, most files first.
        both_classes: ``subset/id`` of contents that are called real and fake.
        distinct: ``real`` / ``fake`` -> distinct contents over all subsets.
        scored: ``real`` / ``fake`` -> images over all subsets.
    """

    within: Mapping[str, tuple[tuple[str, ...], ...]]
    within_files: Mapping[str, int]
    across: tuple[Shared, ...]
    both_classes: tuple[tuple[str, ...], ...]
    distinct: Mapping[str, int]
    scored: Mapping[str, int]


_Places = Mapping[tuple[str, int], Mapping[str, list[str]]]
"""(sha256, label) -> subset -> ids."""


def places_of(manifests: Mapping[str, Manifest]) -> _Places:
    """Where every content lies that can be read, under each label that it bears."""
    places: dict[tuple[str, int], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for subset, manifest in manifests.items():
        for sample in manifest.samples:
            if sample.sha256 != UNREADABLE:
                places[sample.sha256, sample.label][subset].append(sample.id)
    return places


def find_duplicates(manifests: Mapping[str, Manifest]) -> Duplicates:
    """Duplicates inside and across subsets and classes.

    Args:
        manifests: subset name -> hashed manifest, in order.
    """
    places = places_of(manifests)
    scored = Counter(CLASS_NAMES[s.label] for m in manifests.values() for s in m.samples)
    within: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    across: Counter[tuple[int, tuple[str, ...]]] = Counter()
    for (_, label), subsets in places.items():
        if len(subsets) > 1:
            across[label, tuple(subsets)] += 1
        for subset, ids in subsets.items():
            if len(ids) > 1:
                within[subset].append(tuple(ids))
    shared = [
        Shared(label=CLASS_NAMES[label], subsets=subsets, files=files)
        for (label, subsets), files in across.items()
    ]
    both = sorted({digest for digest, _ in places if {(digest, 0), (digest, 1)} <= places.keys()})
    return Duplicates(
        within={subset: tuple(groups[:EXAMPLES]) for subset, groups in within.items()},
        within_files={s: sum(len(ids) - 1 for ids in groups) for s, groups in within.items()},
        across=tuple(sorted(shared, key=lambda each: (-each.files, each.label, each.subsets))),
        both_classes=tuple(_where(places, digest) for digest in both),
        distinct=dict(Counter(CLASS_NAMES[label] for _, label in places)),
        scored=dict(scored),
    )


def _where(places: _Places, digest: str) -> tuple[str, ...]:
    return tuple(
        f"{subset}/{name}"
        for label in CLASS_NAMES
        for subset, names in places[digest, label].items()
        for name in names
    )
