"""``run --ray``: what one process leaves, whatever happens to the nodes."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.data.manifest import content_hash
from harness.data.source import Source
from harness.evaluation import indexing
from harness.results.journal import Journal
from harness.results.records import Made, RunRecord
from harness.results.store import load_records
from tests import program
from tests.cluster_nodes import KILLER, Nodes, nodes
from tests.conftest import write_images

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subsets, 48 images; the reals of one are the other's too."""
    root = tmp_path_factory.mktemp("images") / "data"
    for first, group in ((0, "a"), (100, "b")):
        write_images(root / group / "0_real", range(12))
        write_images(root / group / "1_fake", range(first + 1, first + 13))
    return root


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with nodes(tmp_path_factory.mktemp("site")) as found:
        yield found


def run(images: Path, out: Path, *more: object, method: str = "chance") -> int:
    flags = ["--method", method, "--images", images, "--resamples", "0", "--out", out]
    return main(["run", *map(str, [*flags, *more])])


@pytest.fixture(scope="module")
def plain(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("plain")
    assert run(images, out) == 0
    return kept(out)


def kept(out: Path) -> dict[str, bytes]:
    found = sorted(out.rglob("predictions/**/*.parquet"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def only_record(out: Path) -> RunRecord:
    (record,) = load_records(out)
    return record


def test_several_nodes_leave_what_one_process_leaves(
    cluster: Nodes, images: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster.with_days("", "", ""):
        assert run(images, tmp_path, "--ray", cluster.address) == 0
    assert kept(tmp_path) == plain
    assert not list(tmp_path.rglob("*.journal"))
    assert len(only_record(tmp_path).made) == 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("no data", "it lacks data that the driver has: "),
        ("other data", "it has other data: "),
        ("other torch", "it differs: torch 0.0.1 (here "),
    ],
)
def test_a_node_that_is_not_as_the_driver_gets_no_work(
    day: str,
    said: str,
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster.with_days("slow", day):
        assert run(images, tmp_path / "1", "--ray", cluster.address) == 0
    assert kept(tmp_path / "1") == plain
    assert "gets no work: " + said in caplog.text
    with cluster.with_days(day):
        assert run(images, tmp_path / "2", "--ray", cluster.address) == 1
    assert not kept(tmp_path / "2")
    errors = capsys.readouterr().err
    assert "no node of the cluster can be used" in errors
    assert said in errors


def test_mixed_versions_are_taken_where_they_are_allowed_and_noted(
    cluster: Nodes, images: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster.with_days("slow", "other torch"):
        assert run(images, tmp_path, "--ray", cluster.address, "--allow-mixed") == 0
    assert kept(tmp_path) == plain
    versions = {made.environment["torch"] for made in only_record(tmp_path).made.values()}
    assert "0.0.1" in versions


def test_a_node_whose_worker_cannot_start(
    cluster: Nodes, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.with_days("dies"):
        assert run(images, tmp_path, "--ray", cluster.address) == 1
    said = "gets no work: its worker ends before it is ready: its process ended"
    assert said in capsys.readouterr().err


def test_other_data_is_never_taken(cluster: Nodes, images: Path, tmp_path: Path) -> None:
    with cluster.with_days("other data"):
        assert run(images, tmp_path, "--ray", cluster.address, "--allow-mixed") == 1


def test_an_image_that_kills_one_node_is_scored_by_another(
    cluster: Nodes, images: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster.with_days("slow", "killer"):
        assert run(images, tmp_path, "--ray", cluster.address) == 0
    assert kept(tmp_path) == plain


def test_an_image_that_kills_every_worker_is_named(
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    skip = ("--on-bad-image", "skip")
    with cluster.with_days("killer", "killer"):
        assert run(images, tmp_path, "--ray", cluster.address, *skip) == 1
    errors = capsys.readouterr().err
    name = images / "a" / "1_fake" / KILLER
    assert f"{name}: the worker ended " in errors
    assert "--on-bad-image skip leaves out only what cannot be read" in errors
    subsets = {result.subset: result.status for result in only_record(tmp_path).subsets}
    assert subsets == {"a": "failed", "b": "ok"}
    assert run(images, tmp_path) == 0
    assert kept(tmp_path) == plain


def test_an_image_for_which_no_node_has_the_memory(
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster.with_days("memory"):
        assert run(images, tmp_path, "--ray", cluster.address) == 1
        errors = capsys.readouterr().err
        assert f"{KILLER}: the worker ended " in errors
        assert "it has no memory for it" in errors
        assert "give the nodes more memory or fewer --workers" in errors
    with cluster.with_days("slow", "memory"):
        assert run(images, tmp_path, "--ray", cluster.address) == 0
    assert kept(tmp_path) == plain


def test_a_stopped_run_goes_on_from_its_journals(
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C after some parts on two nodes, then some on one, then this process alone."""
    add, parts = Journal.add, []

    def stopped(
        journal: Journal, scores: Iterable[tuple[int, float]], made: Iterable[Made]
    ) -> None:
        found = list(scores)
        add(journal, found, made)
        parts.append(len(found))
        if len(parts) % 3 == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stopped)
        for days in (("", ""), ("",)):
            with cluster.with_days(*days):
                assert run(images, tmp_path, "--ray", cluster.address) == 130
    assert "run the same command again to go on" in capsys.readouterr().err
    caplog.set_level("INFO")
    assert run(images, tmp_path) == 0
    there = sum(parts)
    assert f"{48 - there - 12} scores computed, {there + 12} were on disk" in caplog.text
    assert kept(tmp_path) == plain
    assert not list(tmp_path.rglob("*.journal"))


def test_a_full_disk_on_the_driver(
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    append, written = Journal._append, []

    def full(journal: Journal, lines: bytes) -> None:
        written.append(lines)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(journal.path))
        append(journal, lines)

    with cluster.with_days(""):
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_append", full)
            assert run(images, tmp_path, "--ray", cluster.address) == 6
        errors = capsys.readouterr().err
        assert ".journal: No space left on device" in errors
        assert "make room, then run the same command again" in errors
        assert run(images, tmp_path, "--ray", cluster.address) == 0
    assert kept(tmp_path) == plain


def test_hashes_are_made_on_the_nodes_that_have_the_data(
    cluster: Nodes,
    images: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = []

    def counted(source: Source) -> str:
        here.append(source)
        return content_hash(source)

    monkeypatch.setattr(indexing, "content_hash", counted)
    monkeypatch.setattr(indexing, "LEAST", 1)
    monkeypatch.setattr(indexing, "CHUNK", 2)
    monkeypatch.setattr(indexing, "PROBED", 3)
    with cluster.with_days("slow", "other data"):
        assert run(images, tmp_path, "--ray", cluster.address) == 0
    assert len(here) == 2 * 3
    assert "it has other data: " in caplog.text
    assert kept(tmp_path) == plain


def test_two_drivers_on_one_folder(
    cluster: Nodes, images: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    command = [
        *program.HARNESS, "run", "--method", "chance", "--images", images, "--resamples", "0",
        "--out", tmp_path, "--ray", cluster.address,
    ]  # fmt: skip
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with cluster.with_days("slow", "slow"), contextlib.ExitStack() as stack:
        drivers = [stack.enter_context(program.started(*command, **streams)) for _ in range(2)]
        errors = [driver.communicate(timeout=program.DEADLINE_S)[1] for driver in drivers]
    for driver, said in zip(drivers, errors, strict=True):
        assert driver.returncode == 0, said
    assert any("waiting for that one" in said for said in errors)
    assert kept(tmp_path) == plain


def test_a_node_that_goes_away(
    cluster: Nodes, images: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster.with_days("slow", "slow") as found:
        timer = threading.Timer(6, lambda: cluster.cluster.remove_node(found[0], False))
        timer.start()
        try:
            assert run(images, tmp_path, "--ray", cluster.address) == 0
        finally:
            timer.join()
    assert kept(tmp_path) == plain


def test_a_detector_that_raises_on_a_node_names_image_and_node(
    cluster: Nodes, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.with_days("detector"):
        assert run(images, tmp_path, "--ray", cluster.address) == 1
    errors = capsys.readouterr().err
    assert "ValueError: a bad day (on node " in errors


def test_somebodys_function_runs_on_the_nodes_as_here(
    cluster: Nodes, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "on_nodes.py").write_text(  # a name that no other test of the process has
        "import numpy as np\ndef mean(image): return float(np.asarray(image).mean())\n"
        "mean.takes, mean.kind, mean.threshold = 'image', 'uncalibrated', 100\n"
    )
    method = f"{tmp_path}/on_nodes.py:mean"
    assert run(images, tmp_path / "plain", method=method) == 0
    with cluster.with_days("", ""):
        assert run(images, tmp_path / "ray", "--ray", cluster.address, method=method) == 0
    assert kept(tmp_path / "ray") == kept(tmp_path / "plain") != {}
