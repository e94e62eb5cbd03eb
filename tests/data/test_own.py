"""One's own folders and lists: their names, their subsets, and what is wrong with them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import write

from harness.data.disk import DiskFolder
from harness.data.manifest import load_manifest
from harness.data.own import images_suite, list_suite, own_name, own_selections, own_suite
from harness.data.source import FileSource
from harness.data.suite import Suite
from harness.errors import DataError, UsageError
from harness.registry.detectors import detectors
from harness.registry.suites import all_suites


def _own(suite: Suite) -> dict[str, list[tuple[str, int]]]:
    return {
        subset.name: [(s.id, s.label) for s in suite.adapter(suite, subset, Path(suite.folders[0]))]
        for subset in suite.subsets
    }


def test_own_images_in_one_place_are_one_subset(tmp_path: Path) -> None:
    write(tmp_path / "mine/some/where/0_real/a.png")
    write(tmp_path / "mine/some/where/1_fake/a.png")
    suite = images_suite(tmp_path / "mine")
    assert suite.name == own_name(tmp_path / "mine")
    assert _own(suite) == {"mine": [("0_real/a.png", 0), ("1_fake/a.png", 1)]}


def test_own_images_in_several_places_are_a_subset_each(tmp_path: Path) -> None:
    write(tmp_path / "mine/0_real/a.png")
    write(tmp_path / "mine/flux/0_real/a.png")
    write(tmp_path / "mine/deep/er/and/er/sd 3/1_fake/a.png")
    assert _own(images_suite(tmp_path / "mine")) == {
        "mine": [("0_real/a.png", 0)],
        "deep/er/and/er/sd 3": [("1_fake/a.png", 1)],
        "flux": [("0_real/a.png", 0)],
    }


def test_own_images_without_class_folders_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    with pytest.raises(DataError, match="no folder 0_real or 1_fake anywhere"):
        own_suite(tmp_path)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing: no such file or folder"):
        own_suite(tmp_path / "nothing")


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_own_manifest(tmp_path: Path, extension: str) -> None:
    rows = [("z/b.png", "fake", "two"), ("a.png", "Real", "one"), ("a.png", "0", "two")]
    frame = pd.DataFrame(rows, columns=["path", "label", "group"])
    file = tmp_path / f"mine.{extension}"
    frame.to_csv(file, index=False) if extension == "csv" else frame.to_parquet(file)
    suite = own_suite(file)
    assert suite.name == own_name(file)
    assert _own(suite) == {"two": [("a.png", 0), ("z/b.png", 1)], "one": [("a.png", 0)]}
    assert suite.adapter(suite, suite.subsets[0], DiskFolder(file))[0].source == FileSource(
        str(tmp_path / "a.png")
    )


def test_own_manifest_needs_no_groups_and_takes_absolute_paths(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"\ufefflabel,path\n1,{tmp_path}/x.png\n", encoding="utf-8")
    suite = list_suite(file)
    (sample,) = suite.adapter(suite, suite.subsets[0], DiskFolder(file))
    assert suite.subsets[0].name == "mine"
    assert (sample.source, sample.label) == (FileSource(str(tmp_path / "x.png")), 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,maybe\n", "row 1: label 'maybe'; expected 0, 1, real or fake"),
        ("path,group\na.png,x\n", "no column label; columns found: path, group"),
        ("path,label\n", "no rows"),
        ("", "cannot be read as a"),
        ("path,label\na.png,0\na.png,1\n", "group mine: a.png is listed twice"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        list_suite(file)


def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"a \.csv or a \.parquet file"):
        own_suite(tmp_path / "mine.txt")


def test_a_damaged_parquet_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read as a"):
        own_suite(tmp_path / "mine.parquet")


def test_own_data_have_a_name_space_of_their_own(tmp_path: Path) -> None:
    """An own ``ufd.csv`` stood as "ours" in the paper's table, ``gangen.csv`` got its geometry."""
    for name in [*all_suites(), *(a for s in all_suites().values() for a in s.aliases), "images"]:
        file = tmp_path / f"{name}.csv"
        file.write_text("path,label\na.png,0\n")
        suite = own_suite(file)
        assert suite.name not in all_suites()
        assert re.fullmatch(rf"own-{name}-[0-9a-f]{{8}}", suite.name)
        for spec in detectors().values():
            assert spec.preprocess_for(suite.name) == spec.geometry["*"]


