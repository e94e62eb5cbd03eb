from __future__ import annotations

import io
import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import encoded, noise, png_claiming
from PIL import Image, ImageFile, ImageOps

from harness.data.decode import (
    FORMATS,
    MAX_PIXELS,
    decode,
    estimate_jpeg_quality,
    read_bytes,
    read_header,
)
from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.data.tables import RowSource
from harness.errors import BadImageError
from tests.goldens.stored import golden


def _rgb(height: int = 20, width: int = 30) -> Image.Image:
    return Image.fromarray(noise(height, width))


def _palette_with_alpha() -> bytes:
    image = _rgb().quantize(16)
    return encoded(image, "PNG", transparency=bytes(range(0, 256, 16)))


def _oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(_rgb(), "JPEG", exif=exif)


def _animation(file_format: str) -> bytes:
    frames = [Image.fromarray(noise(20, 30, seed)) for seed in range(3)]
    options: dict[str, object] = {"lossless": True} if file_format == "WEBP" else {}
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)


# fmt: off
FILES = {
    "rgb.png": encoded(_rgb(), "PNG"),
    "alpha.png": encoded(_rgb().convert("RGBA"), "PNG"),
    "grey.png": encoded(_rgb().convert("L"), "PNG"),
    "grey_alpha.png": encoded(_rgb().convert("LA"), "PNG"),
    "bilevel.png": encoded(_rgb().convert("1"), "PNG"),
    "palette.png": encoded(_rgb().quantize(16), "PNG"),
    "palette_alpha.png": _palette_with_alpha(),
    "colour.jpg": encoded(_rgb(), "JPEG", quality=90),
    "grey.jpg": encoded(_rgb().convert("L"), "JPEG"),
    "cmyk.jpg": encoded(_rgb().convert("CMYK"), "JPEG"),
    "turned.jpg": _oriented(6),
    "lossy.webp": encoded(_rgb(), "WEBP"),
    "animated.webp": _animation("WEBP"),
    "animated.gif": _animation("GIF"),
    "animated.png": _animation("PNG"),
    "plain.bmp": encoded(_rgb(), "BMP"),
    "plain.tif": encoded(_rgb(), "TIFF"),
    "cmyk.tif": encoded(_rgb().convert("CMYK"), "TIFF"),
    "plain.ppm": encoded(_rgb(), "PPM"),
    "one.png": encoded(_rgb(1, 1), "PNG"),
    "several.mpo": _animation("MPO"),
    "named.jfif": encoded(_rgb(), "JPEG"),
}
if "AVIF" in FORMATS:
    FILES["photo.avif"] = encoded(_rgb(), "AVIF")
# fmt: on


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_pillow(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(Image.open(io.BytesIO(FILES[name])).convert("RGB"))
    image = decode(FILES[name], name)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, expected)


def test_lossless_files_give_back_their_pixels() -> None:
    for name in ("rgb.png", "plain.bmp", "plain.tif", "plain.ppm"):
        np.testing.assert_array_equal(decode(FILES[name], name), noise(20, 30))
    np.testing.assert_array_equal(decode(FILES["animated.webp"], ""), noise(20, 30, seed=0))


def test_exif_orientation_is_not_applied() -> None:
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(FILES["turned.jpg"])))
    assert turned.size == (20, 30)  # applying it would change the shape
    assert decode(FILES["turned.jpg"], "turned.jpg").shape == (20, 30, 3)


def test_alpha_is_dropped_not_blended() -> None:
    pixels = np.dstack([noise(4, 4), np.zeros((4, 4), np.uint8)])
    data = encoded(Image.fromarray(pixels), "PNG")
    np.testing.assert_array_equal(decode(data, "clear.png"), noise(4, 4))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(file_format: str) -> None:
    values = np.array([[0, 255, 256], [0x1234, 0xFF00, 0xFFFF]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(values), file_format), "deep")
    expected = np.array([[0, 0, 1], [0x12, 0xFF, 0xFF]])
    np.testing.assert_array_equal(image, np.repeat(expected[:, :, None], 3, axis=2))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(kind: type) -> None:
    data = encoded(Image.fromarray(np.ones((4, 4), kind)), "TIFF")
    with pytest.raises(BadImageError, match="32-bit pixels"):
        decode(data, "x.tif")


