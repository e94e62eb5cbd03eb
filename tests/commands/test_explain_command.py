"""``python -m harness explain``: panels, index and numbers; what goes wrong beside what goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness import registry
from harness.__main__ import main
from tests.conftest import marked, write_images


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """``lfm:FILE`` and ``gap:FILE``, with random weights."""
    found = {}
    for name in ("lfm", "gap"):
        torch.manual_seed(0)
        path = tmp_path / f"{name}.safetensors"
        state = registry.detector(name).build().state_dict()
        state = {key: value.clone() for key, value in state.items()}
        save_file(state, path, metadata=marked(name))
        found[name] = f"{name}:{path}"
    return found


def index(folder: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads((folder / "index.json").read_text())
    return found


def test_pictures_become_panels_with_their_numbers(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in", range(2), 64, 80)
    command = ["explain", str(tmp_path / "in"), "--method", f"{weights['lfm']},{weights['gap']}"]
    command += ["--preprocess", "native", "--out", str(tmp_path / "runs")]
    assert main(command) == 0
    folder = tmp_path / "runs" / "explain"
    found = index(folder)
    assert [Path(str(entry["picture"])).name for entry in found["panels"]] == ["000.png", "001.png"]
    rows = found["panels"][0]["rows"]
    assert [(row["detector"], row["kind"]) for row in rows] == [
        ("lfm", "grad-cam"), ("lfm", "exact"), ("gap", "grad-cam"), ("gap", "exact")
    ]  # fmt: skip
    assert sum(mean["out_of"] for mean in found["focus"]) == 2 * 4
    assert {each["first"].split(":")[0] for each in found["differences"]} <= {"lfm"}
    for entry in found["panels"]:
        assert "lfm" in entry["alt"] and "exact map" in entry["alt"]
        assert (folder / entry["file"]).read_bytes().startswith(b"<?xml")
        assert (folder / entry["file"]).with_suffix(".pdf").is_file()
    printed = capsys.readouterr().out
    assert "mean focus %" in printed and f"{rows[0]['score']:.2f}" in printed
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(command) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_scores_and_decisions_are_those_of_the_score_command(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in", range(1), 64, 80)
    path = str(tmp_path / "in" / "000.png")
    assert main(["score", path, "--method", weights["lfm"], "--json"]) == 0
    (scored,) = json.loads(capsys.readouterr().out)
    assert main(["explain", path, "--method", weights["lfm"], "--to", str(tmp_path / "to")]) == 0
    (entry,) = index(tmp_path / "to")["panels"]
    for row in entry["rows"]:
        assert row["score"] == pytest.approx(scored["score"], abs=1e-4)
        assert row["decision"] == scored["decision"]
        assert row["threshold"] == scored["threshold"]


def test_a_suite_is_spread_over_and_shared_reals_come_once(
    tmp_path: Path, weights: dict[str, str]
) -> None:
    folder = tmp_path / "to"
    command = ["explain", "--suite", "mini:gan_tconv,mini:ffd_diff50", "--limit", "2"]
    command += ["--panels", "3", "--method", weights["gap"], "--to", str(folder)]
    assert main([*command, "--out", str(tmp_path / "runs")]) == 0
    found = index(folder)
    labels = [entry["label"] for entry in found["panels"]]
    assert labels == ["real (photo)", "fake (gan_tconv)", "fake (ffd_diff50)"]
    for kind in ("grad-cam", "exact"):
        means = [mean for mean in found["focus"] if mean["kind"] == kind]
        assert sum(mean["out_of"] for mean in means if mean["of"] == "real") == 2
        assert sum(mean["out_of"] for mean in means if mean["of"] == "fake") == 4


def test_a_bad_picture_does_not_stop_the_others(
    tmp_path: Path, weights: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    write_images(tmp_path / "in", range(1), 64, 64)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    write_images(tmp_path / "odd", range(1), 51, 51)
    command = ["explain", str(tmp_path / "in"), str(tmp_path / "odd"), "--preprocess", "native"]
    command += ["--method", weights["lfm"], "--to", str(tmp_path / "to")]
    assert main(command) == 3
    assert len(index(tmp_path / "to")["panels"]) == 1
    assert "broken.png" in caplog.text
    assert "is 51x51" in caplog.text


def test_a_detector_without_maps_does_not_stop_the_others(
    tmp_path: Path, weights: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    write_images(tmp_path / "in", range(1), 64, 64)
    command = ["explain", str(tmp_path / "in"), "--preprocess", "native"]
    command += ["--to", str(tmp_path / "to"), "--method"]
    assert main([*command, f"chance,{weights['gap']},npr:{tmp_path / 'x' / 'absent'}"]) == 1
    (entry,) = index(tmp_path / "to")["panels"]
    assert {row["detector"] for row in entry["rows"]} == {"gap"}
    assert "chance: it offers no map of the picture: it is no torch network" in caplog.text
    assert "weights missing" in caplog.text


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--method", "chance"], 2, "no torch network"),
        (["--method", "GAP", "--layer", "network.cnn.layr4"], 2, "'network.cnn.layer4'"),
        (["--method", "GAP", "--suite", "mini"], 2, "say what to explain"),
        (["--method", "gpa"], 2, "unknown detector"),
        (["--method", "GAP", "--preprocess", "resise(8,8)"], 2, "resise"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(
    more: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    weights: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_images(tmp_path / "in", range(1), 64, 64)
    more = [weights["gap"] if word == "GAP" else word for word in more]
    assert main(["explain", str(tmp_path / "in"), "--to", str(tmp_path / "to"), *more]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_an_absent_picture_is_an_error(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["explain", str(tmp_path / "none.png"), "--method", weights["gap"]]
    assert main([*command, "--to", str(tmp_path / "to")]) == 3
    assert "none.png" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_the_layer_can_be_chosen(tmp_path: Path, weights: dict[str, str]) -> None:
    write_images(tmp_path / "in", range(1), 64, 64)
    command = [
        "explain",
        str(tmp_path / "in"),
        "--method",
        weights["gap"],
        "--preprocess",
        "native",
    ]
    command += ["--layer", "network.cnn.layer1", "--to", str(tmp_path / "to")]
    assert main(command) == 0
    (entry,) = index(tmp_path / "to")["panels"]
    assert entry["rows"][0]["layer"] == "network.cnn.layer1"
    assert np.isfinite(entry["rows"][0]["score"])


def test_without_the_extra_nothing_is_begun(
    tmp_path: Path,
    weights: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    assert main(["explain", str(tmp_path / "x.png"), "--method", weights["gap"]]) == 2
    assert "pip install -e '.[explain]'" in capsys.readouterr().err
