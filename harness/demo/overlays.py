"""Where in the picture a score comes from: the maps of ``harness.explain``, drawn over it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from harness.api import Detector
from harness.data.decode import Image8
from harness.data.preprocess import to_tensor
from harness.engine.scorer import Job
from harness.errors import HarnessError
from harness.explain.maps import Explanation, explain, ready

SIDE = 320
"""Pixels of the longer side of a drawn map."""

LARGEST = 1024 * 1024
"""Pixels up to which maps are made: gradients hold every activation in memory."""

# Okabe and Ito's vermillion and blue, told apart by every kind of colour vision.
FOR_FAKE, FOR_REAL = (213, 94, 0), (0, 114, 178)
_OPAQUE = 0.85  # of the strongest place: the picture still shows through

_Values = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Map:
    """One drawn map.

    Args:
        title: which kind.
        caption: how to read it, with its numbers.
        alt: what is to be seen, in words.
        png: the picture in grey with the evidence in colour over it.
    """

    title: str
    caption: str
    alt: str
    png: bytes


class Mapper:
    """Makes a detector's maps; its plain form, which gradients need, is loaded when first asked.

    Args:
        job: detector and weights.
        device: where it runs.
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        self._job, self._device = job, device
        self._detector: Detector | None = None

    def maps(self, image: Image8) -> tuple[Map, ...]:
        """The maps of one picture as the detector sees it.

        Args:
            image: (H, W, 3) uint8 RGB after preprocessing.

        Raises:
            HarnessError: the detector offers none, the picture is too large, or an extra is absent.
        """
        if image.shape[0] * image.shape[1] > LARGEST:
            raise HarnessError(
                f"no map of {image.shape[1]}x{image.shape[0]} pixels: the page makes maps of up to "
                f"{LARGEST:,}"
            )
        if self._detector is None:
            self._detector = ready(self._job, self._device)
        found = explain(self._detector, to_tensor(image)[None])
        return tuple(_drawn(each, image, self._job.spec.title) for each in found)


def overlay(image: Image8, values: _Values, *, smooth: bool) -> bytes:
    """A map over its picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        values: (h, w), positive for fake and negative for real; opaque where strongest.
        smooth: interpolate between the values; else each stays a cell.

    Returns:
        A PNG file whose longer side has ``SIDE`` pixels.
    """
    scale = SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    grey = Image.fromarray(image).convert("L").resize(size, Image.Resampling.BILINEAR)
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    spread = np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, how))
    strongest = max(float(np.abs(values).max()), np.finfo(np.float32).tiny)
    opacity = (np.abs(spread) / strongest * _OPAQUE)[..., np.newaxis]
    colour = np.where((spread > 0)[..., np.newaxis], FOR_FAKE, FOR_REAL)
    base = np.asarray(grey, dtype=np.float32)[..., np.newaxis]
    blended = np.rint(base * (1 - opacity) + colour * opacity).clip(0, 255).astype(np.uint8)
    return png(blended)


def png(image: Image8) -> bytes:
    """(H, W, 3) uint8 RGB -> a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def thumbnail(image: Image8) -> bytes:
    """A picture -> a PNG file whose longer side has at most ``SIDE`` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    return png(np.asarray(small))


def _drawn(explanation: Explanation, image: Image8, title: str) -> Map:
    values = explanation.map
    exact = explanation.kind == "exact"
    if exact:
        caption = (
            f"What each of {values.size} cells adds to the score: with a constant, exactly its sum."
        )
        if explanation.selected is not None:
            chosen = int((explanation.selected > 0).sum())
            caption += f" {chosen} cells were selected; the others count for nothing."
    else:
        caption = f"Layer {explanation.layer}: an approximation, its scale arbitrary."
    name = "exact map" if exact else "Grad-CAM"
    return Map(
        title=name[0].upper() + name[1:],
        caption=caption,
        alt=f"{name} of {title} over the picture in grey; {_strongest(values)}",
        png=overlay(image, values, smooth=not exact),
    )


def _strongest(values: _Values) -> str:
    """``evidence for fake is strongest at the upper left``, from the largest value."""
    if not values.max() > 0:
        return "nothing speaks for fake"
    place = np.unravel_index(int(values.argmax()), values.shape)
    down = _third(int(place[0]), values.shape[0], ("upper", "middle", "lower"))
    across = _third(int(place[1]), values.shape[1], ("left", "centre", "right"))
    return f"evidence for fake is strongest at the {down} {across}"


def _third(index: int, count: int, names: Sequence[str]) -> str:
    return names[min(3 * index // count, 2)]
