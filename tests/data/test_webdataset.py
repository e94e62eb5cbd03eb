"""WebDataset shards as one's own data."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import webdataset

from harness.data.columns import Columns
from harness.data.own import own_suite
from harness.data.sample import Sample
from harness.data.webdataset import expand
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root
from tests.sources import add, picture


def samples(place: str | Path, columns: Columns | None = None) -> dict[str, list[Sample]]:
    suite = own_suite(place, columns)
    root = find_root(suite, None)
    return {s.name: suite.adapter(suite, s, root) for s in suite.subsets}


def shard(path: Path, *members: tuple[str, bytes | str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:") as archive:
        for name, data in members:
            add(archive, name, data.encode() if isinstance(data, str) else data)
    return path


def test_what_webdataset_writes_is_read(tmp_path: Path) -> None:
    for number in range(2):
        with webdataset.TarWriter(str(tmp_path / f"test-{number:04d}.tar")) as writer:
            for i in range(3):
                key = f"{number}{i:03d}"
                writer.write({"__key__": key, "png": picture(i), "cls": i % 2})
    pattern = str(tmp_path / "test-{0000..0001}.tar")
    for place in (tmp_path, pattern):
        found = samples(place)
        assert [(s.id, s.label) for s in found["test"]] == [
            ("0000.png", 0),
            ("0002.png", 0),
            ("1000.png", 0),
            ("1002.png", 0),
            ("0001.png", 1),
            ("1001.png", 1),
        ]
        assert found["test"][1].source.read() == picture(2)


def test_labels_lie_in_words_and_fields_too(tmp_path: Path) -> None:
    path = shard(
        tmp_path / "a.tar",
        ("1.txt", "fake\n"), ("1.png", picture(1)),
        ("2.json", json.dumps({"label": "real", "w": 24})), ("2.png", picture(2)),
        ("3.json", json.dumps({"is_fake": True})), ("3.png", picture(3)),
        ("d/a.b.cls", "1"), ("d/a.b.png", picture(4)),
        ("d/c.cls", "0"), ("d/c.x.png", picture(5)),
    )  # fmt: skip
    assert {s.id: s.label for s in samples(path)["a"]} == {
        "1.png": 1,
        "2.png": 0,
        "3.png": 1,
        "d/a.b.png": 1,
        "d/c.x.png": 0,
    }


def test_a_field_and_a_value_of_another_name_are_named_by_flags(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", ("1.json", '{"model": "sd", "w": 1}'), ("1.png", picture(1)),
                 ("2.json", '{"model": "none", "w": 1}'), ("2.png", picture(2)))  # fmt: skip
    with pytest.raises(DataError, match="not clear: model, w"):
        samples(path)
    with pytest.raises(DataError, match="'sd' means real or fake"):
        samples(path, Columns(label="model"))
    found = samples(path, Columns(label="model", fake="sd"))["a"]
    assert [s.label for s in found] == [0, 1]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("1.cls", "1"), ("1.png", b"x"), ("2.png", b"y")], r"::2\.png: no label beside it"),
        ([("1.cls", "1"), ("1.png", b"x"), ("1.jpg", b"y")], "label of two images"),
        ([("1.cls", "7"), ("1.png", b"x")], "'7' means real or fake"),
        ([("1.cls", ""), ("1.png", b"x")], r"::1\.cls: no label"),
        ([("1.json", "{"), ("1.png", b"x")], r"::1\.json: holds no label"),
        ([("1.cls", b"\xff"), ("1.png", b"x")], r"::1\.cls: holds no label"),
    ],
)
def test_a_wrong_label_is_named(
    tmp_path: Path, members: list[tuple[str, bytes | str]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        samples(shard(tmp_path / "a.tar", *members))


def test_one_name_in_two_shards_is_an_error(tmp_path: Path) -> None:
    for number in range(2):
        shard(tmp_path / f"s/test-{number:04d}.tar", ("1.cls", "1"), ("1.png", picture(number)))
    with pytest.raises(DataError, match=r"1\.png is in .*0000\.tar and in .*0001\.tar"):
        samples(tmp_path / "s")


def test_an_archive_of_class_folders_stays_one(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", ("0_real/1.png", b"x"), ("1_fake/1.png", b"y"))
    assert [(s.id, s.label) for s in samples(path)["a"]] == [
        ("0_real/1.png", 0),
        ("1_fake/1.png", 1),
    ]


def test_braces() -> None:
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{a,b}-{0..1}.tar") == ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]
    assert expand("plain.tar") == ["plain.tar"]


def test_a_caption_beside_a_label_is_no_label(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar",
                 ("1.txt", "a cat"), ("1.json", '{"label": 1.0}'), ("1.png", picture(1)),
                 ("2.txt", "real"), ("2.json", '{"width": 24}'), ("2.png", picture(2)))  # fmt: skip
    assert {s.id: s.label for s in samples(path)["a"]} == {"1.png": 1, "2.png": 0}
    path = shard(tmp_path / "b.tar", ("1.txt", "real"), ("1.json", '{"kind": "sd"}'),
                 ("1.png", picture(1)))  # fmt: skip
    assert [s.label for s in samples(path, Columns(label="kind", fake="sd"))["b"]] == [1]


def test_captions_in_class_folders_are_no_labels(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", ("0_real/1.png", picture(1)), ("0_real/1.txt", "a cat"),
                 ("1_fake/1.png", picture(2)), ("1_fake/1.json", '{"width": 24}'))  # fmt: skip
    assert {s.id: s.label for s in samples(path)["a"]} == {"0_real/1.png": 0, "1_fake/1.png": 1}


def test_class_folders_beside_a_shard_are_not_passed_over(tmp_path: Path) -> None:
    shard(tmp_path / "set/x.tar", ("1.cls", "1"), ("1.png", picture(1)))
    (tmp_path / "set/0_real").mkdir()
    (tmp_path / "set/0_real/2.png").write_bytes(picture(2))
    assert [[s.id for s in found] for found in samples(tmp_path / "set").values()] == [
        ["0_real/2.png"]
    ]


def test_one_name_twice_in_a_shard_is_an_error(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", ("1.cls", "1"), ("1.png", picture(1)), ("1.png", picture(2)))
    with pytest.raises(DataError, match=r"a\.tar: 1\.png is in it twice"):
        samples(path)


def test_a_damaged_shard_is_an_error_of_its_subset_alone(tmp_path: Path) -> None:
    for name, first in (("good", 0), ("bad", 2)):
        for number in range(2):
            key = first + number
            members = [(f"{key}.cls", "1"), (f"{key}.png", picture(key))]
            shard(tmp_path / f"s/{name}-{number:04d}.tar", *members)
    bad = tmp_path / "s/bad-0000.tar"
    bad.write_bytes(bad.read_bytes()[:700])
    suite = own_suite(tmp_path / "s")
    root = find_root(suite, None)
    subsets = {subset.name: subset for subset in suite.subsets}
    assert sorted(subset.name for subset in suite.subsets) == ["bad", "good"]
    assert [s.id for s in suite.adapter(suite, subsets["good"], root)] == ["0.png", "1.png"]
    with pytest.raises(DataError, match=r"bad-0000\.tar: damaged or cut short"):
        suite.adapter(suite, subsets["bad"], root)


@pytest.mark.parametrize("pattern", ["a-{3..0}.tar", "a-{{0,1},2}.tar"])
def test_braces_that_stand_for_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="its braces stand for no names"):
        expand(pattern)


def test_a_shard_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a-0\.tar: cannot be opened"):
        samples(str(tmp_path / "a-{0..1}.tar"))
