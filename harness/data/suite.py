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
        words: where no folder has one of these names, the one whose name holds one of these words
            (lower case, letters and digits alone): archives of one release are called differently.
        n_real, n_fake: expected counts; None when nobody states them.
        counts_source: who states the counts.
        certainty: how sure the counts are.
        real_pool: folder whose ``0_real`` holds the reals, where a release pairs them by table, or
            a pool of the suite (``Suite.pools``); in own data the pool that its reals are from.
        group: group inside the suite (mini only), selectable as ``mini:GROUP``.
        unit: what ``Sample.unit`` names in it, in words: ``photo``, ``video``; "" where its images
            are taken as independent.
        unit_pattern: regular expression whose first group is ``Sample.unit`` where it matches the
            beginning of a file's name; "" where names do not tell.
        generators: what made its fakes, for samples that do not say it themselves; the names are
            those of the training sets, the same in every suite.
        also: other (real, fake) counts that are as likely, where nobody states them.
        labels: the labels in it, rising, as far as they are known before it is listed (own data).
    """

    name: str
    title: str = ""
    folders: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
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
    labels: tuple[int, ...] = ()

    def expected(self, n_real: int, n_fake: int) -> tuple[int | None, int | None]:
        """The declared counts to compare with: those that fit, else the first."""
        fits = (n_real, n_fake) in self.also
        return (n_real, n_fake) if fits else (self.n_real, self.n_fake)

    @property
    def in_mean(self) -> bool:
        """Controls are real photographs: they show false alarms and enter no mean."""
        return self.group != "controls"


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file of a release, or all files of one folder of it.

    Args:
        name: its name; in a repository a path, or a pattern (``ForenSynths/*``). One without a
            folder is found in whatever folder of the repository it lies; ``*`` is all of it.
        url: where it is published, if not in a repository.
        size: bytes, 0 where nobody states them exactly.
        sha256: hex digest, "" where nobody states it.
        subsets: whose images it holds; () = those of all.
    """

    name: str
    url: str = ""
    size: int = 0
    sha256: str = ""
    subsets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Release:
    """One place where a suite is published.

    Args:
        name: as typed after ``fetch --source``.
        publisher: who put it there, in words.
        page: what a person opens to see it.
        size: of all of it, in words; "" where nobody states it.
        certainty: how sure it is that its files are what is said here.
        files: what is fetched; () where only a person can.
        repo: the Hugging Face repository that holds the files, ``models/...`` or
            ``datasets/...``.
        revision: the published commit of that repository; "" where none is published.
        folder: below the data root, where the files are put.
        licence: what this publisher states, where it is not what the suite's licence says.
        by_hand: what a person does to get it, where nothing else can.
    """

    name: str
    publisher: str
    page: str
    size: str = ""
    certainty: Certainty
    files: tuple[PublishedFile, ...] = ()
    repo: str = ""
    revision: str = ""
    folder: str = ""
    licence: str = ""
    by_hand: str = ""


def dfbenchmark(file: str, size: str) -> Release:
    """The mirror ``nebula/dfbenchmark``: one tar a suite."""
    return Release(
        name="dfbenchmark",
        publisher="a mirror, not the authors",
        page="https://huggingface.co/datasets/nebula/dfbenchmark",
        size=size,
        certainty="third party",
        files=(PublishedFile(name=file),),
        repo="datasets/nebula/dfbenchmark",
    )


def df_arrow(folder: str) -> Release:
    """The mirror ``nebula/DF-arrow``: one folder of Arrow files a suite."""
    return Release(
        name="df-arrow",
        publisher="a mirror, not the authors",
        page="https://huggingface.co/datasets/nebula/DF-arrow",
        certainty="third party",
        files=(PublishedFile(name=f"{folder}/*"),),
        repo="datasets/nebula/DF-arrow",
        folder="DF-arrow",
        licence="labelled Apache-2.0 by the uploader, who does not own the images",
    )


@dataclass(frozen=True, kw_only=True)
class SharedReals:
    """Reals that subsets share and that somebody else publishes (COCO, RAISE).

    Args:
        name: as ``Subset.real_pool`` says it; ids of its reals begin with it, wherever it lies.
        folders: paths under which it is looked for, below the suite's folder and then below the
            data root; the first is preferred.
    """

    name: str
    folders: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AsFound:
    """Subsets that nobody lists by name: the data itself says which there are.

    Args:
        what: what a subset is, in words (``a folder each``).
        subsets: ``subsets(suite, root)`` lists those that are there, each declared like any other,
            or raises DataError saying what is absent.
        count: how many there are in all by the publisher, None where nobody says it.
    """

    what: str
    subsets: Callable[[Suite, Folder], tuple[Subset, ...]]
    count: int | None = None


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
        subsets: exactly the scored subsets, in the paper's order; () until the data is there, where
            ``as_found`` lists them.
        adapter: ``adapter(suite, subset, root)`` lists a subset's samples (unhashed, any order), or
            raises DataError saying which folder is absent. ``root`` is the suite's own folder.
        folders: names under which the suite's folder is looked for below the data root.
        known_extras: folders that releases contain and the paper does not score.
        licence, citation, obtain: terms, how to cite, how to get the data (text for people).
        aliases: other accepted names.
        left_out: files in own data that are not read and belong to no subset, as ids.
        embedded: the data is committed in this repository; no data root is needed.
        releases: where it is published; the first is fetched unless another one is asked for.
        pools: reals from elsewhere that subsets name as their ``real_pool``.
        as_found: lists the subsets, where the publisher does not name them.
        note: what readers of its numbers must know, in a sentence or two.
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
    releases: tuple[Release, ...] = ()
    pools: tuple[SharedReals, ...] = ()
    as_found: AsFound | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to score of one suite: its chosen subsets, in the declared order."""

    suite: Suite
    subsets: tuple[Subset, ...]
