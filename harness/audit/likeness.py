"""Whether two images show the same thing: a hash says if it may be, their pixels if it is so.

A perceptual hash sees the coarse layout only, which aligned faces share. What tells a copy from
another person is detail, once a crop or a resize has been undone.
"""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.data.decode import Image8

SIDE = 64
ALIKE = 0.92
"""Correlation of registered details from which two images count as one.
``tests/data/test_lookalikes.py`` measures precision and recall on copies and on others."""

Thumbnail = np.ndarray[Any, np.dtype[np.uint8]]
"""(64, 64) grey levels."""
_Plane = np.ndarray[Any, np.dtype[np.float64]]

_LEVELS = ((3.0, 12.0, 4), (1.5, 8.0, 3))  # band in pixels of a thumbnail, Gauss-Newton steps
_DETAIL = (1.0, 3.0)
_INSIDE = (slice(8, -8), slice(8, -8))  # a crop has nothing to show beyond its edges
_COARSE = 0.5  # correlation of the coarse band below which no finer step is worth its time
_ZOOM, _SHIFT = 1.25, 8.0  # the largest that are undone: a factor; pixels
_HASH_SIDE, _SHRUNK = 8, 32
_FLAT = 2.0  # grey levels of standard deviation below which a hash would be of noise
_RAMP: _Plane = np.linspace(-1.0, 1.0, SIDE)


def perceptual_hashes(image: Image8) -> tuple[int, int] | None:
    """63 bits that change little when an image is scaled, compressed or slightly altered.

    The image in grey, shrunk to 32x32, its discrete cosine transform, of which the lowest 8x8
    coefficients but the mean are compared with their median. Source: the pHash of Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Ours and not ``imagehash.phash`` (4.3.2), which needs a second transform for the mirror image:
    that one takes 0.31 ms an image in place of 0.10 and, in the same search on the embedded suite,
    finds 5 of 7,851 pairs across subsets and 3 of 5,065 across classes less; its ``dhash`` misses
    603 and 249. ``whash`` takes 13 times as long.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The bits as a number, of the image and of its mirror image, or None for an image that is
        nearly flat.
    """
    from scipy.fft import dctn  # here: it takes a while to import

    grey = Image.fromarray(image).convert("L")
    small = np.asarray(grey.resize((_SHRUNK, _SHRUNK), Image.Resampling.BOX), dtype=np.float64)
    if small.std() < _FLAT:
        return None
    low = dctn(small)[:_HASH_SIDE, :_HASH_SIDE]
    mirror = (-1.0) ** np.arange(_HASH_SIDE)  # cosines of odd frequency change their sign
    return _bits(low), _bits(low * mirror)


def _bits(low: _Plane) -> int:
    values = low.ravel()[1:]
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")


def thumbnail(image: Image8) -> Thumbnail:
    """(H, W, 3) uint8 RGB -> (64, 64) uint8, its luma stretched to a square."""
    grey = Image.fromarray(image).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


class ThumbnailFile:
    """Thumbnails of very many images, on disk: a million take 4 GB.

    Args:
        folder: where a file without a name is made; it goes with this object.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed with this object
        weakref.finalize(self, self._file.close)
        self._count = 0

    def keep(self, thumbnail: Thumbnail) -> KeptThumbnail:
        """Writes one; all are written before one is read, and by one thread."""
        self._file.write(thumbnail.tobytes())
        self._count += 1
        return KeptThumbnail(self, self._count - 1)

    def read(self, place: int) -> Thumbnail:
        """The one that was written as the ``place``-th."""
        self._file.seek(place * SIDE * SIDE)
        data = self._file.read(SIDE * SIDE)
        return np.frombuffer(data, dtype=np.uint8).reshape(SIDE, SIDE)


@dataclass(frozen=True, slots=True, eq=False)
class KeptThumbnail:
    """A thumbnail on disk; ``np.asarray`` reads it."""

    file: ThumbnailFile
    place: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Thumbnail:
        return self.file.read(self.place)


def alike(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether the second is the first, up to coding, light, noise and a small crop.

    The second is registered to the first (a zoom and a shift along each axis, by least squares
    from coarse to fine as Lucas and Kanade do, IJCAI 1981); then details of both, a band of 1 to 3
    pixels, are correlated away from the edges. A mirrored copy is for the caller to turn.
    """
    a, b = one.astype(np.float64), other.astype(np.float64)
    if _detail_correlation(a, b) >= ALIKE:
        return True
    zoom, shift = np.ones(2), np.zeros(2)
    for low, high, steps in _LEVELS:
        fixed, moving = _standard(_band(a, low, high)), _standard(_band(b, low, high))
        for _ in range(steps):
            zoom, shift = _step(fixed, moving, zoom, shift)
        if _correlation(fixed, _warped(moving, zoom, shift)) < _COARSE:
            return False
    return _detail_correlation(a, _warped(b, zoom, shift)) >= ALIKE


def _detail_correlation(a: _Plane, b: _Plane) -> float:
    return _correlation(_band(a, *_DETAIL), _band(b, *_DETAIL))


def _band(values: _Plane, low: float, high: float) -> _Plane:
    """What lies between two Gaussian blurs."""
    narrow, wide = _blur(low), _blur(high)
    return np.asarray(narrow @ values @ narrow.T - wide @ values @ wide.T)


@cache
def _blur(sigma: float) -> _Plane:
    """(64, 64): a Gaussian blur along one axis as a matrix; weights at the edges sum to one."""
    places = np.arange(SIDE)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _standard(values: _Plane) -> _Plane:
    centred = values - values.mean()
    return np.asarray(centred / (centred.std() + 1e-6))


def _correlation(a: _Plane, b: _Plane) -> float:
    x, y = (v[_INSIDE] - v[_INSIDE].mean() for v in (a, b))
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum() + 1e-12))


def _warped(values: _Plane, zoom: _Plane, shift: _Plane) -> _Plane:
    """The image zoomed and shifted along each axis, bilinear; edges go on."""
    rows, columns = (_sampling(zoom[axis], shift[axis]) for axis in (0, 1))
    return np.asarray(rows @ values @ columns.T)


def _sampling(zoom: float, shift: float) -> _Plane:
    """(64, 64): the weights of linear interpolation along one axis."""
    half = (SIDE - 1) / 2
    places = (half * (1 + zoom * _RAMP) + shift).clip(0, SIDE - 1)
    return np.asarray(np.maximum(0.0, 1 - np.abs(places[:, None] - np.arange(SIDE))))


def _step(fixed: _Plane, moving: _Plane, zoom: _Plane, shift: _Plane) -> tuple[_Plane, _Plane]:
    """One Gauss-Newton step of zoom and shift; contrast is fitted beside them."""
    warped = _warped(moving, zoom, shift)
    down, across = (np.asarray(slope) for slope in np.gradient(warped))
    half = (SIDE - 1) / 2
    ramps = (half * down * _RAMP[:, None], half * across * _RAMP, down, across)
    slopes = np.stack([slope[_INSIDE].ravel() for slope in ramps])
    seen, wanted = warped[_INSIDE].ravel(), fixed[_INSIDE].ravel()
    contrast = float(seen @ wanted) / (float(seen @ seen) + 1e-9)
    slopes = slopes * contrast
    square = slopes @ slopes.T + 1e-2 * np.eye(4)
    change = np.linalg.solve(square, slopes @ (wanted - contrast * seen))
    return (
        (zoom + change[:2]).clip(1 / _ZOOM, _ZOOM),
        (shift + change[2:]).clip(-_SHIFT, _SHIFT),
    )
