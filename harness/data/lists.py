"""One's own images as a list: a CSV or Parquet file with a place and a label a row."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from harness.api import FAKE
from harness.data.adapters import refuse_duplicates
from harness.data.columns import REALS, UNITS, WORDS
from harness.data.named import Places
from harness.data.remote import is_url, path_of, read_url, shown_place
from harness.data.sample import Sample
from harness.errors import DataError, UsageError, printable
from harness.parquet import in_arrows_memory


def list_samples(place: str) -> tuple[dict[str, list[Sample]], str]:
    """The images of a list by group, in the order of first appearance, and what their unit is.

    A place is a file, ``ARCHIVE::MEMBER``, ``TABLE::row=N`` or a URL, relative ones to the list. A
    label is 0, 1, real or fake. A unit (also called ``photo`` or ``video``) names what images share
    that are not independent. ``reals`` names the group that holds the reals of a fake's group.
    Whether a file exists is found out when it is read.

    Args:
        place: a ``.csv`` or ``.parquet`` file, or the URL of one.

    Raises:
        DataError: the list cannot be read, a column or a cell is missing, a label is unknown, or a
            path is listed twice in a group.
    """
    rows = _rows(place)
    name = shown_place(place)
    unit = next((each for each in UNITS if each in rows[0]), "")
    places = Places((place.partition("?")[0] if is_url(place) else place).rpartition("/")[0])
    stem = path_of(place).rpartition("/")[2].rpartition(".")[0]
    groups: dict[str, list[Sample]] = {}
    for number, row in enumerate(rows, start=1):
        group = printable(row.get("group") or stem)
        sample = _sample(places, f"{name}, row {number}", row, unit)
        groups.setdefault(group, []).append(replace(sample, subset=group))
    for group, samples in groups.items():
        refuse_duplicates(f"{name}, group {group}", samples)
    _refuse_one_place(name, groups)
    return groups, unit


def _sample(places: Places, where: str, row: Mapping[str, str | None], unit: str) -> Sample:
    """A row's image.

    Raises:
        DataError: says in which row what is wrong.
    """
    for name in ("path", "label"):
        if not row[name]:
            raise DataError(f"{where}: no {name}")
    for name, value in row.items():
        if "\0" in (value or ""):
            raise DataError(
                f"{where}: the {name} holds a NUL character",
                hint="save the list as plain UTF-8 text (not UTF-16)",
            )
    path, word = row["path"] or "", row["label"] or ""
    label = WORDS.get(word.strip().lower())
    if label is None:
        raise DataError(f"{where}: label {word!r}; expected 0, 1, real or fake")
    return Sample(
        id=printable(shown_place(path)),
        label=label,
        source=places.source(path, where),
        unit=printable(row.get(unit) or ""),
        reals=printable(row.get(REALS) or "") if label == FAKE else "",
    )


def _refuse_one_place(name: str, groups: Mapping[str, Sequence[Sample]]) -> None:
    """Group ``a`` with path ``b/c`` and group ``a/b`` with path ``c`` would share a place."""
    seen: dict[str, str] = {}
    for samples in groups.values():
        for sample in samples:
            if seen.setdefault(sample.place, sample.subset) != sample.subset:
                raise DataError(
                    f"{name}: {sample.place} is an image of group {seen[sample.place]} and one of "
                    f"group {sample.subset}",
                    hint="rename one of the groups",
                )


def _rows(place: str) -> list[dict[str, str | None]]:
    """The rows of a list as text; a cell without value is None (Parquet) or "" (CSV)."""
    ending, name = path_of(place).lower(), shown_place(place)
    try:
        if ending.endswith(".csv"):
            import pandas as pd  # here: it takes half a second, and few name such a file

            frame = pd.read_csv(
                _whole(place), dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
            columns, rows = list(frame.columns), frame.to_dict("records")
        elif ending.endswith(".parquet"):
            held = in_arrows_memory(read_url(place)) if is_url(place) else place
            table = pq.read_table(held)
            columns, rows = table.column_names, table.to_pylist()
        else:
            raise UsageError(f"{name}: a list of images is a .csv or a .parquet file")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{name}: cannot be read as a list of images: {error}") from error
    missing = {"path", "label"} - {*map(str, columns)}
    if missing or not rows:
        found = ", ".join(map(str, columns)) or "none"
        wanted = f"no column {' and no column '.join(sorted(missing))}" if missing else "no rows"
        raise DataError(
            f"{name}: {wanted}; columns found: {found}; needed: "
            "path, label [, group] [, unit] [, reals]"
        )
    return [{str(key): _text(value) for key, value in row.items()} for row in rows]


def _whole(place: str) -> str | io.BytesIO:
    """A list by URL is fetched whole: not every server sends parts of files."""
    return io.BytesIO(read_url(place)) if is_url(place) else place


def _text(value: object) -> str | None:
    """A cell as text. Bytes are a name as the file system has it, UTF-8 or not."""
    if value is None or value != value:  # NaN
        return None
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
