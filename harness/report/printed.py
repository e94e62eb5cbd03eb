"""The paper's own numbers: ``tables/references/paper/*.csv``, each with how sure its reading is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

from harness.errors import SchemaError
from harness.installed import restore_hint

Certainty = Literal["exact", "repaired", "ambiguous"]
TABLES = ("forensynths", "gangen", "diffusion", "ufd", "summary")
_CERTAINTIES = ("exact", "repaired", "ambiguous")


@dataclass(frozen=True, kw_only=True)
class PaperValue:
    """One printed number.

    Args:
        value: as read and, where the scan was damaged, repaired (percent, 10^9 or 10^6).
        printed: the characters of the scan.
        source: where it is printed.
        certainty: ``exact``; ``repaired`` (only one reading makes sense); ``ambiguous``.
        note: the evidence for the reading.
    """

    value: float
    printed: str
    source: str
    certainty: Certainty
    note: str

    @cached_property
    def as_printed(self) -> float:
        """The scan's own number (``743`` is 74.3) where the reading departs from it."""
        if self.certainty != "ambiguous":
            return self.value
        number = float(self.printed.removesuffix("B").removesuffix("M"))
        return number if "." in self.printed else number / 10

    @property
    def digits_changed(self) -> bool:
        """The repair put in other digits than the scan's (more than a lost decimal point)."""
        printed, value = (re.sub(r"\D", "", text) for text in (self.printed, f"{self.value:g}"))
        return printed.rstrip("0") != value.rstrip("0")


CellKey = tuple[str, str, str, str]
"""(table, method, column, metric)."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A number from outside the paper that explains one of the paper's."""

    method: str
    quantity: str
    counter: str
    value: float
    source: str


@dataclass(frozen=True)
class Paper:
    """All of the paper's tables.

    Args:
        cells: every printed number, in the paper's order.
        facts: numbers from elsewhere, for explanations.
    """

    cells: Mapping[CellKey, PaperValue]
    facts: tuple[Fact, ...]

    def get(self, table: str, method: str, column: str, metric: str) -> PaperValue | None:
        """The printed number, or None where the paper prints none."""
        return self.cells.get((table, method, column, metric))

    def value(self, table: str, method: str, column: str, metric: str) -> float:
        """The value of a number that must exist; KeyError names the cell."""
        return self.cells[table, method, column, metric].value

    def methods(self, table: str) -> list[str]:
        """Row names of a table, in the paper's order."""
        return list(dict.fromkeys(key[1] for key in self.cells if key[0] == table))

    def columns(self, table: str) -> list[str]:
        """Column names of a table, in the paper's order."""
        return list(dict.fromkeys(key[2] for key in self.cells if key[0] == table))

    def facts_of(self, method: str, quantity: str) -> dict[str, Fact]:
        """Counter -> fact."""
        return {
            fact.counter: fact
            for fact in self.facts
            if (fact.method, fact.quantity) == (method, quantity)
        }


def load_paper(folder: Path) -> Paper:
    """Reads ``<table>.csv``, ``cost.csv`` and ``facts.csv``.

    Raises:
        SchemaError: a file is absent or damaged; names file and line.
    """
    cells: dict[CellKey, PaperValue] = {}
    for table in TABLES:
        with reading(folder / f"{table}.csv") as rows:
            for row in rows:
                key = (table, row["method"], row["subset"], row["metric"])
                if key in cells:
                    raise ValueError(f"{key} is there twice")
                cells[key] = _value(row, row["value"], row["printed"])
    with reading(folder / "cost.csv") as rows:
        for row in rows:
            for metric, unit in (("flops", "B"), ("params", "M")):
                number = row[metric].removesuffix(unit)
                key = ("summary", row["method"], "cost", metric)
                cells[key] = _value(row, number, row[f"{metric}_printed"])
    with reading(folder / "facts.csv") as rows:
        facts = tuple(
            Fact(
                method=row["method"],
                quantity=row["quantity"],
                counter=row["counter"],
                value=float(row["value"]),
                source=row["source"],
            )
            for row in rows
        )
    return Paper(cells, facts)


def _value(row: dict[str, str], value: str, printed: str) -> PaperValue:
    if row["certainty"] not in _CERTAINTIES:
        raise ValueError(f"certainty {row['certainty']!r}, expected one of {_CERTAINTIES}")
    return PaperValue(
        value=float(value),
        printed=printed,
        source=row["source"],
        certainty=cast(Certainty, row["certainty"]),
        note=row["note"],
    )


@contextmanager
def reading(path: Path) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a CSV file by its header.

    Raises:
        SchemaError: absent, or the block finds a row damaged; names file and line.
    """
    if not path.is_file():
        raise SchemaError(f"{path}: absent", hint=restore_hint(path))
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            yield reader
        except (KeyError, ValueError, csv.Error) as error:
            raise SchemaError(
                f"{path}, line {reader.line_num}: {type(error).__name__}: {error}"
            ) from error
