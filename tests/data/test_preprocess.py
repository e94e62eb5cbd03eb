from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import noise
from PIL import Image

from harness.api.torchvision import ensure_torchvision
from harness.data.preprocess import OPS, parse, to_tensor
from harness.errors import BadImageError, DataError, UsageError

ensure_torchvision()
from torchvision import transforms  # noqa: E402  (needs the line above)

SIDE = st.integers(1, 40)


def _torchvision(transform: object, image: np.ndarray) -> np.ndarray:
    assert callable(transform)
    return np.asarray(transform(Image.fromarray(image)))


@settings(max_examples=60, deadline=None)
@given(old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE))
def test_resize_to_a_size_equals_torchvision(old: tuple[int, int], new: tuple[int, int]) -> None:
    image = noise(*old)
    ours = parse(f"resize({new[0]},{new[1]})")(image)
    np.testing.assert_array_equal(ours, _torchvision(transforms.Resize(new), image))
    assert ours.shape == (*new, 3)


@settings(max_examples=60, deadline=None)
@given(old=st.tuples(SIDE, SIDE), short=SIDE)
def test_resize_of_the_short_side_equals_torchvision(old: tuple[int, int], short: int) -> None:
    image = noise(*old)
    ours = parse(f"resize({short})")(image)
    np.testing.assert_array_equal(ours, _torchvision(transforms.Resize(short), image))
    assert min(ours.shape[:2]) == short


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
@pytest.mark.parametrize("sides", [(9, 31), (24,)])
def test_other_filters_equal_torchvision(name: str, sides: tuple[int, ...]) -> None:
    image = noise(23, 17)
    text = f"resize_{name}({','.join(map(str, sides))})"
    mode = transforms.InterpolationMode(name)
    size = sides if len(sides) == 2 else sides[0]
    expected = _torchvision(transforms.Resize(size, interpolation=mode), image)
    np.testing.assert_array_equal(parse(text)(image), expected)


@settings(max_examples=100, deadline=None)
@given(old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE))
def test_center_crop_equals_torchvision(old: tuple[int, int], new: tuple[int, int]) -> None:
    image = noise(*old)
    ours = parse(f"center_crop({new[0]},{new[1]})")(image)
    np.testing.assert_array_equal(ours, _torchvision(transforms.CenterCrop(new), image))


def test_to_tensor_equals_torchvision() -> None:
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    image.flags.writeable = False  # torch would warn of it, and warnings are errors here
    ours = to_tensor(image)
    assert (ours.dtype, tuple(ours.shape)) == (torch.float32, (3, 16, 16))
    assert torch.equal(ours, transforms.ToTensor()(Image.fromarray(image)))


def test_to_tensor_of_a_batch_is_that_of_its_images() -> None:
    batch = np.stack([noise(5, 7, seed) for seed in range(3)])
    assert torch.equal(to_tensor(batch), torch.stack([to_tensor(image) for image in batch]))


def test_resize_to_its_own_size_changes_nothing() -> None:
    image = noise(9, 7)
    np.testing.assert_array_equal(parse("resize(9,7)")(image), image)
    np.testing.assert_array_equal(parse("resize(7)")(image), image)


def test_resize_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = parse("resize(16,16)")(stripes)
    assert abs(int(small[8, 8, 0]) - 127) <= 2  # without antialiasing: 0 or 255


