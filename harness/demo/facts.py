"""What the audit can say of a single file: what its header claims, what its pixels betray."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from harness.api import FileHeader
from harness.audit.findings import looks_like_photo_name, metadata_names
from harness.audit.traces import BLOCKY, blockiness
from harness.data.decode import read_header
from harness.errors import BadImageError
from harness.evaluation.image_file import ImageFile

MAX_BYTES = 32 * 2**20
"""Largest file that the page takes."""

MAX_PIXELS = 50_000_000
"""Largest picture that the page decodes; ``python -m harness score`` goes further."""

_ELSEWHERE = "python -m harness score FILE takes larger ones"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """One file.

    Args:
        header: what it says of itself.
        rows: (name, text), in the order in which they are read.
        notes: what a reader of the scores must know, in sentences.
    """

    header: FileHeader
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def check_size(picture: ImageFile) -> FileHeader:
    """The header of an image that is small enough for the page.

    Raises:
        BadImageError: too many bytes or pixels, empty, or not an image.
    """
    if len(picture.data) > MAX_BYTES:
        raise BadImageError(
            picture.name,
            f"has {len(picture.data):,} bytes, this page takes {MAX_BYTES:,}; {_ELSEWHERE}",
        )
    header = picture.header()
    if header.width * header.height > MAX_PIXELS:
        raise BadImageError(
            picture.name,
            f"has {header.width}x{header.height} pixels, this page takes {MAX_PIXELS:,}; "
            f"{_ELSEWHERE}",
        )
    return header


def file_facts(picture: ImageFile) -> FileFacts:
    """Reads header and pixels of an image.

    Raises:
        BadImageError: it is too large, or cannot be decoded.
    """
    header = check_size(picture)
    grid = blockiness(picture.pixels())
    rows = [
        ("format", header.format),
        ("size", f"{header.width} x {header.height} pixels (width x height)"),
        ("colour mode", header.mode),
        ("file", f"{len(picture.data):,} bytes"),
        ("metadata", ", ".join(metadata_names(header))),
        *_jpeg_rows(header),
        ("8x8 grid", _grid(grid, header)),
    ]
    return FileFacts(header=header, rows=tuple(rows), notes=tuple(_notes(picture, header, grid)))


def _jpeg_rows(header: FileHeader) -> list[tuple[str, str]]:
    if not header.quantization:
        return []
    quality = header.jpeg_quality
    known = header.quantization == _libjpeg_tables(quality or 0, len(header.quantization))
    return [
        ("JPEG quality", f"{quality}" if known else f"near {quality}"),
        (
            "JPEG tables",
            "known: libjpeg's (Pillow, most programs)"
            if known
            else "unknown: not libjpeg's (a camera, Photoshop, a website)",
        ),
        ("chroma", header.subsampling or "grey"),
    ]


@lru_cache(maxsize=128)
def _libjpeg_tables(quality: int, count: int) -> tuple[tuple[int, ...], ...]:
    """The quantisation tables that libjpeg itself writes, luminance first."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    return read_header(file.getvalue(), "libjpeg").quantization[:count]


def _grid(grid: float | None, header: FileHeader) -> str:
    if grid is None:
        return "too small to tell"
    found = f"stands out {grid:.2f} times (counts from {BLOCKY:g})"
    if header.format == "JPEG":
        return found
    return f"{found}: {'a trace of JPEG' if grid > BLOCKY else 'no trace of JPEG, no proof either'}"


def _notes(picture: ImageFile, header: FileHeader, grid: float | None) -> list[str]:
    notes = []
    if header.frames > 1:
        notes.append(f"Animated: only the first of {header.frames} frames is looked at.")
    if header.format == "JPEG":
        notes.append(
            "A JPEG file: what compression took away stays away. The JPEG rows below show what "
            "compressing it once more does to each score."
        )
    elif grid is not None and grid > BLOCKY:
        notes.append(
            f"Saved as {header.format}, yet its pixels carry an 8x8 grid: it was probably a JPEG "
            "before (lossy WebP and enlarging by eight leave the same trace)."
        )
    if header.has_exif:
        notes.append(
            "It carries EXIF data. Orientation in it is not applied: detectors see what is stored."
        )
    if "A" in header.mode or header.mode == "P":
        notes.append("Transparency is dropped and palettes are expanded before scoring.")
    if looks_like_photo_name(picture.name):
        notes.append("Its name follows a camera or a photo data set; no detector looks at names.")
    return notes
