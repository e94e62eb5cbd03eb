"""What a test set is: its subsets, how they lie on disk, where to obtain them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.data.places import Folder
from harness.data.sample import Sample

Certainty = Literal["documented", "third party", "inferred", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Subset:
    """One column of a table: one generator's images with their reals.

    Args:
        name: as typed after the suite (``forensynths:biggan``) and stored in results.
        title: as printed in tables; "" = name.
        folders: folder names under which releases keep it, the first is preferred.
        n_real, n_fake: expected counts; None when nobody states them.
        counts_source: who states the counts.
        certainty: how sure the counts are.
        real_pool: folder whose ``0_real`` holds the reals, where a release pairs them by table.
        group: group inside the suite (mini only), selectable as ``mini:GROUP``.
        unit: what ``Sample.unit`` names in it, in words: ``photo``, ``video``; "" where its images
            are taken as independent.
        unit_pattern: regular expression whose first group is ``Sample.unit`` where it matches the
            beginning of a file's name; "" where names do not tell.
        generators: what made its fakes, for samples that do not say it themselves; the names are
            those of the training sets, the same in every suite.
        also: other (real, fake) counts that are as likely, where nobody states them.
    """

    name: str
    title: str = ""
    folders: tuple[str, ...] = ()
    n_real: int | None = None
    n_fake: int | None = None
    counts_source: str = ""
    certainty: Certainty = "unknown"
    real_pool: str = ""
    group: str = ""
    unit: str = ""
    unit_pattern: str = ""
    generators: tuple[str, ...] = ()
    also: tuple[tuple[int, int], ...] = ()

    def expected(self, n_real: int, n_fake: int) -> tuple[int | None, int | None]:
        """The declared counts to compare with: those that fit, else the first."""
        fits = (n_real, n_fake) in self.also
        return (n_real, n_fake) if fits else (self.n_real, self.n_fake)

    @property
    def in_mean(self) -> bool:
        """Controls are real photographs: they show false alarms and enter no mean."""
        return self.group != "controls"


Adapter = Callable[["Suite", Subset, Folder], "list[Sample]"]

OWN = "own-"
"""How names of own data begin, and no declared suite's: own results cannot land in its record."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A test set.

    Args:
        name: registered name, as typed after ``--suite``; of own data, made from its place
            (``harness.data.own.own_name``).
        title: as printed in tables.
        subsets: exactly the scored subsets, in the paper's order.
        adapter: ``adapter(suite, subset, root)`` lists a subset's samples (unhashed, any order), or
            raises DataError saying which folder is absent. ``root`` is the suite's own folder.
        folders: names under which the suite's folder is looked for below the data root.
        known_extras: folders that releases contain and the paper does not score.
        licence, citation, obtain: terms, how to cite, how to get the data (text for people).
        aliases: other accepted names.
        left_out: files in own data that are not read and belong to no subset, as ids.
        embedded: the data is committed in this repository; no data root is needed.
    """

    name: str
    title: str
    subsets: tuple[Subset, ...]
    adapter: Adapter
    folders: tuple[str, ...] = ()
    known_extras: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    obtain: str = ""
    aliases: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    embedded: bool = False


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to score of one suite: its chosen subsets, in the declared order."""

    suite: Suite
    subsets: tuple[Subset, ...]
