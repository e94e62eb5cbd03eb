"""Other ways to read a file than the policy of ``decode.py``: what other programs do.

They are for conditions that are tried (``harness why``) and never for a result. Each says from a
file's header whether it can change this file at all; one that it does not concern is decoded as
always. There is no reading of truncated files: Pillow's ``LOAD_TRUNCATED_IMAGES`` is one switch for
the whole process, so that threads that read other files would meet it too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from harness.data.decode import Image8, as_rgb, decode, has_16_bits, read_as

_ORIENTATION = 0x0112
# EXIF's number -> what brings the stored rows and columns upright.
_UPRIGHT: Mapping[int, Callable[[Image8], Image8]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Another way to read files.

    Args:
        about: what it does, in words.
        concerns: of an opened image, whether it can come out different.
        pixels: of an opened image that it concerns, and of its usual pixels.
    """

    about: str
    concerns: Callable[[Image.Image], bool]
    pixels: Callable[[Image.Image, Callable[[], Image8]], Image8]


def _orientation(image: Image.Image) -> int:
    """EXIF's, 1 (upright) where a file has none, or none that can be read."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        found = exif.get(_ORIENTATION, 1)
    except Exception:  # whatever a damaged block raises: the image itself is whole
        return 1
    return found if found in _UPRIGHT else 1


def _upright(image: Image.Image, usual: Callable[[], Image8]) -> Image8:
    return np.ascontiguousarray(_UPRIGHT[_orientation(image)](usual()))


def _has_profile(image: Image.Image) -> bool:
    return bool(image.info.get("icc_profile")) and not has_16_bits(image)


def _in_srgb(image: Image.Image, usual: Callable[[], Image8]) -> Image8:
    """By LittleCMS, perceptual; without the profile where it does not fit the pixels."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        whole = image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(whole, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return usual()
    assert changed is not None  # None only where it was asked to change the image in place
    return np.array(changed)


def _has_alpha(image: Image.Image) -> bool:
    return not has_16_bits(image) and image.has_transparency_data


def _over(level: int) -> Callable[[Image.Image, Callable[[], Image8]], Image8]:
    def composited(image: Image.Image, usual: Callable[[], Image8]) -> Image8:
        ground = Image.new("RGBA", image.size, (level, level, level, 255))
        ground.alpha_composite(image.convert("RGBA"))
        return np.array(ground.convert("RGB"))

    return composited


def _clipped(image: Image.Image, usual: Callable[[], Image8]) -> Image8:
    return as_rgb(np.asarray(image).clip(0, 255))


def _scaled(image: Image.Image, usual: Callable[[], Image8]) -> Image8:
    return as_rgb(np.rint(np.asarray(image) / 257))


DECODINGS: Mapping[str, Decoding] = {
    "exif": Decoding(
        about="EXIF's orientation is applied", concerns=lambda image: _orientation(image) != 1,
        pixels=_upright,
    ),
    "icc": Decoding(
        about="an embedded colour profile is converted to sRGB",
        concerns=_has_profile, pixels=_in_srgb,
    ),
    "alpha-black": Decoding(
        about="transparent pixels are laid on black", concerns=_has_alpha, pixels=_over(0)
    ),
    "alpha-white": Decoding(
        about="transparent pixels are laid on white", concerns=_has_alpha, pixels=_over(255)
    ),
    "16bit-clipped": Decoding(
        about="16-bit grey is cut at 255, as Pillow's `convert` does",
        concerns=has_16_bits, pixels=_clipped,
    ),
    "16bit-scaled": Decoding(
        about="16-bit grey is divided by 257 and rounded", concerns=has_16_bits, pixels=_scaled
    ),
}  # fmt: skip
"""Name -> another way to read files."""


def concerns(decoding: str, data: bytes, name: str) -> bool:
    """Whether a file can come out different; no pixel is decoded.

    Args:
        decoding: of :data:`DECODINGS`.
        data: a whole encoded file.
        name: what messages call it.

    Raises:
        BadImageError: empty, not an image, or too many pixels.
    """
    return read_as(data, name, DECODINGS[decoding].concerns)


def decode_as(decoding: str, data: bytes, name: str) -> Image8:
    """Encoded bytes -> (H, W, 3) uint8 RGB by one of :data:`DECODINGS`, or as always for "".

    Raises:
        BadImageError: as of :func:`harness.data.decode.decode`.
    """
    if not decoding or not concerns(decoding, data, name):
        return decode(data, name)
    way = DECODINGS[decoding]
    return read_as(data, name, lambda image: way.pixels(image, lambda: decode(data, name)))
