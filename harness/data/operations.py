"""The operations that preprocess texts name.

The random ones are in ``augmentations.py``, resizes of other libraries in ``resizing.py``. Every
operation takes and gives (H, W, 3) uint8 RGB and equals Pillow / torchvision on a Pillow image,
where it says no other. A few work in floats, as torchvision does on tensors (:class:`Op`). To add
one, write one function and decorate it with :func:`op`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from harness.data import opencv
from harness.data.decode import MAX_PIXELS, Image8

MAX_GROWN = 4096 * 4096
"""Pixels to which an operation may enlarge any image; beyond that, four times what it has."""

Pixels = np.ndarray[Any, np.dtype[np.uint8 | np.float32]]
"""(H, W, 3) RGB: 8 bits, or what tensor arithmetic made of them, still on the scale of 0 to 255."""

Floats = Literal["", "takes", "gives"]

Number = int | float
Args = tuple[Number, ...]


@dataclass(frozen=True, kw_only=True)
class Op:
    """One kind of operation.

    Args:
        name: as written in a text.
        usage: how it is written, for error messages.
        check: arguments as parsed -> canonical arguments, or ValueError saying what is wrong.
        run: ``run(image, *arguments)``; with ``rng`` as a keyword where ``random``.
        random: draws from a generator, so it is for training only.
        floats: ``gives``: takes 8 bits or float32 and may give float32; ``takes``: moves pixels
            about, and gives what it took; "": of 8 bits only.
    """

    name: str
    usage: str
    check: Callable[[Args], Args]
    run: Callable[..., Pixels]
    random: bool = False
    floats: Floats = ""


class UnfitError(Exception):
    """An image that an operation cannot take, in words that go on from the image's name."""


def allow_size(image: Pixels, height: int, width: int) -> None:
    """To be called before a larger image is made.

    The pixels of a file are limited where it is decoded; a strip of 3000x2 whose shorter side is
    brought to 256 would be 16,000 times as large as its file.

    Raises:
        UnfitError: it would be enlarged beyond all bounds.
    """
    old_height, old_width = image.shape[:2]
    limit = min(MAX_PIXELS, max(MAX_GROWN, 4 * old_height * old_width))
    if height * width > limit:
        raise UnfitError(
            f"would be enlarged from {old_width}x{old_height} to {width}x{height} (width x "
            f"height), more than {limit:,} pixels"
        )


def in_8_bits(pixels: Pixels) -> Image8:
    """Rounded and cut to 0 to 255 where they are floats; as they are, else."""
    if pixels.dtype == np.uint8:
        return cast("Image8", pixels)
    rounded: Image8 = np.rint(pixels).clip(0, 255).astype(np.uint8)
    return rounded


OPS: dict[str, Op] = {}
"""Those of preprocess texts; perturbations have their own (``perturb.py``)."""


def op(
    usage: str,
    check: Callable[[Args], Args],
    *,
    random: bool = False,
    known: dict[str, Op] = OPS,
    floats: Floats = "",
) -> Callable[[Callable[..., Pixels]], Callable[..., Pixels]]:
    """Registers a function, in ``known``, under the name that its usage text starts with."""

    def register(run: Callable[..., Pixels]) -> Callable[..., Pixels]:
        name = usage.split("(")[0]
        known[name] = Op(name=name, usage=usage, check=check, run=run, random=random, floats=floats)
        return run

    return register


def check_nothing(args: Args) -> Args:
    """No arguments."""
    if args:
        raise ValueError("takes no arguments")
    return args


def check_sides(args: Args) -> Args:
    """Height and width, or one side."""
    if len(args) not in (1, 2):
        raise ValueError(f"takes 1 or 2 sides, got {len(args)}")
    if not all(isinstance(side, int) and side >= 1 for side in args):
        raise ValueError("sides are whole numbers of pixels, 1 or more")
    return args


def check_two_sides(args: Args) -> Args:
    """Height and width."""
    if len(args) != 2:
        raise ValueError(f"takes 2 sides, got {len(args)}")
    return check_sides(args)


def check_box(args: Args) -> Args:
    """Like :func:`check_sides`; a square has one canonical form, ``(s)``."""
    sides = check_sides(args)
    return sides[:1] if len(sides) == 2 and sides[0] == sides[1] else sides


def _whole(args: Args) -> Args:
    if len(args) != 1 or not isinstance(args[0], int) or args[0] < 1:
        raise ValueError("takes one whole number, 1 or more")
    return args


def check_probability(args: Args) -> Args:
    """One number between 0 and 1; canonical as a float."""
    if len(args) != 1 or not 0 <= args[0] <= 1:
        raise ValueError("takes one probability between 0 and 1")
    return (float(args[0]),)


def encoded(image: Image8, form: str, quality: int | None = None, subsampling: int = 420) -> bytes:
    """A file of one of Pillow's formats; JPEG with its own tables.

    ``subsampling`` is that of a JPEG's colours: 420 is Pillow's own, 422 and 444 keep more.
    """
    options: dict[str, Any] = {} if quality is None else {"quality": quality}
    if subsampling != 420:
        options["subsampling"] = ":".join(str(subsampling))
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def through(image: Image8, form: str, *quality: int) -> Image8:
    """Into a file of a format and back; ``quality`` and what follows as of :func:`encoded`."""
    return np.array(Image.open(io.BytesIO(encoded(image, form, *quality))).convert("RGB"))


@op("native", check_nothing, floats="takes")
def _native(image: Pixels) -> Pixels:
    return image


@op("resize(height,width) or resize(short_side)", check_sides)
def _resize(image: Image8, first: int, width: int | None = None) -> Image8:
    """Pillow bilinear, antialiased; one side: the shorter becomes ``first``, the ratio is kept."""
    return _resized(image, first, width, Image.Resampling.BILINEAR)


