"""``python -m harness check --audit``: would the files give the class away?"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.api import FileHeader
from harness.audit.shortcuts import file_facts, judge
from harness.data.own import own_name
from tests.conftest import noise


def _save(path: Path, image: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """``jpg`` is solved by its files, ``grid`` by former JPEGs in PNG, ``fair`` by neither."""
    root = tmp_path / "data"
    for seed in range(30):
        real, fake = noise(seed, 64, 64), noise(seed + 500, 64, 64)
        _save(root / f"jpg/0_real/{seed}.jpg", real, quality=90)
        _save(root / f"jpg/1_fake/{seed}.png", fake)
        _save(root / f"grid/1_fake/{seed}.png", fake)
        coded = tmp_path / "coded.jpg"
        _save(coded, real, quality=50)
        _save(root / f"grid/0_real/{seed}.png", np.asarray(Image.open(coded)))
        _save(root / f"fair/0_real/{seed}.png", real)
        _save(root / f"fair/1_fake/{seed}.png", fake)
    return root


def _audit(images: Path, *flags: object) -> int:
    out = images.parent / "out"
    return main(["check", "--audit", "--images", str(images), "--out", str(out), *map(str, flags)])


def test_what_files_give_away(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _audit(images) == 0
    text = capsys.readouterr().out
    document = json.loads((images.parent / f"out/audit/audit-{own_name(images)}.json").read_text())
    found = {each["subset"]: each for each in document["subsets"]}
    assert found["jpg"]["by_file"]["accuracy"] == 1.0
    assert found["jpg"]["by_file"]["flagged"]
    assert found["fair"]["by_file"]["accuracy"] == 0.5
    assert found["fair"]["by_file_and_grid"]["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert not found["fair"]["by_file_and_grid"]["flagged"]
    assert found["grid"]["by_file"]["accuracy"] == 0.5
    assert found["grid"]["by_file_and_grid"]["flagged"]
    assert found["grid"]["traces"]["real"]["blocky"] >= 28
    assert found["grid"]["traces"]["fake"]["blocky"] <= 2
    assert found["jpg"]["traces"]["real"]["lossless"] == 0
    assert found["jpg"]["real"]["jpeg_qualities"] == {"90": 30}
    (table,) = found["jpg"]["real"]["tables"]
    assert table.startswith("quality 90, 4:2:0, ")
    assert found["jpg"]["real"]["metadata"] == {"none": 30}
    assert found["jpg"]["fake"]["aspects"] == {"1.00": 30}
    assert "warning: jpg: file facts alone tell real from fake, most of all by " in text
    told = (
        "warning: grid: file facts and the 8x8 grid tell real from fake, most of all by blockiness"
    )
    assert told in text
    assert "warning: fair" not in text


def test_duplicates_of_either_kind(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _audit(images) == 0
    text = capsys.readouterr().out
    assert "30 fake files are in each of: fair, grid, jpg" in text  # the very same PNG files
    document = json.loads((images.parent / f"out/audit/audit-{own_name(images)}.json").read_text())
    found = document["lookalikes"]
    assert found["across_subsets"]["pairs"] >= 30  # a real, its JPEG, its former JPEG
    assert document["duplicates"]["distinct"] == {"fake": 30, "real": 90}


def test_against_a_training_set(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "train"
    _save(train / "0_real/a.png", noise(3, 64, 64))
    _save(train / "1_fake/b.png", np.asarray(Image.fromarray(noise(504, 64, 64)).resize((80, 80))))
    assert _audit(images / "fair", "--train-data", train) == 0
    text = capsys.readouterr().out
    assert "warning: 1 real files are in " in text
    assert "too, such as fair/0_real/3.png" in text
    assert "look the same as others in" in text
    assert _audit(images / "fair", "--train-suite", "mini-train") == 0
    assert "nothing of it is in mini-train/train" in capsys.readouterr().out


def test_against_a_training_run(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert (
        main(["train", "--method", "metadata", "--train-suite", "mini-train", "--out", str(out)])
        == 0
    )
    run = out / "training/mini-train/metadata/seed0"
    assert _audit(images / "fair", "--train-data", run) == 0
    assert "nothing of it is in mini-train/train, exactly or nearly" in capsys.readouterr().out


def test_against_a_run_whose_images_are_gone(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run lists what it was made of: equal files are found without the images."""
    train = tmp_path / "train"
    for seed in range(3):
        _save(train / f"0_real/{seed}.png", noise(seed, 64, 64))
        _save(train / f"1_fake/{seed}.png", noise(900 + seed, 64, 64))
    out = tmp_path / "runs"
    flags = ["--train-data", str(train), "--val-data", str(train), "--out", str(out)]
    assert main(["train", "--method", "metadata", *flags]) == 0
    (run,) = (path.parent for path in out.rglob("run.json"))
    shutil.rmtree(train)
    capsys.readouterr()
    assert _audit(images / "fair", "--train-data", run) == 0
    text = capsys.readouterr().out
    assert "warning: 3 real files are in " in text
    assert f"(as {run / 'train_manifest.tsv'} lists it) too, such as fair/0_real/" in text
    assert "near duplicates in the training data were not looked for" in text
    (path,) = tmp_path.rglob("audit-own-*.json")
    document = json.loads(path.read_text())
    assert document["exact_only"]
    assert document["overlap"]["exact"] == {"real": 3}
    assert _audit(images / "jpg", "--train-data", run) == 0
    assert "lists it), byte by byte" in capsys.readouterr().out


