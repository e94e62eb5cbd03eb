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
