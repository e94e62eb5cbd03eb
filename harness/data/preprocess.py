"""Preprocessing as one short text, such as ``resize(256,256)|center_crop(224)``.

Every operation takes and gives (H, W, 3) uint8 RGB and equals Pillow / torchvision on a Pillow
image. The text is parsed, printed canonically, kept with results and part of their key. To add an
operation, write one function and decorate it with :func:`_op`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.data.decode import Image8
from harness.errors import DataError, UsageError

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
    """

    name: str
    usage: str
    check: Callable[[Args], Args]
    run: Callable[..., Image8]
    random: bool = False


OPS: dict[str, Op] = {}


def _op(
    usage: str, check: Callable[[Args], Args], *, random: bool = False
) -> Callable[[Callable[..., Image8]], Callable[..., Image8]]:
    """Registers a function under the name that its usage text starts with."""

    def register(run: Callable[..., Image8]) -> Callable[..., Image8]:
        name = usage.split("(")[0]
        OPS[name] = Op(name=name, usage=usage, check=check, run=run, random=random)
        return run

    return register


def _nothing(args: Args) -> Args:
    if args:
        raise ValueError("takes no arguments")
    return args


def _sides(args: Args) -> Args:
    if len(args) not in (1, 2):
        raise ValueError(f"takes 1 or 2 sides, got {len(args)}")
    if not all(isinstance(side, int) and side >= 1 for side in args):
        raise ValueError("sides are whole numbers of pixels, 1 or more")
    return args


def _box(args: Args) -> Args:
    """Like :func:`_sides`; a square has one canonical form, ``(s)``."""
    sides = _sides(args)
    return sides[:1] if len(sides) == 2 and sides[0] == sides[1] else sides


def _multiple(args: Args) -> Args:
    if len(args) != 1 or not isinstance(args[0], int) or args[0] < 1:
        raise ValueError("takes one whole number, 1 or more")
    return args


def _probability(args: Args) -> Args:
    if len(args) != 1 or not 0 <= args[0] <= 1:
        raise ValueError("takes one probability between 0 and 1")
    return (float(args[0]),)


@_op("native", _nothing)
def _native(image: Image8) -> Image8:
    return image


@_op("resize(height,width) or resize(short_side)", _sides)
def _resize(image: Image8, first: int, width: int | None = None) -> Image8:
    """Pillow bilinear, antialiased; one side: the shorter becomes ``first``, the ratio is kept."""
    old_height, old_width = image.shape[:2]
    if width is not None:
        height = first
    elif old_width <= old_height:
        height, width = int(first * old_height / old_width), first
    else:
        height, width = first, int(first * old_width / old_height)
    if (height, width) == (old_height, old_width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(resized)


@_op("center_crop(side) or center_crop(height,width)", _box)
def _center_crop(image: Image8, height: int, width: int | None = None) -> Image8:
    """As torchvision: smaller images are first padded with black, the odd pixel right and below."""
    width = height if width is None else width
    missing_y = max(0, height - image.shape[0])
    missing_x = max(0, width - image.shape[1])
    if missing_y or missing_x:
        before_y, before_x = missing_y // 2, missing_x // 2
        margins = ((before_y, missing_y - before_y), (before_x, missing_x - before_x), (0, 0))
        image = np.pad(image, margins)
    top = round((image.shape[0] - height) / 2)
    left = round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]


@_op("crop_multiple(number)", _multiple)
def _crop_multiple(image: Image8, number: int) -> Image8:
    """Drops rows below and columns at the right until both sides are multiples of ``number``."""
    height = image.shape[0] // number * number
    width = image.shape[1] // number * number
    if not height or not width:
        raise DataError(
            f"crop_multiple({number}): nothing is left of an image of "
            f"{image.shape[0]}x{image.shape[1]} (height x width)"
        )
    return image[:height, :width]


@_op("random_crop(side) or random_crop(height,width)", _box, random=True)
def _random_crop(
    image: Image8, height: int, width: int | None = None, *, rng: np.random.Generator
) -> Image8:
    """A window at a uniform position; an image smaller than it is an error."""
    width = height if width is None else width
    spare_y, spare_x = image.shape[0] - height, image.shape[1] - width
    if spare_y < 0 or spare_x < 0:
        raise DataError(
            f"random_crop({height},{width}): the image is smaller, "
            f"{image.shape[0]}x{image.shape[1]} (height x width)"
        )
    top, left = int(rng.integers(spare_y + 1)), int(rng.integers(spare_x + 1))
    return image[top : top + height, left : left + width]


