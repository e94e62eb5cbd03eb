"""Causes that are not in the catalogue: none of its conditions may be said to explain them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

from harness.diagnosis.planted.detectors import Kind, Small, trained
from harness.diagnosis.planted.pixels import saved
from harness.diagnosis.planted.rows import each, kept, of_classes
from harness.diagnosis.planted.world import (
    Picture,
    PlantedFault,
    PlantedLook,
    Rows,
    Values,
    forward,
    tensor,
)

Change = Callable[[Image.Image], Image.Image]


def _drawn(change: Change) -> PlantedFault:
    def codec(picture: Picture, label: int, file: bytes) -> Picture:
        return np.array(change(Image.fromarray(picture)).convert("RGB"))

    return PlantedFault(look=PlantedLook(codec=codec))


def _levels(change: Callable[[Any], Any]) -> PlantedFault:
    def codec(picture: Picture, label: int, file: bytes) -> Picture:
        levels = np.rint(change(picture.astype(np.float64)))
        return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)

    return PlantedFault(look=PlantedLook(codec=codec))


def _hue(image: Image.Image) -> Image.Image:
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", [hue.point(lambda level: (level + 12) % 256), *rest])


def _salt(picture: Any) -> Any:
    rng = np.random.default_rng(5)
    picture[rng.random(picture.shape[:2]) < 0.003] = 255
    return picture


def _without_green(picture: Any) -> Any:
    picture[..., 1] = 0
    return picture


def _chroma_shifted(image: Image.Image) -> Image.Image:
    luma, blue, red = image.convert("YCbCr").split()
    moved = [Image.fromarray(np.roll(np.array(part), 1, 1)) for part in (blue, red)]
    return Image.merge("YCbCr", [luma, *moved])


def _as_ycc(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.array(image.convert("YCbCr")))


def _cut_left(picture: Picture, kind: Kind) -> list[Tensor]:
    return [tensor(picture[:, picture.shape[1] // 10 // 2 * 2 :])]


def _to_240(picture: Picture, kind: Kind) -> list[Tensor]:
    resized = Image.fromarray(picture).resize((240, 240), Image.Resampling.HAMMING)
    return [tensor(np.array(resized))]


def _other_seed(small: Small, inputs: list[Tensor]) -> Values:
    return forward(trained(small.kind, 77)["released"], inputs)


def _noisy_weights(small: Small, inputs: list[Tensor]) -> Values:
    generator = torch.Generator().manual_seed(6)
    state = {
        name: value + 0.03 * value.abs().mean() * torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for name, value in small.network.state_dict().items()
    }
    network = type(small.network)(cells=small.kind.cells, scale=small.kind.scale)
    network.load_state_dict(state)
    return forward(network.eval(), inputs)


def _higher(small: Small, inputs: list[Tensor]) -> Values:
    return forward(small.network, inputs) + small.kind.scale


def _some_flipped(rows: Rows) -> Rows:
    flips = np.random.default_rng(7).random(len(rows.ids)) < 0.07
    return replace(rows, labels=np.where(flips, 1 - rows.labels, rows.labels))


def _some_noise(rows: Rows) -> Rows:
    noise = np.random.default_rng(8).normal(0, rows.scores.std() / 4, len(rows.ids))
    return replace(rows, scores=rows.scores + noise)


FOREIGN: dict[str, PlantedFault] = {
    "gamma 1.1": _levels(lambda picture: 255 * (picture / 255) ** 1.1),
    "10 levels brighter": _levels(lambda picture: picture + 10),
    "contrast times 1.15": _drawn(lambda image: ImageEnhance.Contrast(image).enhance(1.15)),
    "hue turned": _drawn(_hue),
    "blurred by 0.7": _drawn(lambda image: image.filter(ImageFilter.GaussianBlur(0.7))),
    "median of 3x3": _drawn(lambda image: image.filter(ImageFilter.MedianFilter(3))),
    "sharpened": _drawn(lambda image: image.filter(ImageFilter.UnsharpMask(1, 60, 0))),
    "10 % cut off at the left": PlantedFault(look=PlantedLook(shape=_cut_left)),
    "shifted by 3 columns": _levels(lambda picture: np.roll(picture, 3, 1)),
    "5 bits a colour": _drawn(lambda image: ImageOps.posterize(image, 5)),
    "Hamming to 240": PlantedFault(look=PlantedLook(shape=_to_240)),
    "salt": _levels(_salt),
    "no green": _levels(_without_green),
    "chroma shifted": _drawn(_chroma_shifted),
    "YCbCr for RGB": _drawn(_as_ycc),
    "upside down": _drawn(ImageOps.flip),
    "JPEG 60": _drawn(lambda image: _jpeg(image, 60)),
    "trained from another seed": PlantedFault(look=PlantedLook(run=_other_seed)),
    "weights with noise": PlantedFault(look=PlantedLook(run=_noisy_weights)),
    "bias of the last layer plus 1": PlantedFault(look=PlantedLook(run=_higher)),
    "7 % of labels flipped": each(_some_flipped),
    "noise on scores": each(_some_noise),
    "first 37 images left out": kept(lambda rows: range(37, len(rows.ids))),
    "every third fake left out": of_classes(
        lambda members, _: [place for place in members if place < 150 or place % 3]
    ),
}
"""Name -> what is done."""


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    return Image.fromarray(saved(np.array(image), "JPEG", quality=quality))
