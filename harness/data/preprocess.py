"""Preprocessing as one short text, such as ``resize(256,256)|center_crop(224)``.

The text is parsed, printed canonically, kept with results and part of their key. Its operations
are in ``operations.py``, ``resizing.py`` and, the random ones, in ``augmentations.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.api import DetectorSpec
from harness.data import augmentations, resizing  # noqa: F401  (they fill OPS)
from harness.data.decode import Image8
from harness.data.operations import OPS, Args, Number, Op, Pixels, UnfitError
from harness.errors import BadImageError, InputSizeError, UsageError


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

    def __call__(self, image: Image8, name: str = "the image") -> Pixels:
        """(H, W, 3) uint8 RGB -> (H', W', 3) RGB, uint8 or float32, without randomness.

        Args:
            image: the image.
            name: what messages call it.

        Raises:
            BadImageError: an operation cannot take it.
            UsageError: the text has a random operation.
        """
        pixels: Pixels = image
        for step in self.steps:
            if step.op.random:
                raise UsageError(
                    f"preprocess {str(self)!r}: {step} is random, so it is for training only",
                    hint="use center_crop in place of random_crop and leave hflip out",
                )
            pixels = _run(step, pixels, name)
        return pixels

    def apply(self, image: Image8, rng: np.random.Generator, name: str = "the image") -> Pixels:
        """Like calling it, with the random operations drawing from ``rng``, in order."""
        pixels: Pixels = image
        for step in self.steps:
            extra: dict[str, Any] = {"rng": rng} if step.op.random else {}
            pixels = _run(step, pixels, name, **extra)
        return pixels


def _run(step: Step, image: Pixels, name: str, **extra: Any) -> Pixels:
    try:
        return step.op.run(image, *step.args, **extra)
    except UnfitError as error:
        raise BadImageError(name, f"{error}, by {step}") from error


_STEP = re.compile(r"\s*([a-z_]+)\s*(?:\(([^()]*)\))?\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+)?(\.\d*)?(e[+-]?\d+)?\s*", re.ASCII)


def parse(text: str) -> Preprocess:
    """A text such as ``resize(256,256)|center_crop(224)`` -> :class:`Preprocess`.

    Args:
        text: operations joined by ``|``; ``native`` (no change) is dropped next to others.

    Raises:
        UsageError: names the text, the step's position and the known operations.
    """
    return parse_with(OPS, text, "preprocess")


def parse_with(known: Mapping[str, Op], text: str, kind: str) -> Preprocess:
    """Like :func:`parse`, out of other operations; ``kind`` is what messages call the text."""
    steps = []
    for position, part in enumerate(text.split("|"), start=1):
        try:
            step = _parse_step(known, part)
        except ValueError as error:
            raise UsageError(
                f"{kind} {text!r}, step {position}: {error}",
                hint=f"known operations: {', '.join(op.usage for op in known.values())}",
            ) from error
        if step.op.name != "native":
            steps.append(step)
    _refuse_floats(steps, f"{kind} {text!r}")
    return Preprocess(tuple(steps))


def _refuse_floats(steps: Sequence[Step], text: str) -> None:
    """Raises UsageError for an operation of 8-bit pictures after one that gives floats."""
    giver = next((step for step in steps if step.op.floats == "gives"), None)
    if giver is None:
        return
    for step in steps[steps.index(giver) :]:
        if not step.op.floats:
            raise UsageError(
                f"{text}: {step} works on 8-bit pictures, and {giver} before it gives floats",
                hint=f"put {step} before {giver}, or take an operation on tensors in its place",
            )


def _parse_step(known: Mapping[str, Op], part: str) -> Step:
    match = _STEP.fullmatch(part)
    if match is None:
        raise ValueError(f"{part.strip()!r} is not of the form name or name(a,b)")
    op = known.get(match[1])
    if op is None:
        raise ValueError(f"unknown operation {match[1]!r}")
    try:
        words = (match[2] or "").split(",") if (match[2] or "").strip() else []
        return Step(op=op, args=op.check(tuple(map(_number, words))))
    except ValueError as error:
        raise ValueError(f"{part.strip()!r}: {error}; write {op.usage}") from error


def _number(word: str) -> Number:
    if not _NUMBER.fullmatch(word) or not any(map(str.isdigit, word)):
        raise ValueError(f"{word.strip()!r} is not a number")
    return int(word) if re.fullmatch(r"\s*[+-]?\d+\s*", word, re.ASCII) else float(word)


def refuse_size(
    spec: DetectorSpec,
    size: Sequence[int],
    name: str,
    *,
    after: object = "preprocessing",
    flag: str = "--preprocess",
) -> None:
    """Raises InputSizeError where the detector does not take images of a size.

    Args:
        spec: the detector.
        size: height and width of the preprocessed image.
        name: what messages call the image.
        after: what has been done to it.
        flag: where another geometry is asked for.
    """
    height, width = size
    if problem := spec.input_rule.problem(height, width):
        rows, columns = spec.evaluation_size
        raise InputSizeError(
            f"{name} is {width}x{height} (width x height) after {after}: {spec.name} cannot take "
            f"it: {problem}",
            hint=f"give another geometry, e.g. {flag} 'resize({rows},{columns})'",
        )


def to_tensor(image: Pixels) -> Tensor:
    """(H, W, 3) or (N, H, W, 3) uint8 or float32 -> (3, H, W) or (N, 3, H, W) float32, over 255.

    In [0, 1], but for what bicubic floats overshoot. Equal to torchvision's ``ToTensor``.
    """
    writable = image if image.flags.writeable else image.copy()  # torch warns about the others
    tensor = torch.from_numpy(writable).movedim(-1, -3)
    # A copy even of floats: they are divided in place.
    return tensor.contiguous().to(torch.float32, copy=True).div_(255)
