"""Files of scores that something else made: CSV, TSV, JSON Lines or Parquet, a row an image.

What a column means is taken from its name where that leaves no doubt, and from a flag elsewhere.
What is absent is absent: a cell without a value is an image without a score, never 0.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.columns import GROUPS, IDS, LABELS, UNITS, label_of
from harness.errors import DataError, UsageError, printable

SCORES = ("score", "prob", "probability", "prob_fake", "p_fake", "logit")
"""Names of columns that hold a score where that leaves no doubt."""
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
NAMED = 3
"""Lines named before the rest is counted."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class ScoreColumns:
    """What a person says of a score file's columns; "" = as their names say.

    Args:
        id: names the image.
        scores: each holds the scores of one detector.
        pattern: of such columns, with ``*`` and ``?``.
        label: says which are fake; group: names the subset; unit: what is not independent.
        fake: the value of the label that means fake; every other one then means real.
        where: (column, value): only rows with this value are read.
    """

    id: str = ""
    scores: tuple[str, ...] = ()
    pattern: str = ""
    label: str = ""
    group: str = ""
    unit: str = ""
    fake: str = ""
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """A file of scores, as it says them.

    Args:
        place: the file, as it was given.
        word: what its rows are counted by, ``line`` or ``row``.
        lines: (N,) the number of each row.
        ids: (N,) names of images.
        scores: column -> (N,) float64, NaN where a row has none.
        labels: (N,) 0 real, 1 fake, None where the cell is empty; empty without such a column.
        groups: (N,) names of subsets; empty without such a column.
        units: (N,) what is not independent; empty without such a column.
        unit: that column's name, "" without one.
    """

    place: str
    word: str
    lines: Sequence[int]
    ids: Sequence[str]
    scores: Mapping[str, Floats]
    labels: Sequence[int | None] = ()
    groups: Sequence[str] = ()
    units: Sequence[str] = ()
    unit: str = ""

    def at(self, rows: Iterable[int]) -> str:
        """``scores.csv, lines 3, 8, 9 and 4 more``: where rows (counted from 0) stand."""
        return f"{self.place}, {said(self.word, [self.lines[row] for row in rows])}"


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """A file's cells: name of a column -> its values, and the number of each row."""

    place: str
    word: str
    lines: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def text(self, column: str, row: int) -> str:
        return _text(self.columns[column][row])


def said(word: str, numbers: Sequence[int]) -> str:
    """``line 3``, or ``lines 3, 8, 9 and 4 more``."""
    shown = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{word}{'s' if len(numbers) > 1 else ''} {shown}{more}"


def read_scores(place: str, asked: ScoreColumns) -> ScoreFile:
    """Reads a file of scores.

    Args:
        place: a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file.
        asked: what its columns mean.

    Raises:
        UsageError: the ending is another one, a column is absent, or what one means is not clear.
        DataError: the file cannot be read or has no rows; or a cell holds no number, a number that
            is not finite, no id, no group, or a label that is not clear. Says in which lines.
    """
    cells = _cells(place)
    _refuse_empty(cells, "no rows")
    cells = _chosen(cells, asked.where)
    ids = _column(cells, "id", asked.id, IDS, first=True)
    label = _column(cells, "label", asked.label, LABELS, needed=False)
    group = _column(cells, "group", asked.group, GROUPS, needed=False, first=True)
    unit = _column(cells, "unit", asked.unit, UNITS, needed=False, first=True)
    scores = {name: _scores(cells, name) for name in _score_columns(cells, asked)}
    units = _texts(cells, unit) if unit else []
    return ScoreFile(
        place=cells.place,
        word=cells.word,
        lines=cells.lines,
        ids=_texts(cells, ids, "id"),
        scores=scores,
        labels=_labels(cells, label, asked.fake) if label else (),
        groups=_texts(cells, group, "group") if group else (),
        units=units if any(units) else (),
        unit=unit if any(units) else "",
    )


# --- what its columns mean ------------------------------------------------------------------------


