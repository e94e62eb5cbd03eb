"""Scores from a file beside the images that they are about: which row is about which image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.sample import Manifest, Sample
from harness.data.score_sets import ScoredImages, ScoredSuite
from harness.data.scores import ScoreFile
from harness.data.suite import Subset, Suite
from harness.errors import DataError, UsageError


@dataclass(kw_only=True)
class _Index:
    """Where an image of a suite stands: (set, place in its manifest)."""

    by_place: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    by_id: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))


def matched_suite(
    file: ScoreFile,
    suite: Suite,
    manifests: Sequence[tuple[Subset, Manifest]],
    *,
    by_group: bool = False,
) -> ScoredSuite:
    """A file's rows with the images of a suite that they are about.

    A row is about ``SUBSET/ID``, about ID in the subset that its group names, about the file at
    this path, or about ID in whatever subset it stands; in several, if it is one image there.

    Args:
        file: the scores. Labels are not needed; those that it has must be the suite's.
        suite: which.
        manifests: of the subsets that are asked for.
        by_group: whether the groups are said to be subsets; else they are used where they are.

    Raises:
        UsageError: the groups are said to be subsets and are not.
        DataError: a row is about no image or about which one is not clear, two rows are about one
            image, or a label is not the suite's.
    """
    names = {subset.name for subset in suite.subsets}
    foreign = sorted({group for group in file.groups if group not in names})
    if foreign and by_group:
        raise UsageError(
            f"{file.place}: {suite.name} has no subset {foreign[0]!r}, which the group names",
            hint=f"its subsets: {', '.join(sorted(names))}; or leave --group out",
        )
    groups = file.groups if not foreign else ()
    matching = _Matching(file, suite, manifests)
    for row, name in enumerate(file.ids):
        matching.add(row, name, groups[row] if groups else "")
    return matching.result()


class _Matching:
    """Takes rows one by one and keeps what is wrong with them, to be said of all at once."""

    def __init__(
        self, file: ScoreFile, suite: Suite, manifests: Sequence[tuple[Subset, Manifest]]
    ) -> None:
        self.file = file
        self.suite = suite
        self.manifests = manifests
        self.asked = {subset.name for subset, _ in manifests}
        self.others = {subset.name for subset in suite.subsets} - self.asked
        self.rows = [[-1] * len(manifest.samples) for _, manifest in manifests]
        self.index = _index(manifests)
        self.elsewhere = 0
        self.unknown: list[int] = []
        self.unclear: list[int] = []
        self.mislabelled: list[int] = []

    def add(self, row: int, name: str, group: str) -> None:
        """Takes one row.

        Raises:
            DataError: another row is about the same image.
        """
        if (group or name.partition("/")[0]) in self.others:
            self.elsewhere += 1
            return
        found = self._find(name, group)
        if not found:
            self.unknown.append(row)
        elif len({self._sample(place).sha256 for place in found}) > 1:
            self.unclear.append(row)
        for place in found:
            self._take(row, place)

    def result(self) -> ScoredSuite:
        """The sets of which the file has rows.

        Raises:
            DataError: something was wrong with some rows.
        """
        self._refuse(
            self.unknown,
            f"no such image in {self.suite.name}",
            f"ids are those of its manifests, such as {self._example()}",
        )
        self._refuse(
            self.unclear,
            "several images have this id",
            f"write SUBSET/ID, such as {self._example()}, or name the column of subsets: --group",
        )
        self._refuse(
            self.mislabelled,
            f"the label is not that of the image in {self.suite.name}",
            "correct the label, say which value is fake (--fake-label), or leave the column out",
        )
        self._share()
        sets = tuple(
            _matched_set(self.suite, subset, manifest, rows)
            for (subset, manifest), rows in zip(self.manifests, self.rows, strict=True)
            if any(row >= 0 for row in rows)
        )
        if not sets:
            raise DataError(
                f"{self.file.place}: all {len(self.file.ids)} rows are about subsets of "
                f"{self.suite.name} that were not asked for",
                hint=f"--suite {self.suite.name}",
            )
        return ScoredSuite(suite=self.suite, sets=sets, elsewhere=self.elsewhere)

    def _find(self, name: str, group: str) -> list[tuple[int, int]]:
        name = name.replace("\\", "/").removeprefix("./")
        if group and (found := self.index.by_place.get(f"{group}/{name}")):
            return found
        found = self.index.by_place.get(name) or self.index.by_id.get(name, [])
        if group:
            found = [place for place in found if self.manifests[place[0]][0].name == group]
        return found

    def _take(self, row: int, place: tuple[int, int]) -> None:
        number, at = place
        if self.rows[number][at] >= 0 and row not in self.unclear:
            raise DataError(
                f"{self.file.at([self.rows[number][at], row])}: both are about "
                f"{self._sample(place).place}",
                hint="a row an image: --where COLUMN=VALUE says which rows are meant",
            )
        self.rows[number][at] = row
        label = self.file.labels[row] if self.file.labels else None
        if label is not None and label != self._sample(place).label:
            self.mislabelled.append(row)

    def _share(self) -> None:
        """Pooled reals stand in several sets: one without a row of its own takes its file's."""
        rows: dict[str, int] = {}
        for (_, manifest), there in zip(self.manifests, self.rows, strict=True):
            known = zip(manifest.samples, there, strict=True)
            rows |= {str(sample.source): row for sample, row in known if row >= 0}
        for (_, manifest), there in zip(self.manifests, self.rows, strict=True):
            if any(row >= 0 for row in there):
                for at, sample in enumerate(manifest.samples):
                    if there[at] < 0:
                        there[at] = rows.get(str(sample.source), -1)

    def _sample(self, place: tuple[int, int]) -> Sample:
        return self.manifests[place[0]][1].samples[place[1]]

    def _example(self) -> str:
        return self._sample((0, 0)).place

    def _refuse(self, rows: Sequence[int], problem: str, hint: str) -> None:
        if rows:
            first = self.file.ids[rows[0]]
            raise DataError(f"{self.file.at(rows)}: {first}: {problem}", hint=hint)


def _index(manifests: Sequence[tuple[Subset, Manifest]]) -> _Index:
    index = _Index()
    cwd = str(Path.cwd())
    for number, (subset, manifest) in enumerate(manifests):
        for at, sample in enumerate(manifest.samples):
            where = number, at
            index.by_place[f"{subset.name}/{sample.id}"] = [where]
            index.by_id[sample.id].append(where)
            path = str(sample.source)
            for name in {path, path.removeprefix(cwd + "/")}:
                if where not in (found := index.by_place.setdefault(name, [])):
                    found.append(where)
    return index


def _matched_set(
    suite: Suite, subset: Subset, manifest: Manifest, rows: Sequence[int]
) -> ScoredImages:
    return ScoredImages(
        subset=subset,
        ids=tuple(sample.id for sample in manifest.samples),
        labels=tuple(sample.label for sample in manifest.samples),
        units=tuple(s.unit or s.sha256[:16] or s.id for s in manifest.samples),
        rows=tuple(rows),
        manifest=manifest.digest,
        unit=manifest.unit,
        source="" if suite.embedded else manifest.source,
        left_out=manifest.left_out,
    )
