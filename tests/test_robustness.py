"""``python -m harness robustness``: one decoding, whatever the workers, and curves."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.commands.robustness import DEFAULT
from harness.data import decode, decodings
from harness.data.own import own_name
from harness.data.perturb import parse_perturbation, split_texts
from harness.data.preprocess import to_tensor
from harness.registry import detectors as registry
from harness.results.predictions import read_predictions
from harness.results.store import load_records
from tests.conftest import marked, write_images

TEXTS = "jpeg(50),noise(5),scale(0.5)|jpeg(75)"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_images(root / "0_real", range(6), 96, 96)
    write_images(root / "1_fake", range(100, 105), 96, 112)
    return root


@pytest.fixture(scope="session")
def lfm_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lfm.safetensors"
    detector = registry.detector("lfm").build()
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    save_file(state, path, metadata=marked("lfm"))
    return path


def robustness(images: Path, out: Path, *flags: object, method: str = "chance") -> int:
    common = ("robustness", "--method", method, "--images", images, "--out", out)
    return main([*map(str, common), *map(str, flags)])


def scores(out: Path) -> dict[tuple[str, str], dict[str, float]]:
    found = {}
    for path in out.glob("predictions/**/*.parquet"):
        kept = read_predictions(path)
        values = dict(zip(kept.ids, kept.scores.tolist(), strict=True))
        found[kept.key.detector, kept.key.perturbation] = values
    return found


def test_scores_are_those_of_a_plain_loop_whatever_workers_and_batches(
    images: Path, tmp_path: Path, lfm_weights: Path
) -> None:
    method = f"lfm:{lfm_weights}"
    common = ("--preprocess", "native", "--perturbations", TEXTS)
    found = []
    for number, flags in enumerate((("--workers", 1), ("--workers", 3), ("--batch-size", 4))):
        out = tmp_path / str(number)
        assert robustness(images, out, *common, *flags, method=method) == 0
        found.append(scores(out))
    assert found[0] == found[1]
    torch.manual_seed(0)
    detector = registry.detector("lfm").build()
    detector.module.eval()
    for (_, text), values in found[0].items():
        assert found[2]["lfm", text] == pytest.approx(values, abs=1e-4)
        for name, score in values.items():
            image = decode.decode((images / name).read_bytes(), name)
            pixels = parse_perturbation(text)(image, name)
            with torch.no_grad():
                plain = detector.score(to_tensor(pixels)[None]).item()
            assert score == pytest.approx(plain, abs=1e-4)
    assert {text for _, text in found[0]} == {"", "jpeg(50)", "noise(5.0)", "scale(0.5)|jpeg(75)"}


def test_a_picture_is_decoded_once_for_all(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lfm_weights: Path
) -> None:
    decoded: Counter[str] = Counter()
    plain = decodings.decode

    def counted(data: bytes, name: str) -> np.ndarray:
        decoded[name] += 1
        return plain(data, name)

    monkeypatch.setattr(decodings, "decode", counted)
    method = f"lfm:{lfm_weights},chance"
    assert robustness(images, tmp_path / "out", "--perturbations", TEXTS, method=method) == 0
    assert len(decoded) == 11
    assert set(decoded.values()) == {1}


def test_it_goes_on_where_it_stopped_and_draws_the_same_again(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    caplog.set_level("INFO")
    assert robustness(images, out, "--perturbations", "noise(5)") == 0
    first = scores(out)
    assert "22 scores computed, 0 were on disk" in caplog.text
    caplog.clear()
    assert robustness(images, out, "--perturbations", TEXTS) == 0
    assert "22 scores computed, 22 were on disk" in caplog.text
    assert first.items() <= scores(out).items()
    files = {p: p.read_bytes() for p in (out / "robustness").iterdir()}
    caplog.clear()
    assert robustness(images, out, "--perturbations", TEXTS) == 0
    assert "0 scores computed, 44 were on disk" in caplog.text
    assert files == {p: p.read_bytes() for p in (out / "robustness").iterdir()}
    assert {p.suffix for p in files} == {".svg", ".md", ".tex", ".html", ".csv"}


def test_equal_pictures_of_other_ids_draw_other_noise(images: Path, tmp_path: Path) -> None:
    """They share a score where nothing is drawn, and the order of the subsets decides nothing."""
    (images / "0_real" / "copy.png").write_bytes((images / "0_real" / "000.png").read_bytes())
    out = tmp_path / "out"
    assert robustness(images, out, "--perturbations", "noise(5),blur(1)") == 0
    found = scores(out)
    for text, same in (("", True), ("blur(1.0)", True), ("noise(5.0)", False)):
        values = found["chance", text]
        assert (values["0_real/000.png"] == values["0_real/copy.png"]) is same


def test_the_table_holds_every_text_with_its_interval(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert robustness(images, out, "--perturbations", TEXTS) == 0
    assert "reals flagged as fake" in capsys.readouterr().out
    with (out / "robustness" / f"robustness-{own_name(images)}.csv").open() as file:
        rows = list(csv.DictReader(file))
    ap = [row for row in rows if row["metric"] == "AP"]
    assert [row["column"] for row in ap] == [
        "first", "jpeg(50)", "noise(5.0)", "scale(0.5)|jpeg(75)"
    ]  # fmt: skip
    records = {record.perturbation: record for record in load_records(out)}
    for row in ap:
        text = "" if row["column"] == "first" else row["column"]
        metric = records[text].mean["ap"]
        assert float(row["value"]) == pytest.approx(100 * metric.value, abs=1e-3)
        assert float(row["low"]) == pytest.approx(100 * metric.low, abs=1e-3)
        assert float(row["high"]) == pytest.approx(100 * metric.high, abs=1e-3)


def test_checkpoints_of_one_detector_stand_beside_each_other(
    images: Path, tmp_path: Path, lfm_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    state = registry.detector("lfm").build().state_dict()
    other = tmp_path / "other.safetensors"
    state = {name: value.clone() for name, value in state.items()}
    save_file(state, other, metadata=marked("lfm"))
    both = f"lfm:{lfm_weights},lfm:{other}"
    assert robustness(images, tmp_path / "o", "--perturbations", "jpeg(50)", method=both) == 0
    shown = capsys.readouterr().out
    assert all(f"LFM ({name}" in shown for name in ("lfm.safetensors", "other.safetensors"))


def test_the_default_is_what_the_documents_promise() -> None:
    texts = [str(parse_perturbation(text)) for text in split_texts(DEFAULT)]
    assert len(texts) == len(set(texts)) == 16
    for wanted in ("jpeg(95)", "jpeg(30)", "webp(80)", "scale(1.5)", "blur(2.0)", "noise(5.0)"):
        assert wanted in texts


@pytest.mark.parametrize(
    ("texts", "said"),
    [("native", "names nothing"), ("jpg(90)", "unknown operation 'jpg'"), (",", "names nothing")],
)
def test_wrong_texts_are_usage_errors(
    images: Path, tmp_path: Path, texts: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert robustness(images, tmp_path / "out", "--perturbations", texts) == 2
    assert said in capsys.readouterr().err


def test_perturbed_records_stay_out_of_the_mini_tables(tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ["--method", "chance", "--suite", "mini:controls", "--limit", "2", "--out", str(out)]
    tables = ["tables", "--out", str(out), "--table", "mini-sets", "--to"]
    assert main(["run", *flags]) == 0
    assert main([*tables, str(tmp_path / "before")]) == 0
    assert main(["robustness", *flags, "--perturbations", "jpeg(50)"]) == 0
    assert main([*tables, str(tmp_path / "after")]) == 0
    for path in (tmp_path / "before").iterdir():
        assert path.read_bytes() == (tmp_path / "after" / path.name).read_bytes()
