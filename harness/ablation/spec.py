"""Ablation specs: a TOML file of axes, rows and data -> rows of options for ``build``.

::

    name = "pooling"                    # file stem of the tables
    detector = "lfm"
    train = "mini-train"                # or train_data and val_data: folders
    suite = "mini"                      # or images: a folder
    seeds = [0, 1, 2]
    reference = "TKP"                   # the row that the others are compared with
    options = { order = "ascending" }   # of every row
    rows = [{ label = "TKP" }, { label = "GAP", pooling = "gap" }]
    grid = ["pooling", "K"]             # and / or every combination of these axes

    [axes.pooling]                      # an axis has levels, the first is the default
    topk = { pooling = "topk" }
    gap = { pooling = "gap" }

    [axes.K]
    16 = { k = 16 }
    4 = { k = 4 }

    [only]
    K = { pooling = ["topk"] }          # K is varied where pooling is topk, nowhere else

    [recipe]                            # what differs from the published recipe
    epochs = 2
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.toml import tomllib

Options = dict[str, object]
Levels = dict[str, Options]
Choice = dict[str, str]

_TEXTS = ("name", "title", "caption", "detector", "reference")
_SOURCES = ("train", "train_data", "val_data", "suite", "images")
_KINDS: dict[str, type] = {
    **dict.fromkeys((*_TEXTS, *_SOURCES), str),
    **dict.fromkeys(("axes", "only", "options", "recipe"), dict),
    **dict.fromkeys(("rows", "grid", "seeds", "footnotes"), list),
}
LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

    Args:
        label: as printed.
        options: for the detector's ``build``.
    """

    label: str
    options: Mapping[str, object]

    @property
    def variant(self) -> str:
        """The options as one text, ``k=4,pooling=topk``: equal texts, equal networks."""
        return ",".join(f"{name}={_plain(self.options[name])}" for name in sorted(self.options))


@dataclass(frozen=True, kw_only=True)
class AblationSpec:
    """What is compared, on which data.

    Args:
        name: file stem of the rendered tables.
        title, caption, footnotes: texts of the table.
        detector: registered name.
        rows: what is trained, in print order.
        reference: label of the row that the others are compared with.
        seeds: of every row.
        recipe: overrides of the published recipe, as in the file.
        train, train_data, val_data: a declared training set, or two folders.
        suite, images: test suites as after ``--suite``, or a folder.
    """

    name: str
    title: str
    caption: str
    detector: str
    rows: tuple[Row, ...]
    reference: str
    seeds: tuple[int, ...]
    recipe: Mapping[str, object]
    footnotes: tuple[str, ...] = ()
    train: str = ""
    train_data: str = ""
    val_data: str = ""
    suite: str = ""
    images: str = ""


