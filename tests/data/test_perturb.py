from __future__ import annotations

import io

import numpy as np
import pytest
from image_files import noise
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from harness.data.decode import read_header
from harness.data.perturb import CHAINS, PERTURBATIONS, parse_perturbation, split_texts
from harness.data.preprocess import parse
from harness.errors import BadImageError, UsageError


def apply(text: str, image: np.ndarray, name: str = "a.png") -> np.ndarray:
    return parse_perturbation(text)(image, name)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("native", ""),
        (" jpeg( 75 ) ", "jpeg(75)"),
        ("blur(1)|webp(80)", "blur(1.0)|webp(80)"),
        ("jpeg(75, 420)", "jpeg(75)"),  # Pillow's own
        ("fakes: jpeg(75,444)|bgr", "fakes:jpeg(75,444)|bgr"),
        ("center_crop(96,96)|png", "center_crop(96)|png"),
        ("social", "fit_width(320,1080)|jpeg(75)"),
    ],
)
def test_canonical_texts(text: str, canonical: str) -> None:
    perturbation = parse_perturbation(text)
    assert str(perturbation) == canonical
    assert bool(perturbation) == bool(canonical)
    assert str(parse_perturbation(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jpeg(0)", "between 1 and 100"),
        ("jpeg(90.5)", "whole quality"),
        ("jpeg(90,411)", "444, 422 or 420"),
        ("jpeg(90,444,1)", "whole quality"),
        ("scale(0)", "above 0"),
        ("scale(1e999)", "above 0"),
        ("crop(1.5)", "at most 1"),
        ("fit_width(500,300)", "smaller one first"),
        ("hflip(0.5)", "unknown operation"),
        ("jpeg(90)|", "step 2"),
    ],
)
def test_wrong_texts_name_the_step_and_what_is_known(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="perturbation") as caught:
        parse_perturbation(text)
    assert said in str(caught.value)
    assert "screenshot" not in str(caught.value)
    assert "blur(sigma)" in caught.value.hint


def test_a_geometry_cannot_hide_a_perturbation() -> None:
    with pytest.raises(UsageError, match="jpeg"):
        parse("jpeg(75)")
    with pytest.raises(UsageError, match="unknown operation 'blur'"):
        parse("blur(1)")


def test_codecs_are_pillows() -> None:
    image = noise(40, 56)
    for text, form, quality in (("jpeg(30)", "JPEG", 30), ("webp(80)", "WEBP", 80)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, form, quality=quality)
        assert (apply(text, image) == np.array(Image.open(file).convert("RGB"))).all()
    assert (apply("png", image) == image).all()


@pytest.mark.parametrize(
    ("text", "colours"),
    [("jpeg(75)", "4:2:0"), ("jpeg(75,422)", "4:2:2"), ("jpeg(75,444)", "4:4:4")],
)
def test_a_jpeg_may_keep_more_of_the_colours(text: str, colours: str) -> None:
    image = noise(40, 56)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75, subsampling=colours)
    ours = apply(text, image)
    assert (ours == np.array(Image.open(file).convert("RGB"))).all()
    perturbation = parse_perturbation(text)
    kept = perturbation.encoded(perturbation(image, "a.png"))
    assert read_header(kept, "a").subsampling == colours


def test_bgr_and_grey() -> None:
    image = noise(5, 7)
    assert (apply("bgr", image) == image[:, :, [2, 1, 0]]).all()
    grey = apply("grey", image)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey - luma[:, :, None]).max() <= 1
    assert (grey == np.array(Image.fromarray(image).convert("L"))[:, :, None]).all()


def test_blur_is_a_gaussian_rounded_once() -> None:
    image = noise(40, 56)
    wanted = np.rint(gaussian_filter(image.astype(float), (2, 2, 0)))
    assert np.abs(apply("blur(2)", image) - wanted).max() <= 1
    # Pillow's own is an approximation by boxes: near, not equal.
    near = np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2)))
    assert 0 < np.abs(wanted[8:-8, 8:-8] - near[8:-8, 8:-8]).max() < 12


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("scale(0.5)", (50, 36)),  # of 101x73: 50.5 -> 50, 36.5 -> 36
        ("scale(1.5)", (152, 110)),
        ("crop(0.95)", (96, 70)),
        ("fit_width(320,1080)", (442, 320)),
        ("fit_width(10,50)", (70, 50)),
        ("fit_width(10,80)", (101, 73)),
        ("center_crop(64)", (64, 64)),
        ("scale(0.001)", (2, 2)),
    ],
)
def test_sizes_stay_even_for_networks_that_halve(text: str, size: tuple[int, int]) -> None:
    assert apply(text, noise(101, 73)).shape[:2] == size


