"""Test sets in the layout of nebula/DF-arrow are read by the paper's suites, by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from harness.data.df_arrow import DfArrowFolder
from harness.data.manifest import load_manifest
from harness.data.sample import UNREADABLE, Manifest
from harness.errors import DataError
from harness.registry.suites import find_root, get_suite
from tests.sources import folder, picture

Edit = Callable[[dict[str, dict[str, int]], dict[str, int]], None]

BIGGAN = {f"biggan/{c}/{i}.png": picture(10 * label + i)
          for label, c in enumerate(("0_real", "1_fake")) for i in range(4)}  # fmt: skip
CYCLEGAN = {f"cyclegan/{scene}/{c}/x.png": picture(100 * label + ord(scene[0]))
            for label, c in enumerate(("0_real", "1_fake"))
            for scene in ("apple", "horse")}  # fmt: skip


def write(place: Path, edit: Edit = lambda test, mapping: None, **fields: list[object]) -> Path:
    """The set as ``datasets`` saves it, in three shards, with its side files."""
    images = {**BIGGAN, **CYCLEGAN}
    rows = {
        "image_path": [name.replace("biggan/", "biggan/test/") for name in images],
        "image": list(images.values()),
        "md5": [hashlib.md5(data).hexdigest() for data in images.values()],
        "width": [24] * len(images),
        "height": [24] * len(images),
        **fields,
    }
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows).save_to_disk(str(place), num_shards=3)
    mapping = {name: row for row, name in enumerate(rows["image_path"])}
    test: dict[str, dict[str, int]] = {"all": {}, "biggan": {}, "cyclegan": {}}
    for name in mapping:
        label = int("1_fake" in name)
        test["all"][name] = test[name.split("/")[0]][name] = label
    edit(test, mapping)
    (place / "mapping.json").write_text(json.dumps(mapping))
    for split, members in (("train", {}), ("val", {}), ("test", test)):
        (place / f"{split}.json").write_text(json.dumps(members))
    return place


def manifest(root: Path, subset: str, suite: str = "forensynths") -> Manifest:
    found = get_suite(suite)
    chosen = next(each for each in found.subsets if each.name == subset)
    return load_manifest(found, chosen, find_root(found, root), root / "out")


@pytest.mark.parametrize("place", ["ForenSynths", "DF-arrow/ForenSynths"])
def test_the_papers_suite_reads_it_like_the_unpacked_folders(tmp_path: Path, place: str) -> None:
    write(tmp_path / "arrow" / place)
    folder({**BIGGAN, **CYCLEGAN}, tmp_path / "files/ForenSynths")
    for subset in ("biggan", "cyclegan"):
        ours = manifest(tmp_path / "arrow", subset)
        assert ours.digest == manifest(tmp_path / "files", subset).digest
        assert ours.source.startswith("DF-arrow data-")
        assert (ours.n_real, ours.n_fake) == ((4, 4) if subset == "biggan" else (2, 2))
    with pytest.raises(DataError, match="no folder stargan"):
        manifest(tmp_path / "arrow", "stargan")


def test_a_folder_wins_over_it(tmp_path: Path) -> None:
    write(tmp_path / "DF-arrow/ForenSynths")
    few = {name: data for name, data in BIGGAN.items() if "/0.png" in name}
    folder(few, tmp_path / "ForenSynths")
    assert len(manifest(tmp_path, "biggan").samples) == 2


def test_pools_are_members_of_several_subsets(tmp_path: Path) -> None:
    pool = {f"laion/0_real/{i}.jpg": picture(i) for i in range(2)}
    fakes = {f"{s}/1_fake/0.png": picture(50 + k) for k, s in enumerate(("dalle", "ldm_100"))}
    images = {**pool, **fakes}
    place = tmp_path / "DF-arrow/Ojha"
    datasets.disable_progress_bars()
    rows = {"image_path": [*images], "image": [*images.values()]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(place))
    (place / "mapping.json").write_text(json.dumps({n: i for i, n in enumerate(images)}))
    test = {s: {**dict.fromkeys(pool, 0), f"{s}/1_fake/0.png": 1} for s in ("dalle", "ldm_100")}
    (place / "test.json").write_text(json.dumps(test))
    folder(images, tmp_path / "files/Ojha")
    for subset in test:
        assert manifest(tmp_path, subset, "ufd").digest == (
            manifest(tmp_path / "files", subset, "ufd").digest
        )


def test_a_wrong_md5_is_an_unreadable_image(tmp_path: Path) -> None:
    images = {**BIGGAN, **CYCLEGAN}
    md5 = [hashlib.md5(data).hexdigest() for data in images.values()]
    md5[1] = "0" * 32
    write(tmp_path / "ForenSynths", md5=md5)
    found = manifest(tmp_path, "biggan")
    assert [s.id for s in found.samples if s.sha256 == UNREADABLE] == ["0_real/1.png"]


def _other_label(test: dict[str, dict[str, int]], mapping: dict[str, int]) -> None:
    test["biggan"]["biggan/test/0_real/1.png"] = 1


def _no_label(test: dict[str, dict[str, int]], mapping: dict[str, int]) -> None:
    test["biggan"]["biggan/test/0_real/1.png"] = 2


def _no_row(test: dict[str, dict[str, int]], mapping: dict[str, int]) -> None:
    del mapping["biggan/test/0_real/1.png"]


def _row_outside(test: dict[str, dict[str, int]], mapping: dict[str, int]) -> None:
    mapping["biggan/test/0_real/1.png"] = 12


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_other_label, "has label 1, its folder says 0"),
        (_no_label, "has label 2, not 0 or 1"),
        (_no_row, r"no row of biggan/test/0_real/1\.png"),
        (_row_outside, "is row 12; the shards have 12"),
    ],
)
def test_side_files_that_contradict_are_an_error(tmp_path: Path, edit: Edit, said: str) -> None:
    write(tmp_path / "ForenSynths", edit)
    with pytest.raises(DataError, match=said):
        DfArrowFolder(tmp_path / "ForenSynths").entries()


@pytest.mark.parametrize("name", ["test.json", "mapping.json", "data-00001-of-00003.arrow"])
def test_a_damaged_part_is_named(tmp_path: Path, name: str) -> None:
    place = write(tmp_path / "ForenSynths")
    data = (place / name).read_bytes()
    (place / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=name):
        DfArrowFolder(place).entries()


def test_a_shard_that_ends_between_two_batches_is_cut_short(tmp_path: Path) -> None:
    place = write(tmp_path / "ForenSynths")
    shard = place / "data-00001-of-00003.arrow"
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(DataError, match="cut short"):
        DfArrowFolder(place).entries()


def test_without_the_list_of_subsets_it_says_what_is_missing(tmp_path: Path) -> None:
    place = write(tmp_path / "ForenSynths")
    (place / "test.json").unlink()
    with pytest.raises(DataError, match=r"no test\.json"):
        DfArrowFolder(place).entries()
