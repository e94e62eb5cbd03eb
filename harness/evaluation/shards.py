"""``--shard K/N``: the images of every subset dealt out to several runs by their ids.

What an image's shard is follows from its id alone, so every run finds the same deal for itself. A
shard leaves journals; a run without ``--shard`` merges them, whatever N left them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.sample import Sample
from harness.errors import UsageError
from harness.results.journal import Flags


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Number ``index``, from 1 on, of ``count`` runs that share the work."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/3``: the second of three.

        Raises:
            UsageError: anything else.
        """
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise UsageError(
                f"--shard {text!r}: expected K/N with K from 1 to N", hint="for example --shard 1/2"
            )
        return cls(index=int(found[1]), count=int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, samples: Sequence[Sample]) -> Flags:
        """(N,) which images are this shard's: about one in ``count``."""
        mine = (_number(sample) % self.count == self.index - 1 for sample in samples)
        return np.fromiter(mine, np.bool_, len(samples))


def _number(sample: Sample) -> int:
    place = sample.place.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "big")