@pytest.mark.parametrize("spoil", ["record", "list", "no list"])
def test_against_a_run_whose_list_is_not_its_own(
    spoil: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    listed = b"0_real/a.png\t0\t" + b"a" * 64 + b"\n"
    digest = hashlib.sha256(listed).hexdigest()
    record = {"trained_on": "elsewhere", "train": {"digest": digest}}
    (run / "train_manifest.tsv").write_bytes(listed)
    (run / "run.json").write_text(json.dumps(record))
    assert _audit(images / "fair", "--train-data", run) == 0
    if spoil == "record":
        (run / "run.json").write_text(json.dumps({**record, "train": {"digest": "0" * 64}}))
    elif spoil == "list":
        (run / "train_manifest.tsv").write_bytes(listed * 2)
    else:
        (run / "train_manifest.tsv").unlink()
    assert _audit(images / "fair", "--train-data", run) == 3
    said = capsys.readouterr().err
    assert "trained on elsewhere, whose images the run does not list" in said


def test_a_false_alarm_on_shared_reals_is_one_line_that_names_the_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    for number, places in enumerate((("a", "b", "c"), ("a", "b"), ("d", "e"))):
        for place in places:
            for seed in range(2):
                _save(root / place / f"0_real/{number}{seed}.png", noise(10 * number + seed))
                _save(root / place / f"1_fake/{seed}.png", noise(100 * ord(place) + seed))
    assert _audit(root) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "false alarm" in line)
    assert line == (
        "note: a false alarm on a shared real counts several times in a mean over subsets: "
        "2 files 2 times (a, b); 2 files 3 times (a, b, c); 2 files 2 times (d, e)"
    )


