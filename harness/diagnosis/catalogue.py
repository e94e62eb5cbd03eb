"""The catalogue: every known condition that can be tried on a row, family by family."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.diagnosis import (
    codec_family,
    decoding_family,
    geometry_family,
    image_family,
    label_family,
    metric_family,
    network_family,
    normalisation_family,
    table_family,
    weights_family,
)
from harness.diagnosis.condition import Absent, Condition, RowFacts
from harness.errors import UsageError

Entries = Callable[[RowFacts], Iterator[Condition | Absent]]

FAMILIES: dict[str, Entries] = {
    "metric": metric_family.conditions,
    "labels": label_family.conditions,
    "images": image_family.conditions,
    "table": table_family.conditions,
    "geometry": geometry_family.conditions,
    "decoding": decoding_family.conditions,
    "codec": codec_family.conditions,
    "normalisation": normalisation_family.conditions,
    "network": network_family.conditions,
    "weights": weights_family.conditions,
}
"""Name -> what it has for a row. Those that are free stand first."""


def catalogue(
    about: RowFacts, families: frozenset[str] = frozenset()
) -> tuple[list[Condition], list[Absent]]:
    """What can be tried on a row, and what cannot.

    Args:
        about: the row.
        families: those to look at, none = all.

    Raises:
        UsageError: a family is not known.
    """
    unknown = families - set(FAMILIES)
    if unknown:
        raise UsageError(
            f"no family {', '.join(sorted(unknown))}", hint=f"known: {', '.join(FAMILIES)}"
        )
    conditions: dict[str, Condition] = {}
    absent: list[Absent] = []
    for name, entries in FAMILIES.items():
        if families and name not in families:
            continue
        for entry in entries(about):
            if isinstance(entry, Absent):
                absent.append(entry)
            else:
                conditions.setdefault(entry.name, entry)
    return list(conditions.values()), absent
