"""Commands that take images take them out of an archive, and say of them what they say of files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.registry import detectors as registry
from tests.conftest import marked
from tests.sources import FORMS, folder, picture

IMAGES = {f"{name}/{i}.png": picture(10 * k + i, side=64)
          for k, name in enumerate(("0_real", "1_fake")) for i in range(4)}  # fmt: skip


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "gap.safetensors"
    state = registry.detector("gap").build().state_dict()
    save_file({key: value.clone() for key, value in state.items()}, path, metadata=marked("gap"))
    return f"gap:{path}"


COMMANDS = {
    "check": ["check", "--deep", "--json"],
    "audit": ["check", "--audit", "--json"],
    "run": ["run", "--resamples", "0"],
    "twin": ["run", "--twin", "png", "--resamples", "0"],
    "robustness": ["robustness", "--limit", "1", "--resamples", "0"],
}


def _said(place: Path, command: list[str], method: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints of a set, without where that lies and the folder it writes to."""
    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    detector = [] if command[0] == "check" else ["--method", method]
    assert main([*command, *detector, "--images", str(place), "--out", str(out)]) == 0
    return capsys.readouterr().out.replace(str(place), "PLACE")


@pytest.mark.parametrize("form", ["zip", "tar.gz", "Parquet", "WebDataset"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_the_same_of_packed_images(
    name: str, form: str, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = folder(IMAGES, tmp_path / "photos")
    plain = _said(given, COMMANDS[name], method, capsys)
    shutil.rmtree(given)
    packed = _said(FORMS[form](IMAGES, given), COMMANDS[name], method, capsys)
    if name in ("check", "audit"):
        (one,), (two,) = json.loads(plain)["suites"], json.loads(packed)["suites"]
        for audit in (one, two):
            for subset in audit["subsets"]:
                subset.pop("folder")
        assert one == two
    else:
        assert plain == packed
    assert len(plain) > 100


def test_score_and_explain_name_members(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = folder(IMAGES, tmp_path / "photos")
    packed = FORMS["zip"](IMAGES, tmp_path / "packed")
    assert main(["score", str(given), "--method", method, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["score", str(packed), "--method", method, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["score"] for row in found] == [row["score"] for row in plain]
    assert found[0]["path"] == f"{packed}::0_real/0.png"
    flags = ["explain", f"{packed}::1_fake/3.png", "--method", method, "--to"]
    assert main([*flags, str(tmp_path / "to")]) == 0
    (panel,) = json.loads((tmp_path / "to/index.json").read_text())["panels"]
    assert "packed.zip::1_fake/3.png" in json.dumps(panel)


def test_pages_show_thumbnails_out_of_an_archive(method: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    images = {f"BEGAN/{name}": data for name, data in IMAGES.items()}
    FORMS["zip"](images, tmp_path / "data/GANGen-Detection")
    flags = ["--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")]
    assert main(["run", "--method", method, "--suite", "gangen:began", *flags]) == 0
    assert main(["report", *flags, "--to", str(tmp_path / "page")]) == 0
    pages = [path.read_text() for path in (tmp_path / "page").rglob("*.html")]
    assert any("data:image/webp" in page for page in pages)
    assert any("zip GANGen-Detection.zip" in page for page in pages)
