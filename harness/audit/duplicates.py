"""Files of equal content inside and across the subsets and classes of a suite.

The same reals in several subsets make one false alarm count several times in a mean; a file that is
called real here and fake there is an error of the data set.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.audit.findings import CLASS_NAMES, EXAMPLES
from harness.data.sample import UNREADABLE, Manifest, Sample


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


class ContentPlaces:
    """Where every content lies that can be read, under each label that it bears.

    Only contents that lie in several places are kept: a million distinct ones cost little.

    Args:
        manifests: subset name -> hashed manifest, in order.

    Attributes:
        several: (sha256, label) -> subset -> ids, of contents that are in more than one place.
    """

    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self._manifests = manifests
        seen: set[str] = set()
        twice: set[str] = set()
        for _, sample in self._samples():
            (twice if sample.sha256 in seen else seen).add(sample.sha256)
        self._twice = twice
        self.several: dict[tuple[str, int], dict[str, list[str]]] = {}
        for subset, sample in self._samples():
            if sample.sha256 in twice:
                found = self.several.setdefault((sample.sha256, sample.label), {})
                found.setdefault(subset, []).append(sample.id)

    def __iter__(self) -> Iterator[tuple[str, int, Mapping[str, list[str]]]]:
        """Each content (its sha256) with its label and its ids by subset, in the order of first
        places."""
        told: set[tuple[str, int]] = set()
        for subset, sample in self._samples():
            content = sample.sha256, sample.label
            if sample.sha256 not in self._twice:
                yield *content, {subset: [sample.id]}
            elif content not in told:
                told.add(content)
                yield *content, self.several[content]

    def _samples(self) -> Iterator[tuple[str, Sample]]:
        for subset, manifest in self._manifests.items():
            for sample in manifest.samples:
                if sample.sha256 != UNREADABLE:
                    yield subset, sample


def find_duplicates(manifests: Mapping[str, Manifest]) -> Duplicates:
    """Duplicates inside and across subsets and classes.

    Args:
        manifests: subset name -> hashed manifest, in order.
    """
    places = ContentPlaces(manifests)
    scored = Counter(CLASS_NAMES[s.label] for m in manifests.values() for s in m.samples)
    within: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    across: Counter[tuple[int, tuple[str, ...]]] = Counter()
    distinct: Counter[str] = Counter()
    for _, label, subsets in places:
        distinct[CLASS_NAMES[label]] += 1
        if len(subsets) > 1:
            across[label, tuple(subsets)] += 1
        for subset, ids in subsets.items():
            if len(ids) > 1:
                within[subset].append(tuple(ids))
    shared = [
        Shared(label=CLASS_NAMES[label], subsets=subsets, files=files)
        for (label, subsets), files in across.items()
    ]
    several = places.several
    both = sorted(digest for digest, label in several if not label and (digest, 1) in several)
    return Duplicates(
        within={subset: tuple(groups[:EXAMPLES]) for subset, groups in within.items()},
        within_files={s: sum(len(ids) - 1 for ids in groups) for s, groups in within.items()},
        across=tuple(sorted(shared, key=lambda each: (-each.files, each.label, each.subsets))),
        both_classes=tuple(_where(places, digest) for digest in both),
        distinct=dict(distinct),
        scored=dict(scored),
    )


def _where(places: ContentPlaces, digest: str) -> tuple[str, ...]:
    return tuple(
        f"{subset}/{name}"
        for label in CLASS_NAMES
        for subset, names in places.several[digest, label].items()
        for name in names
    )
