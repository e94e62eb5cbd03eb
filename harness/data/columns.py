"""Tables of images as one's own data: Parquet files, and data sets as Hugging Face saves them.

What a column means is taken from its name where that leaves no doubt, and from a flag elsewhere; it
is never guessed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.api import FAKE, REAL
from harness.data.remote import is_url, path_of, shown_place
from harness.data.sample import Sample
from harness.data.tables import (
    ENDINGS,
    ImageTable,
    RowSource,
    column_in_doubt,
    image_column,
    image_columns,
    open_table,
)
from harness.errors import DataError, UsageError, printable

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("0", "real", "human", "natural", "nature", "authentic"), REAL),
    **dict.fromkeys(("1", "fake", "ai", "generated", "synthetic", "artificial", "deepfake"), FAKE),
}
"""What labels are called where that leaves no doubt; letter case does not matter."""

LABELS = ("label", "labels", "is_fake", "fake")
IDS = ("id", "path", "image_path", "image_name", "file_name", "filename", "key")
GROUPS = ("group", "subset")
UNITS = ("unit", "photo", "video")
"""Names of columns that say what they hold; of units the first that is there."""
REALS = "reals"
"""The column that names, for a group of fakes, the group that holds its reals."""

_DATASET, _DICT = "dataset_info.json", "dataset_dict.json"
_SHARD = re.compile(r"(.*?)-?\d{5}-of-\d{5}$|(.*?)[-_.]\d{3,}$")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a person says of a table's columns; "" = as their names say.

    Args:
        image: holds the encoded images.
        label: says which are fake.
        group: names the subset.
        fake: the value of the label that means fake; every other one then means real.
    """

    image: str = ""
    label: str = ""
    group: str = ""
    fake: str = ""


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """One file of a set: what its ids begin with, and the subset that it is of."""

    file: str
    name: str
    subset: str


def table_files(place: str) -> list[TableFile]:
    """The files of a table of images, in order; none where a path (or URL) is no such table.

    A Parquet file without an image column is a list of images, and no table of them.
    """
    path = Path(path_of(place))
    if is_url(place) or path.is_file():
        if path.suffix.lower() not in ENDINGS or not image_columns(open_table(place).schema):
            return []
        return [TableFile(file=place, name=path.stem, subset=path.stem)]
    if (path / _DICT).is_file():
        splits = json.loads((path / _DICT).read_text(encoding="utf-8"))["splits"]
        return [replace(f, subset=s) for s in splits for f in table_files(str(path / s))]
    if (path / _DATASET).is_file():
        return [
            TableFile(file=str(file), name=file.stem, subset=path.name)
            for file in sorted(path.glob("*.arrow"))
        ]
    found = sorted(path.rglob("*.parquet")) if path.is_dir() else []
    return [
        TableFile(
            file=str(file),
            name=file.relative_to(path).with_suffix("").as_posix(),
            subset=shard_name(file.stem) or path.name,
        )
        for file in found
    ]


def shard_name(stem: str) -> str:
    """``test`` of ``test-00000-of-00004``; the stem itself where no number follows."""
    found = _SHARD.fullmatch(stem)
    return next((part for part in found.groups() if part is not None), "") if found else stem


def table_samples(files: Sequence[TableFile], columns: Columns) -> list[Sample]:
    """Every image of a table's files.

    Raises:
        DataError: a column is absent or its meaning in doubt, or a cell holds what it must not.
    """
    samples: list[Sample] = []
    for each in files:
        samples += _of_file(each, columns)
    ids = Counter((sample.subset, sample.id) for sample in samples)
    if ids and max(ids.values()) > 1:  # file names that repeat tell nothing apart
        return [
            replace(sample, id=f"{file.name}::row={row}")
            for file, row, sample in _with_rows(files, samples)
        ]
    return samples


def _with_rows(
    files: Sequence[TableFile], samples: Sequence[Sample]
) -> Iterator[tuple[TableFile, int, Sample]]:
    by_file = {each.file: each for each in files}
    for sample in samples:
        assert isinstance(sample.source, RowSource)
        yield by_file[sample.source.file], sample.source.row, sample


