"""Resizes and crops of other programs, each against that program or against numpy by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from image_files import noise
from PIL import Image

from harness.api.torchvision import ensure_torchvision
from harness.data.operations import in_8_bits
from harness.data.preprocess import parse, to_tensor
from harness.errors import BadImageError, UsageError
from tests.goldens import stored

ensure_torchvision()
from torchvision import transforms  # noqa: E402  (needs the line above)

SIZES = [(9, 31), (31, 9), (23, 17), (64, 64)]


@pytest.mark.parametrize("sides", [*SIZES, (12,), (40,)])
def test_nearest_is_pillows(sides: tuple[int, ...]) -> None:
    image = noise(23, 17)
    width = sides[-1]
    height = sides[0] if len(sides) == 2 else int(width * 23 / 17)
    ours = parse(f"resize_nearest({','.join(map(str, sides))})")(image)
    theirs = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize(
    ("name", "mode", "smooth"),
    [
        ("resize_tensor", "bilinear", False),
        ("resize_tensor_smooth", "bilinear", True),
        ("resize_tensor_bicubic", "bicubic", False),
        ("resize_tensor_bicubic_smooth", "bicubic", True),
        ("resize_tensor_nearest", "nearest", False),
    ],
)
@pytest.mark.parametrize("sides", [*SIZES, (12,), (40,)])
def test_tensor_arithmetic_is_torchvisions(
    name: str, mode: str, smooth: bool, sides: tuple[int, ...]
) -> None:
    image = noise(23, 17)
    ours = parse(f"{name}({','.join(map(str, sides))})")(image)
    size = list(sides) if len(sides) == 2 else sides[0]
    resize = transforms.Resize(size, transforms.InterpolationMode(mode), antialias=smooth)
    theirs = resize(transforms.ToTensor()(Image.fromarray(image)))
    changed = ours.shape != image.shape  # at its own size a picture stays as it is
    assert ours.dtype == (np.float32 if changed else np.uint8)
    torch.testing.assert_close(to_tensor(ours), theirs, rtol=0, atol=2e-6)


def test_floats_are_neither_rounded_nor_cut_nor_changed_by_the_network_tensor() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 4:] = 255
    pixels = parse("resize_tensor_bicubic(13,13)")(image)
    assert pixels.min() < -5  # bicubic overshoots
    assert pixels.max() > 260
    before = pixels.copy()
    to_tensor(pixels)
    np.testing.assert_array_equal(pixels, before)
    column = np.ascontiguousarray(pixels[:1, -1:])  # a layout of which torch makes no copy
    to_tensor(column)
    np.testing.assert_array_equal(column, before[:1, -1:])
    shown = in_8_bits(pixels)
    assert (shown.dtype, shown.min(), shown.max()) == (np.uint8, 0, 255)
    np.testing.assert_array_equal(in_8_bits(image), image)


@pytest.mark.parametrize(
    "then",
    [
        "native", "center_crop(6)", "center_crop(40)", "center_crop_floor(7)", "tile(40)",
        "center_crop_reflect(18)", "center_crop_within(6,40)", "top_left_crop(5)",
        "crop_multiple(4)", "pad_for_crop(20)", "resize_tensor_smooth(9)",
    ],
)  # fmt: skip
def test_floats_flow_through_what_only_moves_pixels(then: str) -> None:
    image = noise(23, 17)
    whole = parse(f"resize_tensor(13,15)|{then}")(image)
    assert whole.dtype == np.float32
    alone = parse(then)(parse("resize_tensor(13,15)")(image))  # type: ignore[arg-type]
    np.testing.assert_array_equal(whole, alone)


@pytest.mark.parametrize("text", ["resize(4,4)", "center_crop(9)|resize_opencv(4,4)", "rotate(9)"])
def test_what_works_on_8_bits_is_refused_after_floats(text: str) -> None:
    with pytest.raises(UsageError, match="works on 8-bit pictures, and resize_tensor") as caught:
        parse(f"resize_tensor(16,16)|{text}")
    assert text.split("|")[-1] in caught.value.message
    parse(f"resize(20,20)|{text}")


def test_opencvs_cubic_is_what_opencv_made_of_two_pictures() -> None:
    gold = stored.golden("f3net_dfb")
    for image, theirs in zip(gold["images_u8"], gold["pixels"], strict=True):
        ours = parse("resize_opencv_cubic(256,256)")(image)
        off = np.abs(ours.astype(int) - theirs)
        assert off.max() <= 1
        assert off.sum() <= 5  # of 196,608 values


def _by_hand(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Lanczos with 4 lobes by a dense sum, one pixel after the other."""
    out = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            row = (y + 0.5) * image.shape[0] / height - 0.5
            column = (x + 0.5) * image.shape[1] / width - 0.5
            total, norm = np.zeros(3), 0.0
            for i in range(int(np.floor(row)) - 3, int(np.floor(row)) + 5):
                for j in range(int(np.floor(column)) - 3, int(np.floor(column)) + 5):
                    weight = 1.0
                    for distance in (row - i, column - j):
                        weight *= np.sinc(distance) * np.sinc(distance / 4)
                    edge = image[np.clip(i, 0, len(image) - 1), np.clip(j, 0, image.shape[1] - 1)]
                    total += weight * edge
                    norm += weight
            out[y, x] = total / norm
    return np.rint(out).clip(0, 255)


