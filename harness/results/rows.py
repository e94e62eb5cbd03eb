"""Which records belong in one row of a table, as seeds of one training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence

from harness.results.records import RunRecord

LONGEST = 60
"""Characters of a value in a row's title."""
# Of a recipe as kept with weights: what a training found, not what it was asked to do. Records of
# earlier versions do not hold how many images there were; that sets no row apart.
_FOUND = ("val_ap", "weights_epoch", "training_images")


def weights_kind(record: RunRecord) -> str:
    """The weights' label without the seed: ``mini-train/seed2`` -> ``mini-train``."""
    return re.sub(r"/seed\d+$", "", record.weights.label)


def seed_group(record: RunRecord) -> Hashable:
    """Equal for records that differ in nothing but the training seed, whatever their suite.

    Detector, version and variant, the training set, every value of the recipe, and how the images
    were treated must agree: numbers of two recipes are no two seeds of one.
    """
    seeded = record.weights.seed is not None
    recipe = _asked(record)
    own = "" if record.preprocess == record.published_preprocess else record.preprocess
    weights = "" if seeded else record.weights.sha256
    treated = dataclasses.replace(record.scorer(), weights=weights, preprocess=own)
    return (
        treated,
        weights_kind(record) if seeded else record.weights.label,
        json.dumps(recipe, sort_keys=True, default=str) if seeded else "",
        *([record.protocol] if record.protocol else []),
    )


def told_apart(groups: Mapping[Hashable, Sequence[RunRecord]]) -> dict[Hashable, tuple[str, ...]]:
    """What differs between rows of one detector, variant and kind of weights, which read alike.

    Args:
        groups: :func:`seed_group` -> its records, on one suite.

    Returns:
        group -> texts such as ``version 2`` and ``epochs 3``; empty for a row that is alone.
    """
    alike: dict[Hashable, list[Hashable]] = {}
    for group, records in groups.items():
        first = records[0]
        name = (first.detector, first.variant, weights_kind(first), first.limit)
        alike.setdefault(name, []).append(group)
    found: dict[Hashable, tuple[str, ...]] = {}
    for members in alike.values():
        facts = [_facts(groups[group][0]) for group in members]
        names = dict.fromkeys(name for each in facts for name in each)
        differing = [n for n in names if len({each.get(n, "") for each in facts}) > 1]
        for group, each in zip(members, facts, strict=True):
            found[group] = tuple(f"{name} {_short(each.get(name, ''))}" for name in differing)
    return found


def _short(text: str) -> str:
    """A value for a row's title: a long one as a digest, which still tells it from another."""
    if len(text) > LONGEST:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return text or "none"


def _facts(record: RunRecord) -> dict[str, str]:
    """What may differ between records of one detector, variant and kind of weights."""
    unseeded = record.weights.seed is None
    return {
        "version": str(record.version),
        "from": record.origin.place if record.origin else "",
        "sha256": record.origin.sha256[:8] if record.origin else "",
        "preprocess": record.preprocess,
        "perturbation": record.perturbation,
        "protocol": record.protocol,
        "precision": record.precision,
        "weights": record.weights.sha256[:8] if unseeded else "",
        **{name.replace("_", " "): str(value) for name, value in _asked(record).items()},
    }


def _asked(record: RunRecord) -> dict[str, object]:
    """The recipe without what the training found."""
    return {k: v for k, v in record.weights.recipe.items() if k not in _FOUND}
