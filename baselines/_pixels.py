"""Changes of one picture on tensors, for losses that make their own training pictures.

Every function takes and gives (3, H, W) float32 in [0, 1], on the CPU. Strengths are arguments;
chance is drawn by the callers, from one generator.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

GRAY = (0.299, 0.587, 0.114)


def as_stored(image: Tensor) -> Tensor:
    """Rounded to 8 bits, as a file would hold it: no picture is told by finer steps."""
    return (image.clamp(0, 1) * 255).round() / 255


def shift_channels(image: Tensor, by: Tensor) -> Tensor:
    """Adds (3,) ``by`` to red, green, blue."""
    return (image + by.view(3, 1, 1)).clamp(0, 1)


def brightness_contrast(image: Tensor, brightness: float, contrast: float) -> Tensor:
    """Stretches around the mean by 1 + ``contrast``, then adds ``brightness``."""
    mean = image.mean()
    return ((image - mean) * (1 + contrast) + mean + brightness).clamp(0, 1)


def hue_saturation(image: Tensor, hue: float, saturation: float) -> Tensor:
    """Turns the colours by ``hue`` of a circle around gray, scales them by 1 + ``saturation``."""
    gray = (image * torch.tensor(GRAY).view(3, 1, 1)).sum(0, keepdim=True)
    angle = torch.tensor(2 * torch.pi * hue)
    # Rodrigues' rotation around the axis (1, 1, 1) / sqrt(3).
    axis = torch.tensor(3.0).rsqrt()
    cross = axis * torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    turn = torch.eye(3) * angle.cos() + angle.sin() * cross + (1 - angle.cos()) / 3
    colours = torch.einsum("ij,jhw->ihw", turn, image - gray)
    return (gray + (1 + saturation) * colours).clamp(0, 1)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, ``sigma`` in pixels; the border is repeated. Any number of channels."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=image.dtype)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = nn.functional.pad(image[:, None], (radius,) * 4, mode="replicate")
    rows = nn.functional.conv2d(padded, kernel)
    return nn.functional.conv2d(rows, kernel.transpose(2, 3))[:, 0]


def sharpen(image: Tensor, amount: float) -> Tensor:
    """Adds ``amount`` of the difference to a blurred copy."""
    return (image + amount * (image - blur(image, 1.0))).clamp(0, 1)


def down_and_up(image: Tensor, factor: float) -> Tensor:
    """Resized to ``factor`` (below 1) of its sides and back, bilinearly."""
    height, width = image.shape[1:]
    small = (max(1, round(height * factor)), max(1, round(width * factor)))
    reduced = _resized(image, small)
    return _resized(reduced, (height, width)).clamp(0, 1)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    resized: Tensor = nn.functional.interpolate(
        image[None], size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0]


def jpeg(image: Tensor, quality: int) -> Tensor:
    """Through Pillow's JPEG coder at ``quality``."""
    pixels = (image * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    decoded = np.array(Image.open(file))
    return torch.from_numpy(decoded).movedim(-1, 0).float() / 255
