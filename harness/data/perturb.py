"""Perturbations: what happens to images between the camera or generator and the detector.

A text such as ``scale(0.5)|jpeg(75)``, parsed, printed canonically and kept with results exactly
like a preprocess text. It is applied to the decoded image, real or fake alike, before the
detector's own geometry. A step may be of some images alone: ``fakes:jpeg(96)``, ``png:jpeg(96)``
(see :data:`SCOPES`), as some published comparisons align formats. What it draws follows from the
image's id and the text alone, so that order, workers, batches and shards change nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from harness.api import FAKE, REAL
from harness.data.decode import Image8
from harness.data.operations import (
    OPS,
    Args,
    Op,
    allow_size,
    check_nothing,
    encoded,
    in_8_bits,
    op,
    through,
)
from harness.data.preprocess import Preprocess, parse_with
from harness.errors import UsageError

PERTURBATIONS: dict[str, Op] = {
    name: OPS[name] for name in ("native", "resize", "center_crop", "tile")
}
"""The operations of perturbation texts."""

CHAINS: Mapping[str, str] = {
    # The margin cut off by hand, shown at 125 % (a usual display scaling), kept without loss.
    "screenshot": "crop(0.95)|scale(1.25)|png",
    # Widths between 320 and 1080 are kept as they are, others are brought there (Instagram's rule
    # for photographs), then a strong JPEG.
    "social": "fit_width(320,1080)|jpeg(75)",
}
"""Named chains, which stand for their text."""

SCOPES: Mapping[str, str] = {
    "fakes": "images of label 1",
    "reals": "images of label 0",
    "png": "files of the format PNG, of either class",
}
"""What may stand before a step, with a colon -> the images that it is of."""

_FORMATS = {"jpeg": "JPEG", "webp": "WEBP", "png": "PNG"}


@dataclass(frozen=True)
class Perturbation:
    """A parsed text; without steps it changes nothing. ``str()`` is its canonical text, "" then.

    Args:
        chain: the steps.
        scopes: of each step, of :data:`SCOPES`, "" for every image; () = all of every image.
    """

    chain: Preprocess
    scopes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.scopes:
            return str(self.chain) if self.chain.steps else ""
        steps = zip(self.scopes, self.chain.steps, strict=True)
        return "|".join(f"{scope}:{step}" if scope else str(step) for scope, step in steps)

    @property
    def by_class(self) -> bool:
        """Whether equal images of the two classes come out different."""
        return bool({"fakes", "reals"} & {*self.scopes})

    def of(self, label: int | None, file_format: Callable[[], str]) -> Perturbation:
        """What it is for one image: the steps that are of it.

        Args:
            label: 0 real, 1 fake, None for an image of which that is not known.
            file_format: asked for the format of its file where a step hangs on that.

        Raises:
            ValueError: a step hangs on a label that is not known.
        """
        if not self.scopes:
            return self
        if self.by_class and label is None:
            raise ValueError(f"{self}: the image has no label")
        classes = {"": True, "fakes": label == FAKE, "reals": label == REAL}
        kept = tuple(
            step
            for scope, step in zip(self.scopes, self.chain.steps, strict=True)
            if (file_format() == "PNG" if scope == "png" else classes[scope])
        )
        return Perturbation(Preprocess(kept))

    def __bool__(self) -> bool:
        return bool(self.chain.steps)

    @property
    def is_random(self) -> bool:
        """Whether equal images of different ids come out different."""
        return self.chain.is_random

    def __call__(self, image: Image8, name: str) -> Image8:
        """(H, W, 3) uint8 RGB -> (H', W', 3) uint8 RGB.

        Args:
            image: the decoded image.
            name: the sample's id; with the text it decides what is drawn.

        Raises:
            BadImageError: an operation cannot take it.
            ValueError: it has scopes: :meth:`of` says what it is for an image.
        """
        if self.scopes:
            raise ValueError(f"{self} is not the same for every image")
        if not self:
            return image
        seed = hashlib.sha256(f"{name}\n{self}".encode("utf-8", "surrogateescape")).digest()
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        return in_8_bits(self.chain.apply(image, rng, name))

    def encoded(self, perturbed: Image8) -> bytes:
        """The file in which a perturbed image would lie: of its last step's format, else PNG."""
        last = self.chain.steps[-1] if self.chain.steps else None
        if last is None or last.op.name not in _FORMATS:
            return encoded(perturbed, "PNG")
        return encoded(perturbed, _FORMATS[last.op.name], *map(int, last.args))


UNPERTURBED = Perturbation(Preprocess(()))


def parse_perturbation(text: str) -> Perturbation:
    """A text, or the name of one of :data:`CHAINS` -> :class:`Perturbation`; "" changes nothing.

    Raises:
        UsageError: names the text, the step's position and the known operations.
    """
    text = CHAINS.get(text.strip(), text) or "native"
    pairs = [_scoped(text, part) for part in text.split("|")]
    chain = parse_with(PERTURBATIONS, "|".join(step for _, step in pairs), "perturbation")
    scopes = tuple(scope for scope, step in pairs if step.strip() != "native")
    return Perturbation(chain, scopes if any(scopes) else ())


