"""The suites of later papers, each on a small copy of the layout in which it is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.sample import Manifest
from harness.errors import DataError, UsageError
from harness.registry.suites import GROUPS, all_suites, as_found, find_root, parse_selection
from tests.sources import Images, folder, picture, tarred, zipped

LATER = (
    "aigcdetect",
    "aigibench",
    "chameleon",
    "community-forensics",
    "drct2m",
    "evalgen",
    "genimage",
    "mnw",
    "openfake",
    "synthbuster",
    "synthwildx",
    "wildrf",
)


def images(*names: str) -> dict[str, bytes]:
    """A picture for each path."""
    return {name: picture(seed) for seed, name in enumerate(names)}


def manifest(root: Path, text: str) -> Manifest:
    """Of ``SUITE:SUBSET`` below a data root."""
    from harness.data.manifest import load_manifest

    ((suite, subsets),) = ((s.suite, s.subsets) for s in parse_selection(text, root))
    (subset,) = subsets
    return load_manifest(suite, subset, find_root(suite, root), root.parent / "out")


def listed(root: Path, text: str) -> list[tuple[str, int]]:
    """Id and label of each image."""
    return [(sample.id, sample.label) for sample in manifest(root, text).samples]


def test_none_of_them_is_in_the_paper() -> None:
    assert set(LATER) <= set(all_suites())
    assert not set(LATER) & set(GROUPS["paper"])
    assert set(all_suites()) == {*LATER, *GROUPS["paper"], "mini"}


@pytest.mark.parametrize(
    ("name", "subsets", "reals", "fakes"),
    [
        ("genimage", 8, 0, 0),
        ("aigcdetect", 17, 0, 0),
        ("chameleon", 1, 0, 0),
        ("drct2m", 16, 80_000, 80_000),
        ("synthbuster", 9, 9_000, 9_000),
        ("wildrf", 3, 0, 0),
        ("synthwildx", 3, 1_500, 1_500),
        ("evalgen", 5, 0, 2_765),
        ("aigibench", 25, 18_000, 18_000),
    ],
)
def test_counts_are_those_of_the_sources_and_no_others(
    name: str, subsets: int, reals: int, fakes: int
) -> None:
    found = all_suites()[name].subsets
    assert len(found) == subsets
    assert sum(subset.n_real or 0 for subset in found) == reals
    assert sum(subset.n_fake or 0 for subset in found) == fakes


# --- GenImage -------------------------------------------------------------------------------------

BIGGAN = images("val/ai/0_biggan.png", "val/nature/n01440764.JPEG", "train/ai/1.png")
VALIDATED = [("val/nature/n01440764.JPEG", 0), ("val/ai/0_biggan.png", 1)]


@pytest.mark.parametrize(
    "place", ["BigGAN", "biggan", "BigGAN/imagenet_ai_0419_biggan", "imagenet_ai_0419_biggan"]
)
def test_genimage_is_found_by_the_generators_word(tmp_path: Path, place: str) -> None:
    root = tmp_path / "data"
    folder(BIGGAN, root / "GenImage" / place)
    assert listed(root, "genimage:biggan") == VALIDATED
    with pytest.raises(DataError, match=r"genimage:adm: no folder ADM, or one that is called"):
        manifest(root, "genimage:adm")


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "place", ["GenImage/BigGAN/imagenet_ai_0419_biggan", "GenImage/imagenet_ai_0419_biggan"]
)
def test_genimage_may_stay_packed(
    tmp_path: Path, place: str, pack: Callable[[Images, Path], Path]
) -> None:
    root = tmp_path / "data"
    (root / place).parent.mkdir(parents=True)
    pack({f"imagenet_ai_0419_biggan/{name}": data for name, data in BIGGAN.items()}, root / place)
    assert listed(root, "genimage:biggan") == VALIDATED


def test_genimage_tests_no_training_images(tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder(images("ADM/imagenet_ai_0508_adm/train/ai/1.png"), root / "GenImage")
    with pytest.raises(DataError, match="has train, and no val"):
        manifest(root, "genimage:adm")


def test_two_folders_that_may_be_one_generator_are_an_error(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name in ("imagenet_ai_0419_sdv4", "my_sdv4"):
        folder(BIGGAN, root / "GenImage" / name)
    with pytest.raises(DataError, match="imagenet_ai_0419_sdv4, my_sdv4: each may be") as caught:
        manifest(root, "genimage:sd14")
    assert "stable_diffusion_v_1_4" in caught.value.hint


def test_ai_and_nature_are_class_folders_in_genimage_alone(tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder(images("progan/nature/0_real/a.png", "progan/ai/1_fake/b.png"), root / "ForenSynths")
    expected = [("nature/0_real/a.png", 0), ("ai/1_fake/b.png", 1)]
    assert listed(root, "forensynths:progan") == expected


# --- class folders as usual -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "inside"),
    [
        ("aigcdetect:dalle2", "AIGCDetectBenchmark/DALLE2", ""),
        ("aigcdetect:progan", "AIGCDetect_testset/test/progan", "airplane/"),
        ("aigcdetect:sd_xl", "AIGCDetectionBenchmark/sd_xl", ""),
        ("chameleon:test", "Chameleon/test", ""),
        ("wildrf:facebook", "WildRF/test/facebook", ""),
        ("aigibench:flux1_dev", "AIGIBench/test/FLUX1-dev", ""),
        ("aigibench:midjourney", "AIGIBench/test/Midjourney-V6", ""),
        ("aigibench:communityai", "AIGIBench/CommunityAI", ""),
    ],
)
def test_sets_of_class_folders(tmp_path: Path, text: str, place: str, inside: str) -> None:
    two = {f"{inside}0_real/a.png": picture(1), f"{inside}1_fake/b.png": picture(2)}
    root, packed = tmp_path / "data", tmp_path / "packed"
    folder(two, root / place)
    assert listed(root, text) == [(f"{inside}0_real/a.png", 0), (f"{inside}1_fake/b.png", 1)]
    (packed / place).parent.mkdir(parents=True)
    zipped(two, packed / place)
    assert manifest(packed, text).digest == manifest(root, text).digest
    with pytest.raises(DataError, match="its data is absent"):
        manifest(tmp_path / "nothing", text)


def test_a_folder_without_classes_is_no_set_of_both(tmp_path: Path) -> None:
    folder(images("a.png"), tmp_path / "data/WildRF/test/reddit")
    with pytest.raises(DataError, match="no folder 0_real or 1_fake"):
        manifest(tmp_path / "data", "wildrf:reddit")


# --- fakes in folders of their own, reals beside them ---------------------------------------------

FAKES = images("val2017/000000000139.jpg", "val2017/000000000285.jpg", "train2017/9.jpg")
COCO = {f"{number:012d}.jpg": picture(90 + number) for number in range(3)}


@pytest.mark.parametrize("place", ["MSCOCO/val2017", "DRCT-2M/MSCOCO/val2017", "coco2017/VAL2017"])
def test_drct2m_takes_coco_from_beside_it(tmp_path: Path, place: str) -> None:
    root = tmp_path / "data"
    folder(FAKES, root / "DRCT-2M/sd-turbo")
    folder(COCO, root / place)
    assert listed(root, "drct2m:sd_turbo") == [
        *((f"coco/{name}", 0) for name in COCO),
        ("val2017/000000000139.jpg", 1),
        ("val2017/000000000285.jpg", 1),
    ]
    own = root / "DRCT-2M"  # given as the data root itself
    assert listed(own, "drct2m:sd_turbo") == listed(root, "drct2m:sd_turbo")


def test_drct2m_says_what_is_absent(tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder(FAKES, root / "DRCT-2M/sd-turbo")
    folder({"train2017/9.jpg": picture(1)}, root / "DRCT-2M/sdxl-turbo")
    with pytest.raises(DataError, match="no reals: neither in sd-turbo nor as MSCOCO/val2017") as e:
        manifest(root, "drct2m:sd_turbo")
    assert "cocodataset.org" in e.value.hint
    folder(COCO, root / "MSCOCO/val2017")
    with pytest.raises(DataError, match="has train2017, and no val2017"):
        manifest(root, "drct2m:sdxl_turbo")


def _synthbuster(root: Path) -> None:
    folder(images("dalle2/r1t.png", "stable-diffusion-1-3/r1t.png"), root / "synthbuster")
    folder(images("r1t.png"), root / "synthbuster/real_RAISE_1k")


@pytest.mark.parametrize("inside", [False, True])
def test_synthbuster_packed_with_raise_inside_or_beside(tmp_path: Path, inside: bool) -> None:
    root, packed = tmp_path / "data", tmp_path / "packed"
    _synthbuster(root)
    packed.mkdir()
    reals = {f"real_RAISE_1k/{name}": data for name, data in images("r1t.png").items()}
    fakes = images("dalle2/r1t.png", "stable-diffusion-1-3/r1t.png")
    both = {**fakes, **(reals if inside else {})}
    zipped({f"synthbuster/{name}": data for name, data in both.items()}, packed / "synthbuster")
    if not inside:
        zipped(reals, packed / "real_RAISE_1k")
    for name in ("dalle2", "stable_diffusion_1_3"):
        text = f"synthbuster:{name}"
        assert listed(root, text) == [("raise/r1t.png", 0), ("r1t.png", 1)]
        assert manifest(packed, text).digest == manifest(root, text).digest


def test_synthwildx_is_what_its_script_downloads(tmp_path: Path) -> None:
    root = tmp_path / "data"
    files = ("dalle3/F_g5.jpg", "firefly/F92.jpg", "midjourney_v5/Frp.jpg", "real/GGc.jpg")
    folder(images(*files), root / "synthwildx")
    (root / "synthwildx/list.csv").write_text("url,filename,typ\n")
    for name, file in (("dalle3", "F_g5"), ("firefly", "F92"), ("midjourney", "Frp")):
        expected = [("real/GGc.jpg", 0), (f"{file}.jpg", 1)]
        assert listed(root, f"synthwildx:{name}") == expected


# --- fakes alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Flux", "flux_dev", "EvalGEN-FLUX"])
def test_evalgen_has_fakes_alone(tmp_path: Path, name: str) -> None:
    root = tmp_path / "data"
    folder(images("00000/samples/0000.png", "00001/samples/0000.png"), root / "EvalGEN" / name)
    (root / "EvalGEN" / name / "00000/metadata.jsonl").write_text("{}")
    found = manifest(root, "evalgen:flux")
    assert [(s.id, s.label) for s in found.samples] == [
        ("00000/samples/0000.png", 1),
        ("00001/samples/0000.png", 1),
    ]
    assert found.left_out == ("00000/metadata.jsonl",)
    (root / "EvalGEN/NOVA").mkdir()
    with pytest.raises(DataError, match="evalgen:nova: no image anywhere below"):
        manifest(root, "evalgen:nova")


def test_mnw_has_a_subset_for_each_folder_with_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data"
    folder(images("Adobe_Firefly_v2/a.png", "FLUX.1 dev/x/b.png"), root / "MNW/AI_Images")
    (root / "MNW/AI_Images/docs").mkdir()
    (selection,) = parse_selection("mnw", root)
    names = [(s.name, s.n_real, s.n_fake, s.certainty) for s in selection.subsets]
    assert names == [
        ("adobe_firefly_v2", 0, 250, "documented"),
        ("flux.1_dev", 0, 250, "documented"),
    ]
    assert "2 subsets in" in caplog.text and "51 published" in caplog.text
    assert listed(root, "mnw:flux.1_dev") == [("x/b.png", 1)]
    with pytest.raises(UsageError, match=r"flux\.1_de"):
        parse_selection("mnw:flux.1_de", root)


def test_mnw_without_its_data(tmp_path: Path) -> None:
    (selection,) = parse_selection("mnw", tmp_path)
    assert selection.subsets == ()
    with pytest.raises(DataError, match="its data is absent"):
        find_root(selection.suite, tmp_path)
    with pytest.raises(DataError, match="its data is absent"):
        parse_selection("mnw:flux", tmp_path)
    (tmp_path / "MNW/empty").mkdir(parents=True)
    with pytest.raises(DataError, match="no folder with images"):
        parse_selection("mnw", tmp_path)


def test_two_folders_of_one_name_are_an_error(tmp_path: Path) -> None:
    folder(images("SD 3/a.png", "sd-3/b.png"), tmp_path / "MNW")
    with pytest.raises(DataError, match="SD 3 and sd-3 would both be the subset sd_3"):
        parse_selection("mnw", tmp_path)


# --- tables ---------------------------------------------------------------------------------------


def table(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """A Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)


