"""Faults of geometry, decoding and codec, by Pillow and numpy."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from harness.diagnosis.planted.detectors import Kind
from harness.diagnosis.planted.planter import Planter
from harness.diagnosis.planted.resizes import RESIZES
from harness.diagnosis.planted.world import Picture, PlantedFault, PlantedLook, decoded, tensor

Shape = Callable[[Picture], Tensor]


def _shaped(shape: Shape) -> PlantedFault:
    return PlantedFault(look=PlantedLook(shape=lambda picture, kind: [shape(picture)]))


def native() -> PlantedFault:
    """As the file has it."""
    return _shaped(tensor)


def centre(image: Tensor, height: int, width: int) -> Tensor:
    """(3, H, W) -> its middle, black around one that is smaller."""
    missing = [
        max(0, want - have) for want, have in zip((height, width), image.shape[1:], strict=True)
    ]
    (top, left), (down, right) = (
        [part // 2 for part in missing],
        [(part + 1) // 2 for part in missing],
    )
    image = torch.nn.functional.pad(image, (left, right, top, down))
    y, x = round((image.shape[1] - height) / 2), round((image.shape[2] - width) / 2)
    return image[:, y : y + height, x : x + width]


def resized(side: str, words: str) -> PlantedFault:
    """Both sides."""
    return _shaped(lambda picture: RESIZES[words](picture, int(side), int(side)))


def short_side(side: str, crop: str | None, words: str) -> PlantedFault:
    """The shorter side, then perhaps the middle."""

    def shape(picture: Picture) -> Tensor:
        (height, width), short = picture.shape[:2], int(side)
        if height <= width:
            size = short, int(short * width / height)
        else:
            size = int(short * height / width), short
        image = RESIZES[words](picture, *size)
        return centre(image, int(crop), int(crop)) if crop else image

    return _shaped(shape)


def resized_and_cut(side: str, crop: str, words: str) -> PlantedFault:
    """Both sides, then the middle."""
    both, middle = int(side), int(crop)
    return _shaped(lambda picture: centre(RESIZES[words](picture, both, both), middle, middle))


def cut(side: str, around: str) -> PlantedFault:
    """The middle, and what is done with smaller pictures."""
    edge = int(side)

    def shape(picture: Picture) -> Tensor:
        height, width = picture.shape[:2]
        missing = max(0, edge - height), max(0, edge - width)
        if around == "smaller ones as they are":
            return centre(tensor(picture), min(edge, height), min(edge, width))
        if around == "smaller ones tiled":
            picture = np.tile(picture, (-(-edge // height), -(-edge // width), 1))
        elif around == "mirror around smaller ones":
            margins = [(part // 2, (part + 1) // 2) for part in missing]
            picture = np.pad(picture, (*margins, (0, 0)), mode="reflect")
        return centre(tensor(picture), edge, edge)

    return _shaped(shape)


def top_left(side: str) -> PlantedFault:
    """The first rows and columns."""
    return _shaped(lambda picture: tensor(picture[: int(side), : int(side)]))


def tiled(side: str, crop: str) -> PlantedFault:
    """Repeated up to a side, then the middle."""

    def shape(picture: Picture) -> Tensor:
        height, width = picture.shape[:2]
        picture = np.tile(picture, (-(-int(side) // height), -(-int(side) // width), 1))
        return centre(tensor(picture), int(crop), int(crop))

    return _shaped(shape)


def published_resize(words: str) -> PlantedFault:
    """The published size by other arithmetic."""

    def shape(picture: Picture, kind: Kind) -> list[Tensor]:
        return [RESIZES[words](picture, kind.resize, kind.resize)]

    return PlantedFault(look=PlantedLook(shape=shape))


def saved(picture: Picture, form: str, **options: object) -> Picture:
    """Written as a file of a format, and read."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    return np.array(Image.open(file).convert("RGB"))


