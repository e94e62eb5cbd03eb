"""``python -m harness explain``: panels, index and numbers; what goes wrong beside what goes on."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.__main__ import main
from harness.registry import detectors as registry
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
        assert (folder / entry["file"]).with_suffix(".png").is_file()
        assert "tmp" not in str(entry["file"])
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


@pytest.mark.slow
def test_subsets_that_repeat_their_ids_keep_all_their_pictures(
    tmp_path: Path, weights: dict[str, str]
) -> None:
    """Official suites do: ``0_real/000.png`` lies in each subset, with another picture."""
    for number, subset in enumerate(("dalle", "glide_100_10", "glide_100_27")):
        for label, name in enumerate(("0_real", "1_fake")):
            first = 100 * number + 10 * label
            folder = tmp_path / "UniversalFakeDetect" / subset / name
            for seed in range(first, first + 2):
                write_images(tmp_path / "one", range(seed, seed + 1), 64, 64)
                folder.mkdir(parents=True, exist_ok=True)
                (tmp_path / f"one/{seed:03d}.png").rename(folder / f"{seed - first:03d}.png")
    command = ["explain", "--suite", "ufd:dalle,ufd:glide_100_10,ufd:glide_100_27"]
    command += ["--data-root", str(tmp_path), "--method", weights["gap"], "--panels", "99"]
    assert main([*command, "--to", str(tmp_path / "to"), "--out", str(tmp_path / "runs")]) == 0
    found = index(tmp_path / "to")
    assert len(found["panels"]) == 12
    assert len({entry["picture"] for entry in found["panels"]}) == 12
    assert len({entry["file"] for entry in found["panels"]}) == 12
    assert len(list((tmp_path / "to").glob("*.svg"))) == 12
    exact = [mean for mean in found["focus"] if mean["kind"] == "exact"]
    assert sum(mean["out_of"] for mean in exact) == 12
    names = [str(entry["picture"]) for entry in found["panels"]]
    assert names[0] == "ufd/dalle/0_real/000.png"


def test_a_picture_that_is_named_is_drawn_and_nothing_is_measured_twice(
    tmp_path: Path, weights: dict[str, str]
) -> None:
    write_images(tmp_path / "in", range(9), 64, 64)
    write_images(tmp_path / "other", range(20, 21), 64, 64)
    named = [tmp_path / "other" / "020.png", tmp_path / "in" / "004.png"]
    paths = [tmp_path / "in", *named]
    command = ["explain", *map(str, paths), "--panels", "3", "--preprocess", "native"]
    assert main([*command, "--method", weights["gap"], "--to", str(tmp_path / "to")]) == 0
    found = index(tmp_path / "to")
    drawn = {str(entry["picture"]) for entry in found["panels"]}
    assert len(drawn) == len(found["panels"]) == 3
    assert drawn > set(map(str, named))
    exact = [mean for mean in found["focus"] if mean["kind"] == "exact"]
    assert sum(mean["out_of"] for mean in exact) == 10


def test_names_that_are_markup_or_no_utf_8(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"f\xfe")
    names = [b"a$b$c.png", b"$\\frac$.png", b"x\xff.png"]
    write_images(folder, range(len(names)), 64, 64)
    for number, name in enumerate(names):
        (folder / f"{number:03d}.png").rename(folder / os.fsdecode(name))
    command = ["explain", str(folder), "--preprocess", "native", "--method", weights["gap"]]
    assert main([*command, "--to", str(tmp_path / "to")]) == 0
    assert "x\\xff.png" in capsys.readouterr().out
    files = [str(entry["file"]) for entry in index(tmp_path / "to")["panels"]]
    assert len(set(files)) == 3
    assert all(file.isascii() for file in files)
    assert any("<!-- a$b$c.png -->" in (tmp_path / "to" / file).read_text() for file in files)


def test_weights_that_give_nan_name_the_picture_and_the_next_step(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gap.safetensors"
    state = load_file(path)
    state["cnn.layer4.1.weight"].fill_(float("nan"))
    save_file(state, path)
    write_images(tmp_path / "in", range(1), 64, 64)
    write_images(tmp_path / "set/0_real", range(2), 64, 64)
    write_images(tmp_path / "set/1_fake", range(2, 4), 64, 64)
    common = ["--method", weights["gap"], "--preprocess", "native", "--out", str(tmp_path / "o")]
    for command, place in (
        (["explain", str(tmp_path / "in")], "in/000.png"),
        (["run", "--images", str(tmp_path / "set")], "set/0_real/000.png"),
        (["tsne", "--images", str(tmp_path / "set"), "--perplexity", "2"], "set/0_real/000.png"),
    ):
        assert main([*command, *common]) != 0, command
        said = capsys.readouterr()
        text = said.out + said.err
        assert place in text and "not finite" in text, command
        assert "take another checkpoint" in text, command


def test_dashes_have_a_reason(
    tmp_path: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in", range(1), 64, 64)
    command = ["explain", str(tmp_path / "in"), "--preprocess", "native", "--method"]
    assert main([*command, weights["gap"], "--to", str(tmp_path / "to")]) == 0
    printed = capsys.readouterr().out
    assert ("95 % -: one picture gives no interval" in printed) or ("focus -: " in printed)


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
    assert main([*command, "--to", str(tmp_path / "to")]) == 2
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