def load(path: Path) -> AblationSpec:
    """Reads an ablation spec.

    Raises:
        UsageError: no TOML, an unknown or missing key, an unknown axis or level, a row twice.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"ablation spec {path} cannot be read: {error}") from error
    try:
        return _spec(raw)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error


def checked_seeds(seeds: Iterable[object]) -> tuple[int, ...]:
    """Seeds as different whole numbers from 0 on, at least one; UsageError otherwise."""
    found = tuple(seeds)
    whole = [seed for seed in found if type(seed) is int and seed >= 0]
    if not found or len(set(whole)) < len(found):
        raise UsageError(f"seeds are different whole numbers, 0 or more, got {list(found)}")
    return tuple(whole)


def _spec(raw: dict[str, Any]) -> AblationSpec:
    for key, value in raw.items():
        if key not in _KINDS:
            raise unknown_name("key", key, _KINDS)
        if not isinstance(value, _KINDS[key]):
            raise UsageError(f"{key} is {value!r}, expected a {_KINDS[key].__name__}")
    for key in ("name", "detector"):
        if not raw.get(key):
            raise UsageError(f"it has no {key}", hint=f'{key} = "..."')
    rows = tuple(_Grid(raw).rows())
    labels = [row.label for row in rows]
    reference = raw.get("reference", labels[0])
    if reference not in labels:
        raise unknown_name("reference row", reference, labels)
    texts = {name: raw[name] for name in _SOURCES if name in raw}
    return AblationSpec(
        name=raw["name"],
        title=raw.get("title", raw["name"]),
        caption=raw.get("caption", ""),
        detector=raw["detector"],
        rows=rows,
        reference=reference,
        seeds=checked_seeds(raw.get("seeds", [0])),
        recipe=raw.get("recipe", {}),
        footnotes=tuple(raw.get("footnotes", ())),
        **texts,
    )


class _Grid:
    """The axes of a spec, and the rows that its ``rows`` and ``grid`` make of them."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._base: Options = raw.get("options", {})
        self._axes: dict[str, Levels] = raw.get("axes", {})
        self._only: dict[str, dict[str, list[str]]] = raw.get("only", {})
        self._rows: list[dict[str, Any]] = raw.get("rows", [])
        self._grid: list[str] = raw.get("grid", [])
        self._check_axes()
        self._check_only()

    def rows(self) -> Iterator[Row]:
        """The named rows, then those of the grid that are not among them."""
        named = list(self._named())
        variants = {row.variant for row in named}
        combined = {row.variant: row for row in self._combined() if row.variant not in variants}
        rows = [*named, *combined.values()]
        if not rows:
            raise UsageError("it has no rows", hint="give rows, or a grid of axes")
        if len(variants) < len(named) or len({row.label for row in rows}) < len(rows):
            raise UsageError("two rows have the same label or the same options")
        yield from rows

    def _named(self) -> Iterator[Row]:
        for entry in self._rows:
            if not isinstance(entry, dict) or not entry.get(LABEL):
                raise UsageError(f"row {entry!r}: expected a table with a label")
            label = str(entry[LABEL])
            given = {axis: str(level) for axis, level in entry.items() if axis != LABEL}
            for axis, level in given.items():
                self._require(axis, level)
            choice = self._defaults() | given
            for axis, level in given.items():
                if level != self._default(axis) and not self._applies(axis, choice):
                    raise UsageError(
                        f"row {label!r}: {axis} is not varied here, see [only]",
                        hint=f"leave {axis} out of this row",
                    )
            yield self._row(label, choice)

    def _combined(self) -> Iterator[Row]:
        for axis in self._grid:
            self._require(axis)
        levels = [list(self._axes[axis]) for axis in self._grid]
        for combination in product(*levels) if self._grid else ():
            asked = self._defaults() | dict(zip(self._grid, combination, strict=True))
            choice = {
                axis: level if self._applies(axis, asked) else self._default(axis)
                for axis, level in asked.items()
            }
            shown = [axis for axis in self._grid if self._applies(axis, choice)]
            label = ", ".join(f"{axis} {choice[axis]}" for axis in shown)
            yield self._row(label or "defaults", choice)

    def _row(self, label: str, choice: Choice) -> Row:
        options = dict(self._base)
        for axis, level in choice.items():
            options |= self._axes[axis][level]
        return Row(label=label, options=options)

    def _defaults(self) -> Choice:
        return {axis: self._default(axis) for axis in self._axes}

    def _default(self, axis: str) -> str:
        return next(iter(self._axes[axis]))

    def _applies(self, axis: str, choice: Choice) -> bool:
        conditions = self._only.get(axis, {})
        return all(choice[other] in levels for other, levels in conditions.items())

    def _require(self, axis: str, level: str | None = None) -> None:
        if axis not in self._axes:
            raise unknown_name("axis", axis, self._axes)
        if level is not None and level not in self._axes[axis]:
            raise unknown_name(f"level of {axis}", level, self._axes[axis])

    def _check_axes(self) -> None:
        owners = dict.fromkeys(self._base, "options")
        for axis, levels in self._axes.items():
            if axis == LABEL or not isinstance(levels, dict) or not levels:
                raise UsageError(f"axis {axis!r}: expected levels, a table of options each")
            for level, options in levels.items():
                if not isinstance(options, dict):
                    raise UsageError(f"axis {axis}: level {level} is {options!r}, expected a table")
            for option in {name for options in levels.values() for name in options}:
                owner = owners.setdefault(option, f"the axis {axis}")
                if owner != f"the axis {axis}":
                    raise UsageError(f"the option {option} is set by the axis {axis} and {owner}")

    def _check_only(self) -> None:
        for axis, conditions in self._only.items():
            self._require(axis)
            if not isinstance(conditions, dict):
                raise UsageError(f"only.{axis} is {conditions!r}, expected AXIS = [LEVELS]")
            for other, levels in conditions.items():
                if not isinstance(levels, list):
                    raise UsageError(f"only.{axis}.{other} is {levels!r}, expected a list")
                for level in levels:
                    self._require(other, level)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