def test_a_set_of_reals_is_a_control_and_its_dashes_have_a_reason(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(images / "fair/1_fake")
    assert _audit(images / "fair") == 0
    text = capsys.readouterr().out
    assert "note: fair: no fake images: false alarms can be counted here, AP is not defined" in text
    assert "note: file facts are not judged, fewer than 5 readable images of a class: fair" in text
    assert main(["check", "--images", str(images / "fair"), "--out", str(images / "o")]) == 0


def test_names_that_are_no_utf_8(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / os.fsdecode(b"\xfe")
    (images / "fair").rename(place)
    (place / "0_real/3.png").rename(place / os.fsdecode(b"0_real/\xff.png"))
    shutil.copy(place / "0_real/4.png", place / os.fsdecode(b"0_real/\xf0.png"))
    assert _audit(place) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path}/\\xfe" in said
    assert "0_real/\\xf0.png" in said
    (page,) = (images.parent / "out/audit").glob("*.html")
    assert "0_real/\\xf0.png" in page.read_text(encoding="utf-8")
    flags = ["--images", str(place), "--train-data", str(place), "--json"]
    assert main(["check", "--audit", *flags, "--out", str(tmp_path / "o")]) == 0
    (document,) = json.loads(capsys.readouterr().out)["suites"]
    assert document["overlap"]["exact"] == {"fake": 30, "real": 30}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_escapes_names(images: Path) -> None:
    evil = images / "fair/0_real/<script>alert(1)</script>"
    _save(evil / "x.png", noise(3, 64, 64))
    assert _audit(images) == 0
    html = (images.parent / f"out/audit/audit-{own_name(images)}.html").read_text()
    page = _Page()
    page.feed(html)
    assert page.open == []
    assert page.links == []
    assert "<script" not in html
    assert "prefers-color-scheme: dark" in html
    assert "<script>alert(1)" in page.text  # the duplicate is named, as text
    assert "quality 90, 4:2:0" in page.text


def test_the_same_files_again_give_the_same_bytes(images: Path) -> None:
    folder = images.parent / "out/audit"
    assert _audit(images) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert _audit(images) == 0
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_damage_and_one_class_are_said_and_end_with_3(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "fair/0_real/3.png").write_bytes(b"text")
    assert _audit(images / "fair") == 3
    assert "error: fair: 1 unreadable or damaged: 0_real/3.png" in capsys.readouterr().out
    for path in (images / "fair/1_fake").iterdir():
        path.unlink()
    assert _audit(images / "fair", "--json") == 3
    (document,) = json.loads(capsys.readouterr().out)["suites"]
    assert document["subsets"][0]["by_file"]["accuracy"] is None
    assert "fewer than 5" in document["subsets"][0]["by_file"]["note"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--audit",), "--suite or --images"),
        (("--audit", "--suite", "mini", "--train-data", "x"), "--train-data x: no such folder"),
        (("--audit", "--suite", "mini", "--train-suite", "mini-tran"), "did you mean 'mini-train'"),
        (("--suite", "mini", "--train-suite", "mini-train"), "--train-suite needs --audit"),
        (("--suite", "mini", "--to", "x"), "--to needs --audit"),
    ],
)
def test_wrong_requests(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["check", *flags, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_the_former_command_still_audits_and_says_its_new_name(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--images", str(images / "fair"), "--out", str(images.parent / "out")]
    assert main(["audit", *flags, "--against", "mini-train"]) == 0
    said = capsys.readouterr()
    assert "audit is now called check --audit" in said.err
    assert "nothing of it is in mini-train/train" in said.out
    assert main(["audit", *flags, "--against", str(images / "fair")]) == 0
    assert "warning: 30 fake and 30 real files are in " in capsys.readouterr().out
    assert len(list((images.parent / "out/audit").iterdir())) == 2


def test_a_weak_hint_is_judged_with_its_interval_and_not_flagged_on_few_images() -> None:
    """Sizes that agree with the class in three of five images, on 40 and on 2,000 of them."""

    def judged(count: int) -> object:
        labels = [i % 2 for i in range(count)]
        follows = np.random.default_rng(0).random(count) < 0.65
        sides = [
            64 + 64 * (label if f else 1 - label) for label, f in zip(labels, follows, strict=True)
        ]
        headers = [FileHeader(format="PNG", width=s, height=s, mode="RGB") for s in sides]
        return judge([str(i) for i in range(count)], labels, list(map(file_facts, headers)))

    few, many = judged(40), judged(2000)
    assert many.accuracy == pytest.approx(0.65, abs=0.03)
    assert many.low < many.accuracy < many.high
    assert many.flagged
    assert not few.flagged
    assert few.high - few.low > 3 * (many.high - many.low)