@pytest.mark.parametrize(
    "name", ["rgb.png", "palette_alpha.png", "colour.jpg", "lossy.webp", "plain.bmp", "plain.tif"]
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_an_error_whatever_others_set(
    name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as the releases do
    data = FILES[name][: int(len(FILES[name]) * share)]
    with pytest.raises(BadImageError, match=name) as caught:
        decode(data, name)
    assert caught.value.reason
    assert caught.value.exit_code == 3


def test_a_gif_whose_first_frame_is_cut_is_an_error() -> None:
    data = encoded(_rgb(64, 64), "GIF")
    with pytest.raises(BadImageError, match=r"cut\.gif"):
        decode(data[: len(data) // 2], "cut.gif")


def test_damaged_pixels_in_a_png_are_an_error() -> None:
    data = bytearray(FILES["rgb.png"])
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(BadImageError, match="truncated or damaged"):
        decode(bytes(data), "flipped.png")


def _chunk(kind: bytes, body: bytes, *, right: bool = True) -> bytes:
    checksum = zlib.crc32(kind + body) ^ (not right)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _with_chunk(data: bytes, chunk: bytes, *, behind: bool = False) -> bytes:
    """A PNG file with a chunk behind its header, or behind its pixels."""
    place = data.rindex(b"IEND") - 4 if behind else 33
    return data[:place] + chunk + data[place:]


BIG = zlib.compress(bytes(2 << 20))
# fmt: off
ODD_CHUNKS = {
    "a text of over 1 MiB": _chunk(b"zTXt", b"comment\0\0" + BIG),
    "an international text of over 1 MiB": _chunk(b"iTXt", b"prompt\0\1\0\0\0" + BIG),
    "a profile of over 1 MiB": _chunk(b"iCCP", b"icc\0\0" + BIG),
    "a short tRNS": _chunk(b"tRNS", b"\0"),
    "a short pHYs": _chunk(b"pHYs", b"\0\0\1"),
    "a short gAMA": _chunk(b"gAMA", b"\0"),
    "a wrong checksum": _chunk(b"tEXt", b"Software\0x", right=False),
}
# fmt: on


@pytest.mark.parametrize("chunk", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_a_png_of_whole_pixels_is_read_whatever_else_is_wrong_with_it(
    chunk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _with_chunk(FILES["rgb.png"], chunk)
    notes: list[str] = []
    np.testing.assert_array_equal(decode(data, "odd.png", notes), noise(20, 30))
    header = read_header(data, "odd.png", notes)
    assert (header.format, header.width, header.height, header.mode) == ("PNG", 30, 20, "RGB")
    assert len(notes) == 2
    name = chunk[4:8].decode()
    assert set(notes) == {f"is read without its chunks {name}, of which one is damaged"}
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # the releases' pixels
    released = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(released, noise(20, 30))


def test_what_is_wrong_behind_the_pixels_is_noted_too() -> None:
    data = _with_chunk(FILES["rgb.png"], ODD_CHUNKS["a text of over 1 MiB"], behind=True)
    notes: list[str] = []
    np.testing.assert_array_equal(decode(data, "odd.png", notes), noise(20, 30))
    assert len(notes) == 1


def test_a_whole_png_is_read_without_a_note() -> None:
    notes: list[str] = []
    for name in FILES:
        decode(FILES[name], name, notes)
        read_header(FILES[name], name, notes)
    assert notes == []


@pytest.mark.parametrize("cut", range(1, 200, 7))
@pytest.mark.parametrize("chunk", ["a short pHYs", "a text of over 1 MiB"])
def test_odd_chunks_are_no_excuse_for_a_truncated_file(chunk: str, cut: int) -> None:
    whole = _with_chunk(encoded(_rgb(64, 64), "PNG"), ODD_CHUNKS[chunk])
    with pytest.raises(BadImageError, match=r"cut\.png"):
        decode(whole[: -12 - cut * 50], "cut.png")


def test_damaged_pixels_beside_an_odd_chunk_are_an_error() -> None:
    data = bytearray(_with_chunk(FILES["rgb.png"], ODD_CHUNKS["a short pHYs"]))
    data[-len(FILES["rgb.png"]) // 2] ^= 0xFF
    with pytest.raises(BadImageError, match="truncated or damaged"):
        decode(bytes(data), "flipped.png")


def test_heic_without_its_extra_is_a_bad_image_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(64)
    for read in (decode, read_header):
        with pytest.raises(BadImageError, match=r"is a HEIC image.*\[heif\]"):
            read(data, "IMG_1.HEIC")


def test_heic_is_read_with_its_extra() -> None:
    extra = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    extra.register_heif_opener()
    data = encoded(_rgb(64, 64), "HEIF", quality=90)
    assert decode(data, "IMG_1.HEIC").shape == (64, 64, 3)
    assert read_header(data, "IMG_1.HEIC").format == "HEIF"


@pytest.mark.parametrize("read", [decode, read_header])
def test_what_is_not_an_image_is_named(read: object) -> None:
    assert callable(read)
    with pytest.raises(BadImageError, match=r"empty\.png: is empty \(0 bytes\)"):
        read(b"", "empty.png")
    with pytest.raises(BadImageError, match=r"text\.png: is not a .* it starts with b'hello wo'"):
        read(b"hello world, I am no picture", "text.png")


def test_other_formats_are_not_opened() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    with pytest.raises(BadImageError, match="is not a"):
        decode(postscript, "x.eps.png")


@pytest.mark.parametrize("read", [decode, read_header])
def test_a_200_megapixel_header_is_refused_before_decoding(read: object) -> None:
    assert callable(read)
    with pytest.raises(BadImageError, match=f"claims more than {MAX_PIXELS:,} pixels"):
        read(png_claiming(20_000, 10_000), "bomb.png")


def test_the_limit_holds_when_pillows_own_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(BadImageError, match="20000x10000"):
        decode(png_claiming(20_000, 10_000), "bomb.png")


def test_a_large_header_below_the_limit_gives_no_warning() -> None:
    header = read_header(png_claiming(12_000, 10_000), "large.png")  # Pillow warns from 89 Mpx
    assert (header.width, header.height) == (12_000, 10_000)


def test_headers() -> None:
    header = read_header(FILES["palette_alpha.png"], "")
    assert (header.format, header.mode, header.width, header.height) == ("PNG", "P", 30, 20)
    assert (header.jpeg_quality, header.quantization, header.subsampling) == (None, (), "")
    assert read_header(FILES["animated.gif"], "").frames == 3
    assert read_header(FILES["animated.webp"], "").frames == 3
    assert read_header(FILES["turned.jpg"], "").has_exif
    assert not read_header(FILES["colour.jpg"], "").has_exif
    assert read_header(encoded(_rgb(), "JPEG", icc_profile=b"profile"), "").has_icc
    assert read_header(FILES["cmyk.jpg"], "").mode == "CMYK"


@pytest.mark.parametrize(("option", "text"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_jpeg_header(option: int, text: str) -> None:
    header = read_header(encoded(_rgb(), "JPEG", quality=83, subsampling=option), "")
    assert (header.format, header.jpeg_quality, header.subsampling) == ("JPEG", 83, text)
    assert [len(table) for table in header.quantization] == [64, 64]
    assert read_header(FILES["grey.jpg"], "").subsampling == ""


def test_jpeg_quality_is_exact_for_libjpeg_tables() -> None:
    image = _rgb(8, 8)
    for quality in range(2, 101):
        header = read_header(encoded(image, "JPEG", quality=quality), "")
        assert header.jpeg_quality == quality


@pytest.mark.parametrize(("factor", "offset", "quality"), [(1, 1, 89), (2, 0, 80), (3, 2, 69)])
def test_jpeg_quality_of_foreign_tables(factor: int, offset: int, quality: int) -> None:
    """Values of the estimator's authors (card ``bias_baselines``)."""
    table = read_header(encoded(_rgb(8, 8), "JPEG", quality=90), "").quantization[0]
    foreign = tuple(min(255, max(1, factor * step + offset)) for step in table)
    assert estimate_jpeg_quality(foreign) == quality


def test_jpeg_quality_equals_the_goldens() -> None:
    goldens = golden("bias_baselines")
    tables, qualities = goldens["pil_luma_table_by_quality"], goldens["estimated_quality"]
    ours = [estimate_jpeg_quality(tuple(map(int, table))) for table in tables[1:]]
    assert ours == qualities[1:].tolist()  # row 0 is a placeholder of zeros


def test_decoding_in_threads_gives_the_same_pixels() -> None:
    names = [*FILES] * 8
    alone = {name: decode(FILES[name], name) for name in FILES}
    with ThreadPoolExecutor(8) as pool:
        for name, image in zip(names, pool.map(lambda n: decode(FILES[n], n), names), strict=True):
            np.testing.assert_array_equal(image, alone[name])


def test_reading_a_file_with_spaces_and_unicode(tmp_path: Path) -> None:
    path = tmp_path / "ein Bild – 図 1.png"
    path.write_bytes(FILES["rgb.png"])
    assert read_bytes(Sample(id="x", label=0, source=FileSource(str(path)))) == FILES["rgb.png"]


def test_reading_what_is_not_there_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match=r"gone\.png: cannot be read: .*No such file"):
        read_bytes(Sample(id="gone", label=0, source=FileSource(str(tmp_path / "gone.png"))))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reading_without_permission_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(BadImageError, match=r"locked\.png: cannot be read: .*Permission"):
        read_bytes(Sample(id="x", label=0, source=FileSource(str(path))))


def test_reading_rows_of_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": [b"first", b"second"]}), path, row_group_size=1)
    assert read_bytes(Sample(id="b", label=1, source=RowSource(str(path), 1))) == b"second"
    with pytest.raises(BadImageError, match=r"images\.parquet::row=2: cannot be read"):
        read_bytes(Sample(id="c", label=1, source=RowSource(str(path), 2)))