def _scoped(text: str, part: str) -> tuple[str, str]:
    """The scope and the bare step of a part of a text."""
    scope, colon, step = part.rpartition(":")
    if colon and scope.strip() not in SCOPES:
        raise UsageError(
            f"perturbation {text!r}: {scope.strip()!r} are no images that a step can be of",
            hint=f"known: {', '.join(f'{name}: ({about})' for name, about in SCOPES.items())}",
        )
    return scope.strip(), step


def split_texts(texts: str) -> list[str]:
    """Texts joined by commas outside brackets, ``jpeg(90),fit_width(320,1080)`` -> each of them."""
    return [text.strip() for text in re.split(r",(?![^()]*\))", texts) if text.strip()]


def _quality(args: Args) -> Args:
    if len(args) != 1 or not isinstance(args[0], int) or not 1 <= args[0] <= 100:
        raise ValueError("takes one whole quality between 1 and 100")
    return args


def _jpeg_quality(args: Args) -> Args:
    if len(args) == 2 and args[1] not in (444, 422, 420):
        raise ValueError("subsampling is 444, 422 or 420")
    quality = _quality(args[:1] if len(args) == 2 else args)
    return quality if args[1:] in ((), (420,)) else args


def _positive(args: Args) -> Args:
    if len(args) != 1 or not 0 < args[0] < math.inf:
        raise ValueError("takes one number above 0")
    return (float(args[0]),)


def _share(args: Args) -> Args:
    if len(args) != 1 or not 0 < args[0] <= 1:
        raise ValueError("takes one share of the side, above 0 and at most 1")
    return (float(args[0]),)


def _widths(args: Args) -> Args:
    if len(args) != 2 or not all(isinstance(a, int) for a in args) or not 1 <= args[0] <= args[1]:
        raise ValueError("takes two whole widths, the smaller one first")
    return args


@op("jpeg(quality) or jpeg(quality,subsampling)", _jpeg_quality, known=PERTURBATIONS)
def _jpeg(image: Image8, quality: int, subsampling: int = 420) -> Image8:
    """Through Pillow's JPEG (libjpeg's tables; 4:2:0, or 444, 422) and back."""
    return through(image, "JPEG", quality, subsampling)


@op("webp(quality)", _quality, known=PERTURBATIONS)
def _webp(image: Image8, quality: int) -> Image8:
    """Through lossy WebP and back."""
    return through(image, "WEBP", quality)


@op("png", check_nothing, known=PERTURBATIONS)
def _png(image: Image8) -> Image8:
    """Kept without loss: the pixels stay, the file's facts become those of a PNG file."""
    return image


@op("bgr", check_nothing, known=PERTURBATIONS)
def _bgr(image: Image8) -> Image8:
    """Red and blue exchanged: what ``cv2.imread`` gives, taken for RGB."""
    return np.ascontiguousarray(image[:, :, ::-1])


@op("grey", check_nothing, known=PERTURBATIONS)
def _grey(image: Image8) -> Image8:
    """Pillow's ``L`` (the luma of ITU-R 601-2), three times."""
    return np.array(Image.fromarray(image).convert("L").convert("RGB"))


def even(length: float) -> int:
    """The nearest even number of pixels, at least 2: networks that halve take no odd sides."""
    return max(2, 2 * round(length / 2))


@op("scale(factor)", _positive, known=PERTURBATIONS)
def _scale(image: Image8, factor: float) -> Image8:
    """Both sides times ``factor``, made even; Pillow bilinear, antialiased."""
    height, width = image.shape[:2]
    size = (even(width * factor), even(height * factor))
    allow_size(image, size[1], size[0])
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


@op("fit_width(smallest,largest)", _widths, known=PERTURBATIONS)
def _fit_width(image: Image8, smallest: int, largest: int) -> Image8:
    """A width outside the range is brought to its nearer end, the ratio kept; else untouched."""
    width = image.shape[1]
    wanted = min(max(width, smallest), largest)
    return image if wanted == width else in_8_bits(_scale(image, wanted / width))


@op("crop(share)", _share, known=PERTURBATIONS)
def _crop(image: Image8, share: float) -> Image8:
    """The central window of ``share`` of each side, made even; moves the grid of a former JPEG."""
    height, width = (min(even(side * share), side) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


@op("blur(sigma)", _positive, known=PERTURBATIONS)
def _blur(image: Image8, sigma: float) -> Image8:
    """Gaussian, sigma in pixels, edges mirrored, rounded once at the end."""
    from scipy.ndimage import gaussian_filter  # here: it takes a while to import

    blurred: Image8 = np.rint(gaussian_filter(image.astype(np.float32), sigma, axes=(0, 1))).astype(
        np.uint8
    )
    return blurred


@op("noise(sigma)", _positive, random=True, known=PERTURBATIONS)
def _noise(image: Image8, sigma: float, *, rng: np.random.Generator) -> Image8:
    """Gaussian, independent in every pixel and channel; sigma in grey levels of 255."""
    values = np.rint(image + rng.normal(0.0, sigma, image.shape))
    noisy: Image8 = np.clip(values, 0, 255).astype(np.uint8)
    return noisy
