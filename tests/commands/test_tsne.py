"""``python -m harness tsne``: from images to a picture with numbers beside it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.checkpoints.files import sha256_of
from harness.checkpoints.run_weights import RECORD, WEIGHTS
from harness.commands import _tsne as tsne_command
from harness.data.own import own_name
from harness.errors import UsageError
from harness.registry import detectors as registry
from harness.registry.suites import parse_selection
from harness.suites import mini
from tests.conftest import marked, write_images

Tsne = Callable[..., int]


def seeded(name: str, seed: int, path: Path) -> Path:
    torch.manual_seed(seed)
    state = registry.detector(name).build().state_dict()
    state = {key: value.clone() for key, value in state.items()}
    save_file(state, path, metadata=marked(name))
    return path


def trained_run(folder: Path, seed: int) -> None:
    """What ``train`` leaves, as far as weights are resolved from it."""
    folder.mkdir(parents=True)
    weights = seeded("gap", seed, folder / WEIGHTS)
    facts = {
        "detector": "gap",
        "variant": "",
        "seed": seed,
        "trained_on": "toy",
        "recipe": {},
        "scaling": "",
        "train": {"digest": "t"},
        "val": {"digest": "v"},
        "epochs": [{"val_ap": 0.5}],
        "weights_sha256": sha256_of(weights),
    }
    (folder / RECORD).write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Path]:
    return {
        name: seeded(name, seed, tmp_path / f"{name}.safetensors")
        for seed, name in enumerate(("lfm", "gap"))
    }


def test_names_that_are_markup_or_no_utf_8(tmp_path: Path, weights: dict[str, Path]) -> None:
    root = tmp_path / "data"
    for number, place in enumerate((b"a$x$", b"$\\frac$", b"c\xff")):
        folder = root / os.fsdecode(place)
        write_images(folder / "0_real", range(6))
        write_images(folder / "1_fake", range(100 + 10 * number, 106 + 10 * number))
    command = ["tsne", "--images", str(root), "--preprocess", "native", "--perplexity", "5"]
    command += ["--method", f"gap:{weights['gap']}", "--resamples", "20", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 0
    (svg,) = (tmp_path / "out/tsne").glob("*.svg")
    for shown in ("a$x$", "$\\frac$", "c\\xff"):
        assert f"<!-- {shown} -->" in svg.read_text(encoding="utf-8")


def test_reals_alone_are_refused_with_what_to_do(
    tmp_path: Path, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "data/0_real", range(6))
    command = ["tsne", "--images", str(tmp_path / "data"), "--method", f"gap:{weights['gap']}"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "no fakes" in capsys.readouterr().err


@pytest.fixture
def tsne(tmp_path: Path) -> Tsne:
    """The command on two places of 12 reals (shared) and 12 fakes each."""
    root = tmp_path / "data"
    for place, first in (("a", 100), ("b", 200)):
        write_images(root / place / "0_real", range(12))
        write_images(root / place / "1_fake", range(first, first + 12))

    def run(*flags: object) -> int:
        data = ("--images", root, "--preprocess", "native", "--out", tmp_path / "out")
        small = ("--perplexity", 8, "--resamples", 40)
        return main(["tsne", *map(str, (*data, *small, *flags))])

    return run


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "tsne").iterdir())}


def test_picture_numbers_and_text_agree(
    tsne: Tsne,
    weights: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    method = f"lfm:{weights['lfm']},gap:{weights['gap']}"
    with caplog.at_level("INFO"):
        assert tsne("--method", method) == 0
    printed = capsys.readouterr().out
    written = files(tmp_path / "out")
    name = f"tsne-{own_name(tmp_path / 'data')}"
    assert list(written) == [f"{name}.{e}" for e in ("json", "md", "pdf", "svg")]
    facts = json.loads(written[f"{name}.json"])
    assert [(r["detector"], r["dims"], r["images"]) for r in facts["rows"]] == [
        ("lfm", 1024, 36), ("gap", 64, 36)
    ]  # fmt: skip
    for row in facts["rows"]:
        assert row["probe_low"] <= row["probe"] <= row["probe_high"]
        for text in (printed, written[f"{name}.md"].decode()):
            assert f"{100 * row['probe']:.1f} [" in text
        assert (row["preprocess"], row["reals"], row["note"]) == ("native", 12, "")
    (gap,) = facts["differences"]
    values = [row["probe"] for row in facts["rows"]]
    assert gap["probe"] == pytest.approx(values[0] - values[1])
    assert "36 images" in facts["caption"]
    assert "12 reals" in facts["caption"]
    assert "LFM" in facts["alt"]
    assert facts["alt"] in written[f"{name}.md"].decode()
    assert "36 images embedded" in caplog.text
    assert tsne("--method", method) == 0  # again: not a byte differs
    assert files(tmp_path / "out") == written


def test_a_detector_without_vectors_is_named_and_the_others_go_on(
    tsne: Tsne, weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    assert tsne("--method", f"chance,gap:{weights['gap']}") == 1
    assert "chance offers no embedding" in caplog.text
    facts = json.loads(files(tmp_path / "out")[f"tsne-{own_name(tmp_path / 'data')}.json"])
    assert [row["detector"] for row in facts["rows"]] == ["gap"]
    assert tsne("--method", "chance") == 2
    assert "chance offers no embedding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--suite", "mini,gangen"), "one suite a picture"),
        (("--suite", "mini:gan", "--precision", "bf16"), "fp32"),
        (("--suite", "nothing"), "unknown suite 'nothing'"),
    ],
)
def test_what_cannot_be_asked_for(
    flags: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tsne", "--method", "gap", "--out", str(tmp_path), *flags]) == 2
    assert said in capsys.readouterr().err


def test_too_few_images_say_what_to_do(
    tsne: Tsne, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsne("--method", f"gap:{weights['gap']}", "--limit", 2) == 2
    error = capsys.readouterr().err
    assert "perplexity 8 needs more than 8 images, got 6" in error
    assert "--perplexity" in error


def test_training_seeds_share_a_column_and_a_mean(
    tsne: Tsne, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "trained"
    for seed in range(2):
        trained_run(trained / "gap" / f"seed{seed}", seed)
    assert tsne("--method", "gap", "--weights", trained) == 0
    facts = json.loads(files(tmp_path / "out")[f"tsne-{own_name(tmp_path / 'data')}.json"])
    assert [row["weights"] for row in facts["rows"]] == ["toy/seed0", "toy/seed1"]
    assert facts["drawn"] == ["gap:toy/seed0"]
    (mean,) = facts["means"]
    values = [row["probe"] for row in facts["rows"]]
    assert (mean["weights"], mean["seeds"]) == ("toy", 2)
    assert mean["probe"]["mean"] == pytest.approx(sum(values) / 2)
    assert mean["probe"]["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert "gap:toy, mean of 2 seeds" in capsys.readouterr().out


@pytest.mark.skipif(not (mini.DATA / "test_real.parquet").exists(), reason="no embedded data")
def test_mini_tells_photographs_and_its_controls_are_left_out(tmp_path: Path) -> None:
    (selection,) = parse_selection("mini:gan,mini:controls")
    args = argparse.Namespace(data_root=None, out=tmp_path, limit=0)
    found = tsne_command._images(selection, args)
    assert {image.subset.name for image in found} == {
        "gan_tconv", "gan_nearest", "cyclegan_vintage", "realesrgan_x4plus"
    }  # fmt: skip
    assert sum(not image.generator for image in found) == 150
    for image in found:
        assert image.sample.id.rsplit("/", 1)[1].startswith(f"{image.photograph}-")
    # What a fake was made from is in the same group as the fake.
    reals = {image.photograph for image in found if not image.generator}
    assert {image.photograph for image in found} == reals
    (controls,) = parse_selection("mini:controls")
    with pytest.raises(UsageError, match="controls"):
        tsne_command._images(controls, args)
