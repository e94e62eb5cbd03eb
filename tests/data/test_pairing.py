"""Groups of fakes alone, and the pool of reals that they share."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.disk import DiskFolder
from harness.data.manifest import load_manifest
from harness.data.own import own_name, own_selections, own_suite
from harness.data.pairing import pools_of, with_pool
from harness.data.sample import Manifest, Sample
from harness.data.source import FileSource
from harness.data.suite import Suite
from harness.errors import DataError, UsageError
from tests.conftest import write_images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three places: reals alone, and fakes of two generators whose files are called alike."""
    folder = tmp_path / "data"
    write_images(folder / "photos/0_real", range(3))
    write_images(folder / "flux/1_fake", range(10, 12))
    write_images(folder / "sd3/1_fake", range(10, 13))
    return folder


def manifests(suite: Suite, out: Path) -> dict[str, Manifest]:
    return {s.name: load_manifest(suite, s, DiskFolder(out), out) for s in suite.subsets}


def ids(suite: Suite, out: Path) -> dict[str, list[str]]:
    return {name: [s.id for s in each.samples] for name, each in manifests(suite, out).items()}


POOLED = ["photos/0_real/000.png", "photos/0_real/001.png", "photos/0_real/002.png"]


def test_every_group_of_fakes_takes_the_reals_of_a_group(data: Path, tmp_path: Path) -> None:
    (selection,) = own_selections([data], reals="photos")
    assert ids(selection.suite, tmp_path / "out") == {
        "flux": [*POOLED, "1_fake/010.png", "1_fake/011.png"],
        "photos": [name.removeprefix("photos/") for name in POOLED],
        "sd3": [*POOLED, "1_fake/010.png", "1_fake/011.png", "1_fake/012.png"],
    }
    about = {s.name: (s.labels, s.real_pool, s.in_mean) for s in selection.subsets}
    assert about == {
        "flux": ((0, 1), "photos", True),
        "photos": ((0,), "", False),
        "sd3": ((0, 1), "photos", True),
    }


def test_pooled_reals_are_the_same_images_in_every_group(data: Path, tmp_path: Path) -> None:
    (selection,) = own_selections([data], reals="photos")
    found = manifests(selection.suite, tmp_path / "out")
    pools = [
        {(s.sha256, s.unit, s.source) for s in found[name].samples if s.label == 0}
        for name in ("photos", "flux", "sd3")
    ]
    assert pools[0] == pools[1] == pools[2]
    assert all(s.subset == name for name, each in found.items() for s in each.samples)


@pytest.mark.parametrize("kind", ["folder", "archive", "list", "table"])
def test_a_pool_is_any_place_and_gives_its_reals_alone(
    data: Path, tmp_path: Path, kind: str
) -> None:
    pool = tmp_path / "coco"
    write_images(pool / "a/0_real", range(20, 22))
    write_images(pool / "b/0_real", range(22, 23))
    write_images(pool / "b/1_fake", range(30, 31))
    files = sorted(pool.rglob("*.png"))
    labels = ["fake" if path.parent.name == "1_fake" else "real" for path in files]
    groups = [path.parent.parent.name for path in files]
    place = pool
    if kind == "archive":
        import shutil

        place = Path(shutil.make_archive(str(tmp_path / "packed/coco"), "zip", pool))
    elif kind == "list":
        place = tmp_path / "coco.csv"
        rows = [",".join(row) for row in zip(map(str, files), labels, groups, strict=True)]
        place.write_text("\n".join(["path,label,group", *rows]))
    elif kind == "table":
        place = tmp_path / "coco.parquet"
        cells = {"image": [path.read_bytes() for path in files], "label": labels, "group": groups}
        pq.write_table(pa.table(cells), place)
    (selection,) = own_selections([data], reals=str(place))
    found = manifests(selection.suite, tmp_path / "out")
    hashes = {s.sha256 for s in found["flux"].samples if s.label == 0}
    there = manifests(own_suite(pool), tmp_path / "out")
    assert hashes == {s.sha256 for each in there.values() for s in each.samples if s.label == 0}
    reals = [s.id for s in found["sd3"].samples if s.label == 0]
    assert len(set(reals)) == 3
    assert all(name.startswith(("coco/a/", "coco/b/")) for name in reals)
    assert "photos" in found and found["photos"].n_fake == 0  # stays a control


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_without_class_folders_is_all_reals(
    data: Path, tmp_path: Path, packed: bool
) -> None:
    write_images(tmp_path / "raise", range(20, 22))
    write_images(tmp_path / "raise/more", range(22, 23))
    place = tmp_path / "raise"
    if packed:
        import shutil

        place = Path(shutil.make_archive(str(tmp_path / "packed/raise"), "zip", place))
    (selection,) = own_selections([data], reals=str(place))
    found = manifests(selection.suite, tmp_path / "out")
    reals = [s.id for s in found["sd3"].samples if s.label == 0]
    assert reals == ["raise/020.png", "raise/021.png", "raise/more/022.png"]


def test_paired_groups_are_another_suite_by_pool(data: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "coco/0_real", range(3))
    names = [own_name(data)] + [
        own_selections([data], reals=pool)[0].suite.name
        for pool in ("photos", str(tmp_path / "coco"))
    ]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"own-data-[0-9a-f]{8}", name) for name in names)
    assert own_selections([data], reals="photos")[0].suite.name == names[1]


def test_a_group_with_both_classes_keeps_its_own_reals(data: Path, tmp_path: Path) -> None:
    write_images(data / "both/0_real", range(40, 41))
    write_images(data / "both/1_fake", range(41, 42))
    (selection,) = own_selections([data], reals="photos")
    assert ids(selection.suite, tmp_path / "out")["both"] == ["0_real/040.png", "1_fake/041.png"]


