"""Training sets: the embedded one, folders, manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DataError, UsageError
from harness.suites import mini
from harness.training import datasets
from tests.training import tiny


def test_own_folders_are_pooled_and_hashed(tmp_path: Path) -> None:
    for kind in ("cat", "car"):
        tiny.write_class_folders(tmp_path / "train" / kind, 2, first=5 if kind == "cat" else 0)
    tiny.write_class_folders(tmp_path / "val", 2, first=5)
    data = datasets.own(tmp_path / "train", tmp_path / "val", tmp_path / "cache")
    assert [sample.id for sample in data.train.samples[:4]] == [
        "car/0_real/000.png",
        "car/0_real/001.png",
        "cat/0_real/005.png",
        "cat/0_real/006.png",
    ]
    assert (data.train.n_real, data.train.n_fake, data.val.n_real) == (4, 4, 2)
    assert len(data.train.digest) == 64
    assert data.shared == 4  # all of val is train's cat
    assert data.scaling is None


def test_folders_of_one_name_with_other_images_are_other_training_data(tmp_path: Path) -> None:
    names = set()
    for place, first in (("a", 0), ("b", 50), ("copy-of-a", 0)):
        tiny.write_class_folders(tmp_path / place / "set" / "train", 2, first=first)
        tiny.write_class_folders(tmp_path / place / "set" / "val", 1, first=first + 10)
        folders = (tmp_path / place / "set" / part for part in ("train", "val"))
        names.add(datasets.own(*folders, tmp_path / "cache").name)
    assert len(names) == 2  # equal contents are one training set, wherever they lie
    assert all(name.startswith("set/train#") and len(name) == len("set/train#") + 8
               for name in names)  # fmt: skip


def test_a_manifest_file_will_do(tmp_path: Path) -> None:
    tiny.write_class_folders(tmp_path / "pictures", 2)
    rows = [f"pictures/{c}/00{i}.png,{c[2:]}" for c in ("0_real", "1_fake") for i in range(2)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    data = datasets.own(tmp_path / "list.csv", tmp_path / "pictures", tmp_path / "cache")
    assert [sample.label for sample in data.train.samples] == [0, 0, 1, 1]
    assert data.shared == 4


def test_one_class_is_no_training_set(tmp_path: Path) -> None:
    tiny.write_class_folders(tmp_path / "train", 2)
    for path in (tmp_path / "train" / "1_fake").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="2 real and 0 fake"):
        datasets.own(tmp_path / "train", tmp_path / "train", tmp_path / "cache")


def test_an_unknown_name_gets_a_guess() -> None:
    with pytest.raises(UsageError, match="mini-train"):
        datasets.declared("mini-trian")


@pytest.mark.skipif(not (mini.DATA / "train.parquet").exists(), reason="mini is not built here")
def test_the_embedded_set_has_both_classes_and_no_shared_image() -> None:
    data = datasets.declared("mini-train")
    assert data.train.n_real > 200 and data.train.n_fake > 200
    assert data.val.n_real > 20 and data.val.n_fake > 20
    assert data.shared == 0
    assert data.scaling is not None


@pytest.fixture
def progan(tmp_path: Path) -> Path:
    """A data root with two classes more than are used, of a few images each."""
    first = 0
    for part in ("train", "val"):
        for kind in (*datasets.PROGAN_CLASSES, "bird", "sofa"):
            folder = tmp_path / "ForenSynths_train_val" / part / kind
            tiny.write_class_folders(folder, 2, first=first)
            first += 2
    return tmp_path


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_forensynths_train_is_four_classes_of_progan(
    progan: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.delenv("LFM_DATA", raising=False)
    if how == "environment":
        monkeypatch.setenv("LFM_DATA", str(progan))
    given = progan if how == "argument" else None
    data = datasets.declared("forensynths-train", data_root=given, cache=progan / "out")
    assert (data.name, data.geometry, data.scaling) == ("forensynths-train", "forensynths", None)
    for manifest in (data.train, data.val):
        assert (manifest.n_real, manifest.n_fake) == (8, 8)
        kinds = {sample.id.split("/")[0] for sample in manifest.samples}
        assert kinds == {"car", "cat", "chair", "horse"}
        made = {(sample.label, sample.generator) for sample in manifest.samples}
        assert made == {(0, "photo"), (1, "progan")}
        order = [(sample.label, sample.id) for sample in manifest.samples]
        assert order == sorted(order) and all(sample.sha256 for sample in manifest.samples)
    assert data.shared == 0
    assert "'train': 16" in data.note and "144024" in data.note


def test_a_part_that_is_absent_is_named_with_the_way_to_get_it(
    progan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LFM_DATA", raising=False)
    for root in (None, progan / "elsewhere"):
        with pytest.raises(DataError, match="forensynths-train-train") as caught:
            datasets.declared("forensynths-train", data_root=root, cache=progan / "out")
        assert "progan_train.7z" in caught.value.hint
    horses = progan / "ForenSynths_train_val" / "train" / "horse"
    for fake in (horses / "1_fake").iterdir():
        fake.unlink()
    with pytest.raises(DataError, match="horse: 2 real and 0 fake") as caught:
        datasets.declared("forensynths-train", data_root=progan, cache=progan / "out")
    assert "progan_train.7z" in caught.value.hint
    horses.rename(horses.with_name("horses"))
    with pytest.raises(DataError, match="no folder horse"):
        datasets.declared("forensynths-train", data_root=progan, cache=progan / "out")
