"""Trainings dealt to a Ray cluster."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.checkpoints import run_weights
from harness.cluster.crew import Seats, UnfitNodeError
from harness.cluster.session import Cluster, connected
from harness.training import dealt
from harness.training.jobs import ChildJob
from tests import program
from tests.conftest import CHECKOUT
from tests.training import tiny

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    with connected(cores=2) as found:
        yield found


def job(name: str, code: str, weight: float = 1.0) -> ChildJob:
    return ChildJob(name=name, command=(sys.executable, "-c", code), weight=weight)


def deal(cluster: Cluster, out: Path, *jobs: ChildJob) -> list[int]:
    found = dealt.deal_jobs(jobs, cluster, out, Seats(cores=1), allow_mixed=False)
    assert [outcome.job for outcome in found] == [*jobs]
    return [outcome.exit_code for outcome in found]


def test_weights_are_those_of_trainings_on_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    tiny.write_class_folders(tmp_path / "train", 4, side=24)
    tiny.write_class_folders(tmp_path / "val", 2, first=50, side=24)
    flags = ["train", "--method", "gap", "--train-data", "train", "--val-data", "val",
             "--train-preprocess", "native", "--val-preprocess", "native", "--epochs", "1",
             "--seeds", "0,1"]  # fmt: skip
    assert main([*flags, "--out", "here"]) == 0
    assert main([*flags, "--out", "there", "--ray"]) == 0
    for seed in (0, 1):
        below = Path("gap") / f"seed{seed}" / run_weights.WEIGHTS
        assert ("here" / below).read_bytes() == ("there" / below).read_bytes()
    assert not [*Path("there").glob(".seen*")]
    assert main([*flags, "--out", "more", "--ray", "--jobs", "2"]) == 2


def test_one_that_fails_is_shown_and_the_others_go_on(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = job("bad", "import sys; sys.exit('no luck')")
    good = job("good", f"open({str(tmp_path / 'done')!r}, 'w')", weight=0.5)
    assert deal(cluster, tmp_path / "out", bad, good) == [1, 0]
    assert "failed: bad" in caplog.text and "no luck" in caplog.text
    assert (tmp_path / "done").exists()


def test_a_job_whose_worker_is_lost_runs_again(cluster: Cluster, tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, time\n"
        f"first = pathlib.Path({str(tmp_path / 'first')!r})\n"
        "if not first.exists():\n"
        "    first.touch()\n"
        "    worker = open(f'/proc/{os.getppid()}/stat').read().split()[3]\n"
        "    os.kill(int(worker), signal.SIGKILL)\n"
        "    time.sleep(60)\n"
        f"pathlib.Path({str(tmp_path / 'second')!r}).touch()\n"
    )
    assert deal(cluster, tmp_path / "out", job("again", code)) == [0]
    assert (tmp_path / "second").exists()


def test_ctrl_c_lets_every_process_save(tmp_path: Path) -> None:
    child = (
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n"
        "    pathlib.Path('saved').touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "pathlib.Path('started').touch()\n"
        "time.sleep(100)\n"
    )
    driver = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness.cluster.crew import Seats\n"
        "from harness.cluster.session import connected\n"
        "from harness.training import dealt\n"
        "from harness.training.jobs import ChildJob\n"
        f"job = ChildJob(name='x', command=(sys.executable, '-c', {child!r}), folder='.')\n"
        "with connected(cores=1) as cluster:\n"
        "    dealt.deal_jobs([job], cluster, Path('out'), Seats(cores=1), allow_mixed=False)\n"
    )
    driver = driver.replace("folder='.'", f"folder={str(tmp_path)!r}")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    with program.started(sys.executable, "-c", driver, cwd=tmp_path, env=environment) as running:
        _wait_for(tmp_path / "started")
        running.send_signal(signal.SIGINT)
        running.wait(timeout=program.DEADLINE_S)
    _wait_for(tmp_path / "saved")


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)


def test_a_node_that_does_not_see_the_folder_or_is_another_is_refused(tmp_path: Path) -> None:
    order = dealt._Order(number=0, job=job("x", ""), token=tmp_path / "gone", versions={})
    with pytest.raises(UnfitNodeError, match="--out must be a folder that all nodes share"):
        dealt._run(order)
    (tmp_path / "there").touch()
    other = {**dealt.versions(), "torch": "0.1"}
    order = dealt._Order(number=0, job=job("x", ""), token=tmp_path / "there", versions=other)
    with pytest.raises(UnfitNodeError, match=r"torch .* \(here 0\.1\).*--allow-mixed"):
        dealt._run(order)
