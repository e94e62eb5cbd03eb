from __future__ import annotations

import csv
import dataclasses
import hashlib
import re
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.decode import read_bytes
from harness.data.disk import DiskFolder
from harness.data.manifest import load_manifest
from harness.data.suite import Suite
from harness.errors import DataError, HarnessError, UsageError
from harness.registry.suites import (
    GROUPS,
    all_suites,
    collect,
    find_root,
    get_suite,
    parse_selection,
)
from harness.suites import mini

ROOT = Path(__file__).parents[2]
PAPER = next(
    (file for file in (ROOT.parent / "shared/reference/paper_results.csv",) if file.exists()),
    None,
)


def test_the_paper_is_five_sets_and_38_subsets() -> None:
    selections = parse_selection("paper")
    assert [selection.suite.name for selection in selections] == list(GROUPS["paper"])
    assert [len(selection.subsets) for selection in selections] == [8, 9, 8, 8, 5]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@pytest.mark.skipif(PAPER is None, reason="the paper's numbers are not in the checkout")
@pytest.mark.parametrize("name", ["forensynths", "gangen", "diffusion", "ufd"])
def test_subsets_are_the_columns_of_the_papers_table_in_order(name: str) -> None:
    assert PAPER is not None
    suite = get_suite(name)
    with PAPER.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["table"] == suite.title]
    columns = dict.fromkeys(row["subset"] for row in rows if row["method"] == "LFM")
    assert [*map(_plain, columns)] == [*(_plain(s.title) for s in suite.subsets), "mean"]


@pytest.mark.parametrize("suite", all_suites().values(), ids=lambda suite: suite.name)
def test_a_suite_says_what_users_need(suite: Suite) -> None:
    for text in (suite.title, suite.licence, suite.citation, suite.obtain):
        assert text
    assert suite.folders
    names = [subset.name for subset in suite.subsets]
    assert len(set(names)) == len(names)
    assert {subset.group for subset in suite.subsets}.isdisjoint(names)
    for subset in suite.subsets:
        assert subset.title
        assert re.fullmatch(r"[a-z0-9_.]+", subset.name)
        assert (subset.n_real is None) == (subset.certainty == "unknown") or suite.embedded
        assert suite.embedded or subset.folders
    folders = [folder.casefold() for subset in suite.subsets for folder in subset.folders]
    assert len(set(folders)) == len(folders)
    assert set(folders).isdisjoint(name.casefold() for name in suite.known_extras)


def test_counts_of_the_papers_sets_add_up() -> None:
    forensynths = get_suite("forensynths").subsets
    assert sum(subset.n_real or 0 for subset in forensynths) == 31_006
    assert sum(subset.n_fake or 0 for subset in forensynths) == 30_997
    listed = {
        "crn": 12_764,
        "imle": 12_764,
        "san": 438,
        "seeingdark": 360,
        "whichfaceisreal": 2_000,
    }
    assert set(get_suite("forensynths").known_extras) == set(listed)
    assert 31_006 + 30_997 + sum(listed.values()) == 90_329  # all names of the archive
    for name, images in (("gangen", 36_000), ("ufd", 16_000)):
        subsets = get_suite(name).subsets
        assert sum((s.n_real or 0) + (s.n_fake or 0) for s in subsets) == images


def test_reals_of_ufd_are_paired_by_table() -> None:
    pools = {subset.name: subset.real_pool for subset in get_suite("ufd").subsets}
    assert [name for name, pool in pools.items() if pool == "imagenet"] == ["guided"]
    assert [*pools.values()].count("laion") == 7


def test_aliases() -> None:
    assert get_suite("ojha") is get_suite("ufd")


def _module(name: str, suite: Suite) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = f"/somewhere/{name}.py"
    module.SUITE = suite  # type: ignore[attr-defined]
    return module


def _suite(name: str, *aliases: str) -> Suite:
    return Suite(
        name=name, title=name, subsets=(), adapter=lambda suite, subset, root: [], aliases=aliases
    )


@pytest.mark.parametrize("second", [_suite("one"), _suite("two", "one"), _suite("paper")])
def test_one_name_in_two_files_is_an_error_that_names_both(second: Suite) -> None:
    with pytest.raises(HarnessError, match="defined twice") as caught:
        collect([_module("first", _suite("one")), _module("second", second)])
    assert "/somewhere/second.py" in str(caught.value)
    assert ("/somewhere/first.py" in str(caught.value)) == (second.name != "paper")