def _column(
    cells: _Cells,
    what: str,
    asked: str,
    obvious: Sequence[str],
    *,
    needed: bool = True,
    first: bool = False,
) -> str:
    """The column of this meaning, "" where there is none and none is needed.

    Args:
        first: of several obvious ones the first is meant; else it is not clear which one is.
    """
    if asked:
        if asked not in cells.columns:
            raise _no_column(cells, f"no column {asked}", f"--{what} COLUMN")
        return asked
    found = [name for name in obvious if name in cells.columns]
    if len(found) == 1 or (found and first) or not (found or needed):
        return found[0] if found else ""
    doubt = f"which column holds the {what} is not clear"
    raise _no_column(cells, doubt if found else f"no column for the {what}", f"--{what} COLUMN")


def _score_columns(cells: _Cells, asked: ScoreColumns) -> list[str]:
    for name in asked.scores:
        _column(cells, "score", name, ())
    names = list(asked.scores)
    if asked.pattern:
        found = [name for name in cells.columns if fnmatchcase(name, asked.pattern)]
        if not found:
            raise _no_column(cells, f"no column {asked.pattern}", "--scores 'PATTERN'")
        names += found
    return list(dict.fromkeys(names)) or [_column(cells, "score", "", SCORES)]


def _no_column(cells: _Cells, problem: str, hint: str) -> UsageError:
    names = list(cells.columns)
    if len(names) == 1 and ";" in names[0]:
        hint = "it is separated by semicolons: save it with commas, or with tabs as .tsv"
    return UsageError(f"{cells.place}: {problem}; columns: {', '.join(names)}", hint=hint)


def _chosen(cells: _Cells, where: Sequence[tuple[str, str]]) -> _Cells:
    """The rows that are asked for."""
    rows: Sequence[int] = range(len(cells.lines))
    for column, value in where:
        if column not in cells.columns:
            raise _no_column(cells, f"no column {column}", "--where COLUMN=VALUE")
        kept = [row for row in rows if cells.text(column, row) == value]
        if not kept:
            values = sorted({cells.text(column, row) for row in rows})
            raise DataError(
                f"{cells.place}: no row has {column} {value!r}; there are "
                f"{', '.join(values[:10])}{' and more' if len(values) > 10 else ''}",
                hint=f"--where {column}={values[0]}",
            )
        rows = kept
    if not where:
        return cells
    return _Cells(
        place=cells.place,
        word=cells.word,
        lines=[cells.lines[row] for row in rows],
        columns={name: [values[row] for row in rows] for name, values in cells.columns.items()},
    )


# --- what its cells hold --------------------------------------------------------------------------


def _text(cell: object) -> str:
    if cell is None or cell != cell:  # NaN: a table's empty cell
        return ""
    return printable(int(cell) if isinstance(cell, bool) else cell).strip()


def _texts(cells: _Cells, column: str, needed: str = "") -> list[str]:
    """A column as text; DataError where a needed one is empty."""
    found = [_text(cell) for cell in cells.columns[column]]
    empty = [number for number, text in zip(cells.lines, found, strict=True) if not text]
    if needed and empty:
        raise DataError(
            f"{cells.place}, {said(cells.word, empty)}: no {needed} in column {column}",
            hint=f"fill it in, or name another column: --{needed} COLUMN",
        )
    return found


def _scores(cells: _Cells, column: str) -> Floats:
    found, wrong, infinite = [], [], []
    for number, cell in zip(cells.lines, cells.columns[column], strict=True):
        try:
            value = _number(cell)
        except (TypeError, ValueError):
            wrong.append((number, cell))
            continue
        if value is not None and not math.isfinite(value):
            infinite.append((number, cell))
        found.append(math.nan if value is None else value)
    for bad, problem in ((wrong, "is no number"), (infinite, "is not finite")):
        if bad:
            lines = said(cells.word, [number for number, _ in bad])
            raise DataError(
                f"{cells.place}, {lines}: {column} {_text(bad[0][1]) or bad[0][1]!r} {problem}",
                hint="a score is a number with a decimal point; an image without a score has an "
                "empty cell",
            )
    return np.array(found, dtype=np.float64)


