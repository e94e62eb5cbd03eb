"""The random operations: against the libraries that published recipes call, and in their ranges."""

from __future__ import annotations

import io

import numpy as np
import pytest
from image_files import noise
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.api.torchvision import ensure_torchvision
from harness.data.preprocess import parse

ensure_torchvision()
from torchvision import transforms  # noqa: E402  (needs the line above)
from torchvision.transforms import functional  # noqa: E402

TEXTS = [
    "gaussian_blur(0.5,0,3)",
    "jpeg(0.5,30,100)",
    "rotate(180)",
    "color_jitter(0.5,0.5,0.5)",
    "mask_patches(0.5,16,0.75)",
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("text", TEXTS)
def test_size_type_and_original_are_kept_and_the_generator_decides_all(text: str) -> None:
    image = noise(40, 33)
    kept = image.copy()
    runs = [[parse(text).apply(image, each) for _ in range(20)] for each in (rng(1), rng(1))]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(image, kept)
    assert {(each.shape, each.dtype.name) for each in runs[0]} == {((40, 33, 3), "uint8")}
    assert len({each.tobytes() for each in runs[0]}) > 5


@pytest.mark.parametrize(
    "name", ["gaussian_blur({},2,2)", "jpeg({},50,50)", "mask_patches({},4,1)"]
)
def test_probabilities(name: str) -> None:
    image, draws = noise(8, 8), rng()
    assert parse(name.format(0)).apply(image, draws) is image
    changed = sum(parse(name.format(0.25)).apply(image, draws) is not image for _ in range(400))
    assert 70 < changed < 135
    assert all(parse(name.format(1)).apply(image, draws) is not image for _ in range(20))


def test_blur_is_scipys_on_each_8_bit_channel() -> None:
    image = noise(20, 31)
    ours = parse("gaussian_blur(1,1.5,1.5)").apply(image, rng())
    expected = np.stack([gaussian_filter(image[..., c], 1.5) for c in range(3)], axis=-1)
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(parse("gaussian_blur(1,0,0)").apply(image, rng()), image)


def test_blur_draws_the_whole_range_of_sigmas() -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    draws = rng()
    peaks = [parse("gaussian_blur(1,0,3)").apply(point, draws)[15, 15, 0] for _ in range(300)]
    assert max(peaks) == 255  # sigma near 0
    # 255 / (2 pi sigma^2), each axis cut to whole numbers: 3 at sigma 3
    assert 2 <= min(peaks) <= 4


def test_jpeg_is_pillows_at_a_quality_of_the_range() -> None:
    image, draws = noise(32, 40), rng()
    allowed = {}
    for quality in (30, 31, 32):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        allowed[np.asarray(Image.open(file)).tobytes()] = quality
    seen = {allowed[parse("jpeg(1,30,32)").apply(image, draws).tobytes()] for _ in range(60)}
    assert seen == {30, 31, 32}


def test_rotation_equals_torchvisions_at_the_drawn_angle() -> None:
    image = noise(21, 30)
    angle = rng(5).uniform(-180, 180)
    expected = np.asarray(functional.rotate(Image.fromarray(image), angle))
    np.testing.assert_array_equal(parse("rotate(180)").apply(image, rng(5)), expected)
    np.testing.assert_array_equal(parse("rotate(0)").apply(image, rng(5)), image)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("color_jitter(0.5,0,0)", functional.adjust_brightness),
        ("color_jitter(0,0.5,0)", functional.adjust_contrast),
        ("color_jitter(0,0,0.5)", functional.adjust_saturation),
    ],
)
def test_color_jitter_equals_torchvisions_at_the_drawn_factor(text: str, function: object) -> None:
    image, draws = noise(9, 11), rng(3)
    draws.permutation(3)
    factor = draws.uniform(0.5, 1.5)
    assert callable(function)
    expected = np.asarray(function(Image.fromarray(image), factor))
    np.testing.assert_array_equal(parse(text).apply(image, rng(3)), expected)


def test_color_jitter_without_strength_changes_nothing() -> None:
    image = noise(5, 5)
    np.testing.assert_array_equal(parse("color_jitter(0,0,0)").apply(image, rng()), image)


def test_masks_are_whole_cells_of_the_grid_up_to_the_largest_share() -> None:
    image, draws = np.full((64, 80, 3), 200, np.uint8), rng()
    shares = []
    for _ in range(300):
        masked = parse("mask_patches(1,16,0.75)").apply(image, draws)
        cells = masked.reshape(4, 16, 5, 16, 3).transpose(0, 2, 1, 3, 4).reshape(20, -1)
        black = (cells == 0).all(1)
        assert (cells[~black] == 200).all()
        shares.append(int(black.sum()))
    assert set(shares) == set(range(15))  # floor(20 x share), share uniform in [0, 0.75)


def test_tiling_covers_the_side_and_repeats_the_image() -> None:
    image = noise(5, 12)
    tiled = parse("tile(12)")(image)
    np.testing.assert_array_equal(tiled, np.concatenate([image, image, image]))
    np.testing.assert_array_equal(parse("tile(5)")(image), image)


@pytest.mark.parametrize("size", [(5, 20), (20, 5), (3, 4), (9, 9)])
def test_padding_for_a_crop_equals_torchvisions_pad_if_needed(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 7, np.uint8)
    chain = parse("pad_for_crop(8)|random_crop(8)")
    draws = rng()
    ours = {chain.apply(image, draws).tobytes() for _ in range(1500)}
    theirs_of = transforms.RandomCrop(8, pad_if_needed=True)
    theirs = {np.asarray(theirs_of(Image.fromarray(image))).tobytes() for _ in range(1500)}
    assert ours == theirs
