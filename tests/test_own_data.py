"""One's own data through the commands: their names, what is not read, names that are no UTF-8."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.data.own import own_name
from harness.registry import detectors as registry
from harness.results.predictions import read_predictions
from harness.results.store import canonical_json, load_records
from tests import program
from tests.conftest import write_images


def _pictures(folder: Path, first: int = 0) -> Path:
    write_images(folder / "0_real", range(first, first + 6))
    write_images(folder / "1_fake", range(first + 100, first + 106))
    return folder


def _main(command: str, *arguments: object) -> int:
    return main([command, *map(str, arguments)])


def test_two_folders_of_one_name_in_one_call_keep_their_records(tmp_path: Path) -> None:
    one, two = (_pictures(tmp_path / name / "test", n) for n, name in enumerate("ab"))
    out = tmp_path / "out"
    flags = ("--images", one, "--images", two, "--out", out)
    assert _main("run", "--method", "chance", *flags) == 0
    records = {record.suite: record for record in load_records(out)}
    assert set(records) == {own_name(one), own_name(two)}
    for record in records.values():
        assert [(r.subset, r.n_real, r.n_fake) for r in record.subsets] == [("test", 6, 6)]
    assert _main("run", "--method", "chance", "--images", one, "--out", out) == 0
    assert {record.suite for record in load_records(out)} == set(records)
    assert _main("check", *flags) == 0


def test_tsne_draws_one_folder_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (_pictures(tmp_path / name) for name in "ab")
    flags = ("--method", "trivial", "--images", one, "--images", two)
    assert _main("tsne", *flags, "--out", tmp_path / "out") == 2
    assert "one suite a picture" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ufd", "gangen", "mini"])
def test_a_list_named_like_a_suite_does_not_enter_it(tmp_path: Path, name: str) -> None:
    _pictures(tmp_path / "data")
    rows = [f"{path},{path.parent.name[2:]},dalle" for path in sorted(tmp_path.rglob("*.png"))]
    file = tmp_path / f"{name}.csv"
    file.write_text("\n".join(["path,label,group", *rows]))
    out = tmp_path / "out"
    assert _main("run", "--method", "chance", "--images", file, "--out", out) == 0
    (record,) = load_records(out)
    assert record.suite == own_name(file)
    assert record.preprocess == record.published_preprocess
    assert not (out / "results" / name).exists()


HOSTILE = ("../../up", "图" * 29, "a/" * 120 + "b", "x\\y:z", ".", "..", "~")


def test_groups_of_any_name_leave_files_inside_the_output_folder(tmp_path: Path) -> None:
    _pictures(tmp_path / "data")
    paths = sorted(tmp_path.rglob("*.png"))
    rows = [f"{p},{p.parent.name[2:]},{group}" for group in HOSTILE for p in paths]
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["path,label,group", *rows]))
    out = tmp_path / "deep/out"
    assert _main("run", "--method", "chance", "--images", file, "--out", out) == 0
    (record,) = load_records(out)
    assert {result.subset for result in record.subsets} == set(HOSTILE)
    assert len({result.predictions for result in record.subsets}) == len(HOSTILE)
    for result in record.subsets:
        assert read_predictions(out / result.predictions).key.subset == result.subset
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["out"]


def test_a_set_of_reals_is_a_control_for_check_and_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _pictures(tmp_path / "data/both")
    write_images(tmp_path / "data/photos/Real", range(50, 55))
    out = tmp_path / "out"
    flags = ("--images", tmp_path / "data", "--out", out)
    assert _main("check", *flags) == 0
    assert "note: photos: no fake images: false alarms can be counted" in capsys.readouterr().out
    assert _main("run", "--method", "chance", *flags) == 0
    (record,) = load_records(out)
    assert record.mean["ap"].value == record.subsets[0].metrics["ap"].value
    assert {result.subset: result.group for result in record.subsets} == {
        "both": "",
        "photos": "controls",
    }


@pytest.mark.parametrize("command", ["run", "check", "score"])
def test_files_that_are_not_read_are_said_by_every_command(
    tmp_path: Path, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _pictures(tmp_path / "data")
    for name in ("0_real/a.jxl", "0_real/b.jxl", "1_fake/nosuffix"):
        (folder / name).touch()
    write_images(folder / "1_fakes", range(3))
    flags: dict[str, tuple[object, ...]] = {
        "run": ("--method", "chance", "--images", folder, "--out", tmp_path / "out"),
        "score": ("--method", "chance", folder),
    }
    given = flags.get(command, ("--images", folder, "--out", tmp_path / "out"))
    assert _main(command, *given) == 0
    assert "not read: 2 .jxl, 1 without suffix" in caplog.text
    assert ("images in no class folder: 3 1_fakes" in caplog.text) == (command != "score")


def _raw(folder: Path, name: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder whose name, places and files have bytes that are no UTF-8, one file damaged."""
    try:
        root = _raw(tmp_path, b"pictures \xff")
        for number, place in enumerate((b"a\xfe", b"b")):
            folder = _pictures(_raw(root, place), number)
            first = folder / "0_real/000.png" if number == 0 else folder / "0_real/001.png"
            first.rename(_raw(first.parent, b"\xe9t\xe9.png"))
        broken = _raw(_raw(root, b"a\xfe") / "1_fake", b"bad \xff.png")
        broken.write_bytes(b"no picture")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    return root


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("run", "--method", "chance", "--images"), 1),
        (("run", "--method", "chance", "--on-bad-image", "skip", "--images"), 0),
        (("check", "--images"), 3),
        (("check", "--json", "--deep", "--images"), 3),
        (("check", "--audit", "--images"), 3),
        (("score", "--method", "chance"), 3),
        (("score", "--method", "chance", "--json"), 3),
        (("score", "--method", "chance", "--csv"), 3),
    ],
)
def test_names_that_are_no_utf8_end_no_command(
    foreign: Path, tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    """In a process of its own: what is printed meets a real encoder there."""
    out = [] if command[0] == "score" else ["--out", str(tmp_path / "out")]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", "OMP_NUM_THREADS": "1"}
    done = program.run(*program.HARNESS, *command, foreign, *out, env=strict)
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed
    assert done.returncode == code, printed
    assert r"\xff" in printed
    if command[0] == "run":
        for record in load_records(tmp_path / "out"):
            canonical_json(dataclasses.asdict(record)).encode()
            assert {result.subset for result in record.subsets} == {r"a\xfe", "b"}


def test_features_of_places_whose_names_are_no_utf8_are_drawn(
    foreign: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    state = registry.detector("gap").build().state_dict()
    weights = tmp_path / "gap.safetensors"
    save_file({key: value.clone() for key, value in state.items()}, weights)
    flags = ("--images", foreign, "--preprocess", "native", "--on-bad-image", "skip")
    small = ("--perplexity", 5, "--resamples", 0, "--out", tmp_path / "out")
    assert _main("tsne", "--method", f"gap:{weights}", *flags, *small) == 0
    (data,) = (tmp_path / "out/tsne").glob("*.json")
    assert json.loads(data.read_text())["suite"] == own_name(foreign)
