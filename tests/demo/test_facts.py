"""What is said of a file: header, JPEG tables, the grid in the pixels, and files that are none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.demo import facts
from harness.demo.facts import FileFacts, file_facts
from harness.errors import BadImageError
from harness.evaluation.image_file import ImageFile
from tests.conftest import noise
from tests.data.image_files import encoded, png_claiming
from tests.demo.conftest import picture_bytes


def of(data: bytes, name: str = "a.png") -> FileFacts:
    return file_facts(ImageFile(data, name))


def row(data: bytes, key: str) -> str:
    return dict(of(data).rows)[key]


def smooth(side: int = 256) -> Image.Image:
    """Like a photograph: its neighbours alike, so that a grid can stand out."""
    rough = np.random.default_rng(3).normal(0, 400, (side, side, 3))
    return Image.fromarray(
        np.clip(gaussian_filter(rough, (3, 3, 0)) + 128, 0, 255).astype(np.uint8)
    )


def test_png_has_its_size_and_no_jpeg_rows() -> None:
    rows = dict(of(picture_bytes()).rows)
    assert rows["format"] == "PNG"
    assert rows["size"].startswith("120 x 90 pixels")
    assert rows["metadata"] == "none"
    assert "JPEG quality" not in rows


@pytest.mark.parametrize("quality", [30, 75, 96])
def test_quality_and_tables_of_libjpeg_are_known(quality: int) -> None:
    data = picture_bytes(form="JPEG", quality=quality, subsampling="4:2:2")
    assert row(data, "JPEG quality") == str(quality)
    assert row(data, "JPEG tables").startswith("known")
    assert row(data, "chroma") == "4:2:2"


def test_other_encoders_tables_are_unknown_and_the_quality_is_near() -> None:
    data = picture_bytes(form="JPEG", qtables=[[17] * 64, [31] * 64])
    assert row(data, "JPEG quality").startswith("near ")
    assert row(data, "JPEG tables").startswith("unknown")


def test_grey_jpeg_of_libjpeg_is_known_too() -> None:
    data = encoded(Image.fromarray(noise(1)).convert("L"), "JPEG", quality=80)
    assert row(data, "JPEG tables").startswith("known")
    assert row(data, "chroma") == "grey"


def test_exif_icc_and_frames_are_said() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture_bytes(form="JPEG", exif=exif, icc_profile=b"x" * 200)
    assert row(data, "metadata") == "EXIF, ICC"
    assert any("EXIF" in note for note in of(data).notes)
    file = io.BytesIO()
    frames = [Image.fromarray(noise(seed)) for seed in range(3)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert "Animated: only the first of 3 frames is looked at." in of(file.getvalue()).notes


def test_a_former_jpeg_is_found_in_the_pixels_of_a_png() -> None:
    image = smooth()
    assert row(encoded(image, "PNG"), "8x8 grid").endswith("no proof either")
    again = Image.open(io.BytesIO(encoded(image, "JPEG", quality=50)))
    found = of(encoded(again, "PNG"))
    assert dict(found.rows)["8x8 grid"].endswith("a trace of JPEG")
    assert any("probably a JPEG before" in note for note in found.notes)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a"),
        (b"%PDF-1.7 not a picture", "is not a"),
        (picture_bytes()[:400], "truncated or damaged"),
        (png_claiming(20_000, 20_000), "pixels"),
        (png_claiming(9_000, 9_000), "this page takes 50,000,000"),
    ],
    ids=["empty", "svg", "pdf", "truncated", "bomb", "huge"],
)
def test_what_is_no_picture_for_us_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        of(data)


def test_too_many_bytes_are_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "MAX_BYTES", 100)
    with pytest.raises(BadImageError, match="this page takes 100"):
        of(picture_bytes())
