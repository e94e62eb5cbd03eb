"""Scores from a file of which nothing else is known, as a suite without images."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import FAKE, REAL
from harness.data.pairing import pooled_id, pools_of
from harness.data.places import Folder
from harness.data.sample import Sample
from harness.data.scores import Floats, ScoreFile
from harness.data.suite import OWN, Subset, Suite
from harness.errors import DataError, UsageError, printable

NO_IMAGES = "no images: scores alone"
"""What stands for the source of the images of a subset of which only scores are known."""
ALL = "all"
"""The subset of scores without a group."""
_UNSEEN = "no contents are known\n"
"""What a digest of ids and labels begins with: it is none of images."""


@dataclass(frozen=True, kw_only=True)
class ScoredImages:
    """The images of one subset, and which row of the file is about each.

    Args:
        subset: which.
        ids, labels, units: (N,) of its images by label, then id. A label is None where neither the
            file nor the suite says it, which is only so of images without a score.
        rows: (N,) places in the file; -1 of an image that has no row.
        manifest: digest of which images these are.
        unit: what a unit is, in words; "" where images are taken as independent.
        source: what the images were read from, in words.
        left_out: files that lie there and are not read, as ids.
    """

    subset: Subset
    ids: tuple[str, ...]
    labels: tuple[int | None, ...]
    units: tuple[str, ...]
    rows: tuple[int, ...]
    manifest: str
    unit: str = ""
    source: str = ""
    left_out: tuple[str, ...] = ()

    def without(self, scores: Floats) -> tuple[str, ...]:
        """Ids of the images that have no score among a file's ``scores``."""
        rows = zip(self.ids, self.rows, strict=True)
        return tuple(name for name, row in rows if row < 0 or math.isnan(scores[row]))


@dataclass(frozen=True, kw_only=True)
class ScoredSuite:
    """A file's rows by subset.

    Args:
        suite: the suite; its subsets may be more than ``sets``.
        sets: the subsets of which the file has rows.
        elsewhere: rows about other subsets of the suite, which were not asked for.
    """

    suite: Suite
    sets: tuple[ScoredImages, ...]
    elsewhere: int = 0


def unseen_suite(
    file: ScoreFile, data: str = "", *, one_class: bool = False, reals: str = ""
) -> ScoredSuite:
    """A suite of which nothing is known but what a score file says of it.

    Its name is that of the data set, so that several files about one set meet in it: made from
    ``data``, or else from the ids, labels and groups.

    Args:
        file: with labels.
        data: what the data set is called.
        one_class: whether reals alone, or fakes alone, are taken.
        reals: the group of reals that every group of fakes alone is paired with, "" = none.

    Raises:
        UsageError: the file has no labels.
        DataError: an image is in one group twice, has two labels, or has a score and no label; or
            the file has one class.
    """
    if not file.labels:
        raise UsageError(
            f"{file.place}: no column for the label",
            hint="--label COLUMN; or --suite NAME, where the images are those of a known suite",
        )
    _refuse_no_label(file)
    _refuse_repeated(file)
    _refuse_contradicting(file)
    _refuse_one_class(file, one_class)
    groups = file.groups or [ALL] * len(file.ids)
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    pools = _pools(file, rows, reals)
    name = _unseen_name(file, groups, data, reals if pools else "")
    sets = tuple(_unseen_set(file, group, rows, pools.get(group, "")) for group in rows)
    suite = Suite(
        name=name,
        title=printable(data) or name,
        subsets=tuple(each.subset for each in sets),
        adapter=_no_images,
        folders=(str(Path(file.place).resolve()),),
        licence="your own data",
        obtain="the images: only scores of them were imported",
    )
    return ScoredSuite(suite=suite, sets=sets)


def _no_images(suite: Suite, subset: Subset, root: Folder) -> list[Sample]:
    raise DataError(f"{suite.name}:{subset.name}: scores were imported, there are no images")


def subset_of(name: str, labels: set[int], unit: str = "") -> Subset:
    """A group as a subset: reals alone are a control, as in all own data."""
    group = "controls" if labels == {REAL} else ""
    return Subset(name=name, group=group, unit=unit, labels=tuple(sorted(labels)))