def _number(cell: Any) -> float | None:
    """A score; None for an empty cell.

    Raises:
        TypeError, ValueError: it is no number.
    """
    if cell is None:
        return None
    if isinstance(cell, bool):
        raise ValueError(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if "_" in text:  # Python would read 1_0 as ten
            raise ValueError(cell)
        return float(text) if text else None
    return float(cell)


_AS_INTEGERS = {"1.0": "1", "0.0": "0"}
_AS_WORDS = {"true": "1", "false": "0"}
"""In a column that is called fake or is_fake."""


def _labels(cells: _Cells, column: str, fake: str) -> list[int | None]:
    words = _AS_INTEGERS | (_AS_WORDS if column in ("fake", "is_fake") else {})
    known: dict[str, int | None] = {"": None}
    found = []
    for row, number in enumerate(cells.lines):
        text = cells.text(column, row)
        if text not in known:
            value = text if fake else words.get(text.casefold(), text)
            known[text] = label_of(f"{cells.place}, {cells.word} {number}", value, fake)
        found.append(known[text])
    if fake and 1 not in known.values():
        values = ", ".join(sorted(filter(None, known)))
        raise UsageError(
            f"{cells.place}: no {column} is {fake!r}; there are {values}",
            hint="--fake-label VALUE, one of these",
        )
    return found


def _refuse_empty(cells: _Cells, problem: str) -> None:
    if not cells.lines:
        names = ", ".join(cells.columns) or "none"
        raise DataError(
            f"{cells.place}: {problem}; columns: {names}",
            hint="a row an image: its id, its score and, unless --suite knows them, its label",
        )


# --- the files ------------------------------------------------------------------------------------


def _cells(place: str) -> _Cells:
    ending, name = Path(place).suffix.lower(), printable(place)
    if ending not in ENDINGS:
        raise UsageError(
            f"{name}: a file of scores ends in {', '.join(ENDINGS)}", hint="save it as one of these"
        )
    try:
        if ending == ".parquet":
            return _parquet(place, name)
        if ending in (".csv", ".tsv"):
            return _separated(place, name, "," if ending == ".csv" else "\t")
        return _json_lines(place, name)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8: {error}", hint="save it as UTF-8 text") from error
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{name}: cannot be read as a file of scores: {error}") from error


def _parquet(place: str, name: str) -> _Cells:
    table = pq.read_table(place)
    columns = {key: table.column(key).to_pylist() for key in table.column_names}
    return _Cells(place=name, word="row", lines=list(range(1, table.num_rows + 1)), columns=columns)


def _separated(place: str, name: str, separator: str) -> _Cells:
    cells = _Cells(place=name, word="line")
    with Path(place).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        header = [each.strip() for each in next(reader, [])]
        repeated = sorted({each for each in header if header.count(each) > 1})
        if repeated:
            raise DataError(
                f"{name}: two columns are called {repeated[0]!r}", hint="rename one of them"
            )
        rows = []
        for row in reader:
            if not row:  # a blank line
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{name}, line {reader.line_num}: {len(row)} cells, the header has "
                    f"{len(header)}",
                    hint='a text with a comma in it stands in quotes: "a,b"',
                )
            cells.lines.append(reader.line_num)
            rows.append(row)
    columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in header)
    cells.columns.update(zip(header, columns, strict=True))
    return cells


def _json_lines(place: str, name: str) -> _Cells:
    cells = _Cells(place=name, word="line")
    rows = []
    with Path(place).open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{name}, line {number}: no JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{name}, line {number}: no JSON object",
                    hint='a line is like {"id": "a.png", "score": 0.5}',
                )
            cells.lines.append(number)
            rows.append(row)
    for column in dict.fromkeys(key for row in rows for key in row):
        cells.columns[column] = [row.get(column) for row in rows]
    return cells
