"""``bench --scale``: what a run of many synthetic images costs beside scoring."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.__main__ import main
from harness.commands import _bench_scale, _run
from harness.commands._bench_scale import COMMANDS
from harness.cost import scale
from harness.cost.scale import (
    BOOTSTRAP,
    SCORING,
    STAGES,
    ScalePlan,
    ScaleRun,
    Stages,
    bytes_per_image,
)
from harness.data.decode import decode
from harness.data.manifest import load_manifest
from harness.data.synthetic import SIDE, SyntheticSource, synthetic_suite
from harness.env import peak_memory
from harness.evaluation.matrix import Matrix
from harness.registry.suites import find_root
from tests import program

ON_LINUX = Path("/proc/self/clear_refs").is_file()


@contextmanager
def here(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Callable[[str], Any]]:
    """In place of a process: importing torch in each of them takes longer than all the rest."""
    subject = functools.cache(lambda: make(*arguments))
    yield lambda method: getattr(subject(), method)()


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench_scale, "process", here)


def test_synthetic_images_follow_from_their_number() -> None:
    first = [SyntheticSource(number).read() for number in range(200)]
    assert first == [SyntheticSource(number).read() for number in range(200)]
    assert len({hashlib.sha256(data).digest() for data in first}) == 200
    assert decode(first[0], "0").shape == (SIDE, SIDE, 3)
    spread = np.array([decode(data, "x").std() for data in first])
    fakes = np.arange(200) % 2 == 1
    assert 0 < spread[fakes].mean() - spread[~fakes].mean() < spread.std()


def test_the_synthetic_suite_is_balanced_and_hashed_once(tmp_path: Path) -> None:
    suite = synthetic_suite(31, tmp_path)
    root = find_root(suite, None)
    manifest = load_manifest(suite, suite.subsets[0], root, tmp_path)
    assert (manifest.n_real, manifest.n_fake) == (16, 15)
    assert (suite.subsets[0].n_real, suite.subsets[0].n_fake) == (16, 15)
    digest = hashlib.sha256(manifest.samples[0].source.read()).hexdigest()
    assert manifest.samples[0].sha256 == digest
    again = load_manifest(suite, suite.subsets[0], root, tmp_path)
    assert again == manifest
    assert again.digest == manifest.digest
    assert 200 < bytes_per_image(manifest) < 500


def test_a_stage_does_not_count_those_inside_it() -> None:
    stages = Stages()
    with stages.stage("metrics"):
        time.sleep(0.02)
        with stages.stage(BOOTSTRAP):
            time.sleep(0.2)
            with stages.stage("record"):
                time.sleep(0.1)
        with stages.stage("metrics"):
            time.sleep(0.02)
    assert stages.seconds["metrics"] == pytest.approx(0.04, abs=0.02)
    assert stages.seconds[BOOTSTRAP] == pytest.approx(0.2, abs=0.02)
    assert stages.seconds["record"] == pytest.approx(0.1, abs=0.02)


def test_every_second_and_every_score_of_a_run_is_in_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = []
    whole = Matrix.run

    def timed(self: Matrix, selections: Any) -> Any:
        start = time.perf_counter()
        found = whole(self, selections)
        walls.append(time.perf_counter() - start)
        assert self.computed == 600
        return found

    monkeypatch.setattr(Matrix, "run", timed)
    plan = ScalePlan(
        methods=("chance", "npr"), preprocess="native", resamples=50, tabulate=_run.report
    )
    result = ScaleRun(300, plan, tmp_path).result()
    assert result.detectors == ("chance", "npr:untrained")
    assert set(result.seconds) == set(STAGES)
    assert min(result.seconds.values()) > 0
    assert result.total - result.seconds["table"] == pytest.approx(walls[0], abs=0.1)
    assert result.beside_scoring == pytest.approx(1 - result.seconds[SCORING] / result.total)
    assert Matrix.run is timed  # and what was wrapped is as it was
    assert scale.Journal.add.__name__ == "add"
    if ON_LINUX:
        assert result.bootstrap is not None
        assert 0 <= result.bootstrap < 2**26  # 0 where memory given back earlier is enough
        assert result.peak is not None
        assert result.peak >= (peak_memory() or 0)  # of before the peak was forgotten, too


def test_a_bootstrap_that_takes_no_new_memory_takes_zero_not_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "forget_peak_memory", lambda: True)
    monkeypatch.setattr(scale, "current_memory", lambda: 2**33)
    monkeypatch.setattr(scale, "peak_memory", lambda: 2**33)
    plan = ScalePlan(methods=("chance",), preprocess="native", resamples=5, tabulate=_run.report)
    assert ScaleRun(20, plan, tmp_path).result().bootstrap == 0


@pytest.mark.usefixtures("in_this_process")
def test_the_command_prints_a_line_for_each_number_of_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--scale", "2000", "--method", "chance", "--commands"]) == 0
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines if len(line) == 5 and line[0][0].isdigit()] == [
        "20", "200", "2,000",
    ]  # fmt: skip
    assert text.startswith("chance on synthetic images of 32x32, native size")
    for name in COMMANDS:
        assert f"\n{name} " in text


@pytest.mark.usefixtures("in_this_process")
def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--scale", "2000", "--method", "chance", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["images"] for run in found["runs"]] == [20, 200, 2000]
    assert found["runs"][-1]["seconds"][SCORING] > 0
    assert found["environment"]["torch"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "100"], "at least 2,000"),
        (["--scale", "2000", "--n", "4"], "--n is not of --scale"),
        (["--commands"], "--commands needs --scale"),
        (["--scale", "2000", "--method", "chnce"], "chance"),
    ],
)
def test_what_does_not_fit_is_said(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_with_its_processes() -> None:
    done = program.run(*program.HARNESS, "bench", "--scale", "2000", "--commands", "--json")
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert runs[0]["detectors"] == ["chance", "npr:untrained"]
    assert set(runs[-1]["commands"]) == set(COMMANDS)
    if ON_LINUX:
        # From 20 to 2,000 images a driver needs hardly more: nothing is kept for each pair.
        assert runs[-1]["peak"] < runs[0]["peak"] + 64 * 2**20
