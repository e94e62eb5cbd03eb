"""Somebody's function is a detector: what it takes, what it may do, what it may not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.results.predictions import read_predictions
from harness.results.reservations import reservations
from harness.results.store import load_records
from tests import program
from tests.conftest import CHECKOUT, write_images

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
DECLARED = ("--kind", "uncalibrated", "--threshold", "100")
CODE = """
import os, sys
from pathlib import Path
import numpy as np
from PIL import Image

def mean(image):
    return np.asarray(image).mean()

def means(images):
    return [mean(image) for image in images]

def path_mean(path):
    with Image.open(path) as image:
        return mean(image.convert("RGB"))

def path_means(paths):
    return np.array([path_mean(path) for path in paths])

def loud(image):
    print("a line of its own")
    os.write(1, b"and one below Python\\n")
    return mean(image)

def wanders(image):
    os.chdir("/")
    return mean(image)

def nothing(image):
    return float("nan")

def percent(image):
    return 100 * mean(image) / 255

def ends(image):
    os._exit(3)

def word(image):
    return "fake"

def told(path):
    return 255.0 * ("1_fake" in str(path) or "fake" in Path(path).name)

calls = []
def unsteady(image):
    calls.append(1)
    return mean(image) + len(calls)

def fails_on_dark(image):
    if mean(image) < 60:
        raise ValueError("too dark for me")
    return mean(image)

def fails_in_list(images):
    return [fails_on_dark(image) for image in images]

number = 7
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``mine.py`` and four images, one of them dark."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    write_images(tmp_path / "photos" / "0_real", range(2))
    write_images(tmp_path / "photos" / "1_fake", range(2, 4))
    Image.new("RGB", (64, 64), (20, 20, 20)).save(tmp_path / "photos" / "1_fake" / "dark.png")
    return tmp_path


def run(*more: str, method: str = "mine.py:mean", out: str = "runs") -> int:
    arguments = ["run", "--method", method, "--images", "photos", "--out", out, "--resamples", "0"]
    return main([*arguments, *more])


def scores(folder: Path) -> dict[str, float]:
    (file,) = (folder / "predictions").rglob("*.parquet")
    kept = read_predictions(file)
    return dict(zip(kept.ids, kept.scores.tolist(), strict=True))


def expected(folder: Path) -> dict[str, float]:
    files = (folder / "photos").rglob("*.png")
    found = {}
    for file in files:
        with Image.open(file) as image:
            found[f"{file.parent.name}/{file.name}"] = float(np.asarray(image).mean())
    return found


@pytest.mark.parametrize(
    ("name", "takes"),
    [("mean", "image"), ("means", "images"), ("path_mean", "path"), ("path_means", "paths")],
)
def test_what_it_takes_it_gets(place: Path, name: str, takes: str) -> None:
    assert run(*DECLARED, "--takes", takes, method=f"mine.py:{name}") == 0
    assert scores(place / "runs") == pytest.approx(expected(place))


@pytest.mark.parametrize("name", ["loud", "wanders"])
def test_what_it_does_stays_with_it(
    place: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*DECLARED, "--takes", "image", method=f"mine.py:{name}") == 0
    assert scores(place / "runs") == pytest.approx(expected(place))
    assert Path.cwd() == place
    assert "of its own" not in capfd.readouterr().out