def _openfake(path: Path, models: Sequence[str], first: int, *, old: bool = False) -> None:
    cells = [{"bytes": picture(first + i), "path": None} for i in range(len(models))]
    columns: dict[str, Sequence[object]] = {
        "image": cells,
        "prompt": ["a"] * len(models),
        "label": ["real" if model == "real" else "fake" for model in models],
        "model": models,
    }
    if not old:
        columns |= {"type": ["base"] * len(models), "release_date": ["2024-08"] * len(models)}
    table(path, columns)


def test_openfake_has_a_subset_for_each_model(tmp_path: Path) -> None:
    root = tmp_path / "OpenFake"
    _openfake(root / "core/test-00000-of-00002.parquet", ["real", "flux.1-dev", "gpt-image-1"], 0)
    _openfake(root / "core/test-00001-of-00002.parquet", ["flux.1-dev", "real"], 10)
    _openfake(root / "core/train-00000-of-00001.parquet", ["flux.1-dev"], 20)
    _openfake(root / "reddit/test-00000-of-00001.parquet", ["real", "flux.1-dev"], 30)
    (selection,) = parse_selection("openfake", tmp_path)
    assert [(s.name, s.group, s.certainty) for s in selection.subsets] == [
        ("core_flux.1_dev", "core", "unknown"),
        ("gpt_image_1", "core", "unknown"),
        ("reddit_flux.1_dev", "reddit", "unknown"),
    ]
    assert listed(tmp_path, "openfake:core_flux.1_dev") == [
        ("real/core/test-00000-of-00002::row=0", 0),
        ("real/core/test-00001-of-00002::row=1", 0),
        ("core/test-00000-of-00002::row=1", 1),
        ("core/test-00001-of-00002::row=0", 1),
    ]
    found = manifest(tmp_path, "openfake:reddit_flux.1_dev")
    assert [sample.generator for sample in found.samples] == ["", "flux.1-dev"]
    assert (found.n_real, found.n_fake) == (1, 1)
    (chosen,) = parse_selection("openfake:reddit", tmp_path)
    assert [subset.name for subset in chosen.subsets] == ["reddit_flux.1_dev"]


