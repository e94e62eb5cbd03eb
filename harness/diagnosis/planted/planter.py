"""A planter: how the fault that a condition's name says is made by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.diagnosis.planted.world import PlantedFault


@dataclass(frozen=True, kw_only=True)
class Planter:
    """Makes the faults of a family whose names have one form.

    Args:
        family: of conditions.
        pattern: of a whole name; its groups are given to ``make``.
        make: -> the fault.
    """

    family: str
    pattern: str
    make: Callable[..., PlantedFault]


def fault_of(planters: Iterable[Planter], family: str, name: str) -> PlantedFault | None:
    """The fault of a condition's name; None where no planter makes it."""
    for planter in planters:
        found = re.fullmatch(planter.pattern, name) if planter.family == family else None
        if found is not None:
            return planter.make(*found.groups())
    return None
