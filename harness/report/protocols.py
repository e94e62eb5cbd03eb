"""How published comparisons were made: ``tables/protocols/*.toml`` as frozen records."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.errors import UsageError, unknown_name
from harness.report.spec import read_toml

DEFAULT = "paper"
"""LFM's: what every run follows that names no other. Its records name none."""


@dataclass(frozen=True, kw_only=True)
class ProtocolSet:
    """One of the sets that a protocol's mean is over.

    Args:
        suite: registered name, which may not exist here yet; "" for one that has no suite.
        name: as printed where there is no suite.
        subsets: those that it is over; () = all.
        each: every subset counts for itself in the mean, instead of their mean once.
        metrics: in place of the protocol's.
    """

    suite: str = ""
    name: str = ""
    subsets: tuple[str, ...] = ()
    each: bool = False
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a published comparison was made.

    Args:
        name: its file's stem.
        title, source, about: what it is, who says so, and how it is made, in words.
        metrics: names in records, the main one first.
        sets: what its mean is over, in order.
        geometry: suite -> preprocess text in place of the published one; ``"*"`` is the default.
        perturbation: suite -> perturbation text; ``"*"`` is the default.
        cannot: what of it cannot be done here, by name.
    """

    name: str
    title: str
    source: str
    about: str
    metrics: tuple[str, ...]
    sets: tuple[ProtocolSet, ...]
    geometry: Mapping[str, str] = field(default_factory=dict)
    perturbation: Mapping[str, str] = field(default_factory=dict)
    cannot: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether it is LFM's."""
        return self.name == DEFAULT

    def lacks(self, suites: Collection[str]) -> tuple[str, ...]:
        """What of it cannot be done, the suites that are not here among it.

        Args:
            suites: the registered ones.
        """
        absent = [each.suite for each in self.sets if each.suite and each.suite not in suites]
        found = [f"{name}: no such suite here yet" for name in dict.fromkeys(absent)]
        return (*self.cannot, *found)


def protocol_names(folder: Path) -> list[str]:
    """The default's, then the others by name."""
    found = sorted(path.stem for path in folder.glob("*.toml"))
    return [DEFAULT, *(name for name in found if name != DEFAULT)]


def load_protocol(folder: Path, name: str) -> Protocol:
    """Reads one.

    Raises:
        UsageError: there is none of that name, or its file has an unknown key or a wrong text.
    """
    if name not in protocol_names(folder):
        raise unknown_name("protocol", name, protocol_names(folder))
    path = folder / f"{name}.toml"
    raw = read_toml(path)
    try:
        sets = tuple(ProtocolSet(**_tuples(each)) for each in raw.pop("sets", []))
        found = Protocol(name=name, sets=sets, **_tuples(raw))
    except TypeError as error:
        raise UsageError(f"{path}: {error}") from error
    for text in found.geometry.values():
        parse(text)
    for text in found.perturbation.values():
        parse_perturbation(text)
    nameless = [each for each in found.sets if not (each.suite or each.name)]
    if nameless or not found.metrics:
        raise UsageError(f"{path}: every set needs a suite or a name, and a protocol a metric")
    return found


def _tuples(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in raw.items()}


def canonical(protocol: Protocol) -> Protocol:
    """The same with its texts as records keep them."""
    return dataclasses.replace(
        protocol,
        geometry={suite: str(parse(text)) for suite, text in protocol.geometry.items()},
        perturbation={
            suite: str(parse_perturbation(text)) for suite, text in protocol.perturbation.items()
        },
    )
