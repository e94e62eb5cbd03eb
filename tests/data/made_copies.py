"""A made set of copies and of others: what near-duplicate search must find, and must not.

Bases are photographs of the embedded suite, drawn faces whose eyes and mouths lie in the same
places (as in CelebA and in what GANs make of it) and textures in few lights.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance
from scipy.ndimage import gaussian_filter

SIDE = 128
Array = np.ndarray


def face(seed: int) -> Array:
    """A drawn face: its layout is that of all, its features, hair and skin are its own."""
    rng = np.random.default_rng(seed)
    ground = tuple(int(v) for v in 90 + rng.integers(-20, 20, 3))
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), ground)
    draw = ImageDraw.Draw(image)

    def near(x: float, y: float, width: float, height: float, colour: Array) -> None:
        x, y = x + rng.normal(0, 1.5), y + rng.normal(0, 1.5)
        spread = 0.3 if width < 30 else 0.04  # features differ, the layout does not
        width, height = (v * rng.uniform(1 - spread, 1 + spread) for v in (width, height))
        box = (x - width, y - height, x + width, y + height)
        draw.ellipse(box, fill=tuple(int(v) for v in np.clip(colour, 0, 255)))

    skin = np.array([205, 160, 130]) + rng.integers(-15, 15, 3)
    hair = np.array([70, 45, 30]) + rng.integers(-15, 15, 3)
    near(128, 105, 95, 100, hair)
    near(128, 140, 70, 90, skin)
    for x in (98, 158):
        near(x, 92, 18, 4, hair)  # brow
        near(x, 110, 14, 8, np.array([235, 235, 235]))
        near(x, 110, 7, 7, rng.integers(20, 110, 3))
        near(x, 160, 16, 10, skin + rng.integers(-18, 18))  # cheek
    near(128, 145, 10, 18, skin - 25)
    near(128, 190, 28, 9, np.array([165, 60, 65]) + rng.integers(-30, 30, 3))
    near(128, 190, 20, 3, rng.integers(60, 230, 3))
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(float)
    for sigma, strength in ((1.0, 6), (2.5, 6)):  # skin and hair, each its own
        grain = gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), sigma)
        pixels += (strength * grain / grain.std())[..., None]
    return pixels.clip(0, 255).astype(np.uint8)


def texture(seed: int) -> Array:
    """Stripes, checks or grain of its own in one of twelve lights: coarsely many are alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    light = gaussian_filter(np.random.default_rng(1000 + seed % 12).normal(0, 1, (SIDE, SIDE)), 12)
    pitch, phase = rng.integers(6, 12), rng.uniform(0, 6.3, 2)
    waves = (np.sin(x * 6.3 / pitch + phase[0]), np.sin(y * 6.3 / pitch + phase[1]))
    grain = gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 1.5)
    own = (waves[0], waves[0] * waves[1], 0 * x)[seed % 3] + 1.2 * grain / grain.std()
    values = 128 + 40 * light / light.std() + 14 * own
    return np.repeat(values.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _coded(image: Array, quality: int) -> Array:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _resized(image: Array, factor: float) -> Array:
    size = (int(image.shape[1] * factor), int(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _noisy(image: Array, sigma: float) -> Array:
    noise = np.random.default_rng(int(image.sum())).normal(0, sigma, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def _brighter(image: Array, factor: float) -> Array:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(image)).enhance(factor))


COPIES: dict[str, Callable[[Array], Array]] = {
    "JPEG 90": lambda i: _coded(i, 90),
    "JPEG 40": lambda i: _coded(i, 40),
    "half the size": lambda i: _resized(i, 0.5),
    "1.5 times the size": lambda i: _resized(i, 1.5),
    "1 pixel cropped": lambda i: i[1:-1, 1:-1],
    "2 pixels cropped": lambda i: i[2:-2, 2:-2],
    "4 pixels cropped": lambda i: i[4:-4, 4:-4],
    "8 pixels cropped": lambda i: i[8:-8, 8:-8],
    "a third brighter": lambda i: _brighter(i, 1.3),
    "a third darker": lambda i: _brighter(i, 0.7),
    "noise of 8 levels": lambda i: _noisy(i, 8),
    "mirrored": lambda i: np.ascontiguousarray(i[:, ::-1]),
    "mirrored, JPEG 60": lambda i: _coded(np.ascontiguousarray(i[:, ::-1]), 60),
}
"""What is done to a picture -> doing it."""