def lossy(form: str, quality: str, whose: str) -> PlantedFault:
    """JPEG or WebP, of both classes or of one; or a JPEG with more colours."""
    form = form.replace("WebP", "WEBP")
    options = {"subsampling": whose} if ":" in whose else {}

    def codec(picture: Picture, label: int, file: bytes) -> Picture:
        spared = {"fakes only": label != 1, "reals only": label != 0}
        spared["PNG files only"] = not file.startswith(b"\x89PNG")
        if spared.get(whose, False):
            return picture
        return saved(picture, form, quality=int(quality), **options)

    return PlantedFault(look=PlantedLook(codec=codec))


def recoloured(name: str) -> PlantedFault:
    """Red and blue exchanged, or no colours."""

    def codec(picture: Picture, label: int, file: bytes) -> Picture:
        if name == "BGR":
            return picture[..., ::-1]
        # Pillow's integers for ITU-R 601-2.
        luma = (picture.astype(np.int64) @ np.array([19595, 38470, 7471]) + 0x8000) >> 16
        return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)

    return PlantedFault(look=PlantedLook(codec=codec))


def on_ground(colour: str) -> PlantedFault:
    """Transparent pixels laid on black or white."""

    def decode(data: bytes) -> Picture:
        image = Image.open(io.BytesIO(data))
        if not image.has_transparency_data:
            return decoded(data)
        pixels = np.array(image.convert("RGBA")).astype(np.float64)
        share = pixels[..., 3:] / 255
        ground = 255 * (colour == "white")
        return np.rint(pixels[..., :3] * share + ground * (1 - share)).astype(np.uint8)

    return PlantedFault(look=PlantedLook(decode=decode))


def deep(way: str) -> PlantedFault:
    """16-bit grey cut at 255, or scaled to it."""

    def decode(data: bytes) -> Picture:
        image = Image.open(io.BytesIO(data))
        if not image.mode.startswith("I"):
            return decoded(data)
        grey = np.array(image).astype(np.float64)
        grey = np.minimum(grey, 255) if way == "cut at 255" else np.rint(grey / 65535 * 255)
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)

    return PlantedFault(look=PlantedLook(decode=decode))


def upright() -> PlantedFault:
    """EXIF's orientation applied."""

    def decode(data: bytes) -> Picture:
        return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))

    return PlantedFault(look=PlantedLook(decode=decode))


def in_srgb() -> PlantedFault:
    """A colour profile applied."""

    def decode(data: bytes) -> Picture:
        image = Image.open(io.BytesIO(data))
        profile = image.info.get("icc_profile")
        if not profile:
            return decoded(data)
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turn = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        return np.array(ImageCms.applyTransform(image, turn))

    return PlantedFault(look=PlantedLook(decode=decode))


WORDS = "(" + "|".join(sorted(RESIZES, key=len, reverse=True)) + ")"
GEOMETRY = (
    (r"native size", native),
    (rf"resize\((\d+)\) {WORDS}", resized),
    (rf"short side (\d+)(?:, crop (\d+))?, {WORDS}", short_side),
    (rf"resize\((\d+)\), crop (\d+), {WORDS}", resized_and_cut),
    (r"centre crop (\d+), (.*)", cut),
    (r"top-left crop (\d+)", top_left),
    (r"tile to (\d+), crop (\d+)", tiled),
    (rf"published resize, {WORDS}", published_resize),
)
DECODING = (
    (r"(BGR|grey)", recoloured),
    (r"alpha on (black|white)", on_ground),
    (r"16 bit (cut at 255|scaled)", deep),
    (r"EXIF orientation applied", upright),
    (r"ICC profile applied", in_srgb),
)
CODEC = ((r"(JPEG|WebP) (\d+), (.*)", lossy),)
PLANTERS = tuple(
    Planter(family=family, pattern=pattern, make=make)
    for family, rows in (("geometry", GEOMETRY), ("decoding", DECODING), ("codec", CODEC))
    for pattern, make in rows
)
