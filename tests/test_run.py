"""``python -m harness run`` from files to records: the whole pipeline on small folders."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.__main__ import main
from harness.registry import detectors as registry
from harness.results.predictions import read_predictions
from harness.results.store import load_records
from tests import program
from tests.conftest import marked, noise, write_images


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two places with 0_real/1_fake; ``b`` repeats a real of ``a``."""
    root = tmp_path / "data"
    for place, first in (("a", 0), ("b", 6)):
        write_images(root / place / "0_real", range(first, first + 7))
        write_images(root / place / "1_fake", range(first + 100, first + 105), 64, 80)
    return root


@pytest.fixture(scope="session")
def lfm_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LFM with seeded random weights: real scores, no download."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lfm.safetensors"
    detector = registry.detector("lfm").build()
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    save_file(state, path, metadata=marked("lfm"))
    return path


def harness(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def scores(out: Path) -> dict[str, dict[str, float]]:
    """``detector/subset`` -> image id -> score."""
    found = {}
    for path in sorted(out.glob("predictions/**/*.parquet")):
        kept = read_predictions(path)
        values = dict(zip(kept.ids, kept.scores.tolist(), strict=True))
        found[f"{kept.key.detector}/{kept.key.subset}"] = values
    return found


def test_a_run_leaves_predictions_records_and_a_table(
    images: Path, tmp_path: Path, lfm_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    flags = ("--images", images, "--preprocess", "native", "--out", out)
    assert harness("--method", f"lfm:{lfm_weights},chance", *flags) == 0
    printed = capsys.readouterr().out
    assert "lfm:lfm.safetensors" in printed
    assert "chance" in printed
    records = {record.detector: record for record in load_records(out)}
    record = records["lfm"]
    assert [result.subset for result in record.subsets] == ["a", "b"]
    assert [(r.n_real, r.n_fake, r.status) for r in record.subsets] == [(7, 5, "ok")] * 2
    assert record.preprocess == "native"
    assert record.published_preprocess == "resize(256,256)"
    assert record.weights.sha256
    assert record.environment["runtime"] == "torch"
    kept = read_predictions(out / record.subsets[0].predictions)
    accuracy = np.mean((kept.scores > 0) == kept.labels)
    assert record.subsets[0].metrics["acc"].value == pytest.approx(accuracy)
    accuracies = [result.metrics["acc"].value for result in record.subsets]
    assert record.mean["acc"].value == pytest.approx(np.mean(accuracies))


def test_scores_are_those_of_a_plain_loop(images: Path, tmp_path: Path, lfm_weights: Path) -> None:
    out = tmp_path / "out"
    assert harness("--method", f"lfm:{lfm_weights}", "--images", images, "--out", out) == 0
    torch.manual_seed(0)
    detector = registry.detector("lfm").build()
    detector.module.eval()
    for name, score in scores(out)["lfm/a"].items():
        picture = Image.open(images / "a" / name).convert("RGB").resize((256, 256), 2)
        tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            assert score == pytest.approx(detector.score(tensor).item(), abs=1e-4)


def test_a_second_run_computes_nothing_and_leaves_every_byte(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flags = ("--method", "chance", "--images", images, "--out", tmp_path / "out")
    assert harness(*flags) == 0
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*.parquet")}
    caplog.set_level("INFO")
    assert harness(*flags) == 0
    assert "0 scores computed, 24 were on disk" in caplog.text
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in before}


def test_order_workers_and_batches_change_scores_within_float_rounding_only(
    images: Path, tmp_path: Path, lfm_weights: Path
) -> None:
    common = ("--method", f"lfm:{lfm_weights},chance", "--images", images, "--preprocess", "native")
    found = []
    for number, flags in enumerate(
        (("--workers", 1), ("--workers", 3), ("--batch-size", 4), ("--batch-size", 5))
    ):
        out = tmp_path / str(number)
        assert harness(*common, *flags, "--out", out) == 0
        found.append(scores(out))
    assert found[0] == found[1]  # one image a forward pass: no dependence on threads at all
    for other in found[2:]:
        for cell, values in found[0].items():
            assert other[cell] == pytest.approx(values, abs=1e-4)


def test_a_picture_in_two_subsets_is_scored_once(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert harness("--method", "chance", "--images", images, "--out", tmp_path / "out") == 0
    assert "23 scores computed, 1 were on disk" in caplog.text  # a's last real is b's first


def test_equal_checkpoints_share_one_scoring(
    images: Path, tmp_path: Path, lfm_weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(lfm_weights.read_bytes())
    caplog.set_level("INFO")
    methods = f"lfm:{lfm_weights},lfm:{copy}"
    flags = ("--images", images, "--preprocess", "native", "--out", tmp_path / "out")
    assert harness("--method", methods, *flags) == 0
    assert "23 scores computed, 25 were on disk" in caplog.text
    one, two = load_records(tmp_path / "out")
    assert one.weights.label != two.weights.label
    assert one.subsets == two.subsets


def test_limit_marks_results_partial_and_leaves_the_mean_open(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert harness("--method", "chance", "--images", images, "--limit", 2, "--out", out) == 0
    (record,) = load_records(out)
    assert [(r.status, r.n_real, r.n_fake) for r in record.subsets] == [("partial", 2, 2)] * 2
    assert record.mean == {}


def test_limit_takes_images_from_the_whole_list_and_not_its_beginning(tmp_path: Path) -> None:
    """Lists are sorted: the first images are those of one scene, one video, one folder."""
    write_images(tmp_path / "data" / "0_real", range(12))
    write_images(tmp_path / "data" / "1_fake", range(100, 105))
    flags = ("--images", tmp_path / "data", "--out", tmp_path / "out")
    assert harness("--method", "chance", *flags, "--limit", 3) == 0
    (taken,) = scores(tmp_path / "out").values()
    numbers = sorted(int(Path(name).stem) for name in taken)
    assert numbers == [0, 4, 8, 100, 101, 103]


def test_an_unreadable_image_fails_its_subset_and_the_rest_goes_on(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "a" / "0_real" / "003.png").write_bytes(b"this is text")
    flags = ("--method", "chance", "--images", images, "--out", tmp_path / "out")
    assert harness(*flags) == 1
    assert "003.png" in capsys.readouterr().err
    (record,) = load_records(tmp_path / "out")
    assert [result.status for result in record.subsets] == ["failed", "ok"]
    assert "003.png" in record.subsets[0].error
    assert "a" in (record.mean["acc"].note)
    assert record.mean["acc"].value is None


def test_bad_images_can_be_left_out_and_are_listed(images: Path, tmp_path: Path) -> None:
    (images / "a" / "0_real" / "003.png").write_bytes(b"this is text")
    out = tmp_path / "out"
    flags = ("--method", "chance", "--images", images, "--out", out)
    assert harness(*flags, "--on-bad-image", "skip") == 0
    (record,) = load_records(out)
    assert record.subsets[0].skipped == ("0_real/003.png",)
    assert record.subsets[0].n_real == 6


def test_a_size_that_a_detector_cannot_take_names_file_and_size(
    images: Path, tmp_path: Path, lfm_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(noise(0, 33, 47)).save(images / "b" / "1_fake" / "odd.png")
    flags = ("--images", images, "--preprocess", "native", "--out", tmp_path / "out")
    assert harness("--method", f"lfm:{lfm_weights},chance", *flags) == 1
    message = capsys.readouterr().err
    assert "odd.png is 47x33" in message
    assert "multiple of 2" in message
    statuses = {r.detector: [s.status for s in r.subsets] for r in load_records(tmp_path / "out")}
    assert statuses == {"lfm": ["ok", "failed"], "chance": ["ok", "ok"]}


def test_a_detector_without_weights_is_recorded_and_the_rest_goes_on(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--images", images, "--out", tmp_path / "out")
    assert harness("--method", "gap,chance", *flags) == 1
    assert "harness train --method gap" in capsys.readouterr().err
    statuses = {r.detector: [s.status for s in r.subsets] for r in load_records(tmp_path / "out")}
    assert statuses == {"gap": ["missing", "missing"], "chance": ["ok", "ok"]}
    assert harness("--method", "gap", *flags) == 3


def test_overwrite_policies(images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = images / "a" / "0_real" / "003.png"
    good = bad.read_bytes()
    bad.write_bytes(b"text")
    flags = ("--method", "chance", "--images", images, "--out", tmp_path / "out")
    caplog.set_level("INFO")
    assert harness(*flags) == 1
    for policy, computed in (("never", 0), ("missing", 0), ("always", 15)):
        caplog.clear()
        assert harness(*flags, "--overwrite", policy) == 1
        assert f"{computed} scores computed" in caplog.text
    bad.write_bytes(good)
    assert harness(*flags) == 0


def scores_in(journal: Path) -> int:
    """Whole lines of scores."""
    lines = journal.read_bytes().split(b"\n")[:-1]
    return sum(line[:1].isdigit() for line in lines)


@pytest.mark.slow
def test_kill_and_run_again(images: Path, tmp_path: Path, lfm_weights: Path) -> None:
    """SIGKILL in the middle of a subset: the next run scores only the rest; the bytes are those
    of a run that nobody disturbed."""
    folder = images / "a"
    write_images(folder / "0_real", range(200, 260), 256, 256)
    command = [*program.HARNESS, "run", "--method", f"lfm:{lfm_weights}",
               "--images", folder, "--workers", "1"]  # fmt: skip
    out = tmp_path / "killed"
    with program.started(*command, "--out", out, stderr=subprocess.DEVNULL) as child:
        done = 0
        deadline = time.monotonic() + program.DEADLINE_S
        while done < 10 and time.monotonic() < deadline:
            assert child.poll() is None, "it ended before it was killed"
            time.sleep(0.01)
            journals = list(out.glob("predictions/**/*.journal"))
            done = scores_in(journals[0]) if journals else 0
        child.send_signal(signal.SIGKILL)
        child.wait()
    (journal,) = out.glob("predictions/**/*.journal")
    kept = scores_in(journal)
    assert 10 <= kept < 72
    assert not list(out.glob("predictions/**/*.parquet"))
    again = program.run(*command, "--out", out)
    assert again.returncode == 0, again.stderr
    assert f"{72 - kept} scores computed, {kept} were on disk" in again.stderr
    whole = tmp_path / "whole"
    assert program.run(*command, "--out", whole).returncode == 0
    (one,) = out.glob("predictions/**/*.parquet")
    (two,) = whole.glob("predictions/**/*.parquet")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_rescore_needs_no_images(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert harness("--method", "chance", "--images", images, "--out", out) == 0
    (path,) = out.glob("results/*/*.json")
    before = path.read_bytes()
    spoiled = json.loads(before)
    spoiled["subsets"][0]["metrics"] = {}
    spoiled["mean"] = {}
    path.write_text(json.dumps(spoiled))
    for image in images.rglob("*.png"):
        image.unlink()
    assert main(["rescore", "--out", str(out)]) == 0
    assert path.read_bytes() == before


def test_config_file_is_below_typed_flags_and_its_unknown_keys_are_errors(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'method = ["chance"]\nimages = "{images}"\nlimit = 1\n')
    assert harness("--config", config, "--limit", 2, "--out", tmp_path / "out") == 0
    (record,) = load_records(tmp_path / "out")
    assert record.limit == 2
    config.write_text("methode = 1\n")
    assert harness("--config", config) == 2
    assert "did you mean 'method'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--method", "lfn", "--suite", "mini"), 2, "did you mean 'lfm'"),
        (("--method", "chance", "--suite", "difusion"), 2, "did you mean 'diffusion'"),
        (("--method", "chance", "--suite", "diffusion"), 3, "--suite mini:diffusion"),
        (("--method", "chance"), 2, "--suite NAME or --images DIR"),
        (("--method", "chance", "--suite", "mini", "--preprocess", "resise(2)"), 2, "resize"),
    ],
)
def test_wrong_requests_say_what_to_type(
    flags: tuple[str, ...], code: int, said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("LFM_DATA", raising=False)
    assert harness(*flags, "--out", tmp_path / "out") == code
    assert said in capsys.readouterr().err


def test_official_suites_found_are_run_and_holes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A data root with part of one suite: its subset is scored, the rest are named holes."""
    root = tmp_path / "data"
    for name in ("0_real", "1_fake"):
        write_images(root / "GANGen-Detection" / "AttGAN" / name, range(3))
        write_images(root / "GANGen-Detection" / "crn" / name, range(3))
    out = tmp_path / "out"
    flags = ("--method", "chance", "--data-root", root, "--out", out)
    assert harness("--suite", "paper", "--skip-absent", *flags) == 0
    said = capsys.readouterr().err
    assert "suite forensynths (ForenSynths): its data is absent" in said
    assert "gangen/began" in said
    (record,) = load_records(out)
    statuses = {result.subset: result.status for result in record.subsets}
    assert statuses.pop("attgan") == "ok"
    assert set(statuses.values()) == {"missing"}
    assert record.mean["acc"].value is None
    assert "began" in record.mean["acc"].note
    assert harness("--suite", "gangen:attgan", *flags) == 0
    assert harness("--suite", "gangen", *flags) == 1  # without the flag a hole is a failure
    assert harness("--suite", "gangen:began", "--skip-absent", *flags) == 1  # nothing is scored
    (root / "GANGen-Detection" / "BEGAN" / "0_real").mkdir(parents=True)
    assert harness("--suite", "gangen", "--skip-absent", *flags) == 1  # there, and empty
    assert harness("--suite", "paper", *flags) == 3
    assert main(["tables", "--out", str(out), "--to", str(tmp_path / "tables")]) == 0
    assert "AttGAN" in (tmp_path / "tables" / "gangen.md").read_text()