def test_openfake_without_its_column_or_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "OpenFake").mkdir()
    with pytest.raises(DataError, match=r"no Parquet file core/test-\*\.parquet"):
        parse_selection("openfake", tmp_path)
    columns = {"image": [picture(1)], "label": ["fake"]}
    table(tmp_path / "OpenFake/core/test-0.parquet", columns)
    with pytest.raises(UsageError, match="no group column model"):
        parse_selection("openfake", tmp_path)


def _community(path: Path, rows: Sequence[tuple[str, str, int]]) -> None:
    table(
        path,
        {
            "image_name": [name for name, _, _ in rows],
            "format": ["PNG"] * len(rows),
            "image_data": pa.array([picture(i) for i in range(len(rows))], pa.binary()),
            "model_name": [model for _, model, _ in rows],
            "real_source": ["" if label else "coco" for _, _, label in rows],
            "subset": ["s"] * len(rows),
            "split": ["test"] * len(rows),
            "label": [label for _, _, label in rows],
        },
    )


@pytest.mark.parametrize("repeated", [False, True])
def test_community_forensics_has_a_subset_for_each_generator(
    tmp_path: Path, repeated: bool
) -> None:
    second = "0.png" if repeated else "3.png"
    rows = [("0.png", "coco", 0), ("1.png", "org/Model A", 1), (second, "dalle3", 1)]
    _community(tmp_path / "CommunityForensics-Eval/data/eval-0.parquet", rows)
    suite = as_found(all_suites()["community-forensics"], tmp_path)
    assert [subset.name for subset in suite.subsets] == ["dalle3", "org_model_a"]
    expected = [("real/0.png", 0), ("1.png", 1)]
    if repeated:  # names that repeat tell nothing apart
        expected = [("real/data/eval-0::row=0", 0), ("data/eval-0::row=1", 1)]
    assert listed(tmp_path, "community-forensics:org_model_a") == expected


def test_too_many_generators_for_one_pool_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("0.png", "coco", 0), ("1.png", "a", 1), ("2.png", "b", 1)]
    _community(tmp_path / "CommunityForensics-Eval/data/eval-0.parquet", rows)
    monkeypatch.setattr("harness.data.as_found.MOST_ROWS", 4)
    with pytest.raises(DataError, match="2 generators that share 1 reals are 5 rows") as caught:
        parse_selection("community-forensics", tmp_path)
    assert "--image-column image_data" in caught.value.hint