@_op("hflip(probability)", _probability, random=True)
def _hflip(image: Image8, probability: float, *, rng: np.random.Generator) -> Image8:
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < probability else image


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation with its canonical arguments; ``str()`` is its text."""

    op: Op
    args: Args = ()

    def __str__(self) -> str:
        return f"{self.op.name}({','.join(map(repr, self.args))})" if self.args else self.op.name


@dataclass(frozen=True)
class Preprocess:
    """A parsed text. ``str()`` is the canonical text: equal texts, equal function."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "|".join(map(str, self.steps)) or "native"

    @property
    def is_random(self) -> bool:
        """Whether it draws from a generator (training only)."""
        return any(step.op.random for step in self.steps)

    def __call__(self, image: Image8) -> Image8:
        """(H, W, 3) uint8 RGB -> (H', W', 3) uint8 RGB, without randomness.

        Raises:
            UsageError: the text has a random operation.
        """
        for step in self.steps:
            if step.op.random:
                raise UsageError(
                    f"preprocess {str(self)!r}: {step} is random, so it is for training only",
                    hint="use center_crop in place of random_crop and leave hflip out",
                )
            image = step.op.run(image, *step.args)
        return image

    def apply(self, image: Image8, rng: np.random.Generator) -> Image8:
        """Like calling it, with the random operations drawing from ``rng``, in order."""
        for step in self.steps:
            extra: dict[str, Any] = {"rng": rng} if step.op.random else {}
            image = step.op.run(image, *step.args, **extra)
        return image


_STEP = re.compile(r"\s*([a-z_]+)\s*(?:\(([^()]*)\))?\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+)?(\.\d*)?(e[+-]?\d+)?\s*", re.ASCII)


def parse(text: str) -> Preprocess:
    """A text such as ``resize(256,256)|center_crop(224)`` -> :class:`Preprocess`.

    Args:
        text: operations joined by ``|``; ``native`` (no change) is dropped next to others.

    Raises:
        UsageError: names the text, the step's position and the known operations.
    """
    steps = []
    for position, part in enumerate(text.split("|"), start=1):
        step = _parse_step(part, position, text)
        if step.op.name != "native":
            steps.append(step)
    return Preprocess(tuple(steps))


def _parse_step(part: str, position: int, text: str) -> Step:
    match = _STEP.fullmatch(part)
    if match is None:
        raise _usage(text, position, f"{part.strip()!r} is not of the form name or name(a,b)")
    op = OPS.get(match[1])
    if op is None:
        raise _usage(text, position, f"unknown operation {match[1]!r}")
    try:
        words = (match[2] or "").split(",") if (match[2] or "").strip() else []
        return Step(op=op, args=op.check(tuple(map(_number, words))))
    except ValueError as error:
        problem = f"{part.strip()!r}: {error}; write {op.usage}"
        raise _usage(text, position, problem) from error


def _number(word: str) -> Number:
    if not _NUMBER.fullmatch(word) or not any(map(str.isdigit, word)):
        raise ValueError(f"{word.strip()!r} is not a number")
    return int(word) if re.fullmatch(r"\s*[+-]?\d+\s*", word, re.ASCII) else float(word)


def _usage(text: str, position: int, problem: str) -> UsageError:
    return UsageError(
        f"preprocess {text!r}, step {position}: {problem}",
        hint=f"known operations: {', '.join(op.usage for op in OPS.values())}",
    )


def to_tensor(image: Image8) -> Tensor:
    """(H, W, 3) or (N, H, W, 3) uint8 -> (3, H, W) or (N, 3, H, W) float32 in [0, 1].

    Equal to torchvision's ``ToTensor``.
    """
    writable = image if image.flags.writeable else image.copy()  # torch warns about the others
    tensor = torch.from_numpy(writable).movedim(-1, -3)
    return tensor.contiguous().to(torch.float32).div_(255)
