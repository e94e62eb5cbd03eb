"""``why``: planted causes are named, what is not known is not, and nothing is lost on the way.

The detector is a Laplace filter and a threshold; what it gives under a condition is computed here
by hand, with Pillow, numpy and scikit-learn.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics import average_precision_score, roc_auc_score

import harness
from harness.__main__ import main
from harness.registry import detectors as registry
from tests.conftest import marked, write_images

DETECTOR = '''
"""A Laplace filter: how rough a picture is."""

import torch
from torch import nn

from harness.api import DetectorSpec, ScoreSpec, TorchDetector


class Rough(nn.Module):
    def __init__(self):
        super().__init__()
        self.filter = nn.Conv2d(3, 3, 3, groups=3, bias=False)
        kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
        self.filter.weight.data.copy_(kernel.expand(3, 1, 3, 3))

    def forward(self, x):
        return self.filter(x).abs().mean((1, 2, 3))[:, None] * 255 - 12


rough = DetectorSpec(
    name="rough",
    title="Rough",
    family="local artefact",
    build=lambda: TorchDetector(Rough(), mean=0.0, std=1.0),
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "native"},
)
'''

Changed = Callable[[Image.Image, int], Image.Image]


def picture(seed: int) -> Image.Image:
    """64x64: grey noise of many strengths on a ramp; fakes (odd) are a little smoother."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 180, 64)[None, :, None] * np.ones((64, 1, 3))
    strength = 1.2 + 6 * rng.random() + (0.0 if seed % 2 else 1.1)
    noise = rng.normal(0, strength, (64, 64, 3))
    return Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8))


def score(image: Image.Image) -> float:
    x = np.asarray(image, dtype=np.float64)
    laplace = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(np.abs(laplace).mean() - 12)


def numbers(folder: Path, changed: Changed = lambda image, _: image) -> dict[str, str]:
    """ACC with one decimal, AP and AUC with two: enough digits that no accident makes them all."""
    labels, scores = [], []
    for label, name in enumerate(("0_real", "1_fake")):
        for path in sorted((folder / name).iterdir()):
            labels.append(label)
            scores.append(score(changed(Image.open(path).convert("RGB"), label)))
    right = (np.array(scores) > 0) == np.array(labels)
    ap = average_precision_score(labels, scores)
    auc = roc_auc_score(labels, scores)
    return {"ACC": f"{100 * right.mean():.1f}", "AP": f"{100 * ap:.2f}", "AUC": f"{100 * auc:.2f}"}


def through_jpeg(quality: int) -> Changed:
    def changed(image: Image.Image, _: int) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return changed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Own images and the detector, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for seed in range(80):
        place = tmp_path / "photos" / ("1_fake" if seed % 2 == 0 else "0_real")
        place.mkdir(parents=True, exist_ok=True)
        picture(seed).save(place / f"{seed:03d}.png")
    (tmp_path / "mine.py").write_text(DETECTOR, encoding="utf-8")
    return tmp_path / "photos"


def why(*flags: object) -> int:
    return main(["why", "--method", "mine.py:rough", "--images", "photos", *map(str, flags)])


def flags_of(given: dict[str, str]) -> list[str]:
    return [word for name, text in given.items() for word in ("--number", f"{name}={text}")]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


def named(found: dict[str, object], verdict: str = "explains") -> set[str]:
    return {each["name"] for each in found["conditions"] if each["verdict"] == verdict}


def test_the_published_way_explains_its_own_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(*flags_of(numbers(folder)), "--free", "--json") == 0
    assert "as published" in named(answer(capsys))


def test_a_planted_jpeg_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted = numbers(folder, through_jpeg(75))
    assert planted != numbers(folder)
    code = why(*flags_of(planted), "--family", "codec,metric,labels,decoding", "--json")
    found = answer(capsys)
    assert "JPEG 75, both classes" in named(found)
    assert code == 0
    assert found["tried"] > 60
    mine = next(each for each in found["conditions"] if each["name"] == "JPEG 75, both classes")
    assert {
        name: f"{mine['numbers'][name]:.{len(text.partition('.')[2])}f}"
        for name, text in planted.items()
    } == planted


def test_what_no_condition_makes_is_said_to_be_made_by_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"ACC": "3.8", "AP": "99.9"}
    assert why(*flags_of(given), "--family", "metric,labels", "--free") == 1
    said = capsys.readouterr().out
    assert "None of" in said and "explains" not in said.split("None of")[1].splitlines()[0]


