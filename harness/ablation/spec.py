"""Ablation specs: a TOML file of rows of options for a detector's ``build``.

::

    name = "pooling"                    # file stem of the tables
    detector = "lfm"
    train = "mini-train"                # or train_data and val_data: folders
    suite = "mini"                      # or images: a folder
    seeds = [0, 1, 2]
    reference = "TKP"                   # the row that the others are compared with
    options = { order = "ascending" }   # of every row
    rows = [{ label = "TKP", k = 16 }, { label = "GAP", pooling = "gap" }]

    [recipe]                            # what differs from the published recipe
    epochs = 2

Where several options go together, ``[axes]`` names them: an axis has levels, the first is the
default, and rows say levels. ``grid`` adds every combination of some axes.

::

    rows = [{ label = "TKP" }, { label = "GAP", pooling = "gap" }]
    grid = ["pooling", "K"]

    [axes.pooling]
    topk = { pooling = "topk" }
    gap = { pooling = "gap" }

    [axes.K]
    16 = { k = 16 }
    4 = { k = 4 }

    [only]
    K = { pooling = ["topk"] }          # K is varied where pooling is topk, nowhere else
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.report.spec import read_toml

Options = dict[str, object]
Choice = dict[str, str]
"""Axis -> level."""

_KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "title", "caption", "detector", "reference"), str),
    **dict.fromkeys(("train", "train_data", "val_data", "suite", "images"), str),
    **dict.fromkeys(("axes", "only", "options", "recipe"), dict),
    **dict.fromkeys(("rows", "grid", "seeds", "footnotes"), list),
}
_OF_ROWS = ("rows", "grid", "axes", "only", "options")
LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class RowOptions:
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
    caption: str = ""
    detector: str
    rows: tuple[RowOptions, ...]
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
    raw = read_toml(path)
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
    rows = _rows(raw)
    labels = [row.label for row in rows]
    given = {
        "title": raw["name"],
        "reference": labels[0],
        "recipe": {},
        **{key: value for key, value in raw.items() if key not in _OF_ROWS},
        "footnotes": tuple(raw.get("footnotes", ())),
        "seeds": checked_seeds(raw.get("seeds", [0])),
    }
    if given["reference"] not in labels:
        raise unknown_name("reference row", given["reference"], labels)
    return AblationSpec(rows=rows, **given)


def _rows(raw: dict[str, Any]) -> tuple[RowOptions, ...]:
    """The named rows, then those of the grid that are not among them."""
    axes = _Axes(raw.get("axes", {}), raw.get("only", {}), raw.get("options", {}))
    named = [axes.named(entry) for entry in raw.get("rows", [])]
    variants = {row.variant for row in named}
    grid = axes.combined(raw["grid"]) if raw.get("grid") else []
    rows = [*named, *{row.variant: row for row in grid if row.variant not in variants}.values()]
    if not rows:
        raise UsageError("it has no rows", hint="give rows, or a grid of axes")
    if len(variants) < len(named) or len({row.label for row in rows}) < len(rows):
        raise UsageError("two rows have the same label or the same options")
    return tuple(rows)


class _Axes:
    """Axes with their levels, and where each is varied.

    Args:
        levels: axis -> level -> options.
        only: axis -> other axis -> the levels of that at which it is varied.
        base: options of every row.
    """

    def __init__(
        self,
        levels: dict[str, dict[str, Options]],
        only: dict[str, dict[str, list[str]]],
        base: Options,
    ) -> None:
        self.levels, self.only, self.base = levels, only, base
        self._check_levels()
        self._check_only()
        self.defaults: Choice = {axis: next(iter(found)) for axis, found in levels.items()}

    def named(self, entry: object) -> RowOptions:
        """A row of the file: levels of axes or, where there are no axes, options."""
        if not isinstance(entry, dict) or not entry.get(LABEL):
            raise UsageError(f"row {entry!r}: expected a table with a label")
        label = str(entry[LABEL])
        said = {key: value for key, value in entry.items() if key != LABEL}
        if not self.levels:
            return RowOptions(label=label, options={**self.base, **said})
        given = {axis: str(level) for axis, level in said.items()}
        for axis, level in given.items():
            self._require(axis, level)
        choice = self.defaults | given
        for axis, level in given.items():
            if level != self.defaults[axis] and not self._applies(axis, choice):
                raise UsageError(
                    f"row {label!r}: {axis} is not varied here, see [only]",
                    hint=f"leave {axis} out of this row",
                )
        return self._row(label, choice)

    def combined(self, grid: list[str]) -> list[RowOptions]:
        """Every combination of the levels of some axes that makes sense."""
        for axis in grid:
            self._require(axis)
        rows = []
        for combination in product(*(self.levels[axis] for axis in grid)):
            asked = self.defaults | dict(zip(grid, combination, strict=True))
            choice = {
                axis: level if self._applies(axis, asked) else self.defaults[axis]
                for axis, level in asked.items()
            }
            shown = [f"{axis} {choice[axis]}" for axis in grid if self._applies(axis, choice)]
            rows.append(self._row(", ".join(shown) or "defaults", choice))
        return rows

    def _row(self, label: str, choice: Choice) -> RowOptions:
        options = dict(self.base)
        for axis, level in choice.items():
            options |= self.levels[axis][level]
        return RowOptions(label=label, options=options)

    def _applies(self, axis: str, choice: Choice) -> bool:
        return all(choice[other] in levels for other, levels in self.only.get(axis, {}).items())

    def _require(self, axis: str, level: str | None = None) -> None:
        if axis not in self.levels:
            raise unknown_name("axis", axis, self.levels)
        if level is not None and level not in self.levels[axis]:
            raise unknown_name(f"level of {axis}", level, self.levels[axis])

    def _check_levels(self) -> None:
        owners = dict.fromkeys(self.base, "options")
        for axis, levels in self.levels.items():
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
        for axis, conditions in self.only.items():
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