def _pools(file: ScoreFile, rows: Mapping[str, Sequence[int]], reals: str) -> dict[str, str]:
    """Group of fakes alone -> the group whose reals it takes.

    Raises:
        UsageError: the pool is no group of reals alone, or nobody takes it.
    """
    if not reals:
        return {}
    labels = {
        g: {label for r in m if (label := file.labels[r]) is not None} for g, m in rows.items()
    }
    alone = sorted(group for group, there in labels.items() if there == {REAL})
    if reals not in alone:
        raise UsageError(
            f"--reals {printable(reals)} is no group of reals alone",
            hint=f"the groups of reals alone: {', '.join(alone) or 'there is none'}",
        )
    pools = pools_of(labels, {}, reals)
    if not pools:
        raise UsageError(f"--reals {reals}: no group holds fakes alone", hint="leave out --reals")
    return pools


def _unseen_set(
    file: ScoreFile, group: str, groups: Mapping[str, Sequence[int]], pool: str
) -> ScoredImages:
    """A group, with the reals of its pool: of one unit in every group that takes them."""
    pooled = frozenset(groups[pool] if pool else ())

    def order(row: int) -> tuple[int, str]:
        label = file.labels[row]
        return FAKE + 1 if label is None else label, named_here(row)

    def named_here(row: int) -> str:
        return pooled_id(pool, file.ids[row]) if row in pooled else file.ids[row]

    rows = sorted([*groups[group], *pooled], key=order)
    labels = tuple(file.labels[row] for row in rows)
    ids = tuple(map(named_here, rows))
    units = [file.units[row] if file.units else "" for row in rows]
    lines = [f"{name}\t{_shown(label)}\n" for name, label in zip(ids, labels, strict=True)]
    known = {label for label in labels if label is not None}
    return ScoredImages(
        subset=subset_of(group, known, file.unit),
        ids=ids,
        labels=labels,
        units=tuple(unit or file.ids[row] for unit, row in zip(units, rows, strict=True)),
        rows=tuple(rows),
        manifest=_digest([_UNSEEN, *lines]),
        unit=file.unit,
        source=NO_IMAGES,
    )


def _unseen_name(file: ScoreFile, groups: Sequence[str], data: str, reals: str) -> str:
    readable = re.sub(r"[^\w.-]+", "-", printable(data)).strip("-.")[:40]
    rows = zip(groups, map(_shown, file.labels), file.ids, strict=True)
    lines = [data] if data else sorted("\t".join(row) + "\n" for row in rows)
    lines = [*lines, f"reals of {reals}"] if reals else lines  # its numbers are others
    return f"{OWN}{readable or 'scores'}-{_digest(lines)[:8]}"


def _shown(label: int | None) -> str:
    return "-" if label is None else str(label)


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _refuse_no_label(file: ScoreFile) -> None:
    scored = _has_score(file)
    wrong = [row for row, label in enumerate(file.labels) if label is None and scored[row]]
    if wrong:
        raise DataError(f"{file.at(wrong)}: a score and no label", hint="fill in the label")


def _refuse_repeated(file: ScoreFile) -> None:
    groups = file.groups or [""] * len(file.ids)
    seen: dict[tuple[str, str], int] = {}
    for row, key in enumerate(zip(groups, file.ids, strict=True)):
        if key in seen:
            place = f" in group {key[0]}" if key[0] else ""
            raise DataError(
                f"{file.at([seen[key], row])}: {key[1]} stands there twice{place}",
                hint="a row an image: name a column of unique ids (--id), one that tells images "
                "of one name apart (--group), or the rows that are meant (--where COLUMN=VALUE)",
            )
        seen[key] = row


def _refuse_contradicting(file: ScoreFile) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(file.ids):
        label = file.labels[row]
        if label is None:
            continue
        first = seen.setdefault(name, row)
        if file.labels[first] != label:
            raise DataError(
                f"{file.at([first, row])}: {name} is labelled real and fake",
                hint="correct the label; or, of two images, name a column of unique ids: --id",
            )


def _refuse_one_class(file: ScoreFile, one_class: bool) -> None:
    classes = {label for label in file.labels if label is not None}
    if len(classes) < 2 and not one_class:
        only = "fake" if FAKE in classes else "real"
        rows = range(len(file.ids))
        raise DataError(
            f"{file.at(rows[:1])} to {file.lines[-1]}: every image is {only}: nothing tells reals "
            "from fakes",
            hint="name another --label column or --fake-label VALUE; or, where one class is meant "
            "(false alarms or hits alone): --one-class",
        )


def _has_score(file: ScoreFile) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N,) whether a row has a score of any detector."""
    missing = np.isnan(np.stack([*file.scores.values()]))
    return np.asarray(~missing.all(axis=0))
