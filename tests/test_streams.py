"""Whatever a name is made of and wherever output goes, a run does not end while printing."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest

from harness.errors import printable
from tests import program
from tests.conftest import noise, write_images

BYTES = "photo-\udce9-è-日本.png"  # the first letter is no UTF-8

WHERE = {
    "UTF-8": {"PYTHONIOENCODING": "utf-8:strict"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "LC_ALL=C": {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "no locale": {"LC_ALL": "", "LANG": ""},
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "photos"
    write_images(folder, range(2))
    data = io.BytesIO()
    Image.fromarray(noise(7)).save(data, "PNG")
    try:
        (folder / BYTES).write_bytes(data.getvalue())
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    return folder


def score(photos: Path, *flags: str, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    done = program.run(
        *program.HARNESS, "score", photos, "--method", "chance", *flags, text=False,
        env={**environment, "OMP_NUM_THREADS": "1", **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    encoding = variables.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    text: str = done.stdout.decode(encoding)  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("where", WHERE)
def test_every_picture_is_printed_whatever_its_name(photos: Path, where: str) -> None:
    text = score(photos, **WHERE[where])
    assert text.count(".png") == 3
    assert r"photo-\xe9-" in text


def test_json_and_csv_name_the_same_files(photos: Path) -> None:
    rows = json.loads(score(photos, "--json", **WHERE["ASCII"]))
    assert {Path(row["path"]).name for row in rows} == {printable(BYTES), "000.png", "001.png"}
    table = list(csv.DictReader(io.StringIO(score(photos, "--csv", **WHERE["UTF-8"]))))
    assert [row["path"] for row in table] == [row["path"] for row in rows]


def test_json_is_json_where_a_letter_cannot_be_printed(photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "é-日本-🦁"
    write_images(own / "0_real", range(3))
    write_images(own / "1_fake", range(3, 6))
    done = program.run(
        *program.HARNESS, "check", "--audit", "--json", "--images", own, "--out", tmp_path / "out",
        env={**os.environ, **WHERE["ASCII"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["suites"][0]["root"] == str(own)


def test_without_home_or_terminal_or_lzma(photos: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['_lzma'] = sys.modules['lzma'] = None; "
    code += "from harness.__main__ import main; sys.exit(main(sys.argv[1:]))"
    labelled = tmp_path / "own"
    write_images(labelled / "0_real", range(3))
    write_images(labelled / "1_fake", range(3, 6))
    words = ["run", "--method", "chance", "--images", labelled, "--out", tmp_path / "out"]
    done = program.run(
        sys.executable, "-c", code, *words, stdin=program.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 scores computed" in done.stderr
