"""Suites whose subsets the data itself names: a folder each, or a value of a table's column each.

Some publishers list no names, or thousands. What lies there then says which subsets there are; each
is declared before anything is scored, and what is not declared is not scored, as everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.api import FAKE, REAL
from harness.data.columns import Columns, TableFile, table_samples
from harness.data.disk import DiskFolder
from harness.data.folders import walk_images
from harness.data.hashing import file_state
from harness.data.pairing import with_pool
from harness.data.places import Folder, WithPools
from harness.data.sample import Sample
from harness.data.suite import Subset, Suite
from harness.data.tables import RowSource
from harness.errors import DataError

REALS = "real"
"""What ids of reals begin with that all generators of a table share."""
MOST_ROWS = 20_000_000
"""Rows of all subsets together: more means that far too many generators share far too many reals,
and that another column should name the subsets."""


def subset_name(name: str) -> str:
    """A name as it may stand after a suite's: ``Org/SD-XL 1.0`` -> ``org_sd_xl_1.0``."""
    return re.sub(r"[^a-z0-9.]+", "_", name.casefold()).strip("_") or "unnamed"


def folder_subsets(suite: Suite, root: Folder, *, model: Subset) -> tuple[Subset, ...]:
    """A subset for each folder that holds an image, at any depth.

    Args:
        suite: for messages.
        root: its folder.
        model: what each is declared as, but for its names.

    Raises:
        DataError: there is none, or two have one name.
    """
    folders = [entry for entry in root.entries() if entry.folder]
    names = [e.name for e in folders if e.folder and next(walk_images(e.folder), None)]
    if not names:
        raise DataError(f"suite {suite.name}: no folder with images in {root}", hint=suite.obtain)
    return tuple(
        replace(model, name=name, title=folder, folders=(folder,), generators=(folder,))
        for name, folder in _distinct(str(root), names)
    )


def _distinct(place: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """(name of the subset, as it is called there), sorted."""
    found: dict[str, str] = {}
    for each in sorted(names):
        name = subset_name(each)
        if found.setdefault(name, each) != each:
            raise DataError(f"{place}: {found[name]} and {each} would both be the subset {name}")
    return sorted(found.items())


@dataclass(frozen=True)
class TableSet:
    """A set that lies in Parquet files, whose subsets a column names.

    Args:
        columns: what its columns mean; ``group`` names the subset of a fake.
        files: patterns below the suite's folder, with the group of subsets that lies there.
    """

    columns: Columns
    files: tuple[tuple[str, str], ...]

    def subsets(self, suite: Suite, root: Folder) -> tuple[Subset, ...]:
        """A subset for each value of the column among the fakes; all share the reals of their
        files.

        Raises:
            DataError: there are no such files, or they are damaged, or lack a column; or two
                values would be one name; or so many share so many reals that it could not be read.
        """
        found = []
        for group, samples in self._samples(suite, root).items():
            fakes = Counter(sample.subset for sample in samples if sample.label == FAKE)
            reals = sum(sample.label == REAL for sample in samples)
            rows = len(samples) + reals * len(fakes)
            if rows > MOST_ROWS:
                raise DataError(
                    f"suite {suite.name}: {len(fakes):,} generators that share {reals:,} reals "
                    f"are {rows:,} rows",
                    hint=f"--images FOLDER {self.flags} with another --group-column",
                )
            found += [
                Subset(
                    name=name,
                    title=value or "unnamed",
                    group=group,
                    generators=(value,) if value else (),
                    real_pool=REALS if reals else "",
                )
                for name, value in _distinct(str(root), fakes)
            ]
        twice = [n for n, count in Counter(each.name for each in found).items() if count > 1]
        return tuple(
            replace(each, name=f"{each.group}_{each.name}") if each.name in twice else each
            for each in found
        )

    def adapter(self, suite: Suite, subset: Subset, root: Folder) -> list[Sample]:
        """A generator's images and the reals of the files that they lie in."""
        samples = self._samples(suite, root).get(subset.group, ())
        value = subset.generators[0] if subset.generators else ""
        fakes = [
            replace(sample, subset=subset.name, generator=value)
            for sample in samples
            if sample.label == FAKE and sample.subset == value
        ]
        if not fakes:
            raise DataError(f"{suite.name}:{subset.name}: no image of {value} in {root}")
        return with_pool(fakes, samples, REALS)

    @property
    def flags(self) -> str:
        """The flags that read such files as own images."""
        names = {
            "--image-column": self.columns.image,
            "--label-column": self.columns.label,
            "--group-column": self.columns.group,
        }
        return " ".join(f"{flag} {name}" for flag, name in names.items() if name)

    def _samples(self, suite: Suite, root: Folder) -> dict[str, tuple[Sample, ...]]:
        folder = _on_disk(suite, root)
        found: dict[str, tuple[Sample, ...]] = {}
        for pattern, group in self.files:
            files = tuple(sorted(folder.glob(pattern)))
            if files:
                state = " ".join(map(file_state, files))
                found[group] = (*found.get(group, ()), *_read(folder, files, self.columns, state))
        if not found:
            patterns = ", ".join(pattern for pattern, _ in self.files)
            raise DataError(
                f"suite {suite.name}: no Parquet file {patterns} in {root}", hint=suite.obtain
            )
        return found


def _on_disk(suite: Suite, root: Folder) -> Path:
    bare = root.root if isinstance(root, WithPools) else root
    if not isinstance(bare, DiskFolder):
        raise DataError(f"suite {suite.name}: {root}: Parquet files are read from a folder")
    return bare.path


@lru_cache(maxsize=8)
def _read(folder: Path, files: Sequence[Path], columns: Columns, _state: str) -> tuple[Sample, ...]:
    tables = [
        TableFile(
            file=str(file),
            name=file.relative_to(folder).with_suffix("").as_posix(),
            subset="",
        )
        for file in files
    ]
    samples = table_samples(tables, columns)
    if len({sample.id for sample in samples}) == len(samples):
        return tuple(samples)
    # Names that repeat from generator to generator tell shared reals apart no more.
    names = {table.file: table.name for table in tables}
    return tuple(replace(each, id=_row_name(each, names)) for each in samples)


def _row_name(sample: Sample, names: Mapping[str, str]) -> str:
    assert isinstance(sample.source, RowSource)
    return f"{names[sample.source.file]}::row={sample.source.row}"
