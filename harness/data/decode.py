"""The one decoding policy: encoded bytes to 8-bit RGB, and what a file's header says of itself.

Policy (version :data:`DECODE_VERSION`): the pixels are those of Pillow's
``Image.open(file).convert("RGB")``, which is what the detectors' releases run. So EXIF orientation
is not applied (except by Pillow itself in TIFF files), alpha is dropped, palettes are expanded, the
first frame of an animation is taken, CMYK goes through Pillow's formula, and JPEGs are decoded in
full (no draft mode). It differs from the releases in four places, each on purpose:

* A truncated or damaged file is an error; the releases set ``LOAD_TRUNCATED_IMAGES`` and score a
  image that is partly grey.
* 16-bit grey is reduced by ``>> 8``, as Pillow does itself for 16-bit RGB; its ``convert`` clips,
  which turns nearly every 16-bit image white.
* 32-bit integer and float pixels are an error: no range is defined for them, and ``convert`` gives
  a black or a white image.
* A header that claims more than :data:`MAX_PIXELS` is an error before anything is decoded.

A PNG file whose pixels are whole and whose other chunks are not (a text or colour profile of over
1 MiB, a short ``tRNS`` or ``pHYs``, a wrong checksum in ``tEXt``) is read without those chunks, as
the releases read it; no such chunk changes a pixel here, since alpha is dropped.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from harness.api import FileHeader
from harness.data.sample import UNREADABLE, Sample
from harness.data.source import UNREAD
from harness.errors import BadImageError, DataError, printable
from harness.installed import install_hint

DECODE_VERSION = 1
MAX_PIXELS = 178_956_970
"""Pillow's own limit for an error: twice its ``MAX_IMAGE_PIXELS``."""

