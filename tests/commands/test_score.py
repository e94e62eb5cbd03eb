"""``python -m harness score``: single pictures, good and bad."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.data.decode import decode
from harness.data.preprocess import parse, to_tensor
from harness.registry import detectors as registry
from tests.conftest import marked, write_images


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    detector = registry.detector("lfm").build()
    path = tmp_path / "w.safetensors"
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    save_file(state, path, metadata=marked("lfm"))
    return path


def test_each_picture_gets_score_decision_and_threshold(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in" / "a b", range(3), 60, 90)
    (tmp_path / "in" / "broken é.png").write_bytes(b"")
    command = ["score", str(tmp_path / "in"), "--method", f"lfm:{weights}"]
    assert main([*command, "--json"]) == 3
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in rows] == [
        "000.png", "001.png", "002.png", "broken é.png"
    ]  # fmt: skip
    assert rows[3]["score"] is None
    assert "broken é.png" in rows[3]["error"]
    torch.manual_seed(0)
    detector = registry.detector("lfm").build()
    detector.module.eval()
    for row in rows[:3]:
        image = decode(Path(row["path"]).read_bytes(), "x")
        expected = detector.score(to_tensor(parse("resize(256,256)")(image))[None]).item()
        assert row["score"] == pytest.approx(expected, abs=1e-4)
        assert row["decision"] == ("fake" if expected > 0 else "real")
        assert row["threshold"] == 0
    assert main([*command, "--csv"]) == 3
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["score"]) for row in table[:3]] == [row["score"] for row in rows[:3]]


def test_one_file_needs_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path, range(1))
    assert main(["score", str(tmp_path / "000.png"), "--method", "chance"]) == 0
    assert "000.png" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["absent.png", "."])
def test_nothing_to_score_is_a_usage_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(tmp_path / name), "--method", "chance"]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_size_that_the_detector_cannot_take_is_that_rows_error(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in", range(1), 50, 51)
    command = ["score", str(tmp_path / "in"), "--method", f"lfm:{weights}"]
    assert main([*command, "--preprocess", "native", "--json"]) == 3
    (row,) = json.loads(capsys.readouterr().out)
    assert "000.png is 51x50" in row["error"]
