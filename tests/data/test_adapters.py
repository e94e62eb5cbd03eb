from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from image_files import write

from harness.data.adapters import (
    extra_folders,
    folder_adapter,
    images_suite,
    manifest_suite,
    own_suite,
    sample_order,
)
from harness.data.suite import Subset, Suite
from harness.errors import DataError, UsageError

GAN = Subset(name="gan", folders=("Gan", "gan_new"))
POOLED = Subset(name="guided", folders=("guided",), real_pool="imagenet")
SUITE = Suite(name="toy", title="Toy", subsets=(GAN, POOLED), adapter=folder_adapter)


def _listed(root: Path, subset: Subset = GAN) -> list[tuple[str, int]]:
    return [(sample.id, sample.label) for sample in folder_adapter(SUITE, subset, root)]


def test_flat_layout_is_sorted_by_label_then_id(tmp_path: Path) -> None:
    for name in ("0_real/b.png", "1_fake/a.png", "0_real/a.png"):
        write(tmp_path / "Gan" / name)
    assert _listed(tmp_path) == [("0_real/a.png", 0), ("0_real/b.png", 0), ("1_fake/a.png", 1)]


def test_class_and_scene_folders_are_pooled_down_to_three_levels(tmp_path: Path) -> None:
    names = ["0_real/a.png", "car/1_fake/a.png", "x/y/0_real/a.png", "x/y/z/1_fake/a.png"]
    for name in [*names, "x/y/z/too_deep/1_fake/a.png"]:
        write(tmp_path / "Gan" / name)
    assert sorted(_listed(tmp_path)) == sorted((n, int("1_fake" in n)) for n in names)


def test_images_outside_class_folders_are_not_samples(tmp_path: Path) -> None:
    write(tmp_path / "Gan/0_real/a.png")
    write(tmp_path / "Gan/stray.png")
    write(tmp_path / "Gan/2_other/a.png")
    assert _listed(tmp_path) == [("0_real/a.png", 0)]


def test_every_image_name_counts_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "Gan/0_real"
    folder.mkdir(parents=True)
    images = ["a.PNG", "b.JPEG", "c.webp", "a.b.png", "e.Tif", "f.gif", "g h é図.jpg", "i.bmp"]
    others = ["._a.PNG", ".hidden.png", "Thumbs.db", "notes.txt", "png", "a.png.bak"]
    for name in images + others:
        (folder / name).touch()
    (folder / "folder.png").mkdir()
    write(tmp_path / "Gan/__MACOSX/0_real/a.png")
    assert [name for name, _ in _listed(tmp_path)] == sorted(f"0_real/{name}" for name in images)


def test_images_below_a_class_folder_count_as_in_imagefolder(tmp_path: Path) -> None:
    write(tmp_path / "Gan/1_fake/deep/er/a.png")
    assert _listed(tmp_path) == [("1_fake/deep/er/a.png", 1)]


def test_a_name_that_is_not_utf8_has_a_printable_unique_id(tmp_path: Path) -> None:
    folder = tmp_path / "Gan/0_real"
    folder.mkdir(parents=True)
    try:
        for name in (b"\xff.png", b"\xfe.png"):
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    samples = folder_adapter(SUITE, GAN, tmp_path)
    assert [sample.id for sample in samples] == [r"0_real/\xfe.png", r"0_real/\xff.png"]
    assert all(sample.path.exists() for sample in samples)


def test_symlink_loops_end_and_links_to_shared_reals_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "pool/a.png")
    write(tmp_path / "Gan/car/1_fake/f.png")
    (tmp_path / "Gan/cat").mkdir()
    for kind in ("car", "cat"):
        (tmp_path / "Gan" / kind / "0_real").symlink_to(tmp_path / "pool")
    (tmp_path / "Gan/loop").symlink_to(tmp_path / "Gan")
    (tmp_path / "Gan/car/1_fake/again").symlink_to(tmp_path / "Gan/car/1_fake")
    (tmp_path / "Gan/itself").symlink_to(tmp_path / "Gan/itself")
    assert _listed(tmp_path) == [
        ("car/0_real/a.png", 0),
        ("cat/0_real/a.png", 0),
        ("car/1_fake/f.png", 1),
    ]


@pytest.mark.parametrize("name", ["Gan", "GAN", "gan_new", "GAN_NEW"])
def test_published_variants_of_a_folder_name_are_found(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / "0_real/a.png")
    assert _listed(tmp_path) == [("0_real/a.png", 0)]


def test_the_preferred_folder_name_wins(tmp_path: Path) -> None:
    write(tmp_path / "gan_new/0_real/new.png")
    write(tmp_path / "Gan/0_real/old.png")
    assert _listed(tmp_path) == [("0_real/old.png", 0)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"toy:gan: no folder Gan or gan_new in .*"):
        folder_adapter(SUITE, GAN, tmp_path)