def _of_file(each: TableFile, columns: Columns) -> Iterator[Sample]:
    table = open_table(each.file)
    image = image_column(each.file, columns.image)
    label = _named("label", columns.label, LABELS, table, each.file)
    group = _named("group", columns.group, GROUPS, table, each.file, needed=False)
    unit = next((name for name in UNITS if name in table.schema.names), "")
    ids = next((name for name in IDS if name in table.schema.names), "")
    reals = REALS if REALS in table.schema.names else ""
    wanted = [*dict.fromkeys(filter(None, (label, group, unit, ids, reals)))]
    cells = {name: table.columns([name]).column(name).to_pylist() for name in wanted}
    paths = _paths(table, image) if not ids else cells[ids]
    labels = _labels(each.file, label, cells[label], _class_names(table, label), columns.fake)
    for row in range(table.rows):
        name = paths[row] if paths[row] else f"{each.name}::row={row}"
        yield Sample(
            id=printable(name),
            label=labels[row],
            source=RowSource(each.file, row, image),
            unit=_text(cells[unit][row]) if unit else "",
            subset=(_text(cells[group][row]) if group else "") or each.subset,
            reals=_text(cells[reals][row]) if reals and labels[row] == FAKE else "",
        )


def _named(
    what: str,
    asked: str,
    obvious: Sequence[str],
    table: ImageTable,
    file: str,
    *,
    needed: bool = True,
) -> str:
    """The column of this meaning, "" where there is none and none is needed."""
    names = table.schema.names
    if asked:
        if asked not in names:
            raise column_in_doubt(file, what, asked, names)
        return asked
    found = [name for name in obvious if name in names]
    if len(found) == 1 or (not found and not needed):
        return found[0] if found else ""
    raise column_in_doubt(file, what, "", found or names)


def _paths(table: ImageTable, image: str) -> list[str | None]:
    """The names that an image struct keeps."""
    kind = table.schema.field(image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * table.rows
    column = table.columns([image]).column(image)
    import pyarrow.compute as pc  # here: it takes a while to import

    return list(pc.struct_field(column, "path").to_pylist())


def _labels(
    file: str, column: str, cells: Sequence[Any], names: Sequence[str], fake: str
) -> list[int]:
    """The label of each row; ``names`` are those of the classes, where the table has some."""
    known: dict[Any, int] = {}
    found = []
    for row, cell in enumerate(cells):
        if cell not in known:
            place = f"{shown_place(file)}::row={row}"
            known[cell] = label_of(place, _named_class(cell, names), fake)
        found.append(known[cell])
    if fake and FAKE not in known.values():
        values = ", ".join(sorted({_named_class(cell, names) for cell in known}))
        raise UsageError(f"{shown_place(file)}: no {column} is {fake!r}; there are {values}")
    return found


def label_of(place: str, value: str, fake: str) -> int:
    """What a label means.

    Args:
        place: where it stands, for messages.
        value: the label as text.
        fake: the value that means fake, every other one meaning real; "" = as words say.

    Raises:
        DataError: that is not clear.
    """
    if not value:
        raise DataError(f"{place}: no label")
    if fake:
        return FAKE if value.casefold() == fake.casefold() else REAL
    label = WORDS.get(value.casefold())
    if label is None:
        raise DataError(
            f"{place}: whether label {value!r} means real or fake is not clear",
            hint="--fake-label VALUE says which value is fake; every other one is then real",
        )
    return label


def _named_class(cell: object, names: Sequence[str]) -> str:
    """A cell as text: the class's name where the table declares names."""
    if isinstance(cell, bool):
        return str(int(cell))
    if names and isinstance(cell, int) and 0 <= cell < len(names):
        return names[cell]
    return _text(cell)


def _class_names(table: ImageTable, column: str) -> list[str]:
    """Names of the classes of a label column, as Hugging Face keeps them with a table."""
    raw = (table.schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        return [str(name) for name in features.get(column, {}).get("names", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _text(cell: object) -> str:
    return "" if cell is None or cell != cell else printable(cell)
