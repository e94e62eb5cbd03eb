"""Resizes of other libraries than Pillow: torchvision on tensors, and OpenCV.

People resize with either, and the same name (bilinear, 256) is another picture in each.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from harness.data import opencv
from harness.data.decode import Image8
from harness.data.operations import Pixels, check_sides, check_two_sides, new_size, op

Filter = Literal["nearest", "bilinear", "bicubic"]


@op("resize_tensor(height,width) or resize_tensor(short_side)", check_sides, floats="gives")
def _bilinear(image: Pixels, first: int, width: int | None = None) -> Pixels:
    """torchvision's ``Resize`` of a float tensor, ``antialias=False``: torch's ``interpolate``.

    Floats, as all that follow; equal to theirs within the rounding of float32.
    """
    return _by_torch(image, first, width, "bilinear", smooth=False)


@op("resize_tensor_smooth(height,width) or resize_tensor_smooth(short_side)", check_sides,
    floats="gives")  # fmt: skip
def _bilinear_smooth(image: Pixels, first: int, width: int | None = None) -> Pixels:
    """The same with ``antialias=True``, torchvision's default from 0.17 on."""
    return _by_torch(image, first, width, "bilinear", smooth=True)


@op("resize_tensor_bicubic(height,width) or resize_tensor_bicubic(short_side)", check_sides,
    floats="gives")  # fmt: skip
def _bicubic(image: Pixels, first: int, width: int | None = None) -> Pixels:
    """``antialias=False``; values overshoot 0 and 255, as torchvision leaves them."""
    return _by_torch(image, first, width, "bicubic", smooth=False)


@op("resize_tensor_bicubic_smooth(height,width) or resize_tensor_bicubic_smooth(short_side)",
    check_sides, floats="gives")  # fmt: skip
def _bicubic_smooth(image: Pixels, first: int, width: int | None = None) -> Pixels:
    """``antialias=True``; values overshoot 0 and 255, as torchvision leaves them."""
    return _by_torch(image, first, width, "bicubic", smooth=True)


@op("resize_tensor_nearest(height,width) or resize_tensor_nearest(short_side)", check_sides,
    floats="gives")  # fmt: skip
def _nearest(image: Pixels, first: int, width: int | None = None) -> Pixels:
    """The pixel at the upper left of each new one."""
    return _by_torch(image, first, width, "nearest", smooth=False)


def _by_torch(
    image: Pixels, first: int, width: int | None, mode: Filter, *, smooth: bool
) -> Pixels:
    height, width = new_size(image, first, width)
    if (height, width) == image.shape[:2]:
        return image
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))[None]
    size = (height, width)
    if mode == "nearest":
        resized = interpolate(planes, size, mode=mode)
    else:
        resized = interpolate(planes, size, mode=mode, align_corners=False, antialias=smooth)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


@op("resize_opencv_nearest(height,width)", check_two_sides)
def _opencv_nearest(image: Image8, height: int, width: int) -> Image8:
    """OpenCV's INTER_NEAREST: the pixel at the upper left of each new one."""
    return opencv.nearest(image, *new_size(image, height, width))


@op("resize_opencv_cubic(height,width)", check_two_sides)
def _opencv_cubic(image: Image8, height: int, width: int) -> Image8:
    """OpenCV's INTER_CUBIC, within one level: not antialiased."""
    return opencv.filtered(image, *new_size(image, height, width), opencv.cubic)


@op("resize_opencv_lanczos(height,width)", check_two_sides)
def _opencv_lanczos(image: Image8, height: int, width: int) -> Image8:
    """OpenCV's INTER_LANCZOS4, within one level: not antialiased."""
    return opencv.filtered(image, *new_size(image, height, width), opencv.lanczos4)


@op("resize_opencv_area(height,width)", check_two_sides)
def _opencv_area(image: Image8, height: int, width: int) -> Image8:
    """OpenCV's INTER_AREA, within one level: the mean of what a new pixel covers."""
    return opencv.area(image, *new_size(image, height, width))
