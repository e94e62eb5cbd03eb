"""WebDataset shards: tar archives whose members belong together by the beginning of their names.

``00017.jpg`` and ``00017.cls`` are one sample. The label lies in ``.cls``, ``.txt`` (a number or a
word) or ``.json`` (a field). WebDataset itself cuts a name at the first dot of its last part; other
writers cut at the last one, so a label of the whole stem (``a.b.cls`` for ``a.b.png``) comes first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from harness.data import tars
from harness.data.archives import ArchiveFolder
from harness.data.columns import LABELS, Columns, label_of, shard_name
from harness.data.folders import FoundFile, class_of, walk_files
from harness.data.places import archive_stem
from harness.data.remote import path_of, shown_place
from harness.data.sample import Sample
from harness.data.source import UNREAD, Source, state_of
from harness.errors import DataError, UsageError, printable

Value = TypeVar("Value")

LABEL_ENDINGS = ("cls", "json", "txt")
"""Where a label is looked for, in this order."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(pattern: str) -> list[str]:
    """``test-{0000..0003}.tar`` and ``{a,b}.tar`` as all names that they stand for.

    Raises:
        UsageError: they stand for none.
    """
    parts = _BRACES.split(pattern)
    choices = [[part] if number % 2 == 0 else _choices(part) for number, part in enumerate(parts)]
    names = ["".join(chosen) for chosen in product(*choices)]
    if not names or any("{" in name or "}" in name for name in names):
        raise UsageError(
            f"{pattern}: its braces stand for no names",
            hint="write {0000..0003}, the lower number first, or {a,b}; none inside another",
        )
    return names


def _choices(text: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        return text.split(",")
    first, last = found[1], found[2]
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


@dataclass(frozen=True)
class TarShard:
    """One tar archive: its files, images and others.

    Args:
        place: of the archive.
        files: in it.
        error: why it cannot be read; it then has no files.
    """

    place: str
    files: tuple[FoundFile, ...] = ()
    error: DataError | None = None

    @property
    def subset(self) -> str:
        """Its name before the number of the shard."""
        return shard_name(archive_stem(path_of(self.place).rpartition("/")[2]))

    @property
    def labelled(self) -> bool:
        """Whether any of its images has a label beside it. What lies in class folders is labelled
        by them, and a text beside it is a caption; only a ``.cls`` says otherwise."""
        names = {file.id for file in self.files}
        return any(
            name.endswith(".cls") or not _in_class_folder(name)
            for file in self.files
            if file.is_image
            for name in _label_names(file.id, names)
        )


def _in_class_folder(name: str) -> bool:
    return any(class_of(part) is not None for part in name.split("/")[:-1])


def read_shard(place: str) -> TarShard:
    """Lists a shard; one that is damaged, has a member that is not safe, or one name twice has an
    error in place of files."""
    try:
        files = tuple(walk_files(ArchiveFolder(place)))
        names = Counter(m.name for m in tars.members(place, state_of(place)) if m.source)
    except DataError as error:
        return TarShard(place, error=error)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is None:
        return TarShard(place, files)
    found = DataError(f"{shown_place(place)}: {printable(twice)} is in it twice")
    return TarShard(place, files, found)


def shard_samples(
    shards: Sequence[TarShard], columns: Columns
) -> tuple[list[Sample], dict[str, DataError]]:
    """The images of shards with their labels, and what is wrong with the subsets that have a
    damaged shard: what is missing of them is not known.

    Raises:
        DataError: an image has no label or one that is none, two images share a label, or a name
            is in two shards.
    """
    samples: list[Sample] = []
    broken: dict[str, DataError] = {}
    where: dict[tuple[str, str], str] = {}
    for shard in shards:
        if shard.error is not None:
            broken.setdefault(shard.subset, shard.error)
            continue
        for sample in _of_shard(shard, columns):
            other = where.setdefault((sample.subset, sample.id), shard.place)
            if other != shard.place:
                raise DataError(
                    f"{sample.id} is in {shown_place(other)} and in {shown_place(shard.place)}"
                )
            samples.append(sample)
    return [sample for sample in samples if sample.subset not in broken], broken


def _of_shard(shard: TarShard, columns: Columns) -> list[Sample]:
    sources = {file.id: file.source for file in shard.files}
    images = sorted((f for f in shard.files if f.is_image), key=lambda f: f.source.order)
    owners: dict[str, str] = {}
    samples = []
    for file in images:
        names = _label_names(file.id, sources)
        if not names:
            raise DataError(
                f"{file.source}: no label beside it ({', '.join(LABEL_ENDINGS)})",
                hint="or give a list with path and label; paths may be ARCHIVE::MEMBER",
            )
        name, value = _value({name: sources[name] for name in names}, columns)
        if owners.setdefault(name, file.id) != file.id:
            raise DataError(
                f"{sources[name]} is the label of two images: {owners[name]}, {file.id}"
            )
        label = label_of(str(sources[name]), value, columns.fake)
        samples.append(Sample(id=file.id, label=label, source=file.source, subset=shard.subset))
    return samples


def _label_names(image: str, names: Container[str]) -> list[str]:
    """The members that may hold an image's label, the likeliest first."""
    folder, slash, last = image.rpartition("/")
    for stem in dict.fromkeys((last.rpartition(".")[0], last.partition(".")[0])):
        found = [f"{folder}{slash}{stem}.{ending}" for ending in LABEL_ENDINGS]
        found = [name for name in found if name in names]
        if found:
            return found
    return []


def _value(found: Mapping[str, Source], columns: Columns) -> tuple[str, str]:
    """Which of the members holds the label, and what it says.

    A field that a flag names lies in the ``.json``. Without such a flag a ``.json`` of facts beside
    a ``.txt`` is no label, and a ``.txt`` beside a ``.json`` with a label is a caption.
    """
    names = list(found)
    if columns.label:
        names = [name for name in names if name.endswith(".json")]
        if not names:
            raise DataError(
                f"{next(iter(found.values()))}: no .json beside it that could hold the field "
                f"{columns.label}",
                hint="without --label-column, a .cls or .txt is the label",
            )
    for name in names[:-1]:
        if not name.endswith(".json") or _label_fields(found[name]):
            return name, _text(found[name], columns)
    return names[-1], _text(found[names[-1]], columns)


def _label_fields(source: Source) -> list[str]:
    return [name for name in LABELS if name in _checked(_fields, source)]


def _fields(source: Source) -> dict[str, Any]:
    fields = json.loads(_read(source))
    if not isinstance(fields, dict):
        raise DataError(f"{source}: holds no label: not an object with fields")
    return fields


def _read(source: Source) -> str:
    return source.read().decode("utf-8").strip()


def _text(source: Source, columns: Columns) -> str:
    if not str(source).endswith(".json"):
        return _checked(_read, source)
    fields = _checked(_fields, source)
    wanted = [columns.label] if columns.label else [n for n in LABELS if n in fields]
    if len(wanted) != 1 or wanted[0] not in fields:
        raise DataError(
            f"{source}: which field is the label is not clear: {', '.join(fields)}",
            hint="--label-column FIELD",
        )
    value = fields[wanted[0]]
    if isinstance(value, (bool, float)) and value == int(value):
        value = int(value)
    return "" if value is None else str(value)


def _checked(read: Callable[[Source], Value], source: Source) -> Value:
    try:
        return read(source)
    except UNREAD as error:
        raise DataError(f"{source}: holds no label: {error}") from error
