"""One lossless encoding for every image of the suite, and one size in bytes.

Lossless files of smoother images are shorter, so their length alone would tell fakes from reals.
Every file is therefore padded to the same length with a RIFF chunk of zeros, which readers skip
and which Parquet's compression removes again.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENCODER = {"format": "WEBP", "lossless": True, "quality": 75, "method": 4, "exact": True}
"""Arguments of Pillow's `Image.save` for every image."""

LENGTH = 40_960
"""Length of every encoded image in bytes."""

_PAD_CHUNK = b"PADD"


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB -> a lossless WebP file of its natural length."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **ENCODER)  # type: ignore[arg-type]
    return buffer.getvalue()


def lossless_bytes(pixels: NDArray[np.uint8]) -> int:
    """Length of an image before padding."""
    return len(compress(pixels))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """(128, 128, 3) uint8 RGB -> a lossless WebP file of exactly LENGTH bytes."""
    body = compress(pixels)
    spare = LENGTH - len(body) - 8
    if spare < 0 or spare % 2:
        raise ValueError(f"image of {len(body)} bytes cannot be padded to {LENGTH}")
    padded = body + _PAD_CHUNK + struct.pack("<I", spare) + bytes(spare)
    return padded[:4] + struct.pack("<I", LENGTH - 8) + padded[8:]


def decode(content: bytes) -> NDArray[np.uint8]:
    """Inverse of `encode`; (128, 128, 3) uint8 RGB."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))