def test_a_group_of_one_place_is_the_pool_of_another(data: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "more/mj/1_fake", range(50, 52))
    write_images(tmp_path / "more/dalle/1_fake", range(52, 54))
    first, second = own_selections([data, tmp_path / "more"], reals="photos")
    assert ids(first.suite, tmp_path / "out")["flux"][:3] == POOLED
    assert ids(second.suite, tmp_path / "out")["mj"][:3] == POOLED


@pytest.mark.parametrize(
    ("reals", "message"),
    [
        ("nowhere", "is no group of the data and no place that exists"),
        ("flux", "is a group that holds fakes"),
    ],
)
def test_a_pool_that_is_none_is_refused_with_those_that_are(
    data: Path, reals: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        own_selections([data], reals=reals)
    assert "(photos)" in caught.value.hint


def test_a_pool_for_nobody_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no group holds fakes alone"):
        own_selections([data / "photos"], reals=str(data))
    with pytest.raises(UsageError, match="a pool for your own images"):
        own_selections([], reals="photos")


def test_a_place_without_reals_is_no_pool(data: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "none/1_fake", range(60, 61))
    (selection,) = own_selections([data], reals=str(tmp_path / "none"))
    with pytest.raises(DataError, match="--reals none: no real images there"):
        ids(selection.suite, tmp_path / "out")


LIST = """path,label,group,reals,unit
r/a.png,real,photos,,beach
r/b.png,real,photos,,street
f/a.png,fake,flux,photos,
f/b.png,fake,flux,,
g/a.png,fake,sd3,,
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_names_the_pool_of_a_group(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"mine.{kind}"
    if kind == "csv":
        file.write_text(LIST)
    else:
        head, *rows = [line.split(",") for line in LIST.split()]
        cells = {name: [row[i] or None for row in rows] for i, name in enumerate(head)}
        pq.write_table(pa.table(cells), file)
    suite = own_suite(file)
    found = {
        s.name: [(e.id, e.unit) for e in suite.adapter(suite, s, DiskFolder(file))]
        for s in suite.subsets
    }
    reals = [("photos/r/a.png", "beach"), ("photos/r/b.png", "street")]
    assert found["flux"] == [*reals, ("f/a.png", ""), ("f/b.png", "")]
    assert found["sd3"] == [("g/a.png", "")]
    assert suite.name == own_name(file)
    # The flag is for the groups that name none.
    write_images(tmp_path / "coco/0_real", range(1))
    ((flagged),) = own_selections([file], reals=str(tmp_path / "coco"))
    assert {s.name: s.real_pool for s in flagged.subsets} == {
        "photos": "",
        "flux": "photos",
        "sd3": "coco",
    }


def test_a_column_of_a_table_of_images_names_the_pool(tmp_path: Path) -> None:
    cells = {
        "image": [b"1", b"2", b"3"],
        "label": [0, 1, 1],
        "group": ["photos", "flux", "sd3"],
        "reals": ["photos", "photos", None],
    }
    pq.write_table(pa.table(cells), tmp_path / "t.parquet")
    suite = own_suite(tmp_path / "t.parquet")
    found = manifests(suite, tmp_path / "out")
    counts = {name: (each.n_real, each.n_fake) for name, each in found.items()}
    assert counts == {"photos": (1, 0), "flux": (1, 1), "sd3": (0, 1)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,0,p,\nb,1,f,p\nc,1,f,q", "group f names two pools of reals: p and q"),
        ("a,0,p,\nb,1,f,q", "group f names q as its reals, which is none of its groups"),
        ("a,0,p,\nz,1,p,\nb,1,f,p", "group f names p as its reals, which holds fakes too"),
        ("a,0,p,\nb,1,f,p\nc,0,f,", "group f has reals of its own, and names p"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused(
    tmp_path: Path, rows: str, message: str
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"path,label,group,reals\n{rows}\n")
    with pytest.raises(DataError, match=message):
        own_suite(file)


def test_one_name_for_two_images_is_refused(tmp_path: Path) -> None:
    """A fake that is called as a pooled real would be."""
    file = tmp_path / "mine.csv"
    file.write_text("path,label,group,reals\na.png,0,p,\np/a.png,1,f,p\n")
    (tmp_path / "p").mkdir()
    suite = own_suite(file)
    with pytest.raises(DataError, match=r"p/a\.png is listed twice"):
        manifests(suite, tmp_path / "out")


def sample(name: str, label: int, group: str = "g") -> Sample:
    return Sample(id=name, label=label, source=FileSource(f"/{name}"), subset=group)


def test_the_pure_functions() -> None:
    labels = {"p": {0}, "f": {1}, "g": {1}, "both": {0, 1}, "empty": set[int]()}
    assert pools_of(labels, {"f": "p"}) == {"f": "p"}
    assert pools_of(labels, {"f": "p"}, "elsewhere") == {"f": "p", "g": "elsewhere"}
    pool = [sample("b", 0, "p"), sample("a", 0, "p"), sample("x", 1, "p")]
    found = with_pool([sample("y", 1)], pool, "p")
    assert [(s.id, s.label, s.subset) for s in found] == [
        ("p/a", 0, "g"),
        ("p/b", 0, "g"),
        ("y", 1, "g"),
    ]
    own = [sample("y", 1), sample("r", 0)]
    assert [s.id for s in with_pool(own, pool, "p")] == ["r", "y"]
    assert with_pool([], pool, "p") == []