def test_a_folder_without_class_folders_is_named(tmp_path: Path) -> None:
    write(tmp_path / "Gan/real/a.png")
    with pytest.raises(DataError, match="has no folder 0_real or 1_fake"):
        folder_adapter(SUITE, GAN, tmp_path)


def test_an_empty_class_is_left_empty(tmp_path: Path) -> None:
    write(tmp_path / "Gan/1_fake/a.png")
    (tmp_path / "Gan/0_real").mkdir()
    assert _listed(tmp_path) == [("1_fake/a.png", 1)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "Gan/0_real"
    folder.mkdir(parents=True)
    folder.chmod(0)
    try:
        with pytest.raises(DataError, match=r"0_real: cannot be .*Permission denied"):
            folder_adapter(SUITE, GAN, tmp_path)
    finally:
        folder.chmod(0o755)


def test_reals_come_from_the_pool_of_the_original_release(tmp_path: Path) -> None:
    write(tmp_path / "guided/1_fake/same.png", seed=1)
    write(tmp_path / "imagenet/0_real/same.png", seed=2)
    write(tmp_path / "imagenet/1_fake/not_a_real.png")
    write(tmp_path / "laion/0_real/other.png")
    assert _listed(tmp_path, POOLED) == [("imagenet/0_real/same.png", 0), ("1_fake/same.png", 1)]


def test_reals_of_the_repack_win_over_the_pool(tmp_path: Path) -> None:
    write(tmp_path / "guided/1_fake/a.png")
    write(tmp_path / "guided/0_real/own.png")
    write(tmp_path / "imagenet/0_real/pool.png")
    assert _listed(tmp_path, POOLED) == [("0_real/own.png", 0), ("1_fake/a.png", 1)]


def test_a_missing_pool_is_named(tmp_path: Path) -> None:
    write(tmp_path / "guided/1_fake/a.png")
    with pytest.raises(DataError, match="neither guided/0_real nor the pool imagenet/0_real"):
        folder_adapter(SUITE, POOLED, tmp_path)


def test_extra_folders_are_neither_subsets_nor_pools(tmp_path: Path) -> None:
    for name in ("Gan", "GAN_NEW", "imagenet", "crn", "zzz", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.txt").touch()
    assert extra_folders(SUITE, tmp_path) == ["crn", "zzz"]


def _own(suite: Suite) -> dict[str, list[tuple[str, int]]]:
    return {
        subset.name: [(s.id, s.label) for s in suite.adapter(suite, subset, Path(suite.folders[0]))]
        for subset in suite.subsets
    }


def test_own_images_in_one_place_are_one_subset(tmp_path: Path) -> None:
    write(tmp_path / "mine/some/where/0_real/a.png")
    write(tmp_path / "mine/some/where/1_fake/a.png")
    suite = images_suite(tmp_path / "mine")
    assert suite.name == "images"
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
    assert suite.name == "mine"
    assert _own(suite) == {"two": [("a.png", 0), ("z/b.png", 1)], "one": [("a.png", 0)]}
    assert suite.adapter(suite, suite.subsets[0], file)[0].path == tmp_path / "a.png"


def test_own_manifest_needs_no_groups_and_takes_absolute_paths(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"\ufefflabel,path\n1,{tmp_path}/x.png\n", encoding="utf-8")
    suite = manifest_suite(file)
    (sample,) = suite.adapter(suite, suite.subsets[0], file)
    assert suite.subsets[0].name == "mine"
    assert (sample.path, sample.label) == (tmp_path / "x.png", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,maybe\n", "row 1: label 'maybe'; expected 0, 1, real or fake"),
        ("path,group\na.png,x\n", "no column label; columns found: path, group"),
        ("path,label\n", "no rows"),
        ("", "cannot be read as a manifest"),
        ("path,label\na.png,0\na.png,1\n", "group mine: a.png is listed twice"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        manifest_suite(file)


def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"a \.csv or a \.parquet file"):
        own_suite(tmp_path / "mine.txt")


def test_a_damaged_parquet_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read as a manifest"):
        own_suite(tmp_path / "mine.parquet")


def test_order_is_label_then_id(tmp_path: Path) -> None:
    for name in ("0_real/z.png", "1_fake/a.png"):
        write(tmp_path / "Gan" / name)
    samples = folder_adapter(SUITE, GAN, tmp_path)
    assert [sample_order(sample) for sample in samples] == [
        (0, "0_real/z.png"),
        (1, "1_fake/a.png"),
    ]