def test_digits_that_no_count_gives_mean_another_number_of_images(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why("--number", "ACC=61.4", "--free") == 1  # 80 images move it by 1.25
    said = capsys.readouterr().out
    assert "No count over 80 images is printed as 61.4" in said
    assert " 83" in said  # 51 of 83 is 61.4


def test_on_other_images_nothing_explains(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert why(*flags_of(numbers(folder)), "--free", "--other-images", "--json") == 1
    found = answer(capsys)
    assert not named(found)
    assert "as published" in named(found, "possible")


def test_scores_of_another_program_are_matched_image_by_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["id,score"]
    for path in sorted(folder.rglob("*.png")):
        image = through_jpeg(90)(Image.open(path), 0)
        lines.append(f"{path.relative_to(folder).as_posix()},{score(image):.6f}")
    Path("theirs.csv").write_text("\n".join(lines), encoding="utf-8")
    assert why("--scores", "theirs.csv", "--family", "codec", "--json") == 0
    assert named(answer(capsys)) == {"JPEG 90, both classes"}


def test_no_result_of_a_condition_enters_a_record(folder: Path) -> None:
    why(*flags_of(numbers(folder, through_jpeg(75))), "--family", "codec,decoding")
    records = harness.records().records
    assert [(each.detector, each.preprocess, each.perturbation) for each in records] == [
        ("rough", "native", "")
    ]


def test_a_spent_budget_keeps_what_was_scored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = numbers(folder, through_jpeg(75))
    flags = [*flags_of(planted), "--family", "codec,metric", "--json"]
    assert why(*flags, "--budget", "0s") == 1
    assert "JPEG 75, both classes" in answer(capsys)["not_tried"]
    kept = sorted(Path("runs/predictions").rglob("*.*"))
    assert why(*flags) == 0
    assert set(kept) <= {*Path("runs/predictions").rglob("*.*"), *kept}
    assert "JPEG 75, both classes" in named(answer(capsys))


def test_python_gives_the_same_as_objects(folder: Path) -> None:
    planted = numbers(folder, through_jpeg(75))
    found = harness.why(
        method="mine.py:rough",
        images="photos",
        number=[f"{name}={text}" for name, text in planted.items()],
        family="codec,metric",
    )
    frame = found.frame()
    mine = frame[(frame.condition == "JPEG 75, both classes") & frame.matches]
    assert list(mine.verdict) == ["explains"] * 3
    assert len(frame) == 3 * len(found.outcomes)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "say what is to be explained"),
        (["--number", "ACC=62.3", "--scores", "x.csv"], "say what is to be explained"),
        (["--number", "ACC"], "is no number"),
        (["--number", "ACC=162"], "lies outside 0 to 100"),
        (["--number", "AC=62.3"], "unknown metric"),
        (["--number", "began.ACC=62.3"], "unknown subset"),
        (["--number", "ACC=62.3", "--family", "pixels"], "no family pixels"),
    ],
)
def test_bad_flags_are_refused_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert why(*flags) == 2
    assert said in capsys.readouterr().err


def test_the_off_cells_of_a_reference_and_diff_points_to_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LFM with new weights calls four pictures of noise something else than the paper prints."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("0_real", "1_fake")):
        write_images(Path("GANGen-Detection/BEGAN", name), range(2 * number, 2 * number + 2))
    torch.manual_seed(0)
    state = {n: v.clone() for n, v in registry.detector("lfm").build().state_dict().items()}
    save_file(state, "lfm.safetensors", metadata=marked("lfm"))
    flags = ["--method", "lfm:lfm.safetensors", "--suite", "gangen:began", "--data-root", "."]
    assert main(["why", *flags, "--reference", "paper", "--free", "--json"]) == 1
    found = answer(capsys)
    assert {each["name"]: each["text"] for each in found["given"]} == {
        "BEGAN.ACC": "99.9",
        "BEGAN.AP": "100.0",
    }
    assert not found["same_images"]
    assert main(["diff", "--suite", "gangen"]) == 0
    said = capsys.readouterr().out
    assert "why: " in said.split("BEGAN ACC, BEGAN AP")[1]


def test_numbers_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "lgrad.csv"
    table.write_text(
        "suite,subset,method,metric,value\n"
        "summary,Test Set5,LGrad,ACC,74.3\nsummary,Test Set5,LGrad,AP,64.2\n",
        encoding="utf-8",
    )
    assert main(["why", "--numbers", str(table), "--json", "--out", str(tmp_path)]) == 0
    assert "LGrad: ACC and AP exchanged: Test Set5" in named(answer(capsys))
