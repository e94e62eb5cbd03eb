"""The Python calls: what docs/python.md and the notebook show, and what goes wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import harness
from harness.__main__ import main
from harness.errors import BadImageError, DataError, UsageError
from harness.results.store import load_records
from tests import docs_rules, program
from tests.conftest import CHECKOUT, noise, write_images

CALLS = [f for f in docs_rules.all_fences() if f.page.name == "python.md" and f.name]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(noise(3)).save("one.png")
    write_images(Path("photos/0_real"), range(3))
    write_images(Path("photos/1_fake"), range(3, 6))
    return tmp_path


def test_the_page_runs(place: Path, released_weights: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(released_weights.parent))
    kept: dict[str, Any] = {}
    assert len(CALLS) == 4
    for fence in CALLS:
        exec(compile(fence.text, fence.name, "exec"), kept)
    page = (CHECKOUT / "docs/python.md").read_text(encoding="utf-8")
    for image, score in zip(kept["found"]["image"], kept["found"]["score"], strict=True):
        (shown,) = re.findall(rf"^\d  {image} +(-?[\d.]+) +", page, re.MULTILINE)
        assert score == pytest.approx(float(shown), abs=1e-4)
    assert list(kept["found"]["image"]) == ["image 1", "image 2"]
    assert kept["accuracy"]["subset"].nunique() == 4
    assert kept["answer"].tried == len(kept["answer"].frame())


@pytest.mark.slow
def test_the_notebook_runs(place: Path, released_weights: Path, monkeypatch: Any) -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("LFM_WEIGHTS", str(released_weights.parent))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    notebook = nbformat.read(CHECKOUT / "docs/python.ipynb", as_version=4)
    client.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": place}}).execute()
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert "decision" in shown


def test_only_the_calls_are_exported() -> None:
    assert set(harness.__all__) == {"Evaluation", "LoadedDetector", "evaluate", "load", "records", "why"}
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        harness.lode  # noqa: B018


def test_importing_it_imports_nothing_slow() -> None:
    code = "import sys, harness; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    shown = program.run(sys.executable, "-c", code)
    assert shown.stdout.strip() == "[]"


def test_a_path_an_array_and_a_picture_score_alike(place: Path) -> None:
    detector = harness.load("chance")
    array = noise(3)
    found = detector.score(["one.png", Path("one.png"), array, Image.fromarray(array)])
    assert list(found["image"]) == ["one.png", "one.png", "image 3", "image 4"]
    assert found["score"].nunique() == 1
    assert (found["decision"] == "fake").tolist() == (found["score"] > detector.threshold).tolist()
    assert found["threshold"].tolist() == [detector.threshold] * 4
    assert len(detector.score(array)) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (noise(1) / 255, "image 2 is an array of float64 and shape (64, 64, 3)"),
        (noise(1)[..., :2], "image 2 is an array of uint8 and shape (64, 64, 2)"),
        (None, "image 2 is a NoneType"),
    ],
)
def test_what_is_no_image_is_named(place: Path, bad: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        harness.load("chance").score(["one.png", bad])
    assert said in str(caught.value)


def test_the_bad_one_is_named(place: Path) -> None:
    Path("broken.png").write_bytes(b"no picture")
    with pytest.raises(BadImageError, match=r"^broken.png: "):
        harness.load("chance").score(["one.png", "broken.png"])


def test_evaluate_leaves_the_records_of_the_command(place: Path) -> None:
    found = harness.evaluate("trivial,chance", images="photos", out="py", resamples=50)
    arguments = ["run", "--method", "chance", "--images", "photos", "--out", "cmd"]
    assert main([*arguments, "--resamples", "50"]) == 0
    (theirs,) = load_records(Path("cmd"))
    (ours,) = [r for r in load_records(Path("py")) if r.detector == "chance"]
    assert ours.subsets[0].metrics == theirs.subsets[0].metrics
    assert ours.subsets[0].scores == theirs.subsets[0].scores
    assert {record.detector for record in found.records} == {"trivial", "chance"}
    failed = found.frame().query("detector == 'trivial'")
    assert failed["status"].tolist() == ["missing"]
    assert "weights missing" in failed["note"].iloc[0]


def test_frames_hold_what_the_records_hold(place: Path) -> None:
    found = harness.evaluate("chance", images="photos", resamples=50)
    (record,) = found.records
    (result,) = record.subsets
    metrics = found.frame().query("subset != 'mean'").set_index("metric")
    assert metrics["value"].to_dict() == pytest.approx(
        {n: np.nan if m.value is None else m.value for n, m in result.metrics.items()}, nan_ok=True
    )
    assert metrics.loc["acc", ["low", "high"]].tolist() == [
        result.metrics["acc"].low, result.metrics["acc"].high,
    ]  # fmt: skip
    images = found.frame("images")
    assert images["label"].tolist() == [0, 0, 0, 1, 1, 1]
    right = (images["decision"] == "fake") == (images["label"] == 1)
    assert right.mean() == pytest.approx(metrics.loc["acc", "value"])
    pd.testing.assert_frame_equal(harness.records("runs").frame(), found.frame())
    with pytest.raises(UsageError, match=r"frame\('rows'\)"):
        found.frame("rows")


def test_errors_are_those_of_the_command(place: Path) -> None:
    with pytest.raises(UsageError, match="unknown detector 'lmf'"):
        harness.load("lmf")
    with pytest.raises(UsageError, match="--lmit"):
        harness.evaluate("chance", images="photos", lmit=3)
    for flag in ({"twin": "jpeg96"}, {"shard": "1/2"}):
        with pytest.raises(UsageError, match="runs whole suites, without twins"):
            harness.evaluate("chance", images="photos", **flag)
    with pytest.raises(DataError, match="no such file or folder"):
        harness.evaluate("chance", images="nowhere")


def test_nothing_on_disk_is_an_empty_frame(place: Path) -> None:
    assert harness.records("nowhere").frame().empty
    assert list(harness.records("nowhere").frame("images").columns)[-1] == "decision"
