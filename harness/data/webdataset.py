"""WebDataset shards: tar archives whose members belong together by the beginning of their names.

``00017.jpg`` and ``00017.cls`` are one sample. The label lies in ``.cls``, ``.txt`` (a number or a
word) or ``.json`` (a field). WebDataset itself cuts a name at the first dot of its last part; other
writers cut at the last one, so a label of the whole stem (``a.b.cls`` for ``a.b.png``) comes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from harness.data.archives import ArchiveFolder
from harness.data.columns import LABELS, Columns, label_of, shard_name
from harness.data.folders import FoundFile, walk_files
from harness.data.sample import Sample
from harness.data.source import Source
from harness.errors import DataError

LABEL_ENDINGS = ("cls", "txt", "json")
"""Where a label is looked for, in this order."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(pattern: str) -> list[str]:
    """``test-{0000..0003}.tar`` and ``{a,b}.tar`` as all names that they stand for."""
    parts = _BRACES.split(pattern)
    choices = [[part] if number % 2 == 0 else _choices(part) for number, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


def _choices(text: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        return text.split(",")
    first, last = found[1], found[2]
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


@dataclass(frozen=True)
class TarShard:
    """One tar archive: its files, images and others."""

    place: str
    files: tuple[FoundFile, ...]

    @property
    def labelled(self) -> bool:
        """Whether any of its images has a label beside it."""
        names = {file.id for file in self.files}
        images = (file for file in self.files if file.is_image)
        return any(_label_name(file.id, names) for file in images)


def read_shard(place: str) -> TarShard:
    """Lists a shard.

    Raises:
        DataError: it is no whole tar archive, or has a member that is not safe.
    """
    return TarShard(place, tuple(walk_files(ArchiveFolder(place))))


def shard_samples(shards: Sequence[TarShard], columns: Columns) -> list[Sample]:
    """The images of shards, with their labels.

    Raises:
        DataError: an image has no label or one that is none, two images share a label, or a name
            is in two shards.
    """
    samples: list[Sample] = []
    where: dict[tuple[str, str], str] = {}
    for shard in shards:
        subset = shard_name(Path(shard.place.rpartition("/")[2]).stem)
        for sample in _of_shard(shard, subset, columns):
            other = where.setdefault((subset, sample.id), shard.place)
            if other != shard.place:
                raise DataError(f"{sample.id} is in {other} and in {shard.place}")
            samples.append(sample)
    return samples


def _of_shard(shard: TarShard, subset: str, columns: Columns) -> list[Sample]:
    sources = {file.id: file.source for file in shard.files}
    images = sorted((f for f in shard.files if f.is_image), key=lambda f: f.source.order)
    owners: dict[str, str] = {}
    samples = []
    for file in images:
        name = _label_name(file.id, sources)
        if not name:
            raise DataError(
                f"{file.source}: no label beside it ({', '.join(LABEL_ENDINGS)})",
                hint="or give a list with path and label; paths may be ARCHIVE::MEMBER",
            )
        if owners.setdefault(name, file.id) != file.id:
            raise DataError(
                f"{sources[name]} is the label of two images: {owners[name]}, {file.id}"
            )
        label = label_of(str(sources[name]), _value(name, sources[name], columns), columns.fake)
        samples.append(Sample(id=file.id, label=label, source=file.source, subset=subset))
    return samples


def _label_name(image: str, names: Mapping[str, object] | set[str]) -> str:
    """The member that holds an image's label, "" where there is none."""
    folder, slash, last = image.rpartition("/")
    stems = dict.fromkeys((last.rpartition(".")[0], last.partition(".")[0]))
    found = (f"{folder}{slash}{stem}.{ending}" for stem in stems for ending in LABEL_ENDINGS)
    return next((name for name in found if name in names), "")


def _value(name: str, source: Source, columns: Columns) -> str:
    try:
        text = source.read().decode("utf-8").strip()
        if not name.endswith(".json"):
            return text
        fields = json.loads(text)
        wanted = [columns.label] if columns.label else [n for n in LABELS if n in fields]
        if len(wanted) != 1 or wanted[0] not in fields:
            raise DataError(
                f"{source}: which field is the label is not clear: {', '.join(fields)}",
                hint="--label-column FIELD",
            )
        value = fields[wanted[0]]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{source}: holds no label: {error}") from error
    return str(int(value)) if isinstance(value, bool) else str(value)