@pytest.mark.parametrize("suite", [_suite("own-photos-1a2b3c4d"), _suite("x", "own-x")])
def test_no_declared_suite_enters_the_name_space_of_own_data(suite: Suite) -> None:
    with pytest.raises(HarnessError, match=r"/somewhere/mine\.py: 'own-.* are names of own data"):
        collect([_module("mine", suite)])


def test_counts_that_nobody_states_may_be_of_two_kinds() -> None:
    sdv2 = next(subset for subset in get_suite("diffusion").subsets if subset.name == "sdv2")
    assert sdv2.expected(2000, 2000) == (2000, 2000)  # with the scene celebahq
    for found in ((1000, 1000), (2000, 1000), (4, 4)):
        assert sdv2.expected(*found) == (1000, 1000)


def test_modules_without_a_suite_are_passed_over() -> None:
    assert dict(collect([ModuleType("empty")])) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forensynths:biggan", {"forensynths": ["biggan"]}),
        ("ufd:guided,ojha:dalle", {"ufd": ["dalle", "guided"]}),  # united, in declared order
        (" gangen:sngan , mini:ae_tconv ", {"gangen": ["sngan"], "mini": ["ae_tconv"]}),
        ("mini:autoencoder", {"mini": ["ae_tconv", "ae_pixshuf", "vq_nearest"]}),
    ],
)
def test_selections(text: str, expected: dict[str, list[str]]) -> None:
    found = {s.suite.name: [subset.name for subset in s.subsets] for s in parse_selection(text)}
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("forensynth", "did you mean 'forensynths'?"),
        ("papers", "did you mean 'paper'?"),
        ("mini:gann", "did you mean 'gan'?"),
        ("forensynths:bigan", "did you mean 'biggan'?"),
        ("", "mini:gan"),
        ("mini,", "mini:gan"),
        ("mini:", "mini:gan"),
    ],
)
def test_unknown_names_are_usage_errors_that_guess(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_selection(text)
    assert hint in caught.value.hint


def test_a_group_of_suites_takes_no_selector() -> None:
    with pytest.raises(UsageError, match="takes no selector"):
        parse_selection("paper:biggan")


@pytest.mark.parametrize(
    "place",
    [
        "ForenSynths",
        "forensynths",
        "ForenSynths/test",
        "ForenSynths/ForenSynths",
        "ForenSynths/ForenSynths/test",
        "FORENSYNTHS/forensynths/Test",
        "ForenSynths/test/test",
        "CNNDetection/test",
        "Generalization_Test/ForenSynths/test",
        "Generalization_Test/ForenSynths_test",
        "CNN_synth_testset",
    ],
)
def test_a_suites_folder_is_found_as_published(tmp_path: Path, place: str) -> None:
    (tmp_path / place / "progan/0_real").mkdir(parents=True)
    assert find_root(get_suite("forensynths"), tmp_path) == DiskFolder(tmp_path / place)


def test_the_data_root_may_be_the_suites_own_folder(tmp_path: Path) -> None:
    own = tmp_path / "Diffusion1kStep"
    (own / "ddpm").mkdir(parents=True)
    assert find_root(get_suite("diffusion1k"), own) == DiskFolder(own)
    with pytest.raises(DataError):  # also holds a folder `ddpm`, and is another suite
        find_root(get_suite("diffusion"), own)


@pytest.mark.parametrize("place", ["", "test", "ForenSynths/test", "test/test"])
def test_below_a_data_root_of_the_suites_name_the_published_levels_are_found(
    tmp_path: Path, place: str
) -> None:
    own = tmp_path / "forensynths"
    (own / place / "progan").mkdir(parents=True)
    assert find_root(get_suite("forensynths"), own) == DiskFolder(own / place)


def test_a_place_with_subsets_wins_over_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "GANGen-Detection").mkdir()
    (tmp_path / "Generalization_Test/GANGen-Detection/SNGAN").mkdir(parents=True)
    expected = tmp_path / "Generalization_Test/GANGen-Detection"
    assert find_root(get_suite("gangen"), tmp_path) == DiskFolder(expected)


@pytest.mark.parametrize("name", GROUPS["paper"])
def test_absent_data_says_where_how_and_what_runs_without(tmp_path: Path, name: str) -> None:
    suite = get_suite(name)
    for data_root, where in ((tmp_path, str(tmp_path)), (None, "no data root is set")):
        with pytest.raises(DataError) as caught:
            find_root(suite, data_root)
        assert where in caught.value.message
        assert suite.obtain in caught.value.hint
        offered = re.search(r"--suite (mini:\w+)", caught.value.hint)
        assert offered
        assert parse_selection(offered[1])[0].subsets


