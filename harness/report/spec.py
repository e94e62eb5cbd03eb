"""Table specs: ``tables/specs/*.toml`` as frozen records; an unknown key is an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from harness.errors import UsageError
from harness.toml import tomllib

Kind = Literal["paper", "summary", "mini"]
Over = Literal["subset", "suite", "all-subsets", "all-sets", "flops", "params"]
Role = Literal["", "trivial", "control"]
_KINDS = ("paper", "summary", "mini")
_OVERS = ("subset", "suite", "all-subsets", "all-sets", "flops", "params")
_ROLES = ("", "trivial", "control")


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A column of a table that has a paper counterpart.

    Args:
        paper: its name in ``tables/references/paper/*.csv``; "" where the paper prints no such
            column.
        title: as printed; "" = ``paper``.
        over: what our number is taken over: one ``subset``, the mean of a ``suite``, the mean over
            ``all-subsets`` or over ``all-sets`` of the paper, or a cost (``flops``, ``params``).
        suite: suite name; "" = the table's.
        subset: subset name where ``over`` is ``subset``.
    """

    paper: str = ""
    title: str = ""
    over: Over = "subset"
    suite: str = ""
    subset: str = ""


@dataclass(frozen=True, kw_only=True)
class SetSpec:
    """A column of a mini table: one set of images, or the plain mean over several.

    Args:
        title: as printed.
        group: header above it.
        sets: subset names; their plain mean is the column.
        seen: the training generator is among the sets (in-domain, no generalisation).
        fakes: the sets hold fakes beside the reals; False for controls.
        reals: the column is the real photographs that all fake sets share.
    """

    title: str
    group: str = ""
    sets: tuple[str, ...]
    seen: bool = False
    fakes: bool = True
    reals: bool = False


@dataclass(frozen=True, kw_only=True)
class RowSpec:
    """A row: the paper's name for it, and ours.

    Args:
        paper: name in ``tables/references/paper/*.csv``; "" in mini tables.
        detector: registered name.
        role: ``trivial`` and ``control`` rows are marked as references, not as methods.
    """

    paper: str = ""
    detector: str
    role: Role = ""


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table.

    Args:
        name: file stem in ``tables/out``.
        title, caption: texts.
        kind: ``paper`` (one suite), ``summary`` (five suites and cost) or ``mini``.
        suite: suite name ("" for the summary).
        paper: stem of the CSV with the paper's numbers ("" for mini).
        metrics: as in the CSV, in print order.
        columns: for paper and summary.
        sets: for mini.
        rows: in print order.
        others: whether detectors that ``rows`` do not name get a row when they were run (mini).
        compare: two detectors (mini) about which a statement is computed.
        footnotes: fixed texts below the table.
    """

    name: str
    title: str
    caption: str
    kind: Kind
    suite: str = ""
    paper: str = ""
    metrics: tuple[str, ...] = ()
    columns: tuple[ColumnSpec, ...] = ()
    sets: tuple[SetSpec, ...] = ()
    rows: tuple[RowSpec, ...] = ()
    others: bool = True
    compare: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()

    def suites(self) -> tuple[str, ...]:
        """Suites whose records it shows, in column order."""
        named = [column.suite or self.suite for column in self.columns if column.over != "flops"]
        return tuple(dict.fromkeys(name for name in (*named, self.suite) if name))


_Record = TypeVar("_Record")
_NESTED: Mapping[str, type[Any]] = {"columns": ColumnSpec, "sets": SetSpec, "rows": RowSpec}
_CHOICES: Mapping[str, tuple[str, ...]] = {"kind": _KINDS, "over": _OVERS, "role": _ROLES}


def load_specs(folder: Path) -> list[TableSpec]:
    """Every ``*.toml`` of a folder, sorted by file name.

    Raises:
        UsageError: a file is no TOML, has an unknown or missing key, or a wrong choice.
    """
    return [load_spec(path) for path in sorted(folder.glob("*.toml"))]


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; UsageError where there is none, or it is no TOML."""
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return found
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read, not TOML: {error}") from error


def load_spec(path: Path) -> TableSpec:
    """Reads one spec; see :func:`load_specs`."""
    raw = read_toml(path)
    for key, record in _NESTED.items():
        entries = raw.get(key, [])
        raw[key] = tuple(_build(record, entry, f"{path}: {key}") for entry in entries)
    spec = _build(TableSpec, raw, str(path))
    if spec.name != path.stem:
        raise UsageError(f"{path}: name {spec.name!r}, expected the file's stem {path.stem!r}")
    return spec


def _build(record: type[_Record], raw: object, where: str) -> _Record:
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: got {raw!r}, expected a table of keys")
    fields = {field.name: field for field in dataclasses.fields(cast(Any, record))}
    unknown = sorted(set(raw) - set(fields))
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r}, known: {', '.join(fields)}")
    for key, choices in _CHOICES.items():
        if key in fields and key in raw and raw[key] not in choices:
            raise UsageError(f"{where}: {key} {raw[key]!r}, expected one of {choices}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    try:
        return record(**values)
    except TypeError as error:
        raise UsageError(f"{where}: {error}") from error
