from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from image_files import write

from harness.data.adapters import (
    extra_folders,
    folder_adapter,
    sample_order,
)
from harness.data.disk import DiskFolder
from harness.data.folders import CLASS_FOLDERS, say_left_out
from harness.data.manifest import load_manifest
from harness.data.sample import Listing
from harness.data.suite import Subset, Suite
from harness.errors import DataError
from harness.registry.suites import get_suite

GAN = Subset(name="gan", folders=("Gan", "gan_new"))
POOLED = Subset(name="guided", folders=("guided",), real_pool="imagenet")
SUITE = Suite(name="toy", title="Toy", subsets=(GAN, POOLED), adapter=folder_adapter)


def _listed(root: Path, subset: Subset = GAN) -> list[tuple[str, int]]:
    return [(sample.id, sample.label) for sample in folder_adapter(SUITE, subset, DiskFolder(root))]


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


IMAGES = [f"a.{ending}" for ending in ("PNG", "b.png", "JPEG", "webp", "Tif", "gif", "bmp", "avif")]
IMAGES += [f"b.{ending}" for ending in ("HEIC", "heif", "jfif", "jpe", "JPE", "mpo", "ppm", "pgm")]
LITTER = ["._a.PNG", ".hidden.png", "Thumbs.db", "desktop.ini", ".DS_Store"]


def test_every_image_name_counts_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "Gan/0_real"
    folder.mkdir(parents=True)
    images = [*IMAGES, "g h é図.jpg"]
    for name in [*images, *LITTER, "notes.txt", "png", "a.png.bak"]:
        (folder / name).touch()
    (folder / "folder.png").mkdir()
    for litter in ("__MACOSX", "@eaDir"):
        write(tmp_path / f"Gan/{litter}/0_real/a.png")
        write(folder / f"{litter}/a.png/thumbnail.jpg")
    assert [name for name, _ in _listed(tmp_path)] == sorted(f"0_real/{name}" for name in images)


def test_what_is_not_read_is_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "Gan/0_real/a.png")
    for name in ["0_real/x.jxl", "0_real/y.JXL", "1_fake/noname", *(f"0_real/{n}" for n in LITTER)]:
        (tmp_path / "Gan" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "Gan" / name).touch()
    for name in ("stray.png", "1_fakes/a.png", "1_fakes/b.png", "x/y/z/deep/1_fake/a.png"):
        write(tmp_path / "Gan" / name)
    (tmp_path / "Gan/readme.txt").touch()
    left_out = {"0_real/x.jxl", "0_real/y.JXL", "1_fake/noname", "stray.png"}
    left_out |= {"1_fakes/a.png", "1_fakes/b.png", "x/y/z/deep/1_fake/a.png"}
    listing = folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
    assert isinstance(listing, Listing)
    assert {*listing.left_out} == left_out
    for _ in range(2):  # said once a process
        manifest = load_manifest(SUITE, GAN, DiskFolder(tmp_path), tmp_path / "out")
    assert {*manifest.left_out} == left_out
    assert [record.getMessage() for record in caplog.records] == [
        "toy/gan: not read: 2 .jxl, 1 without suffix (no image by its name, such as "
        "0_real/x.jxl); images in no class folder: 2 1_fakes, 1 ., 1 x/y/z/deep/1_fake "
        "(such as 1_fakes/a.png)"
    ]


def test_nothing_left_out_is_nothing_said() -> None:
    assert say_left_out([]) == ""


@pytest.mark.parametrize("name", CLASS_FOLDERS)
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_letter_case_of_class_folders_does_not_matter(
    tmp_path: Path, name: str, spelt: Callable[[str], str]
) -> None:
    write(tmp_path / "Gan" / spelt(name) / "a.png")
    assert _listed(tmp_path) == [(f"{spelt(name)}/a.png", CLASS_FOLDERS[name])]


def test_a_class_folder_inside_one_of_the_other_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "Gan/fake/0_real/a.png")
    with pytest.raises(DataError, match="holds one of the other, 0_real"):
        folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
    (tmp_path / "Gan/fake/0_real").rename(tmp_path / "Gan/fake/1_FAKE")
    assert _listed(tmp_path) == [("fake/1_FAKE/a.png", 1)]


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
    samples = folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
    assert [sample.id for sample in samples] == [r"0_real/\xfe.png", r"0_real/\xff.png"]
    assert all(sample.source.state() for sample in samples)


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
        folder_adapter(SUITE, GAN, DiskFolder(tmp_path))


def test_a_folder_without_class_folders_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "Gan/reals/a.png")
    with pytest.raises(DataError, match="no folder 0_real or 1_fake") as caught:
        folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
    assert "images in no class folder: 1 reals" in str(caught.value)


def test_class_folders_without_any_image_are_an_error_that_says_what_is_there(
    tmp_path: Path,
) -> None:
    for name in ("0_real", "1_fake"):
        (tmp_path / "Gan" / name).mkdir(parents=True)
    (tmp_path / "Gan/0_real/a.jxl").touch()
    with pytest.raises(DataError, match=r"no image in its class folders; not read: 1 \.jxl"):
        folder_adapter(SUITE, GAN, DiskFolder(tmp_path))


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
            folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
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
        folder_adapter(SUITE, POOLED, DiskFolder(tmp_path))


def test_the_unit_is_read_off_the_file_name(tmp_path: Path) -> None:
    deepfake = next(s for s in get_suite("forensynths").subsets if s.name == "deepfake")
    assert deepfake.unit == "video"
    for name in ("0_real/851_0005.png", "1_fake/851_552_0698.png", "1_fake/other.png"):
        write(tmp_path / "deepfake" / name)
    manifest = load_manifest(SUITE, deepfake, DiskFolder(tmp_path), tmp_path / "out")
    assert [sample.unit for sample in manifest.samples] == ["851", "851", ""]
    assert manifest.unit == "video"


def test_a_place_is_unique_over_a_suite_whose_subsets_repeat_ids(tmp_path: Path) -> None:
    subsets = tuple(Subset(name=name, folders=(name,)) for name in ("one", "two"))
    places = []
    for subset in subsets:
        write(tmp_path / subset.name / "0_real/0000.jpg")
        manifest = load_manifest(SUITE, subset, DiskFolder(tmp_path), tmp_path / "out")
        places += [(sample.id, sample.place) for sample in manifest.samples]
    assert places == [("0_real/0000.jpg", f"{n}/0_real/0000.jpg") for n in ("one", "two")]


def test_extra_folders_are_neither_subsets_nor_pools(tmp_path: Path) -> None:
    for name in ("Gan", "GAN_NEW", "imagenet", "crn", "zzz", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.txt").touch()
    assert extra_folders(SUITE, DiskFolder(tmp_path)) == ["crn", "zzz"]


def test_order_is_label_then_id(tmp_path: Path) -> None:
    for name in ("0_real/z.png", "1_fake/a.png"):
        write(tmp_path / "Gan" / name)
    samples = folder_adapter(SUITE, GAN, DiskFolder(tmp_path))
    assert [sample_order(sample) for sample in samples] == [
        (0, "0_real/z.png"),
        (1, "1_fake/a.png"),
    ]
