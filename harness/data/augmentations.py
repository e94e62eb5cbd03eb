"""The random operations of preprocess texts: for training only; a given generator decides all."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from harness.data.decode import Image8
from harness.data.operations import Args, Pixels, check_box, check_probability, op, through
from harness.errors import DataError


def _degrees(args: Args) -> Args:
    if len(args) != 1 or not 0 <= args[0] <= 180:
        raise ValueError("takes one angle between 0 and 180 degrees")
    return (float(args[0]),)


def _chance(args: Args, count: int) -> float:
    """The probability that an operation's ``count`` arguments begin with."""
    if len(args) != count:
        raise ValueError(f"takes {count} numbers, got {len(args)}")
    return check_probability(args[:1])[0]


def _sigmas(args: Args) -> Args:
    probability = _chance(args, 3)
    if not 0 <= args[1] <= args[2] < np.inf:
        raise ValueError("sigmas are 0 or more, the lower one first")
    return (probability, float(args[1]), float(args[2]))


def _qualities(args: Args) -> Args:
    probability = _chance(args, 3)
    if not all(isinstance(each, int) for each in args[1:]) or not 1 <= args[1] <= args[2] <= 100:
        raise ValueError("qualities are whole numbers between 1 and 100, the lower one first")
    return (probability, *args[1:])


def _strengths(args: Args) -> Args:
    if len(args) != 3 or not all(0 <= each < np.inf for each in args):
        raise ValueError("takes three strengths, 0 or more")
    return tuple(map(float, args))


def _patches(args: Args) -> Args:
    probability = _chance(args, 3)
    if not isinstance(args[1], int) or args[1] < 1 or not 0 <= args[2] <= 1:
        raise ValueError("the patch is a whole number of pixels, the share between 0 and 1")
    return (probability, args[1], float(args[2]))


@op("random_crop(side) or random_crop(height,width)", check_box, random=True, floats="takes")
def _random_crop(
    image: Pixels, height: int, width: int | None = None, *, rng: np.random.Generator
) -> Pixels:
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


@op("hflip(probability)", check_probability, random=True, floats="takes")
def _hflip(image: Pixels, probability: float, *, rng: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < probability else image


@op("gaussian_blur(probability,sigma_from,sigma_to)", _sigmas, random=True)
def _gaussian_blur(
    image: Image8, probability: float, low: float, high: float, *, rng: np.random.Generator
) -> Image8:
    """SciPy's Gaussian filter on each channel, sigma uniform in pixels; 8 bits between the axes.

    CNNDetection and Ojha train with (0.5,0,3).
    """
    from scipy.ndimage import gaussian_filter  # here: it takes a while to import

    if rng.random() >= probability:
        return image
    sigma = rng.uniform(low, high)
    blurred: Image8 = gaussian_filter(image, sigma, axes=(0, 1))
    return blurred


@op("jpeg(probability,quality_from,quality_to)", _qualities, random=True)
def _jpeg(
    image: Image8, probability: float, low: int, high: int, *, rng: np.random.Generator
) -> Image8:
    """Through Pillow's JPEG (4:2:0) and back, quality uniform, both ends included.

    CNNDetection and Ojha train with (0.5,30,100).
    """
    if rng.random() >= probability:
        return image
    return through(image, "JPEG", int(rng.integers(low, high + 1)))


@op("rotate(degrees)", _degrees, random=True)
def _rotate(image: Image8, degrees: float, *, rng: np.random.Generator) -> Image8:
    """About the centre by a uniform angle up to +-degrees; nearest pixel, black corners.

    SAFE trains with (180).
    """
    angle = rng.uniform(-degrees, degrees)
    return np.array(Image.fromarray(image).rotate(angle, Image.Resampling.NEAREST))


@op("color_jitter(brightness,contrast,saturation)", _strengths, random=True)
def _color_jitter(
    image: Image8,
    brightness: float,
    contrast: float,
    saturation: float,
    *,
    rng: np.random.Generator,
) -> Image8:
    """Each in random order by a factor uniform in [max(0, 1 - strength), 1 + strength].

    torchvision's ``ColorJitter`` without hue; SAFE trains with (0.5,0.5,0.5).
    """
    changed = Image.fromarray(image)
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    strengths = (brightness, contrast, saturation)
    for which in rng.permutation(3):
        if strength := strengths[which]:
            factor = rng.uniform(max(0.0, 1 - strength), 1 + strength)
            changed = enhancers[which](changed).enhance(factor)
    return np.array(changed)


@op("mask_patches(probability,patch,largest_share)", _patches, random=True)
def _mask_patches(
    image: Image8, probability: float, patch: int, largest: float, *, rng: np.random.Generator
) -> Image8:
    """Blackens cells of a grid of ``patch`` pixels, a uniform share of the area up to ``largest``.

    SAFE trains with (0.5,16,0.75).
    """
    if rng.random() >= probability:
        return image
    height, width = image.shape[:2]
    rows, columns = height // patch, width // patch
    wanted = int(height * width * rng.uniform(0, largest) / patch**2)
    masked: Image8 = image.copy()
    for cell in rng.permutation(rows * columns)[:wanted]:
        top, left = cell // columns * patch, cell % columns * patch
        masked[top : top + patch, left : left + patch] = 0
    return masked