Image.init()  # all plug-ins now, rather than by whichever thread is first
# Named so that no other plug-in runs on test data (EPS, for one, starts an external program).
# Multi-picture JPEGs (MPO) come through JPEG. Pillow before 11.3 has no AVIF.
FORMATS = tuple(
    name
    for name in ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
    if name in Image.OPEN
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

_PNG = b"\x89PNG\r\n\x1a\n"

Image8 = np.ndarray[Any, np.dtype[np.uint8]]
Value = TypeVar("Value")

# As `warnings.filterwarnings("ignore", module=...)` stores it.
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def read_bytes(sample: Sample) -> bytes:
    """The encoded bytes of a sample, and of no other: they have the hash that its manifest lists.

    Raises:
        BadImageError: they cannot be read.
        DataError: they are not those that were hashed.
    """
    name = display_name(sample)
    try:
        data = sample.source.read()
    except UNREAD as error:
        raise BadImageError(name, f"cannot be read: {error}") from error
    if sample.sha256 and hashlib.sha256(data).hexdigest() != sample.sha256:
        raise DataError(
            f"{name}: is no longer the image that was listed: it was "
            f"{'unreadable' if sample.sha256 == UNREADABLE else 'sha256 ' + sample.sha256[:12]}",
            hint="let nothing write to the data while it is read, and run again",
        )
    return data


def display_name(sample: Sample) -> str:
    """What messages call a sample: where it is."""
    return printable(sample.source)


def decode(data: bytes, name: str, notes: list[str] | None = None) -> Image8:
    """Encoded bytes -> (H, W, 3) uint8 RGB, writable, by the policy of this module.

    Args:
        data: a whole encoded file.
        name: what messages call it.
        notes: what had to be passed over is added to it, in words.

    Raises:
        BadImageError: empty, not an image, truncated, damaged, too many pixels, 32-bit pixels.
    """
    return _read(_pixels, data, name, notes)


def read_as(data: bytes, name: str, read: Callable[[Image.Image], Value]) -> Value:
    """What ``read`` makes of a file's opened image, of which no pixel is decoded yet.

    Raises:
        BadImageError: as of :func:`decode`.
    """

    def whole(encoded: bytes, name: str) -> Value:
        with _opened(encoded, name) as image:
            return read(image)

    return _read(whole, data, name, None)


def has_16_bits(image: Image.Image) -> bool:
    """Whether it is 16-bit grey, which Pillow opens in one of several modes."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _pixels(data: bytes, name: str) -> Image8:
    with _opened(data, name) as image:
        if has_16_bits(image):
            return as_rgb(np.asarray(image).astype(np.uint16) >> 8)
        if image.mode in ("I", "F"):
            raise BadImageError(
                name, f"has 32-bit pixels (mode {image.mode}), which have no defined range"
            )
        return np.array(image.convert("RGB"))


def as_rgb(grey: np.ndarray[Any, Any]) -> Image8:
    """(H, W) of 0 to 255 -> (H, W, 3) uint8."""
    return np.repeat(grey.astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def read_header(data: bytes, name: str, notes: list[str] | None = None) -> FileHeader:
    """What a file's header says; no pixel is decoded.

    Args:
        data: a whole encoded file.
        name: what messages call it.
        notes: what had to be passed over is added to it, in words.

    Raises:
        BadImageError: empty, not an image, or too many pixels.
    """
    return _read(_header, data, name, notes)


def _read(
    read: Callable[[bytes, str], Value], data: bytes, name: str, notes: list[str] | None
) -> Value:
    """What ``read`` makes of a file, or else of its critical chunks alone, which is noted."""
    try:
        return read(data, name)
    except BadImageError as error:
        critical, others = _critical_chunks(data)
        if not others:
            raise
        try:
            value = read(critical, name)
        except BadImageError:
            raise error from None
        if notes is not None:
            notes.append(f"is read without its chunks {', '.join(others)}, of which one is damaged")
        return value


def _critical_chunks(data: bytes) -> tuple[bytes, list[str]]:
    """A PNG file without the chunks that a reader may pass over, and the names of those.

    Nothing for other files, and for one that is cut short or has no proper chunks
    at some place, whether or not its pixels come before.
    """
    if not data.startswith(_PNG):
        return b"", []
    kept, others, place = [_PNG], list[str](), len(_PNG)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data[place : place + 4].ljust(4, b"\xff"))
        kind, end = data[place + 4 : place + 8], place + length + 12
        if not kind.isalpha():
            break
        if kind[:1].isupper():
            kept.append(data[place:end])
        else:
            others.append(kind.decode("ascii"))
        if kind == b"IEND":
            return b"".join(kept), list(dict.fromkeys(others))
        place = end
    return b"", []


def _header(data: bytes, name: str) -> FileHeader:
    with _opened(data, name) as image:
        tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
        quantization = tuple(tuple(tables[key]) for key in sorted(tables))
        return FileHeader(
            format=image.format or "",
            width=image.width,
            height=image.height,
            mode=image.mode,
            jpeg_quality=estimate_jpeg_quality(quantization[0]) if quantization else None,
            quantization=quantization,
            subsampling=_subsampling(image),
            has_exif=bool(image.info.get("exif")),
            has_icc=bool(image.info.get("icc_profile")),
            frames=int(getattr(image, "n_frames", 1)),
        )


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """An opened image; whatever Pillow raises inside the block becomes a BadImageError."""
    _set_pillow_globals()
    if not data:
        raise BadImageError(name, "is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=_formats(data, name)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(name, _bomb(f"{image.width}x{image.height}"))
            yield image
    except (BadImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        reason = f"is not a {'/'.join(FORMATS)} image: it starts with {data[:8]!r}"
        raise BadImageError(name, reason) from error
    except Image.DecompressionBombError as error:
        raise BadImageError(name, _bomb(str(error))) from error
    except Exception as error:  # Pillow raises nearly any type on damaged files
        reason = f"is truncated or damaged: {error or type(error).__name__}"
        raise BadImageError(name, reason) from error


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """The formats to try; that of HEIC is registered by an extra, when a file needs it."""
    if data[4:8] != b"ftyp":
        return FORMATS
    box = data[8 : int.from_bytes(data[:4], "big")]
    brands = {box[place : place + 4] for place in range(0, min(len(box), 256), 4)}
    if b"avif" in brands or not brands & _HEIC_BRANDS:
        return FORMATS
    try:
        import pillow_heif  # here: an extra
    except ImportError:
        raise BadImageError(
            name, f"is a HEIC image, which needs an extra: {install_hint('heif')}"
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)
    return (*FORMATS, "HEIF")


def _bomb(found: str) -> str:
    return f"has a header that claims more than {MAX_PIXELS:,} pixels ({found}); not decoded"


def _set_pillow_globals() -> None:
    """Pins the process-wide state of Pillow that other libraries are known to change.

    ``warnings.catch_warnings`` is not safe with threads, so Pillow's warnings (large image, odd
    EXIF, palette transparency) are filtered by module instead; what is wrong enough raises.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    if list(warnings.filters[:1]) != [_PILLOW_FILTER]:
        warnings.filterwarnings("ignore", module=_PILLOW_FILTER[3].pattern)


def _subsampling(image: Image.Image) -> str:
    """Chroma subsampling of a colour JPEG, "" for everything else."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or len(image.layer) < 3:
        return ""
    names = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    return names.get(JpegImagePlugin.get_sampling(image), "other")


# The luminance table of ITU-T T.81, Annex K.1, in row-major order.
_T81_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.int64,
).ravel()


def _ijg_tables() -> np.ndarray[Any, np.dtype[np.int64]]:
    """(101, 64) luminance tables of libjpeg for quality 0 to 100 (0 is treated as 1)."""
    quality = np.maximum(np.arange(101), 1)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((_T81_LUMINANCE * scale[:, np.newaxis] + 50) // 100, 1, 255)


_IJG_TABLES = _ijg_tables()


@lru_cache(maxsize=4096)
def estimate_jpeg_quality(luminance: tuple[int, ...]) -> int:
    """Quality (0 to 100) whose libjpeg luminance table is nearest to this one.

    Downwards from 100, for as long as the mean squared distance does not grow: the estimator of
    Grommelt et al., "Fake or JPEG?" (arXiv 2403.17608). Exact for libjpeg tables of quality 2 to
    100; for other encoders' tables it is a near match that may stop at a local minimum.

    Args:
        luminance: 64 steps in row-major order, as Pillow gives them.
    """
    distance = ((_IJG_TABLES - np.asarray(luminance)) ** 2).mean(axis=1)
    best = 100
    while best > 0 and distance[best - 1] <= distance[best]:
        best -= 1
    return best
