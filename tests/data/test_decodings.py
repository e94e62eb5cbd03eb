"""Files read as other programs read them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from image_files import encoded, noise
from PIL import Image, ImageCms, ImageOps

from harness.data.decode import decode
from harness.data.decodings import DECODINGS, concerns, decode_as
from harness.errors import BadImageError

RGB = Image.fromarray(noise(24, 36))


def _rotated(orientation: int, file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(RGB, file_format, exif=exif)


def _deep() -> bytes:
    values = np.array([[0, 255, 256], [300, 0x1234, 0xFFFF]], dtype=np.uint16)
    return encoded(Image.fromarray(values), "PNG")


def _clear() -> Image.Image:
    return Image.fromarray(np.dstack([noise(4, 6), noise(4, 6, 1)[:, :, 0]]))


def _palette() -> bytes:
    image = Image.fromarray(noise(4, 6)).quantize(8)
    return encoded(image, "PNG", transparency=3)


def _wide() -> bytes:
    """A profile that is not sRGB: LAB's, which fits no RGB picture, is of another test."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


PLAIN = {"JPEG": encoded(RGB, "JPEG"), "PNG": encoded(RGB, "PNG"), "WEBP": encoded(RGB, "WEBP")}


@pytest.mark.parametrize("decoding", list(DECODINGS))
@pytest.mark.parametrize("file_format", list(PLAIN))
def test_a_plain_file_concerns_none_and_is_read_as_always(decoding: str, file_format: str) -> None:
    data = PLAIN[file_format]
    assert not concerns(decoding, data, "a")
    np.testing.assert_array_equal(decode_as(decoding, data, "a"), decode(data, "a"))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_exifs_orientation_is_applied_as_pillow_does(orientation: int, file_format: str) -> None:
    data = _rotated(orientation, file_format)
    assert concerns("exif", data, "a")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    ours = decode_as("exif", data, "a")
    np.testing.assert_array_equal(ours, np.asarray(upright))
    assert ours.flags.c_contiguous
    assert (ours.shape != decode(data, "a").shape) == (orientation > 4)


def test_what_is_no_orientation_leaves_a_file_alone() -> None:
    for orientation in (1, 0, 9):
        assert not concerns("exif", _rotated(orientation), "a")
    assert not concerns("exif", _rotated(6, "TIFF"), "a")  # decode itself applies it there
    damaged = encoded(RGB, "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert not concerns("exif", damaged, "a")
    np.testing.assert_array_equal(decode_as("exif", damaged, "a"), decode(damaged, "a"))


def _profile(gamma: float) -> bytes:
    """sRGB's profile with another tone curve: every curve tag's one number is exchanged."""
    table = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grown, count = bytearray(table), int.from_bytes(table[128:132], "big")
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
    start = len(grown)
    grown += curve + bytes(2)
    for entry in range(132, 132 + 12 * count, 12):
        if bytes(grown[entry + 1 : entry + 4]) == b"TRC":
            grown[entry + 4 : entry + 12] = start.to_bytes(4, "big") + len(curve).to_bytes(4, "big")
    grown[:4] = len(grown).to_bytes(4, "big")
    return bytes(grown)


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    data = encoded(RGB, "PNG", icc_profile=_profile(1.0))
    assert concerns("icc", data, "a")
    ours = decode_as("icc", data, "a").astype(float)
    linear = np.asarray(RGB) / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(ours - 255 * srgb).max() < 4  # by the formula of IEC 61966-2-1
    assert np.abs(ours - np.asarray(RGB)).mean() > 20
    same = encoded(RGB, "PNG", icc_profile=_profile(2.2))
    assert np.abs(decode_as("icc", same, "a").astype(int) - np.asarray(RGB)).mean() < 3


@pytest.mark.parametrize("profile", [b"none at all", b"XYZ"])
def test_a_profile_that_does_not_fit_the_pixels_is_left_out(profile: bytes) -> None:
    if profile == b"XYZ":
        profile = _wide()
    data = encoded(RGB, "JPEG", icc_profile=profile)
    assert concerns("icc", data, "a")
    np.testing.assert_array_equal(decode_as("icc", data, "a"), decode(data, "a"))


@pytest.mark.parametrize(("decoding", "ground"), [("alpha-black", 0), ("alpha-white", 255)])
def test_alpha_is_laid_on_a_ground(decoding: str, ground: int) -> None:
    clear = _clear()
    data = encoded(clear, "PNG")
    assert concerns(decoding, data, "a")
    values = np.asarray(clear).astype(float)
    share = values[:, :, 3:] / 255
    wanted = values[:, :, :3] * share + ground * (1 - share)
    assert np.abs(decode_as(decoding, data, "a") - wanted).max() <= 1
    palette = _palette()
    assert concerns(decoding, palette, "a")
    index = np.asarray(Image.open(io.BytesIO(palette)))
    ours = decode_as(decoding, palette, "a")
    assert (ours[index == 3] == ground).all()
    np.testing.assert_array_equal(ours[index != 3], decode(palette, "a")[index != 3])


def test_16_bits_are_clipped_or_scaled() -> None:
    data = _deep()
    clipped, scaled = (decode_as(f"16bit-{how}", data, "a") for how in ("clipped", "scaled"))
    np.testing.assert_array_equal(clipped[:, :, 0], [[0, 255, 255], [255, 255, 255]])
    np.testing.assert_array_equal(clipped, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    np.testing.assert_array_equal(scaled[:, :, 2], [[0, 1, 1], [1, round(0x1234 / 257), 255]])
    assert not any(concerns(name, data, "a") for name in ("exif", "icc", "alpha-white"))


def test_what_cannot_be_read_is_bad_by_every_way() -> None:
    for decoding in DECODINGS:
        with pytest.raises(BadImageError, match=r"a\.png"):
            decode_as(decoding, b"no image", "a.png")
    with pytest.raises(BadImageError, match="truncated"):
        decode_as("exif", _rotated(6)[:-300], "a.png")
    with pytest.raises(KeyError):
        decode_as("upside-down", PLAIN["PNG"], "a.png")