def test_json_is_json_whatever_it_prints(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = "photos/0_real/000.png"
    arguments = [
        "score",
        "--method",
        "mine.py:loud",
        "--takes",
        "image",
        *DECLARED,
        "--json",
        image,
    ]
    assert main(arguments) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert row["score"] == pytest.approx(expected(place)["0_real/000.png"])
    assert row["threshold"] == 100


def test_a_record_says_where_it_comes_from(place: Path) -> None:
    assert run(*DECLARED, "--takes", "image") == 0
    (record,) = load_records(place / "runs")
    assert record.origin is not None
    assert (record.origin.kind, record.origin.place) == ("function", "mine.py:mean")
    assert (record.threshold, record.score_kind) == (100, "uncalibrated")
    assert "sha256 of mine.py" in record.origin.facts


def test_other_code_is_another_detector(place: Path) -> None:
    assert run(*DECLARED, "--takes", "image") == 0
    before = set((place / "runs" / "predictions").rglob("*.parquet"))
    (place / "mine.py").write_text(CODE.replace(".mean()", ".mean() / 2"))
    words = ("run", "--method", "mine.py:mean", "--images", "photos", "--resamples", "0")
    command = (*program.HARNESS, *words, "--takes", "image", *DECLARED)
    again = program.run(*command, cwd=place, env=ENVIRONMENT)
    assert again.returncode == 0, again.stderr
    (new,) = set((place / "runs" / "predictions").rglob("*.parquet")) - before
    kept = read_predictions(new)
    found = dict(zip(kept.ids, kept.scores.tolist(), strict=True))
    assert found == pytest.approx({name: value / 2 for name, value in expected(place).items()})


@pytest.mark.parametrize(
    ("name", "takes"), [("fails_on_dark", "image"), ("fails_in_list", "images")]
)
@pytest.mark.parametrize("batch", ["1", "4"])
def test_an_exception_is_an_error_of_its_image(
    place: Path, name: str, takes: str, batch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*DECLARED, "--takes", takes, "--batch-size", batch)
    assert run(*flags, method=f"mine.py:{name}") == 1
    assert "dark.png: py-mine-" in (said := capsys.readouterr().err)
    assert "ValueError: too dark for me" in said
    assert run(*flags, "--on-bad-image", "skip", method=f"mine.py:{name}", out="other") == 0
    whole = expected(place)
    del whole["1_fake/dark.png"]
    assert scores(place / "other") == pytest.approx(whole)
    (record,) = load_records(place / "other")
    assert record.subsets[0].skipped == ("1_fake/dark.png",)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("nothing", "logit", "is not finite"),
        ("percent", "probability", "a probability is between 0 and 1"),
        ("ends", "logit", "its process ended with exit code 3"),
        ("word", "logit", "gave 'fake', expected a number"),
    ],
)
def test_what_is_no_score_is_none(
    place: Path, name: str, kind: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kind", kind, "--takes", "image", method=f"mine.py:{name}") != 0
    assert said in capsys.readouterr().err
    assert not list((place / "runs" / "predictions").rglob("*.parquet"))


def test_the_name_of_a_file_tells_nothing(place: Path) -> None:
    assert run(*DECLARED, "--takes", "path", method="mine.py:told") == 0
    assert set(scores(place / "runs").values()) == {0.0}


def test_scores_that_do_not_repeat_are_marked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DECLARED, "--takes", "image", method="mine.py:unsteady") == 0
    assert "not deterministic: " in capsys.readouterr().out
    (record,) = load_records(place / "runs")
    said = [each.text for each in reservations(record, record.subsets[0])]
    assert any("for one picture" in text for text in said)


def test_lower_may_be_fake(place: Path) -> None:
    assert run(*DECLARED, "--takes", "image", "--lower-is-fake") == 0
    (record,) = load_records(place / "runs")
    assert record.threshold == -100
    turned = {name: -value for name, value in expected(place).items()}
    assert scores(place / "runs") == pytest.approx(turned)


@pytest.mark.parametrize(
    ("method", "flags", "said"),
    [
        ("mine.py:mean", ("--takes", "image"), "a logit, a probability or uncalibrated"),
        ("mine.py:mean", ("--kind", "logit"), "does it take a path, a PIL picture"),
        (
            "mine.py:mean",
            ("--kind", "uncalibrated", "--takes", "image"),
            "no threshold is declared",
        ),
        ("mine.py:number", DECLARED, "is a int, expected a function"),
        ("mine.py:absent", DECLARED, "has no 'absent'; it has "),
        ("mine.py", DECLARED, "has no DetectorSpec: say mine.py:FUNCTION"),
        ("other.py:mean", DECLARED, "there is no file other.py"),
    ],
)
def test_what_is_not_said_is_not_guessed(
    place: Path, method: str, flags: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*flags, method=method) == 2
    assert said in capsys.readouterr().err


def test_attributes_declare_as_flags_do_and_must_not_differ(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = "mean.kind, mean.threshold, mean.takes = 'uncalibrated', 100, 'image'\n"
    (place / "says.py").write_text(CODE + declared)
    assert run(method="says.py:mean") == 0
    assert scores(place / "runs") == pytest.approx(expected(place))
    assert run("--threshold", "5", method="says.py:mean", out="other") == 2
    assert "--threshold says 5.0, its own attribute 100" in capsys.readouterr().err


def test_files_that_it_names_are_part_of_it(place: Path) -> None:
    digests = []
    for content in ("one", "two"):
        (place / "weights.bin").write_text(content)
        name = f"{content}.py"
        said = "mean.kind, mean.takes, mean.files = 'logit', 'image', ['weights.bin']\n"
        (place / name).write_text(CODE + said)
        assert run(method=f"{name}:mean", out=content) == 0
        (record,) = load_records(place / content)
        assert record.origin is not None
        digests.append(record.origin.facts["sha256 of weights.bin"])
    assert digests[0] != digests[1]


def test_a_file_is_not_given_another_geometry(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*DECLARED, "--takes", "path", "--preprocess", "resize(8,8)")
    assert run(*flags, method="mine.py:path_mean") == 2
    assert "takes whole files" in capsys.readouterr().err


def test_contract_finds_what_does_not_repeat(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "unsteady.kind, unsteady.takes = 'logit', 'image'\n"
    text += "path_mean.kind, path_mean.takes = 'logit', 'path'\n"
    (place / "steady.py").write_text(CODE + text)
    assert main(["dev", "contract", "steady.py:path_mean"]) == 0
    capsys.readouterr()
    assert main(["dev", "contract", "steady.py:unsteady"]) == 4
    assert "gives other scores the second time" in capsys.readouterr().out
