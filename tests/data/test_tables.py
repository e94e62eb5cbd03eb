"""Tables of images: Parquet and Arrow, as one's own data."""

from __future__ import annotations

import threading
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.columns import Columns
from harness.data.own import own_name, own_suite
from harness.data.sample import Sample
from harness.data.suite import Suite
from harness.data.tables import RowSource, image_bytes, open_table
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root
from tests.sources import picture

PICTURES = [picture(i) for i in range(6)]


def save(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": PICTURES, "label": [0, 1] * 3, **columns})
    pq.write_table(table, path, row_group_size=2)
    return path


def listed(suite: Suite) -> dict[str, list[Sample]]:
    root = find_root(suite, None)
    return {subset.name: suite.adapter(suite, subset, root) for subset in suite.subsets}


def labels(suite: Suite) -> list[int]:
    """By row."""
    samples = [sample for members in listed(suite).values() for sample in members]
    return [sample.label for sample in sorted(samples, key=lambda s: s.source.order)]


def test_shards_in_a_folder_are_one_subset_a_split(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"set/data/test-{number:05d}-of-00002.parquet")
    save(tmp_path / "set/data/train-00000-of-00001.parquet")
    found = listed(own_suite(tmp_path / "set"))
    assert {name: len(samples) for name, samples in found.items()} == {"test": 12, "train": 6}
    assert found["train"][0].id == "data/train-00000-of-00001::row=0"


def test_class_folders_win_over_tables_beside_them(tmp_path: Path) -> None:
    save(tmp_path / "set/more.parquet")
    (tmp_path / "set/0_real").mkdir()
    (tmp_path / "set/0_real/a.png").write_bytes(PICTURES[0])
    assert [s.name for s in own_suite(tmp_path / "set").subsets] == ["set"]
    assert len(listed(own_suite(tmp_path / "set"))["set"]) == 1


def test_groups_units_and_ids_come_from_columns_of_these_names(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", group=["x", "x", "y"] * 2, photo=[*"ppqqrr"],
                file_name=[f"{i}.png" for i in range(6)])  # fmt: skip
    found = listed(own_suite(path))
    assert [(s.id, s.label, s.unit) for s in found["y"]] == [("2.png", 0, "q"), ("5.png", 1, "r")]


def test_other_columns_are_named_by_flags(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"thumb": PICTURES, "image_data": PICTURES[::-1], "kind": [*"abcabc"],
                      "model_name": ["m", "n"] * 3})  # fmt: skip
    pq.write_table(table, path)
    with pytest.raises(UsageError, match="image is not clear: thumb, image_data") as caught:
        own_suite(path)
    assert "--image-column" in str(caught.value)
    columns = Columns(image="image_data")
    with pytest.raises(UsageError, match="label is not clear") as caught:
        own_suite(path, columns)
    assert "--label-column" in str(caught.value)
    columns = Columns(image="image_data", label="kind")
    with pytest.raises(DataError, match="'a' means real or fake is not clear") as caught:
        own_suite(path, columns)
    assert "--fake-label" in str(caught.value)
    columns = Columns(image="image_data", label="kind", group="model_name", fake="B")
    found = listed(own_suite(path, columns))
    assert sorted(found) == ["m", "n"]
    assert labels(own_suite(path, columns)) == [0, 1, 0, 0, 1, 0]
    assert found["m"][0].source.read() == PICTURES[5]
    with pytest.raises(UsageError, match="no label column none"):
        own_suite(path, Columns(image="thumb", label="none"))
    with pytest.raises(UsageError, match="no kind is 'z'; there are a, b, c"):
        own_suite(path, Columns(image="thumb", label="kind", fake="z"))


def test_two_columns_that_could_be_the_label_are_no_label(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label is not clear: label, is_fake"):
        own_suite(save(tmp_path / "a.parquet", is_fake=[1, 0] * 3))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["real", "FAKE"] * 3, [0, 1] * 3),
        (["nature", "ai"] * 3, [0, 1] * 3),
        ([True, False] * 3, [1, 0] * 3),
        ([1, 0, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1]),
    ],
)
def test_words_and_numbers_that_leave_no_doubt(
    tmp_path: Path, values: list[object], expected: list[int]
) -> None:
    assert labels(own_suite(save(tmp_path / "a.parquet", label=values))) == expected


@pytest.mark.parametrize("value", [None, 2, "maybe"])
def test_a_label_that_is_none_is_named_with_its_row(tmp_path: Path, value: object) -> None:
    values = [0, 1, 0, 1, 0, value]
    if isinstance(value, str):
        values = ["0", "1", "0", "1", "0", value]
    with pytest.raises(DataError, match="row=5"):
        own_suite(save(tmp_path / "a.parquet", label=values))


def test_names_of_classes_decide_and_not_their_numbers(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=["ai", "human"])}
    )
    rows = {"image": [{"bytes": data, "path": None} for data in PICTURES], "label": [0, 1] * 3}
    made = datasets.Dataset.from_dict(rows, features)
    made.to_parquet(str(tmp_path / "a.parquet"))
    made.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict(test=made, train=made).save_to_disk(str(tmp_path / "dict"))
    assert labels(own_suite(tmp_path / "a.parquet")) == [1, 0] * 3
    assert labels(own_suite(tmp_path / "saved")) == [1, 0] * 3
    assert {n: len(s) for n, s in listed(own_suite(tmp_path / "dict")).items()} == {
        "test": 6,
        "train": 6,
    }


def test_a_cell_without_an_image_is_an_unreadable_image(tmp_path: Path) -> None:
    for cell, said in (
        (None, "no image"),
        ({"bytes": None, "path": "a.png"}, r"only the path a\.png"),
        ("https://x/a.png", "holds str"),
    ):
        with pytest.raises(ValueError, match=said):
            image_bytes(cell)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "ipc"])
def test_threads_read_rows_at_random(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.data.tables.GROUPS_KEPT", 20_000)
    cells = [bytes([i]) * 1000 for i in range(100)]
    table = pa.table({"image": cells})
    path = tmp_path / f"a.{'parquet' if kind == 'parquet' else 'arrow'}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=7)
    else:
        opener = pa.ipc.new_stream if kind == "arrow" else pa.ipc.new_file
        with opener(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=9)
    wrong: list[int] = []

    def work(step: int) -> None:
        for number in range(100):
            row = number * step % 100
            if RowSource(str(path), row).read() != cells[row]:
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, 37, 63)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with pytest.raises(IndexError):
        RowSource(str(path), 100).read()


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as a table"):
        open_table(path)


def test_a_table_has_the_name_of_its_folder_and_a_list_its_own(tmp_path: Path) -> None:
    table = save(tmp_path / "photos.parquet")
    (tmp_path / "b").mkdir()
    listing = tmp_path / "b/photos.parquet"
    pq.write_table(pa.table({"path": ["a.png"], "label": [0]}), listing)
    assert own_name(table) == own_name(tmp_path / "photos")
    assert own_name(listing) != own_name(tmp_path / "b/photos")