@op("resize_bicubic(height,width) or resize_bicubic(short_side)", check_sides)
def _resize_bicubic(image: Image8, first: int, width: int | None = None) -> Image8:
    return _resized(image, first, width, Image.Resampling.BICUBIC)


@op("resize_lanczos(height,width) or resize_lanczos(short_side)", check_sides)
def _resize_lanczos(image: Image8, first: int, width: int | None = None) -> Image8:
    return _resized(image, first, width, Image.Resampling.LANCZOS)


@op("resize_opencv(height,width)", check_two_sides)
def _resize_opencv(image: Image8, height: int, width: int) -> Image8:
    """OpenCV's INTER_LINEAR, to the level: not antialiased."""
    allow_size(image, height, width)
    return opencv.resized(image, height, width)


@op("resize_nearest(height,width) or resize_nearest(short_side)", check_sides)
def _resize_nearest(image: Image8, first: int, width: int | None = None) -> Image8:
    """Pillow's: the pixel at the centre of each new one."""
    return _resized(image, first, width, Image.Resampling.NEAREST)


def new_size(image: Pixels, first: int, width: int | None) -> tuple[int, int]:
    """Height and width of a resize to both, or to a shorter side of ``first`` at the same ratio.

    Raises:
        UnfitError: it would be enlarged beyond all bounds.
    """
    old_height, old_width = image.shape[:2]
    if width is not None:
        height = first
    elif old_width <= old_height:
        height, width = int(first * old_height / old_width), first
    else:
        height, width = first, int(first * old_width / old_height)
    if (height, width) != (old_height, old_width):
        allow_size(image, height, width)
    return height, width


def _resized(image: Image8, first: int, width: int | None, resampling: Image.Resampling) -> Image8:
    height, width = new_size(image, first, width)
    if (height, width) == image.shape[:2]:
        return image
    return np.array(Image.fromarray(image).resize((width, height), resampling))


@op("center_crop(side) or center_crop(height,width)", check_box, floats="takes")
def _center_crop(image: Pixels, height: int, width: int | None = None) -> Pixels:
    """As torchvision: smaller images are first padded with black, the odd pixel right and below."""
    return _centre(image, height, width, round)


@op("center_crop_floor(side) or center_crop_floor(height,width)", check_box, floats="takes")
def _center_crop_floor(image: Pixels, height: int, width: int | None = None) -> Pixels:
    """As albumentations: the same, but half of an odd remainder is always rounded down."""
    return _centre(image, height, width, math.floor)


@op("center_crop_reflect(side) or center_crop_reflect(height,width)", check_box, floats="takes")
def _center_crop_reflect(image: Pixels, height: int, width: int | None = None) -> Pixels:
    """As ``center_crop``, but padded with the image's mirror, whose edge pixel is not repeated."""
    return _centre(image, height, width, round, mode="reflect")


@op("center_crop_within(side) or center_crop_within(height,width)", check_box, floats="takes")
def _center_crop_within(image: Pixels, height: int, width: int | None = None) -> Pixels:
    """As ``center_crop``, but nothing is padded: an axis that is too short stays as it is."""
    rows, columns = image.shape[:2]
    return _centre(image, min(height, rows), min(width or height, columns), round)


@op("top_left_crop(side) or top_left_crop(height,width)", check_box, floats="takes")
def _top_left_crop(image: Pixels, height: int, width: int | None = None) -> Pixels:
    """The first rows and columns; an axis that is too short stays as it is."""
    return image[:height, : width or height]


def _centre(
    image: Pixels,
    height: int,
    width: int | None,
    half: Callable[[float], int],
    mode: Literal["constant", "reflect"] = "constant",
) -> Pixels:
    width = height if width is None else width
    missing_y = max(0, height - image.shape[0])
    missing_x = max(0, width - image.shape[1])
    if missing_y or missing_x:
        allow_size(image, image.shape[0] + missing_y, image.shape[1] + missing_x)
        before_y, before_x = missing_y // 2, missing_x // 2
        margins = ((before_y, missing_y - before_y), (before_x, missing_x - before_x), (0, 0))
        image = np.pad(image, margins, mode)
    top = half((image.shape[0] - height) / 2)
    left = half((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]


@op("crop_multiple(number)", _whole, floats="takes")
def _crop_multiple(image: Pixels, number: int) -> Pixels:
    """Drops rows below and columns at the right until both sides are multiples of ``number``."""
    height = image.shape[0] // number * number
    width = image.shape[1] // number * number
    if not height or not width:
        raise UnfitError(
            f"has nothing left: it is {image.shape[1]}x{image.shape[0]} (width x height)"
        )
    return image[:height, :width]


@op("tile(side)", _whole, floats="takes")
def _tile(image: Pixels, side: int) -> Pixels:
    """Repeats an image, right and below, until both sides are at least ``side``; crops nothing.

    NPR's geometry for GenImage, in place of a resize ("translate-duplicate").
    """
    height, width = image.shape[:2]
    down, right = -(-side // height), -(-side // width)
    allow_size(image, down * height, right * width)
    return np.tile(image, (down, right, 1))


@op("pad_for_crop(side)", _whole, floats="takes")
def _pad_for_crop(image: Pixels, side: int) -> Pixels:
    """Where an axis is shorter than ``side``: what is missing, in black, before *and* after it.

    A random crop of ``side`` can then lie anywhere, as torchvision's ``pad_if_needed`` has it.
    """
    y, x = (max(0, side - length) for length in image.shape[:2])
    if y or x:
        allow_size(image, image.shape[0] + 2 * y, image.shape[1] + 2 * x)
    return np.pad(image, ((y, y), (x, x), (0, 0)))