def test_an_embedded_suite_that_was_deleted_names_its_folder(tmp_path: Path) -> None:
    gone = dataclasses.replace(mini.SUITE, folders=(str(tmp_path / "gone"),))
    with pytest.raises(DataError, match=r"suite mini: no .*gone") as caught:
        find_root(gone, None)
    assert caught.value.hint == mini.SUITE.obtain


def _parquet(path: Path, rows: list[tuple[str, int, str, bytes]]) -> None:
    names = ("id", "label", "generator", "image")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    table = pa.table(
        {
            "id": columns["id"],
            "label": pa.array(columns["label"], pa.int8()),
            "generator": columns["generator"],
            "sha256": [hashlib.sha256(image).hexdigest() for image in columns["image"]],
            "photo": [f"photo of {name}" for name in columns["id"]],
            "image": pa.array(columns["image"], pa.binary()),
        }
    )
    pq.write_table(table, path)


def test_a_mini_subset_is_the_photos_and_one_generator(tmp_path: Path) -> None:
    _parquet(tmp_path / "test_real.parquet", [("r2", 0, "photo", b"2"), ("r1", 0, "photo", b"1")])
    _parquet(
        tmp_path / "test_gan.parquet",
        [("g", 1, "gan_tconv", b"g"), ("n", 1, "gan_nearest", b"n"), ("h", 1, "gan_tconv", b"h")],
    )
    _parquet(tmp_path / "test_controls.parquet", [("c", 0, "ctl_jpeg90", b"c")])
    by_name = {subset.name: subset for subset in mini.SUITE.subsets}
    root = DiskFolder(tmp_path)
    manifest = load_manifest(mini.SUITE, by_name["gan_tconv"], root, tmp_path / "out")
    assert [(s.id, s.label, read_bytes(s)) for s in manifest.samples] == [
        ("r1", 0, b"1"),
        ("r2", 0, b"2"),
        ("g", 1, b"g"),
        ("h", 1, b"h"),
    ]
    assert [s.unit for s in manifest.samples] == [f"photo of {s.id}" for s in manifest.samples]
    controls = load_manifest(mini.SUITE, by_name["ctl_jpeg90"], root, tmp_path / "out")
    assert [(s.id, s.label, s.generator) for s in controls.samples] == [("c", 0, "ctl_jpeg90")]
    for name, problem in (("ctl_bicubic_x2", "has no images"), ("ae_tconv", "mini: no file")):
        with pytest.raises(DataError, match=problem):
            load_manifest(mini.SUITE, by_name[name], DiskFolder(tmp_path), tmp_path / "out")


def test_a_mini_control_that_is_called_fake_is_refused(tmp_path: Path) -> None:
    _parquet(tmp_path / "test_controls.parquet", [("c", 1, "ctl_jpeg90", b"c")])
    control = next(s for s in mini.SUITE.subsets if s.name == "ctl_jpeg90")
    with pytest.raises(DataError, match="another label than 0"):
        mini.SUITE.adapter(mini.SUITE, control, DiskFolder(tmp_path))


def test_mini_needs_no_data_root() -> None:
    assert find_root(mini.SUITE, None) == DiskFolder(mini.DATA)
    assert find_root(mini.SUITE, Path("/elsewhere")) == DiskFolder(mini.DATA)


@pytest.mark.skipif(
    not (mini.DATA / "test_real.parquet").exists(), reason="the embedded data is not built"
)
def test_mini_declares_what_its_data_holds(tmp_path: Path) -> None:
    declared = {(subset.group, subset.name) for subset in mini.SUITE.subsets}
    present = set()
    for file in sorted(mini.DATA.glob("test_*.parquet")):
        table = pq.read_table(file, columns=["group", "generator"])
        present |= {(row["group"], row["generator"]) for row in table.to_pylist()}
    assert declared == {(group, name) for group, name in present if name != "photo"}
    for subset in mini.SUITE.subsets:
        manifest = load_manifest(mini.SUITE, subset, DiskFolder(mini.DATA), tmp_path)
        assert (manifest.n_real, manifest.n_fake) == (subset.n_real, subset.n_fake)
        assert manifest.unit == "photo"
        # A tile and what was made of it share their last name and their photograph.
        photos = {s.id.rpartition("/")[2]: s.unit for s in manifest.samples if s.label == 0}
        for sample in manifest.samples:
            assert sample.unit
            assert photos.get(sample.id.rpartition("/")[2], sample.unit) == sample.unit
        assert len({sample.unit for sample in manifest.samples}) == 45
