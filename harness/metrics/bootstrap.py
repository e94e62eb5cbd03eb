"""How often each image is drawn: a Poisson bootstrap whose weights follow from the unit's name.

The weight of a unit (a photograph, a video) in resample r is a Poisson(1) number, read from a hash
of (seed, r, unit). Nothing else enters: not the other images, their order, the subset, the detector
or the shard. So all detectors are judged by the same resamples (differences are paired), images of
one unit are drawn together, and a unit that several subsets share has one weight in all of them,
whatever else they hold. No matrix of draws is kept. Source: Chamandy, Muralidharan, Najmi and
Naidu, Estimating Uncertainty for Massive Data Streams, 2012; Poisson weights stand for multinomial
ones because every metric here is a ratio (Hanley and MacGibbon 2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.values import Floats

Keys = np.ndarray[Any, np.dtype[np.uint64]]
Weights = np.ndarray[Any, np.dtype[np.uint8]]

LANES = 4
"""Resamples that one 64-bit hash serves, 16 bits each."""
_CHUNK = 1 << 14  # hashes at a time: they stay in the processor's cache
_AT_ONCE = 1 << 24  # weights that :func:`resampled` gives at a time
# Poisson(1): a 16-bit number is worth k draws where it reaches the first k of these thresholds.
_PROBABILITY_OF_AT_MOST = np.cumsum([np.exp(-1.0) / np.prod(np.arange(1, k + 1)) for k in range(8)])
_STEPS = np.minimum(np.round((1 << 16) * _PROBABILITY_OF_AT_MOST), (1 << 16) - 1).astype(np.uint16)


def unit_keys(units: Sequence[str]) -> Keys:
    """(N,) unit names -> (N,) 64-bit hashes: the same name has the same key everywhere."""
    hashes = (blake2b(u.encode("utf-8", "surrogateescape"), digest_size=8).digest() for u in units)
    return np.frombuffer(b"".join(hashes), dtype="<u8").astype(np.uint64)


def weights(keys: Keys, seed: int, start: int, stop: int) -> Weights:
    """How often each image is in resamples ``start`` to ``stop``: (stop - start, N).

    Args:
        keys: (N,) from :func:`unit_keys`.
        seed: another one draws other resamples.
        start, stop: multiples of :data:`LANES`.
    """
    drawn = np.empty((stop - start, keys.size), dtype=np.uint8)
    salts = unit_keys([f"{seed}/{block}" for block in range(start // LANES, stop // LANES)])
    step = max(1, _CHUNK // max(1, salts.size))
    for first in range(0, keys.size, step):
        hashes = _mixed(keys[first : first + step] ^ salts[:, None])
        for lane in range(LANES):
            uniform = (hashes >> np.uint64(16 * lane)).astype(np.uint16)
            drawn[lane::LANES, first : first + step] = _poisson(uniform)
    return drawn


def resampled(units: Sequence[str], resamples: int, seed: int = 0) -> Iterator[Weights]:
    """How often each image is in each resample, some resamples at a time: (B, N) with all B
    together ``resamples``. A whole matrix would be a gigabyte for a million images.
    """
    keys = unit_keys(units)
    rows = max(LANES, _AT_ONCE // max(1, keys.size) // LANES * LANES)
    for start in range(0, resamples, rows):
        stop = min(start + rows, -(-resamples // LANES) * LANES)
        yield weights(keys, seed, start, stop)[: resamples - start]


def _mixed(hashes: Keys) -> Keys:
    """Every bit of the result depends on every bit: the finaliser of splitmix64 (Stafford's 13)."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _poisson(uniform: np.ndarray[Any, np.dtype[np.uint16]]) -> Weights:
    counts: Weights = (uniform >= _STEPS[0]).view(np.uint8)
    reached = np.empty(uniform.shape, dtype=np.bool_)
    for step in _STEPS[1:]:
        np.greater_equal(uniform, step, out=reached)
        counts += reached.view(np.uint8)
    return counts


@dataclass(frozen=True, kw_only=True)
class Draws:
    """A metric on the images as they are, and in every resample.

    Args:
        value: as they are.
        values: (R,) its replicates; NaN for a resample that lacks a class.
        masses: (M, R) summed weights of the images that it is a share of, over their number; for a
            metric of two classes one row each. The variance of a row is 1 / the number of
            independent units, whatever the images share (Kish's effective size).
        sets: subsets that it is the mean over.
    """

    value: float
    values: Floats
    masses: Floats
    sets: int = 1

    @property
    def units(self) -> float:
        """Effective number of independent units, of the class that has fewer."""
        return float(np.min(self._numbers(), initial=np.inf))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of a variance over these units: their number less one a class."""
        return float(np.sum(self._numbers() - 1)) if self.values.size else 0.0

    def _numbers(self) -> Floats:
        """(M,) effective number of units of each class."""
        if not self.values.size:
            return np.full(len(self.masses), np.inf)
        return np.asarray(1 / np.maximum(np.var(self.masses, axis=-1), 1e-12))


def mean_draws(draws: Sequence[Draws], *, subsets_seed: int | None = None) -> Draws:
    """The plain mean over subsets, of the same resamples.

    Args:
        draws: of one metric.
        subsets_seed: when given, each resample also draws the subsets with replacement: the
            interval is then about other generators of the same kind, not about these.
    """
    values = np.stack([each.values for each in draws])
    masses = np.stack([each.masses for each in draws])
    if subsets_seed is not None:
        values, masses = redrawn(values, subsets_seed), redrawn(masses, subsets_seed)
    return Draws(
        value=float(np.mean([each.value for each in draws])),
        values=np.asarray(values.mean(axis=0)),
        masses=np.asarray(masses.mean(axis=0)),
        sets=len(draws),
    )


def seed_mean(draws: Sequence[Draws]) -> Draws:
    """The plain mean over training seeds, of the same images and resamples."""
    return replace(mean_draws(draws), sets=draws[0].sets)


def redrawn(values: Floats, seed: int) -> Floats:
    """(K, ..., R) of K subsets -> the same with subsets drawn anew in each resample.

    Which ones follows from K, R and the seed alone.
    """
    subsets, resamples = len(values), values.shape[-1]
    chosen = np.random.default_rng(seed).integers(0, subsets, size=(subsets, resamples))
    chosen = chosen.reshape(subsets, *[1] * (values.ndim - 2), resamples)
    return np.asarray(np.take_along_axis(values, chosen, axis=0))


def percentiles(draws: ArrayLike) -> tuple[float, float]:
    """The 2.5 % and the 97.5 % percentile of (R,) replicates, NaN left out.

    Example:
        >>> percentiles(np.arange(1001.0))
        (25.0, 975.0)
    """
    low, high = np.nanpercentile(np.asarray(draws, dtype=np.float64), (2.5, 97.5))
    return float(low), float(high)