@pytest.mark.parametrize("size", [(9, 13), (30, 8)])
def test_opencvs_lanczos_reaches_four_pixels(size: tuple[int, int]) -> None:
    image = noise(19, 16)
    ours = parse(f"resize_opencv_lanczos({size[0]},{size[1]})")(image)
    off = np.abs(ours - _by_hand(image, *size))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01
    np.testing.assert_array_equal(parse("resize_opencv_lanczos(19,16)")(image), image)


def test_opencvs_nearest_takes_the_pixel_at_the_upper_left() -> None:
    image = noise(10, 7)
    ours = parse("resize_opencv_nearest(4,20)")(image)
    rows, columns = [0, 2, 5, 7], [x * 7 // 20 for x in range(20)]
    np.testing.assert_array_equal(ours, image[rows][:, columns])
    assert (ours != parse("resize_nearest(4,20)")(image)).any()


def test_opencvs_area_is_the_mean_under_a_pixel_and_mixes_over_edges_alone() -> None:
    image = noise(12, 15)
    means = image.reshape(4, 3, 5, 3, 3).mean((1, 3))
    np.testing.assert_array_equal(parse("resize_opencv_area(4,5)")(image), np.rint(means))
    fine = image.repeat(8, 0).repeat(4, 1).astype(float)  # 12 x 15 to 8 x 4: 12 x 15 cells a pixel
    means = fine.reshape(8, 12, 4, 15, 3).mean((1, 3))
    assert np.abs(parse("resize_opencv_area(8,4)")(image) - means).max() <= 0.51
    halves = image[:, :14].reshape(6, 2, 7, 2, 3).astype(int).sum((1, 3))
    np.testing.assert_array_equal(
        parse("resize_opencv_area(6,7)")(image[:, :14]), (halves + 2) // 4
    )
    grown = parse("resize_opencv_area(24,30)")(image)
    np.testing.assert_array_equal(grown, image.repeat(2, 0).repeat(2, 1))
    steps = parse("resize_opencv_area(1,3)")(np.array([[[0] * 3, [200] * 3]], np.uint8))
    np.testing.assert_array_equal(steps[0, :, 0], [0, 100, 200])


@pytest.mark.parametrize("name", ["nearest", "cubic", "area", "lanczos"])
def test_opencvs_resizes_take_two_sides_and_bound_what_they_enlarge(name: str) -> None:
    with pytest.raises(UsageError, match="takes 2 sides, got 1"):
        parse(f"resize_opencv_{name}(4)")
    with pytest.raises(BadImageError, match="would be enlarged"):
        parse(f"resize_opencv_{name}(20000,20000)")(noise(8, 8))
    with pytest.raises(BadImageError, match="would be enlarged"):
        parse("resize_tensor(20000,20000)")(noise(8, 8))
    np.testing.assert_array_equal(parse(f"resize_opencv_{name}(8,9)")(noise(8, 9)), noise(8, 9))


def test_crops_pad_by_the_mirror_or_not_at_all() -> None:
    image = noise(5, 9)
    mirrored = parse("center_crop_reflect(8,4)")(image)
    np.testing.assert_array_equal(mirrored, image[[1, 0, 1, 2, 3, 4, 3, 2]][:, 2:6])
    np.testing.assert_array_equal(parse("center_crop_within(8,4)")(image), image[:, 2:6])
    np.testing.assert_array_equal(parse("center_crop_within(20)")(image), image)
    np.testing.assert_array_equal(parse("top_left_crop(3)")(image), image[:3, :3])
    np.testing.assert_array_equal(parse("top_left_crop(8,4)")(image), image[:, :4])
    for text in ("center_crop_reflect(4)", "center_crop_within(4)"):
        np.testing.assert_array_equal(parse(text)(image), parse("center_crop(4)")(image))
