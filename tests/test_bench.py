from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.commands._bench import report, summary
from harness.cost import bench as module_under_test
from harness.cost.bench import BenchResult, Plan, bench, synthetic_images
from harness.cost.bench_loops import UNTRAINED, OurLoop, PlainLoop, Work
from harness.engine.accelerate import TOLERANCE
from harness.errors import BadImageError, HarnessError, UsageError


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    files = synthetic_images(tmp_path_factory.mktemp("images"), 4, side=50)
    return Work(
        method="gap",
        token=UNTRAINED,
        files=tuple(files),
        preprocess="resize(40,44)|center_crop(36)",
    )


@contextmanager
def here(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Callable[[str], Any]]:
    """In place of a process: importing torch in five of them takes longer than all the rest."""
    if make is PlainLoop:
        arguments = (arguments[0], 0)
    subject = functools.cache(lambda: make(*arguments))
    yield lambda method: getattr(subject(), method)()


@pytest.fixture(scope="module")
def result(work: Work) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module_under_test, "process", here)
        runtimes = ("torch", "torch-public", "none")
        return bench(work, Plan(rounds=2, workers=2, runtimes=runtimes, memory_counts=(3,)))


def test_loop_in_a_process_of_its_own(work: Work) -> None:
    with module_under_test.process(PlainLoop, (work, 2)) as ask:
        lap = ask("lap")
    assert lap.scores == pytest.approx(PlainLoop(work, 0).lap().scores, abs=TOLERANCE / 10)
    assert lap.seconds > 0
    assert lap.cpu_seconds > 0


def test_synthetic_images_are_the_same_every_time(tmp_path: Path) -> None:
    first = synthetic_images(tmp_path / "a", 3, side=32)
    again = synthetic_images(tmp_path / "b", 3, side=32)
    digests = [hashlib.sha256(file.read_bytes()).digest() for file in first]
    assert digests == [hashlib.sha256(file.read_bytes()).digest() for file in again]
    assert len(set(digests)) == 3


def test_loops_score_the_same(work: Work) -> None:
    plain = PlainLoop(work, 0)
    ours = OurLoop(work, "torch", 2)
    expected, given = plain.lap().scores, ours.lap().scores
    assert len(set(expected)) == len(work.files)
    assert given == pytest.approx(expected, abs=TOLERANCE / 10)
    assert ours.lap().scores == given
    assert set(plain.split()) == {"load", "forward"}
    assert list(ours.split()) == ["read", "decode", "resize", "forward"]
    assert all(ms > 0 for ms in ours.split().values())


def test_result_of_a_small_run(work: Work, result: BenchResult) -> None:
    names = [loop.name for loop in result.loops]
    plain, ours = ["plain loop", "plain loop, 2 workers"], ["ours, torch", "ours, torch-public"]
    assert names == [*plain, *ours]
    assert [loop.start.form for loop in result.loops] == ["eager", "eager", "fused", "folded"]
    assert result.failed == {"ours, none": "unknown runtime 'none'"}
    assert (result.images, result.rounds, result.weights) == (4, 2, UNTRAINED)
    for loop in result.loops:
        assert 0 < loop.slowest <= loop.images_per_s <= loop.fastest
        assert loop.speedup > 0
        assert loop.score_difference <= TOLERANCE
        assert loop.split_ms
        assert loop.start.seconds > 0
        assert loop.share == pytest.approx(loop.images_per_s / result.machine.images_per_s)
        assert loop.peak_mib is not None and 50 < loop.peak_mib < 50_000
    assert result.loops[0].speedup == 1
    assert result.loops[0].score_difference == 0
    machine = result.machine
    best = max(machine.limits.blas_gflops, machine.limits.onednn_gflops)
    assert machine.forward_per_s == pytest.approx(best / machine.gflop_per_image)
    assert 0 < machine.images_per_s < min(machine.forward_per_s, machine.limits.decode_per_s)
    peak = result.memory_mib[3]
    assert peak is not None and peak > 50


def test_result_as_text_and_json(result: BenchResult) -> None:
    values = json.loads(json.dumps(dataclasses.asdict(result), allow_nan=False))
    assert [loop["name"] for loop in values["loops"]] == [loop.name for loop in result.loops]
    text = report(dataclasses.replace(result, memory_mib={1000: 300.0, 20000: 301.0}))
    assert "gap:untrained on 4 images, resize(40,44)|center_crop(36)" in text
    assert "ours, torch" in text
    assert "1,000 images 300 MiB, 20,000 images 301 MiB" in text


def test_several_detectors_as_one_table(result: BenchResult) -> None:
    text = summary([result], {"chance": "has no network"})
    rows = [line.split()[0] for line in text.splitlines() if "gap:untrained" in line]
    assert len(rows) == len(result.loops)
    assert "chance: not measured: has no network" in text
    assert "gap, ours, none: failed: unknown runtime 'none'" in text


def test_a_large_network_is_measured_on_fewer_images(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "process", here)
    monkeypatch.setattr(module_under_test, "FEWEST_IMAGES", 2)
    plan = Plan(rounds=1, workers=1, runtimes=(), lap_gflop=1e-9, detailed=False)
    small = bench(work, plan)
    assert [loop.name for loop in small.loops] == ["plain loop"]
    assert small.images == 2
    assert bench(work, dataclasses.replace(plan, lap_gflop=1e9)).images == len(work.files)


def test_work_of_a_known_network_is_counted(work: Work) -> None:
    # GAP at 36x36: 3x3 maps from 512 channels; each layer's outputs x inputs x 4 taps, and so on.
    by_hand = 35**2 * 64 * 12 + 16**2 * 128 * 256 + 7**2 * 256 * 512 + 2**2 * (512 * 1024 + 32768)
    norms = 2 * (35**2 * 64 + 16**2 * 128 + 7**2 * 256 + 2**2 * 512)
    gflop = module_under_test._gflop_per_image(work)
    assert gflop == pytest.approx(2 * (by_hand + norms + 64) / 1e9, rel=1e-3)


def test_what_bench_cannot_compare(work: Work) -> None:
    with pytest.raises(UsageError, match="chance has none"):
        OurLoop(dataclasses.replace(work, method="chance", token=""), "torch", 1)
    with pytest.raises(UsageError, match="crop_multiple"):
        PlainLoop(dataclasses.replace(work, preprocess="crop_multiple(2)"), 0)


class _Subject:
    def __init__(self, value: int) -> None:
        self.value = value

    def lap(self) -> int:
        return self.value

    def bad(self) -> None:
        raise BadImageError("some.png", "is told to be bad")

    def bug(self) -> None:
        raise ZeroDivisionError


def _ask(*methods: str) -> list[tuple[bool, Any]]:
    here, there = multiprocessing.Pipe()  # pickles, as between processes
    server = threading.Thread(target=module_under_test._serve, args=(there, _Subject, (7,)))
    server.start()
    answers = []
    for method in methods:
        here.send(method)
        answers.append(here.recv())
    here.close()
    server.join(10)
    assert not server.is_alive()
    return answers


def test_a_process_answers_and_reports_what_went_wrong() -> None:
    fine, bad, bug, after = _ask("lap", "bad", "bug", "lap")
    assert fine == after == (False, 7)
    assert bad[0] is bug[0] is True
    assert "some.png: is told to be bad" in str(bad[1])
    assert bad[1].exit_code == BadImageError.exit_code
    assert isinstance(bug[1], HarnessError)
    assert "ZeroDivisionError" in str(bug[1])
