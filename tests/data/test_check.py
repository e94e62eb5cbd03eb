from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from image_files import png_claiming, write

from harness.__main__ import main

FAKES = ("dalle", "glide_100_10", "glide_100_27", "glide_50_27", "ldm_100", "ldm_200")
FAKES = (*FAKES, "ldm_200_cfg", "guided")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """UniversalFakeDetect as first released, three images a folder."""
    suite = tmp_path / "data/UniversalFakeDetect"
    for number in range(3):
        write(suite / f"laion/0_real/{number}.jpg", seed=number)
        write(suite / f"imagenet/0_real/{number}.JPEG", seed=10 + number)
        for place, name in enumerate(FAKES):
            write(suite / name / f"1_fake/{number}.png", seed=100 + 3 * place + number)
    return tmp_path / "data"


def _check(root: Path, *flags: str, suite: str = "ufd") -> int:
    out = str(root.parent / "out")
    return main(["check", "--suite", suite, "--data-root", str(root), "--out", out, *flags])


def _json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_all_there_is_exit_code_0_with_warnings(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(root) == 0
    text = capsys.readouterr().out
    assert "dalle" in text
    assert "3/1000" in text
    assert "warning: dalle: 3 real images, expected 1000 (documented)" in text
    assert "warning: guided: format JPEG alone tells the classes apart" in text
    assert "note: 6 distinct real files among 24 scored" in text
    pooled = "dalle, glide_100_10, glide_100_27, glide_50_27, ldm_100, ldm_200, ldm_200_cfg"
    assert f"note: 3 real files are in each of: {pooled}" in text
    assert "error:" not in text


def test_json_says_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(root, "--json") == 0
    (suite,) = _json(capsys)["suites"]
    assert [subset["subset"] for subset in suite["subsets"]][:2] == ["dalle", "glide_100_10"]
    dalle = suite["subsets"][0]
    assert (dalle["real"]["images"], dalle["expected_real"]) == (3, 1000)
    assert dalle["fake"]["formats"] == {"PNG": 3}
    assert len(dalle["digest"]) == 64
    assert suite["duplicates"]["distinct"] == {"fake": 24, "real": 6}


def test_a_missing_subset_is_named_and_ends_with_3(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "UniversalFakeDetect/ldm_200").rename(root / "UniversalFakeDetect/ldm_two_hundred")
    assert _check(root) == 3
    text = capsys.readouterr().out
    assert "error: ldm_200: missing:" in text
    assert "unknown folders, not scored: ldm_two_hundred" in text
    assert _check(root, suite="ufd:dalle") == 0


def test_known_extras_are_told_from_unknown_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("biggan/0_real/a.png", "biggan/1_fake/b.png", "crn/0_real/c.png"):
        write(tmp_path / "data/ForenSynths" / name)
    assert _check(tmp_path / "data", suite="forensynths:biggan") == 0
    text = capsys.readouterr().out
    assert "note: not scored by the paper: crn" in text
    assert "unknown folders" not in text


def test_a_truncated_file_is_found_by_decoding_only(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = write(root / "UniversalFakeDetect/dalle/1_fake/2.png", 64, 64)
    victim.write_bytes(victim.read_bytes()[:6000])
    assert _check(root) == 0
    assert "--deep finds truncated files" in capsys.readouterr().out
    assert _check(root, "--deep") == 3
    text = capsys.readouterr().out
    assert "error: dalle: 1 unreadable or damaged: 1_fake/2.png is truncated" in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<html>404</html>", "is not a"),
        (png_claiming(20_000, 10_000), "has a header that claims more than"),
    ],
    ids=["empty", "text", "bomb"],
)
def test_bad_files_end_with_3(
    root: Path, capsys: pytest.CaptureFixture[str], data: bytes, reason: str
) -> None:
    (root / "UniversalFakeDetect/dalle/1_fake/0.png").write_bytes(data)
    assert _check(root, suite="ufd:dalle") == 3
    assert f"error: dalle: 1 unreadable or damaged: 1_fake/0.png {reason}" in (
        capsys.readouterr().out
    )


def test_absent_data_ends_with_3_and_says_how_to_go_on(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(root, "--json", suite="ufd,gangen") == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert [suite["suite"] for suite in document["suites"]] == ["ufd"]
    assert document["absent"][0]["suite"] == "gangen"
    assert "no folder GANGen-Detection" in captured.err
    assert "--suite mini:gan" in captured.err


def test_own_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mine/0_real/a b.png", seed=1)
    write(tmp_path / "mine/1_fake/ü.png", seed=1)  # the same picture: an error of the data
    out = str(tmp_path / "out")
    assert main(["check", "--images", str(tmp_path / "mine"), "--out", out]) == 0
    text = capsys.readouterr().out
    assert "1/?" in text
    assert (
        "1 files are called both real and fake, such as mine/0_real/a b.png = mine/1_fake/ü.png"
        in text
    )


def test_what_is_not_read_is_a_warning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "UniversalFakeDetect/dalle/1_fake/x.jxl").touch()
    write(root / "UniversalFakeDetect/dalle/1_fakes/x.png")
    assert _check(root, suite="ufd:dalle") == 0
    assert (
        "warning: dalle: not read: 1 .jxl (no image by its name, such as 1_fake/x.jxl); images in "
        "no class folder: 1 1_fakes (such as 1_fakes/x.png)"
    ) in capsys.readouterr().out


def test_places_with_unknown_class_folders_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/REAL/x.png", "a/Fake/x.png", "b/reals/x.png", "b/fakes/x.png"):
        write(tmp_path / "mine" / name, seed=len(name))
    assert main(["check", "--images", str(tmp_path / "mine"), "--out", str(tmp_path / "o")]) == 0
    assert "warning: unknown folders, not scored: b/fakes, b/reals" in capsys.readouterr().out


def test_a_png_with_damaged_metadata_is_noted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = root / "UniversalFakeDetect/dalle/1_fake/0.png"
    data = file.read_bytes()
    odd = struct.pack(">I", 1) + b"tEXt\0" + bytes(4)  # a wrong checksum
    file.write_bytes(data[:33] + odd + data[33:])
    assert _check(root, "--deep", suite="ufd:dalle") == 0
    text = capsys.readouterr().out
    assert "note: dalle: 1 files with damaged metadata, such as 1_fake/0.png: it is read" in text
    assert "without its chunks tEXt" in text


def test_an_output_folder_is_not_needed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "file").touch()
    flags = ["--suite", "ufd:dalle", "--data-root", str(root), "--out", str(root / "file")]
    assert main(["check", *flags]) == 0


def test_two_folders_for_one_subset_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, folder in enumerate(("sdv1", "sdv1_new")):
        write(tmp_path / f"data/DiffusionForensics/{folder}/imagenet/0_real/a.png", seed=place)
        write(tmp_path / f"data/DiffusionForensics/{folder}/imagenet/1_fake/a.png", seed=9 + place)
    assert _check(tmp_path / "data", suite="diffusion:sdv1") == 0
    assert "sdv1_new is used; sdv1 is there too and is not scored" in capsys.readouterr().out


def test_nothing_to_check_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "--suite or --images" in capsys.readouterr().err