def test_opencvs_resize_takes_single_pixels_and_halves_by_the_mean() -> None:
    stripes = np.zeros((60, 60, 3), np.uint8)
    stripes[:, ::4] = 255
    small = parse("resize_opencv(20,20)")(stripes)
    assert set(np.unique(small)) == {0, 255}  # the middle of each three, not their mean
    image = noise(8, 12)
    means = image.reshape(4, 2, 6, 2, 3).astype(int).sum((1, 3))
    np.testing.assert_array_equal(parse("resize_opencv(4,6)")(image), (means + 2) // 4)
    np.testing.assert_array_equal(parse("resize_opencv(8,12)")(image), image)
    with pytest.raises(UsageError, match="takes 2 sides, got 1"):
        parse("resize_opencv(4)")


def test_half_of_an_odd_remainder_is_rounded_to_even_or_down() -> None:
    image = noise(7, 9)
    np.testing.assert_array_equal(parse("center_crop(4,6)")(image), image[2:6, 2:8])
    np.testing.assert_array_equal(parse("center_crop_floor(4,6)")(image), image[1:5, 1:7])
    for text in ("center_crop(10)", "center_crop_floor(10)"):
        np.testing.assert_array_equal(parse(text)(image)[1:8, :9], image)


def test_crop_multiple_drops_the_last_rows_and_columns() -> None:
    image = noise(7, 10)
    np.testing.assert_array_equal(parse("crop_multiple(4)")(image), image[:4, :8])
    np.testing.assert_array_equal(parse("crop_multiple(2)")(noise(6, 8)), noise(6, 8))
    with pytest.raises(DataError, match=r"10x1 \(width x height\)"):
        parse("crop_multiple(2)")(noise(1, 10))


def test_native_changes_nothing() -> None:
    image = noise(5, 6)
    assert parse("native")(image) is image


@settings(max_examples=50, deadline=None)
@given(size=st.tuples(st.integers(4, 20), st.integers(4, 20)), seed=st.integers(0, 99))
def test_random_crop_is_a_window_of_the_image(size: tuple[int, int], seed: int) -> None:
    rows, columns = np.indices(size, dtype=np.uint8)
    image = np.dstack([rows, columns, rows])
    crop = parse("random_crop(4,3)").apply(image, np.random.default_rng(seed))
    top, left = crop[0, 0, :2]
    np.testing.assert_array_equal(crop, image[top : top + 4, left : left + 3])


def test_random_crop_reaches_every_position() -> None:
    image = np.dstack([*np.indices((6, 5), dtype=np.uint8), np.zeros((6, 5), np.uint8)])
    rng = np.random.default_rng(0)
    crop = parse("random_crop(4)")
    corners = {tuple(crop.apply(image, rng)[0, 0, :2].tolist()) for _ in range(200)}
    assert corners == {(y, x) for y in range(3) for x in range(2)}


def test_random_operations_draw_only_from_the_generator() -> None:
    chain = parse("random_crop(5)|hflip(0.5)")
    runs = [
        [chain.apply(noise(9, 9), rng) for _ in range(20)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert len({image.tobytes() for image in runs[0]}) > 10


def test_hflip() -> None:
    image, rng = noise(4, 5), np.random.default_rng(0)
    np.testing.assert_array_equal(parse("hflip(1)").apply(image, rng), image[:, ::-1])
    np.testing.assert_array_equal(parse("hflip(0)").apply(image, rng), image)
    flips = sum(parse("hflip(0.25)").apply(image, rng) is not image for _ in range(2000))
    assert 420 < flips < 580


def test_a_random_text_is_refused_without_a_generator() -> None:
    chain = parse("resize(8,8)|random_crop(4)")
    assert chain.is_random
    assert not parse("center_crop(4)").is_random
    with pytest.raises(UsageError, match=r"random_crop\(4\) is random"):
        chain(noise(8, 8))


def test_random_crop_of_a_smaller_image_is_an_error() -> None:
    with pytest.raises(DataError, match=r"smaller, 3x9 \(height x width\)"):
        parse("random_crop(4)").apply(noise(3, 9), np.random.default_rng(0))


_ARGUMENTS = {
    "resize": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "center_crop": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "center_crop_floor": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "random_crop": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "resize_bicubic": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "resize_lanczos": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "resize_opencv": st.tuples(SIDE, SIDE),
    **{
        f"resize_{name}": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE))
        for name in (
            "nearest",
            "tensor",
            "tensor_smooth",
            "tensor_bicubic",
            "tensor_bicubic_smooth",
            "tensor_nearest",
        )
    },
    **{
        f"resize_opencv_{name}": st.tuples(SIDE, SIDE)
        for name in ("nearest", "cubic", "area", "lanczos")
    },
    "center_crop_reflect": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "center_crop_within": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "top_left_crop": st.one_of(st.tuples(SIDE), st.tuples(SIDE, SIDE)),
    "crop_multiple": st.tuples(SIDE),
    "tile": st.tuples(SIDE),
    "pad_for_crop": st.tuples(SIDE),
    "gaussian_blur": st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(1, 9)),
    "jpeg": st.tuples(st.floats(0, 1), st.integers(1, 50), st.integers(50, 100)),
    "rotate": st.tuples(st.floats(0, 180)),
    "color_jitter": st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)),
    "mask_patches": st.tuples(st.floats(0, 1), SIDE, st.floats(0, 1)),
    "hflip": st.tuples(st.floats(0, 1)),
    "native": st.just(()),
}
_STEP = st.sampled_from(sorted(_ARGUMENTS)).flatmap(
    lambda name: _ARGUMENTS[name].map(lambda args: (name, args))
)
_SPACE = st.sampled_from(["", " ", "  "])


def _text(name: str, args: tuple[object, ...], space: str) -> str:
    inside = f"{space},{space}".join(map(repr, args))
    return f"{space}{name}{space}({space}{inside}{space})" if args else f"{space}{name}{space}"