def test_folders_of_one_name_are_two_suites_and_one_folder_is_one(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        write(tmp_path / parent / "test/0_real/x.png")
    (tmp_path / "link").symlink_to(tmp_path / "a/test")
    given = [tmp_path / name for name in ("a/test", "b/test", "b/../a/test", "link")]
    first, second, third, fourth = map(own_name, given)
    assert first == third == fourth != second
    assert [selection.suite.name for selection in own_selections(given)] == [first, second]


@pytest.mark.parametrize("name", ["图" * 60, "a b/c:d", "..x", "-", b"\xff\xfe"])
def test_every_name_of_own_data_fits_a_file_name(tmp_path: Path, name: str | bytes) -> None:
    text = os.fsdecode(name) if isinstance(name, bytes) else name
    made = own_name(tmp_path / text)
    assert re.fullmatch(r"own-([\w.-]+-)?[0-9a-f]{8}", made)
    assert len(made.encode()) <= 160


def test_a_place_of_reals_alone_is_a_control(tmp_path: Path) -> None:
    write(tmp_path / "mine/both/0_real/a.png")
    write(tmp_path / "mine/both/1_fake/a.png")
    write(tmp_path / "mine/photos/REAL/a.png")
    write(tmp_path / "mine/only/FAKE/a.png")
    in_mean = {subset.name: subset.in_mean for subset in images_suite(tmp_path / "mine").subsets}
    assert in_mean == {"both": True, "photos": False, "only": True}
    file = tmp_path / "list.csv"
    file.write_text("path,label,group\na,0,both\nb,1,both\nc,0,photos\n")
    assert [subset.in_mean for subset in list_suite(file).subsets] == [True, False]


def test_images_in_no_place_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a/0_real/x.png", "a/1_fake/x.png", "a/more/x.png", "b/reals/x.png", "b/y.png"):
        write(tmp_path / "mine" / name)
    suite = images_suite(tmp_path / "mine")
    assert [subset.name for subset in suite.subsets] == ["mine"]
    assert suite.left_out == ("b/reals/x.png", "b/y.png")
    assert "images in no class folder: 1 b, 1 b/reals" in caplog.text
    manifest = load_manifest(
        suite, suite.subsets[0], DiskFolder(tmp_path / "mine"), tmp_path / "out"
    )
    assert manifest.left_out == ("more/x.png",)


def test_a_folder_inside_that_bears_its_name_is_another_subset(tmp_path: Path) -> None:
    write(tmp_path / "mine/0_real/outer.png")
    write(tmp_path / "mine/mine/0_real/inner.png")
    assert _own(images_suite(tmp_path / "mine")) == {
        ".": [("0_real/outer.png", 0)],
        "mine": [("0_real/inner.png", 0)],
    }


@pytest.mark.parametrize("column", ["unit", "photo", "video"])
def test_a_column_names_units(tmp_path: Path, column: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"path,label,{column}\na.png,0,x\nb.png,1,x\nc.png,1,\n")
    suite = list_suite(file)
    manifest = load_manifest(suite, suite.subsets[0], DiskFolder(file), tmp_path / "out")
    assert manifest.unit == column
    assert [sample.unit for sample in manifest.samples] == ["x", "x", ""]


def test_without_such_a_column_images_are_independent(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("path,label\na.png,0\n")
    suite = list_suite(file)
    assert suite.subsets[0].unit == ""


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a", None], "label": [0, 1]}, "row 2: no path"),
        ({"path": ["a", "b"], "label": [0, None]}, "row 2: no label"),
        ({"path": ["a", "b\0c"], "label": [0, 1]}, "row 2: the path holds a NUL character"),
        ({"path": ["a"], "label": [0], "group": ["x\0"]}, "row 1: the group holds a NUL"),
    ],
)
def test_a_wrong_cell_of_a_parquet_list_is_named(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=message):
        own_suite(tmp_path / "mine.parquet")


def test_nulls_in_the_other_columns_are_no_value(tmp_path: Path) -> None:
    table = pa.table(
        {"path": ["a", "b"], "label": [0, 1], "group": [None, "g"], "unit": [None] * 2}
    )
    pq.write_table(table, tmp_path / "mine.parquet")
    suite = own_suite(tmp_path / "mine.parquet")
    assert _own(suite) == {"mine": [("a", 0)], "g": [("b", 1)]}


def test_a_nul_in_a_csv_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"path,label\na.png,0\nb\0.png,1\n")
    with pytest.raises(DataError, match="row 2: the path holds a NUL"):
        own_suite(tmp_path / "mine.csv")


def test_bom_crlf_and_spaces_in_a_csv_list_are_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(b"\xef\xbb\xbfpath,label,group\r\na b.png, Real ,../../x\r\nc.png,FAKE,\r\n")
    assert _own(list_suite(file)) == {"../../x": [("a b.png", 0)], "mine": [("c.png", 1)]}


def test_two_images_of_one_place_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("path,label,group\nb/c.png,0,a\nc.png,0,a/b\n")
    with pytest.raises(DataError, match="an image of group a and one of group a/b"):
        list_suite(file)


def test_a_list_can_name_files_whose_names_are_no_utf8(tmp_path: Path) -> None:
    raw = os.fsencode(write(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png")))
    table = pa.table({"path": pa.array([raw], pa.binary()), "label": [0]})
    pq.write_table(table, tmp_path / "mine.parquet")
    suite = own_suite(tmp_path / "mine.parquet")
    manifest = load_manifest(suite, suite.subsets[0], DiskFolder(tmp_path), tmp_path / "out")
    assert manifest.samples[0].id.endswith(r"\xff.png")
    assert len(manifest.samples[0].sha256) == 64
