"""One image of a test set: where its bytes are, what it is called, whether it is fake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.data.remote import path_of
from harness.data.source import FileSource, Source
from harness.errors import printable

UNREADABLE = "unreadable"
"""Stands for the hash of an image that cannot be read: the manifest still has a digest, and reading
the image raises BadImageError, which the run treats like any other bad image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One image.

    Args:
        id: unique inside its manifest; for files the POSIX path below the subset's folder.
        label: 0 real, 1 fake.
        source: where its encoded bytes are.
        sha256: hex digest of the encoded bytes; "" until it is known.
        generator: what made it ("photo" for a real), where the data set says so.
        unit: what it shares with images that are not independent of it, as text: the photograph
            that it is a tile of, the video that it is a frame of; "" where that is not known.
        subset: the subset that lists it; "" outside of suites.
        reals: of a fake, the group whose reals it is tested against, where the data names one.
    """

    id: str
    label: int
    source: Source
    sha256: str = ""
    generator: str = ""
    unit: str = ""
    subset: str = ""
    reals: str = ""

    @property
    def place(self) -> str:
        """``subset/id``: unique over a suite, whose subsets repeat ids (``0_real/0000.jpg``)."""
        return f"{self.subset}/{self.id}" if self.subset else self.id


class Listing(list[Sample]):
    """Samples as an adapter lists them, with the files that lie there and are not read.

    Args:
        samples: in any order.
        left_out: ids of files that are no image by name, and of images in no class folder.
    """

    def __init__(self, samples: Iterable[Sample] = (), *, left_out: tuple[str, ...] = ()) -> None:
        super().__init__(samples)
        self.left_out = left_out


@dataclass(frozen=True)
class Manifest:
    """The images of one subset, in the order in which they are scored and stored.

    Args:
        name: ``suite/subset``.
        samples: sorted by label, then id; ids are unique.
        unit: what ``Sample.unit`` names, in words (``photo``, ``video``); "" where the images are
            taken as independent.
        left_out: files that lie there and are not read, as ids (see
            ``harness.data.folders.say_left_out``).
    """

    name: str
    samples: tuple[Sample, ...]
    unit: str = ""
    left_out: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over id, label and content hash of every sample: which data exactly.

        Raises:
            ValueError: a sample has no content hash yet (see ``harness.data.manifest``).
        """
        lines = []
        for sample in self.samples:
            if not sample.sha256:
                raise ValueError(f"{self.name}: {sample.id} has no content hash")
            lines.append(f"{sample.id}\t{sample.label}\t{sample.sha256}\n")
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def source(self) -> str:
        """What holds the images, in words, where that is not plain files: ``zip biggan.zip``."""
        holders = dict.fromkeys((s.source.kind, s.source.holder) for s in self.samples)
        named: dict[str, list[str]] = {}
        for kind, holder in holders:
            named.setdefault(kind, []).append(path_of(holder).rpartition("/")[2])
        parts = []
        for kind, names in named.items():
            if kind != FileSource.kind:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                parts.append(printable(f"{kind} {min(names)}{more}"))
            elif len(named) > 1:
                parts.append("files")
        return ", ".join(parts)

    @property
    def n_real(self) -> int:
        """Images with label 0."""
        return sum(sample.label == 0 for sample in self.samples)

    @property
    def n_fake(self) -> int:
        """Images with label 1."""
        return sum(sample.label == 1 for sample in self.samples)