def test_every_operation_is_in_the_round_trip() -> None:
    assert set(_ARGUMENTS) == set(OPS)


@given(steps=st.lists(_STEP, min_size=1, max_size=4), space=_SPACE)
def test_the_canonical_text_round_trips(steps: list, space: str) -> None:
    steps = sorted(steps, key=lambda step: OPS[step[0]].floats != "")  # nothing of 8 bits last
    text = "|".join(_text(name, args, space) for name, args in steps)
    parsed = parse(text)
    canonical = str(parsed)
    assert " " not in canonical
    assert parse(canonical) == parsed
    assert str(parse(canonical)) == canonical
    kept = [(name, args) for name, args in steps if name != "native"]
    assert [step.op.name for step in parsed.steps] == [name for name, _ in kept]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("native", "native"),
        (" native | native ", "native"),
        ("native|resize( 256 ,256)", "resize(256,256)"),
        ("resize(256,256)|center_crop(224,224)", "resize(256,256)|center_crop(224)"),
        ("resize(256)", "resize(256)"),  # the short side: not the same as (256,256)
        ("hflip(1)", "hflip(1.0)"),
    ],
)
def test_canonical_texts(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("resise(2,2)", 1, "unknown operation 'resise'"),
        ("resize(2,2)|blurr(1)", 2, "unknown operation 'blurr'"),
        ("", 1, "'' is not of the form"),
        ("resize(2,2)||native", 2, "'' is not of the form"),
        ("resize(2,2", 1, "is not of the form"),
        ("resize", 1, "takes 1 or 2 sides, got 0"),
        ("resize(1,2,3)", 1, "takes 1 or 2 sides, got 3"),
        ("resize(0,2)", 1, "1 or more"),
        ("resize(-4)", 1, "1 or more"),
        ("resize(2.5)", 1, "whole numbers"),
        ("resize(a)", 1, "'a' is not a number"),
        ("resize(4,)", 1, "'' is not a number"),
        ("hflip(1.5)", 1, "between 0 and 1"),
        ("hflip()", 1, "one probability"),
        ("crop_multiple(2,2)", 1, "one whole number"),
        ("native(3)", 1, "takes no arguments"),
        ("tile(0)", 1, "one whole number, 1 or more"),
        ("gaussian_blur(0.5,3)", 1, "takes 3 numbers, got 2"),
        ("gaussian_blur(0.5,3,0)", 1, "the lower one first"),
        ("gaussian_blur(1.5,0,3)", 1, "between 0 and 1"),
        ("jpeg(0.5,0,90)", 1, "between 1 and 100"),
        ("jpeg(0.5,30,100.0)", 1, "whole numbers"),
        ("rotate(181)", 1, "between 0 and 180"),
        ("color_jitter(0.5,-1,0)", 1, "0 or more"),
        ("mask_patches(0.5,16,75)", 1, "between 0 and 1"),
    ],
)
def test_a_wrong_text_says_what_and_where(text: str, position: int, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert repr(text) in caught.value.message
    assert f"step {position}:" in caught.value.message
    assert problem in caught.value.message
    for name in OPS:
        assert name in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "height", "width"),
    [
        ("resize(256)", 2, 3000),
        ("resize_bicubic(256)", 3000, 2),
        ("resize_lanczos(256)", 2, 3000),
        ("resize(20000,20000)", 64, 64),
        ("center_crop(20000)", 64, 64),
        ("tile(5000)", 1, 20000),
        ("pad_for_crop(10000)", 64, 64),
    ],
)
def test_no_operation_enlarges_a_picture_beyond_all_bounds(
    text: str, height: int, width: int
) -> None:
    """A strip of 3000x2, its shorter side brought to 256, took 17.5 GB."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    with pytest.raises(BadImageError) as caught:
        parse(text)(image, "strip.png")
    assert f"strip.png: would be enlarged from {width}x{height} to" in caught.value.message
    assert caught.value.message.endswith(f"by {parse(text)}")


def test_a_large_picture_may_be_enlarged_a_little() -> None:
    image = np.zeros((4000, 5000, 3), dtype=np.uint8)
    assert parse("resize(6000,7500)")(image).shape == (6000, 7500, 3)


def test_a_picture_of_which_a_crop_leaves_nothing_is_named() -> None:
    with pytest.raises(BadImageError, match=r"thin\.png: has nothing left: it is 9x1 .*by crop_mu"):
        parse("crop_multiple(2)")(np.zeros((1, 9, 3), dtype=np.uint8), "thin.png")
