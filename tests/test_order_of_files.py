"""What must not move a score does not: order of files, workers, threads, shards, interruptions.

An LFM network with random weights and a fitted support vector machine of scikit-learn, on generated
images. Where a CPU takes one image a forward pass the prediction files are equal byte by byte.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.engine.accelerate import TOLERANCE
from harness.registry import detectors as registry
from harness.results.journal import Journal
from harness.results.predictions import read_predictions
from harness.results.records import Made, Metric, SubsetResult
from harness.results.store import load_records
from tests import program
from tests.conftest import marked, noise, write_images

SUBSETS = {"a": 9, "b": 6, "c": 4}
TOTAL = 2 * 2 * sum(SUBSETS.values())
DISTINCT = TOTAL - 2 * SUBSETS["c"]  # its reals are among those of a: two detectors score them once


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subsets of two sizes; the reals of ``c`` are among those of ``a``."""
    root = tmp_path_factory.mktemp("images") / "data"
    for number, (name, count) in enumerate(SUBSETS.items()):
        first = 0 if name == "c" else 100 * number
        write_images(root / name / "0_real", range(first, first + count), 64, 80)
        write_images(root / name / "1_fake", range(1000 * number, 1000 * number + count), 96, 64)
    return root


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``--method`` of both detectors, with their weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = registry.detector("lfm").build()
    state = {n: v.clone() for n, v in network.state_dict().items()}
    save_file(state, folder / "lfm.safetensors", metadata=marked("lfm"))
    machine = registry.detector("durall").build()
    pictures = np.stack([noise(seed, 64, 64) for seed in range(20)]).astype(np.float32) / 255
    pictures[::2, ::2] *= 0.9  # half of them with a trace
    features = machine.features(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    machine.fit(features, np.arange(20) % 2, seed=0)
    state = dict(machine.state_dict())
    save_file(state, folder / "durall.safetensors", metadata=marked("durall"))
    return ",".join(f"{name}:{folder / name}.safetensors" for name in ("lfm", "durall"))


@pytest.fixture(scope="module")
def flags(images: Path, methods: str) -> list[str]:
    return ["--method", methods, "--images", str(images), "--preprocess", "native"]


@pytest.fixture(scope="module")
def plain(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a plain run leaves: the reference of all tests."""
    out = tmp_path_factory.mktemp("plain")
    assert harness(flags, out) == 0
    return out


def harness(flags: list[str], out: Path, *more: object) -> int:
    return main(["run", *flags, "--resamples", "50", "--out", str(out), *map(str, more)])


def kept(out: Path) -> dict[str, bytes]:
    """Prediction file -> its bytes."""
    folder = out / "predictions"
    assert not list(folder.rglob("*.journal"))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    assert len(files) == 2 * len(SUBSETS)
    return {name: path.read_bytes() for name, path in sorted(files.items())}


def scores(out: Path) -> dict[tuple[str, str, str], float]:
    found = {}
    for path in (out / "predictions").rglob("*.parquet"):
        one = read_predictions(path)
        place = (one.key.detector, one.key.subset)
        found.update({(*place, i): s for i, s in zip(one.ids, one.scores.tolist(), strict=True)})
    assert len(found) == TOTAL
    return found


def numbers(out: Path) -> dict[str, tuple[list[SubsetResult], dict[str, Metric]]]:
    """All that records say of the scores; the rest names where and how they were made."""
    return {
        record.detector: (
            sorted((replace(each, made=()) for each in record.subsets), key=lambda r: r.subset),
            record.mean,
        )
        for record in load_records(out)
    }


def same(out: Path, plain: Path) -> bool:
    return kept(out) == kept(plain) and numbers(out) == numbers(plain)


def test_the_reference_is_worth_comparing_with(plain: Path) -> None:
    """Scores that are all alike would be equal under anything."""
    values = scores(plain)
    for detector in ("lfm", "durall"):
        mine = {score for (name, _, _), score in values.items() if name == detector}
        assert len(mine) == TOTAL // 2 - SUBSETS["c"]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers(workers: int, flags: list[str], plain: Path, tmp_path: Path) -> None:
    assert harness(flags, tmp_path, "--workers", workers) == 0
    assert same(tmp_path, plain)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_threads(flags: list[str], plain: Path, tmp_path: Path) -> None:
    assert harness(flags, tmp_path) == 0
    assert same(tmp_path, plain)
    assert {record.environment["threads"] for record in load_records(tmp_path)} == {"2"}
    assert {record.environment["threads"] for record in load_records(plain)} == {"1"}


def test_a_folder_whose_files_were_made_in_another_order(
    images: Path, flags: list[str], plain: Path, tmp_path: Path
) -> None:
    files = sorted(path.relative_to(images) for path in images.rglob("*.png"))
    copy = tmp_path / "copy" / images.name
    for place in np.random.default_rng(1).permutation(len(files)):
        (copy / files[place]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / files[place], copy / files[place])
    out = tmp_path / "out"
    images.rename(tmp_path / "first")  # the path is part of own data's name
    try:
        copy.rename(images)
        assert harness(flags, out) == 0
    finally:
        images.rename(copy)
        (tmp_path / "first").rename(images)
    assert same(out, plain)


def test_a_list_in_another_order(images: Path, methods: str, tmp_path: Path) -> None:
    """Its groups come in another order too: so do the terms of the sums behind mean intervals."""
    rows = [
        f"{path},{int(path.parent.name == '1_fake')},{path.parents[1].name}"
        for path in sorted(images.rglob("*.png"))
    ]
    shuffled = np.random.default_rng(0).permutation(rows).tolist()
    outs = []
    file = tmp_path / "list.csv"
    for number, order in enumerate((rows, rows[::-1], shuffled)):
        file.write_text("\n".join(["path,label,group", *order]))
        outs.append(tmp_path / f"out{number}")
        flags = ["--method", methods, "--images", str(file), "--preprocess", "native"]
        assert harness(flags, outs[-1]) == 0
    first = numbers(outs[0])
    for other in outs[1:]:
        assert kept(other) == kept(outs[0])
        for detector, (subsets, mean) in numbers(other).items():
            assert subsets == first[detector][0]
            for name, metric in mean.items():
                expected = first[detector][1][name]
                assert metric.value == expected.value
                if metric.low is None:
                    assert expected.low is None
                    continue
                edges = (expected.low, expected.high)
                assert (metric.low, metric.high) == pytest.approx(edges, rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_on_one_folder(
    count: int, flags: list[str], plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(count, 0, -1):
        assert harness(flags, tmp_path, "--shard", f"{index}/{count}") == 0
    caplog.set_level("INFO")
    assert harness(flags, tmp_path) == 0
    assert f"0 scores computed, {TOTAL} were on disk" in caplog.text
    assert same(tmp_path, plain)


def test_shards_on_two_folders_are_joined_by_copying(
    flags: list[str], plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined = tmp_path / "joined"
    for index in (1, 2):
        out = tmp_path / str(index)
        assert harness(flags, out, "--shard", f"{index}/2") == 0
        shutil.copytree(out / "predictions", joined / "predictions", dirs_exist_ok=True)
    caplog.set_level("INFO")
    assert harness(flags, joined) == 0
    assert f"0 scores computed, {TOTAL} were on disk" in caplog.text
    assert same(joined, plain)


def test_shards_at_the_same_time(
    flags: list[str], plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each writes the same records with its own subsets; whoever was last, the scores are there."""
    command = [*program.HARNESS, "run", *flags, "--out", tmp_path]
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(
                program.started(
                    *command, "--shard", f"{index}/2", stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE, text=True,
                )
            )
            for index in (1, 2)
        ]  # fmt: skip
        for child in children:
            _, errors = child.communicate(timeout=program.DEADLINE_S)
            assert child.returncode == 0, errors
    caplog.set_level("INFO")
    assert harness(flags, tmp_path) == 0
    assert f"0 scores computed, {TOTAL} were on disk" in caplog.text
    assert same(tmp_path, plain)


@pytest.mark.parametrize("after", [1, 7, 20])
def test_interrupted_and_run_again(
    after: int,
    flags: list[str],
    plain: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between any two scores; a kill by the system is in ``test_run.py``."""
    add, done = Journal.add, []

    def interrupted(
        journal: Journal, scores: Iterable[tuple[int, float]], made: Iterable[Made] = ()
    ) -> None:
        found = list(scores)
        add(journal, found, made)
        done.extend(found)
        if len(done) == after and found:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupted)
        assert harness(flags, tmp_path) == 130
    assert len(done) == after
    assert list(tmp_path.rglob("*.journal"))
    caplog.set_level("INFO")
    assert harness(flags, tmp_path) == 0
    assert f"{DISTINCT - after} scores computed" in caplog.text
    assert same(tmp_path, plain)


@pytest.mark.parametrize("batch", [4, 32])
def test_batches_move_scores_within_the_tolerance(
    batch: int, flags: list[str], plain: Path, tmp_path: Path
) -> None:
    assert harness(flags, tmp_path, "--batch-size", batch) == 0
    close(scores(tmp_path), scores(plain))


@pytest.mark.usefixtures("two_threads")
def test_threads_in_batches_move_scores_within_the_tolerance(
    flags: list[str], plain: Path, tmp_path: Path
) -> None:
    assert harness(flags, tmp_path, "--batch-size", 4) == 0
    close(scores(tmp_path), scores(plain))


def close(
    found: dict[tuple[str, str, str], float], expected: dict[tuple[str, str, str], float]
) -> None:
    assert found.keys() == expected.keys()
    for place, score in expected.items():
        assert abs(found[place] - score) <= TOLERANCE * max(1.0, abs(score)), place
