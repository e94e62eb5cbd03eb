"""Which records belong in one row of a table, as seeds of one training."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Hashable

from harness.results.records import RunRecord

# Of a recipe as kept with weights: what a training found, not what it was asked to do.
_FOUND = ("val_ap", "weights_epoch")


def weights_kind(record: RunRecord) -> str:
    """The weights' label without the seed: ``mini-train/seed2`` -> ``mini-train``."""
    return re.sub(r"/seed\d+$", "", record.weights.label)


def seed_group(record: RunRecord) -> Hashable:
    """Equal for records that differ in nothing but the training seed, whatever their suite.

    Detector, version and variant, the training set, every value of the recipe, and how the images
    were treated must agree: numbers of two recipes are no two seeds of one.
    """
    seeded = record.weights.seed is not None
    recipe = {k: v for k, v in record.weights.recipe.items() if k not in _FOUND}
    own = "" if record.preprocess == record.published_preprocess else record.preprocess
    weights = "" if seeded else record.weights.sha256
    treated = dataclasses.replace(record.key("", ""), suite="", weights=weights, preprocess=own)
    return (
        treated,
        weights_kind(record) if seeded else record.weights.label,
        json.dumps(recipe, sort_keys=True, default=str) if seeded else "",
    )
