"""``python -m harness dev stability``: what moves a score is seen, and what does not is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.__main__ import main
from harness.api import DetectorSpec, ScoreSpec
from harness.commands import _jobs
from harness.data.own import own_suite
from harness.data.suite import Selection
from harness.engine.accelerate import TOLERANCE
from harness.engine.scorer import Compute, make_job
from harness.errors import HarnessError
from harness.evaluation import stability as module_under_test
from harness.evaluation.plan import Settings
from harness.evaluation.stability import Effect, Stability
from tests.conftest import write_images


class Mean:
    """Depends on the image only."""

    def score(self, images: Tensor) -> Tensor:
        return images.double().mean((1, 2, 3))


class Counter:
    """Its n-th image scores n: it depends on the order, whatever the batch."""

    def __init__(self) -> None:
        self.seen = 0

    def score(self, images: Tensor) -> Tensor:
        first, self.seen = self.seen, self.seen + len(images)
        return torch.arange(first, self.seen).double()


class BatchNorm:
    """Scores images relative to their batch, as a network left in training mode does."""

    def score(self, images: Tensor) -> Tensor:
        means = images.double().mean((1, 2, 3))
        return means - means.mean() if len(images) > 1 else means


class Rounding:
    """A float's last bits depend on the batch."""

    def score(self, images: Tensor) -> Tensor:
        return images.double().mean((1, 2, 3)) + 1e-6 * (len(images) > 1)


class Broken:
    """Takes no image."""

    def score(self, images: Tensor) -> Tensor:
        raise ValueError("no such thing")


def spec(build: type) -> DetectorSpec:
    return DetectorSpec(
        name=build.__name__.lower(),
        title=build.__name__,
        family="control",
        build=build,
        score=ScoreSpec(kind="uncalibrated", threshold=0.5),
        geometry={"*": "native"},
        citation="nobody",
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for number, name in enumerate("ab"):
        write_images(root / name / "0_real", range(10 * number, 10 * number + 5), 16, 16)
        write_images(root / name / "1_fake", range(50 + 10 * number, 55 + 10 * number), 16, 16)
    return root


def effects(build: type, images: Path, *, workers: int = 1, limit: int = 0) -> dict[str, Effect]:
    """What each variation does to a detector."""
    suite = own_suite(images)
    settings = Settings(
        out=images.parent / "out",
        compute=Compute(device=torch.device("cpu"), workers=workers),
        limit=limit,
    )
    jobs, selections = [make_job(spec(build), "")], [Selection(suite=suite, subsets=suite.subsets)]
    found = Stability(jobs, selections, settings)
    return {
        variation.name: effect
        for variation in found.variations()
        for effect in found.effects(variation)
    }


def moved(found: dict[str, Effect]) -> set[str]:
    return {name for name, effect in found.items() if not effect.within}


BATCHED = {"batch 8", "batch 32", "batch 32, files shuffled"} | {
    f"batch 32, threads {n}" for n in (1, 2, 4)
}
ONE_BY_ONE = {
    *("run again", "files reversed", "files shuffled", "workers 2", "workers 4"),
    *("threads 1", "threads 2", "threads 4"),
}


@pytest.fixture(autouse=True)
def _one_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether onnxruntime is installed or not."""
    monkeypatch.setattr(module_under_test, "_has_other_runtime", lambda compute: False)


def test_a_detector_that_sees_the_image_only(images: Path) -> None:
    found = effects(Mean, images)
    assert set(found) == ONE_BY_ONE | BATCHED
    assert {effect.images for effect in found.values()} == {20}
    assert {effect.allowed for name, effect in found.items() if name in ONE_BY_ONE} == {0.0}
    assert {effect.allowed for name, effect in found.items() if name in BATCHED} == {TOLERANCE}
    assert moved(found) == set()
    assert {effect.differing for effect in found.values()} == {0}
    assert {(effect.flipped, effect.acc, effect.ap) for effect in found.values()} == {(0, 0, 0)}


def test_a_detector_that_counts_sees_other_orders(images: Path) -> None:
    found = effects(Counter, images)
    assert found["run again"].within  # from 0 again, in the same order
    assert {"files reversed", "files shuffled"} <= moved(found)
    # A class is scored after the other: reversed, the five images of each change places.
    assert found["files reversed"].largest == 4
    assert found["files reversed"].differing == 16  # all but those in the middle
    assert found["files shuffled"].flipped > 0


def test_a_detector_whose_batch_matters(images: Path) -> None:
    found = effects(BatchNorm, images)
    assert moved(found) == BATCHED
    assert found["batch 8"].ap is not None


def test_rounding_is_within_the_tolerance_and_counted(images: Path) -> None:
    found = effects(Rounding, images)
    assert moved(found) == set()
    assert found["batch 32"].differing == 20
    assert found["batch 32"].largest == pytest.approx(1e-6)
    assert found["batch 32"].flipped == 0


def test_the_tolerance_is_relative_to_large_scores() -> None:
    values = {"variation": "", "detector": "", "images": 1, "differing": 1, "flipped": 0}
    one = Effect(**values, largest=0.5, relative=5e-5, allowed=1e-4, acc=None, ap=None)
    assert one.within
    assert not Effect(**values, largest=0.5, relative=5e-5, allowed=0.0, acc=0.0, ap=0.0).within


def test_a_limit_takes_the_same_images_in_every_order(images: Path) -> None:
    found = effects(Mean, images, limit=2)
    assert {effect.images for effect in found.values()} == {8}
    assert moved(found) == set()


def test_a_subset_that_fails_ends_it(images: Path) -> None:
    with pytest.raises(HarnessError, match=r"broken on own-data-\w+:a: ValueError: no such thing"):
        effects(Broken, images)


@pytest.mark.parametrize(("build", "code"), [(Mean, 0), (BatchNorm, 1)])
def test_the_command(
    build: type,
    code: int,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_jobs, "selected", lambda *_: [(spec(build), "")])
    flags = ["dev", "stability", "--method", "x", "--images", str(images), "--workers", "1"]
    out = images.parent / "out"
    assert main([*flags, "--out", str(out)]) == code
    text = capsys.readouterr().out
    assert f"{build.__name__.lower()}: 20 scores against those of one run (batch 1, 1 w" in text
    assert ("MOVED" in text) == bool(code)
    assert not out.exists()
    assert main([*flags, "--out", str(out), "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert {row["variation"] for row in document["effects"]} == ONE_BY_ONE | BATCHED
    assert {row["within"] for row in document["effects"]} == ({True, False} if code else {True})
    assert document["environment"]["device"] == "cpu"


def test_variations_leave_out_what_the_plain_run_is(images: Path) -> None:
    suite = own_suite(images)
    compute = Compute(device=torch.device("cpu"), batch_size=8, workers=2)
    found = Stability(
        [make_job(spec(Rounding), "")],
        [Selection(suite=suite, subsets=suite.subsets)],
        Settings(out=images.parent / "out", compute=compute),
    )
    variations = {variation.name: variation for variation in found.variations()}
    assert "batch 8" not in variations
    assert "workers 2" not in variations
    assert variations["batch 1"].compute.batch_size == 1
    # Where the plain run itself makes batches, no score must keep every bit.
    (effect,) = found.effects(variations["run again"])
    assert effect.allowed == TOLERANCE
