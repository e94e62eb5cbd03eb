"""Images that lie nowhere: made in memory from their number, to see what any number of them costs.

Each is noise of 32x32 pixels whose contrast is drawn from its number, a little higher for fakes: a
network without training tells the classes apart a little, and no two images are alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.api import FAKE
from harness.data.places import Folder
from harness.data.sample import Listing, Sample
from harness.data.source import Source
from harness.data.suite import Subset, Suite

SIDE = 32
_HEAD = b"P6 %d %d 255\n" % (SIDE, SIDE)
_LEVELS = 64
_MORE = 8
"""Levels of contrast that fakes have more, of :data:`_LEVELS`."""
_CONTRASTS = tuple(
    bytes(128 + (value - 128) * (_LEVELS + level) // (2 * _LEVELS + _MORE) for value in range(256))
    for level in range(_LEVELS + _MORE)
)
"""Level -> what each value of the noise becomes."""


@dataclass(frozen=True, slots=True)
class SyntheticSource(Source):
    """An image in PPM that follows from its number.

    Args:
        number: from 0 on; odd ones are fakes.
    """

    number: int

    @property
    def label(self) -> int:
        """0 real, 1 fake."""
        return self.number % 2

    def read(self) -> bytes:
        """The encoded bytes: some microseconds' work."""
        digest = hashlib.shake_128(b"%d" % self.number).digest(1 + 3 * SIDE * SIDE)
        level = digest[0] % _LEVELS + _MORE * self.label
        return _HEAD + digest[1:].translate(_CONTRASTS[level])

    def __str__(self) -> str:
        return f"synthetic/{self.number}"

    @property
    def holder(self) -> str:
        """One for all of them."""
        return "synthetic"

    def key(self) -> str:
        """Its own name: it is at no place."""
        return str(self)

    def state(self) -> str:
        """They never change."""
        return "synthetic 1"


def synthetic_suite(count: int, place: Path) -> Suite:
    """A suite of one subset with ``count`` images, every other one a fake.

    Args:
        count: 2 or more.
        place: any folder that exists: where it is looked for, and found empty.
    """
    reals = count - count // 2
    subset = Subset(name="all", n_real=reals, n_fake=count // 2, certainty="documented")

    def adapter(suite: Suite, subset: Subset, root: Folder) -> Listing:
        return Listing(_sample(SyntheticSource(number)) for number in range(count))

    return Suite(
        name=f"synthetic-{count}",
        title=f"{count:,} synthetic images",
        subsets=(subset,),
        adapter=adapter,
        folders=(str(place.resolve()),),
        licence="none: noise",
        obtain="nothing: they are made in memory",
    )


def _sample(source: SyntheticSource) -> Sample:
    name = "1_fake" if source.label == FAKE else "0_real"
    return Sample(id=f"{name}/{source.number:08d}.ppm", label=source.label, source=source)