def test_crop_is_central_and_scale_is_antialiased_bilinear() -> None:
    image = noise(100, 60)
    assert (apply("crop(0.5)", image) == image[25:75, 15:45]).all()
    wanted = np.array(Image.fromarray(image).resize((30, 50), Image.Resampling.BILINEAR))
    assert (apply("scale(0.5)", image) == wanted).all()


def test_noise_follows_from_the_id_and_the_text_alone() -> None:
    image = np.full((64, 64, 3), 128, dtype=np.uint8)
    one = apply("noise(5)", image, "0_real/a.png")
    assert (one == apply("noise(5)", image.copy(), "0_real/a.png")).all()
    assert (one != apply("noise(5)", image, "0_real/b.png")).mean() > 0.5
    assert (one != apply("noise(5)|png", image, "0_real/a.png")).mean() > 0.5
    assert np.std(one.astype(float)) == pytest.approx(5, rel=0.05)
    assert abs(one.mean() - 128) < 0.2
    assert apply("noise(200)", image).min() == 0  # clipped, not wrapped round
    assert apply("noise(200)", image).max() == 255


def test_the_file_of_a_perturbed_picture_tells_nothing_of_the_first() -> None:
    for text, form, quality in (
        ("center_crop(32)|jpeg(96)", "JPEG", 96),
        ("jpeg(30)|png", "PNG", None),
        ("jpeg(30)|scale(0.5)", "PNG", None),
        ("webp(80)", "WEBP", None),
    ):
        perturbation = parse_perturbation(text)
        header = read_header(perturbation.encoded(perturbation(noise(64, 64), "a")), "a")
        assert (header.format, header.jpeg_quality) == (form, quality)


def test_every_operation_and_chain_leaves_an_8_bit_picture() -> None:
    texts = {"resize": "resize(20,20)", "center_crop": "center_crop(20)", "tile": "tile(90)"}
    texts |= {"jpeg": "jpeg(75)", "webp": "webp(80)", "scale": "scale(2)", "crop": "crop(0.7)"}
    texts |= {"fit_width": "fit_width(9,10)", "blur": "blur(1)", "noise": "noise(3)"}
    for text in [texts.get(name, name) for name in PERTURBATIONS] + list(CHAINS):
        out = apply(text, noise(30, 40))
        assert out.dtype == np.uint8
        assert out.ndim == 3
        assert out.shape[2] == 3


def test_texts_are_split_at_commas_outside_brackets() -> None:
    assert split_texts("jpeg(90), fit_width(320,1080)|png ,social,") == [
        "jpeg(90)",
        "fit_width(320,1080)|png",
        "social",
    ]


@pytest.mark.parametrize("text", ["scale(200)", "fit_width(320,1080)", "resize(20000,20000)"])
def test_no_perturbation_enlarges_a_picture_beyond_all_bounds(text: str) -> None:
    strip = np.zeros((100_000, 1, 3), dtype=np.uint8)
    with pytest.raises(BadImageError, match=r"0_real/x\.png: would be enlarged from 1x100000"):
        parse_perturbation(text)(strip, "0_real/x.png")


@pytest.mark.parametrize(
    ("text", "canonical", "of_real", "of_fake", "of_png"),
    [
        ("fakes:jpeg(96)", "fakes:jpeg(96)", "", "jpeg(96)", "jpeg(96)"),
        ("reals: jpeg( 96 )", "reals:jpeg(96)", "jpeg(96)", "", ""),
        ("png:jpeg(96)", "png:jpeg(96)", "", "", "jpeg(96)"),
        ("native|fakes:jpeg(96)|png", "fakes:jpeg(96)|png", "png", "jpeg(96)|png", "jpeg(96)|png"),
        ("jpeg(9)", "jpeg(9)", "jpeg(9)", "jpeg(9)", "jpeg(9)"),
    ],
)
def test_a_step_may_be_of_some_images_alone(
    text: str, canonical: str, of_real: str, of_fake: str, of_png: str
) -> None:
    perturbation = parse_perturbation(text)
    assert str(perturbation) == canonical
    assert str(parse_perturbation(canonical)) == canonical
    assert str(perturbation.of(0, lambda: "JPEG")) == of_real
    assert str(perturbation.of(1, lambda: "JPEG")) == of_fake
    assert str(perturbation.of(1, lambda: "PNG")) == of_png
    assert perturbation.by_class == ("fakes" in text or "reals" in text)


def test_what_is_not_the_same_for_every_image_must_be_told_which_it_is() -> None:
    image = noise(32, 32)
    with pytest.raises(ValueError, match="not the same"):
        parse_perturbation("png:jpeg(96)")(image, "a")
    with pytest.raises(ValueError, match="no label"):
        parse_perturbation("fakes:jpeg(96)").of(None, lambda: "PNG")
    with pytest.raises(UsageError, match="no images that a step") as caught:
        parse_perturbation("cats:jpeg(96)")
    assert "fakes:" in caught.value.hint
