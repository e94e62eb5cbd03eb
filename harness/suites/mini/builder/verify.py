"""Comparing rebuilt rows with the committed data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .encoding import decode
from .pack import Row


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a rebuilt set is from the committed one.

    Attributes:
        file: stem of the Parquet file.
        generator: generator's name.
        images: committed images.
        missing: committed images that were not rebuilt, and rebuilt ones that are not committed.
        equal: images whose bytes are the same.
        largest: largest difference of any pixel, in grey levels.
        mean: mean absolute difference over all pixels of the set, in grey levels.
    """

    file: str
    generator: str
    images: int
    missing: int
    equal: int
    largest: int
    mean: float


def compare(files: dict[str, list[Row]], folder: Path) -> list[Difference]:
    """Compare every set of every file.

    Args:
        files: rebuilt rows by file stem, as `pack.collect` returns them.
        folder: the committed data folder.

    Returns:
        One entry a file and generator.
    """
    found = []
    for stem, rows in files.items():
        table = pq.read_table(folder / f"{stem}.parquet", columns=["id", "generator", "image"])
        committed = {str(row["id"]): row for row in table.to_pylist()}
        rebuilt = {str(row["id"]): row for row in rows}
        names = [str(row["generator"]) for row in [*committed.values(), *rebuilt.values()]]
        for generator in dict.fromkeys(names):
            found.append(_compare_set(stem, generator, committed, rebuilt))
    return found


def _compare_set(
    stem: str, generator: str, committed: dict[str, Row], rebuilt: dict[str, Row]
) -> Difference:
    """Compare one generator's images of one file."""
    old = {key: row["image"] for key, row in committed.items() if row["generator"] == generator}
    new = {key: row["image"] for key, row in rebuilt.items() if row["generator"] == generator}
    equal, largest, means = 0, 0, []
    for key in sorted(old.keys() & new.keys()):
        before, after = old[key], new[key]
        assert isinstance(before, bytes) and isinstance(after, bytes)
        equal += before == after
        gap = np.abs(decode(before).astype(np.int16) - decode(after).astype(np.int16))
        largest = max(largest, int(gap.max()))
        means.append(float(gap.mean()))
    return Difference(
        file=stem,
        generator=generator,
        images=len(old),
        missing=len(old.keys() ^ new.keys()),
        equal=equal,
        largest=largest,
        mean=float(np.mean(means)) if means else 0.0,
    )


def report(differences: list[Difference]) -> str:
    """A plain text table."""
    lines = [
        f"{'file':24}{'generator':20}{'images':>7}{'missing':>8}{'equal':>7}{'max':>5}{'mean':>9}"
    ]
    for item in differences:
        lines.append(
            f"{item.file:24}{item.generator:20}{item.images:7d}{item.missing:8d}"
            f"{item.equal:7d}{item.largest:5d}{item.mean:9.4f}"
        )
    return "\n".join(lines)
