"""``run --protocol``: what it does to which images, what it notes, and what it computes again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.__main__ import main
from harness.registry import detectors as registry
from harness.results.predictions import read_predictions
from harness.results.store import load_records
from tests.conftest import marked, write_images


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LFM with seeded random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lfm.safetensors"
    state = {n: v.clone() for n, v in registry.detector("lfm").build().state_dict().items()}
    save_file(state, path, metadata=marked("lfm"))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One set whose reals and fakes are the same pictures: three PNG files and a JPEG file."""
    subset = tmp_path / "ForenSynths" / "progan"
    for name in ("0_real", "1_fake"):
        write_images(subset / name, range(3), 64, 64)
        Image.open(subset / name / "000.png").save(subset / name / "photo.jpg", quality=80)
    return tmp_path


def harness(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def scores(out: Path, perturbation: str) -> dict[str, float]:
    """Image -> score, of what was scored after a perturbation."""
    for path in out.glob("predictions/**/*.parquet"):
        kept = read_predictions(path)
        if kept.key.perturbation == perturbation:
            return dict(zip(kept.ids, kept.scores.tolist(), strict=True))
    raise AssertionError(f"nothing scored after {perturbation!r}")


def through_jpeg(root: Path, to: Path) -> None:
    """The same set, every file coded as JPEG 96 and kept as PNG."""
    for path in (root / "ForenSynths").rglob("*.*"):
        data = io.BytesIO()
        Image.open(path).convert("RGB").save(data, "JPEG", quality=96)
        copy = to / path.relative_to(root).with_suffix(".png")
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.open(data).save(copy)


@pytest.mark.parametrize("workers", [1, 2])
def test_dda_codes_the_fakes_alone_and_mirror_the_png_files_of_both_classes(
    root: Path, tmp_path: Path, weights: Path, workers: int
) -> None:
    flags = ("--suite", "forensynths:progan", "--method", f"lfm:{weights}", "--workers", workers)
    here, coded = tmp_path / "out", tmp_path / "coded"
    through_jpeg(root, coded)
    for protocol in ("paper", "dda", "mirror"):
        given = ("--data-root", root, "--out", here, "--protocol", protocol)
        assert harness(*flags, *given) == 0
    assert harness(*flags, "--data-root", coded, "--out", tmp_path / "again") == 0
    plain, jpeg = scores(here, ""), scores(tmp_path / "again", "")
    png = {name: jpeg[f"{name.rpartition('.')[0]}.png"] for name in plain}
    assert all(plain[name] != png[name] for name in plain)
    dda = scores(here, "fakes:jpeg(96)")
    mirror = scores(here, "png:jpeg(96)")
    for name in plain:
        aligned = name.startswith("1_fake")
        assert dda[name] == pytest.approx((png if aligned else plain)[name], abs=1e-6)
        aligned = name.endswith(".png")
        assert mirror[name] == pytest.approx((png if aligned else plain)[name], abs=1e-6)


def test_records_say_which_protocol_they_follow_and_scores_are_shared(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--suite", "forensynths:progan", "--method", "chance", "--data-root", root)
    flags = (*flags, "--out", tmp_path / "out")
    assert harness(*flags) == 0
    caplog.set_level("INFO")
    assert harness(*flags, "--protocol", "ufd") == 0
    assert "0 scores computed, 8 were on disk" in caplog.text
    assert "protocol ufd, cannot be done here: crn, imle, san, seeingdark" in caplog.text
    assert "forensynths: ACC/AP in percent, protocol ufd" in capsys.readouterr().out
    first, second = sorted(load_records(tmp_path / "out"), key=lambda record: record.protocol)
    assert (first.protocol, second.protocol) == ("", "ufd")
    settings = [made.settings for record in (first, second) for made in record.made.values()]
    assert "protocol" not in settings[0]
    main(["tables", "--protocol", "ufd", "--out", str(tmp_path / "out"), "--to", str(tmp_path)])
    text = (tmp_path / "protocol-ufd.md").read_text(encoding="utf-8")
    assert "Protocol: ufd." in text
    assert "Cannot be done here: crn, imle, san, seeingdark of ForenSynths" in text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--protocol", "nobody"), "unknown protocol 'nobody'"),
        (("--protocol", "dda", "--preprocess", "native"), "--preprocess"),
        (("--protocol", "dda", "--twin", "png"), "--twin"),
    ],
)
def test_a_protocol_is_not_changed_by_other_flags(
    flags: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--method", "chance", "--suite", "mini:gan_tconv", "--out", tmp_path)
    assert harness(*given, *flags) == 2
    assert said in capsys.readouterr().err


def test_a_picture_that_is_real_in_one_set_and_fake_in_another_is_scored_as_both(
    tmp_path: Path, weights: Path
) -> None:
    """What several sets share is scored once; not where the classes are not treated alike."""
    for place, first in (("progan/0_real", 0), ("progan/1_fake", 9)):
        write_images(tmp_path / "ForenSynths" / place, range(first, first + 3))
    for place, first in (("biggan/0_real", 9), ("biggan/1_fake", 0)):
        write_images(tmp_path / "ForenSynths" / place, range(first, first + 3))
    suites = "forensynths:progan,forensynths:biggan"
    flags = ("--suite", suites, "--method", f"lfm:{weights}", "--data-root", tmp_path)
    assert harness(*flags, "--out", tmp_path / "out", "--protocol", "dda") == 0
    found = {}
    for path in (tmp_path / "out").glob("predictions/**/*.parquet"):
        kept = read_predictions(path)
        found[kept.key.subset] = dict(zip(kept.ids, kept.scores.tolist(), strict=True))
    real, fake = found["progan"]["0_real/000.png"], found["biggan"]["1_fake/000.png"]
    assert real != pytest.approx(fake, abs=1e-6)
