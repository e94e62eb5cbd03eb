"""Published numbers of others: ``tables/references/NAME``, each value with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import SchemaError, unknown_name
from harness.report.printed import reading
from harness.report.spec import read_toml

PAPER = "paper"
"""The reference whose tables are printed; it has its own form, :mod:`harness.report.printed`."""
ABOUT = "reference.toml"
PUBLISHED = "published"
"""In place of a label: the method's published weights, and which file is not said."""
METRICS = {
    "ACC": "acc",
    "AP": "ap",
    "balanced ACC": "balanced_acc",
    "real ACC": "real_acc",
    "fake ACC": "fake_acc",
}
"""Metric of a reference -> its name in records."""
MEAN = "mean"
Kind = Literal["published", "rerun", "reports"]


@dataclass(frozen=True, kw_only=True)
class ReferenceValue:
    """One number of a reference, in percent, named as the reference names it.

    Args:
        suite, subset, method, metric: where it stands; ``mean`` is the mean over a suite.
        value: the number.
        weights: label of the weights that made it, ``published`` where only that is said, other
            words for weights that are nobody's published ones; "" where nothing is said.
        source: where it is printed.
        certainty: how sure its reading is, as in the paper's files.
        note: what else is said of it.
    """

    suite: str
    subset: str
    method: str
    metric: str
    value: float
    weights: str
    source: str
    certainty: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """All numbers of one reference.

    Args:
        name: its folder's.
        title: as printed.
        kind: ``published`` (the authors of a method or a set), ``rerun`` (others ran it again), or
            ``reports`` (single users': shown, and never a reason for a status).
        protocol: how its numbers were made, by name.
        about: what must be known of all of them.
        suites, methods: its names -> registered names here, which may not exist here yet.
        subsets: its suite -> its subset -> ours, where names differ by more than their spelling.
        apart: its suite -> why its numbers are of other images than ours.
        values: in the order of its files.
    """

    name: str
    title: str
    kind: Kind
    protocol: str
    about: str
    suites: Mapping[str, str]
    methods: Mapping[str, str]
    subsets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    apart: Mapping[str, str] = field(default_factory=dict)
    values: tuple[ReferenceValue, ...] = ()


def reference_names(folder: Path) -> list[str]:
    """The paper's, then those of the others by name."""
    found = sorted(path.parent.name for path in folder.glob(f"*/{ABOUT}"))
    return [PAPER, *found]


def load_references(folder: Path) -> list[Reference]:
    """All of them but the paper's; raises as :func:`load_reference`."""
    return [load_reference(folder, name) for name in reference_names(folder) if name != PAPER]


def load_reference(folder: Path, name: str) -> Reference:
    """Reads ``reference.toml`` and every CSV file beside it.

    Raises:
        UsageError: there is no such reference.
        SchemaError: a file is damaged, or has a key or a metric that is not known.
    """
    known = reference_names(folder)
    if name not in known or name == PAPER:
        raise unknown_name("reference", name, known)
    about = folder / name / ABOUT
    try:
        found = Reference(
            name=name,
            values=tuple(
                value for path in sorted((folder / name).glob("*.csv")) for value in _values(path)
            ),
            **read_toml(about),
        )
    except TypeError as error:
        raise SchemaError(f"{about}: {error}") from error
    if found.kind not in get_args(Kind):
        raise SchemaError(f"{about}: kind {found.kind!r}, expected one of {get_args(Kind)}")
    return found


def alike(names: Mapping[str, Any] | list[str], wanted: str) -> str | None:
    """The name that is ``wanted`` but for case, blanks and punctuation; None where none is."""
    return next((name for name in names if _bare(name) == _bare(wanted)), None)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _values(path: Path) -> list[ReferenceValue]:
    with reading(path) as rows:
        found = [ReferenceValue(**{**row, "value": float(row["value"])}) for row in rows]  # type: ignore[arg-type]
        for value in found:
            if value.metric not in METRICS:
                raise ValueError(f"metric {value.metric!r}, known: {', '.join(METRICS)}")
        return found
