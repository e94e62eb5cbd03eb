"""Several child processes at once, with commands that only pretend to train."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness.training import progress
from harness.training.jobs import ChildJob, run_jobs
from tests import program

PYTHON = (sys.executable, "-S", "-c")


def job(name: str, code: str, weight: float = 1.0) -> ChildJob:
    return ChildJob(name=name, command=(*PYTHON, textwrap.dedent(code)), weight=weight)


def test_every_job_runs_and_failures_are_collected(tmp_path: Path) -> None:
    marks = [tmp_path / str(number) for number in range(4)]
    jobs = [job(str(n), f"open({str(mark)!r}, 'w').close()") for n, mark in enumerate(marks)]
    bad = """
        import sys
        print("@progress 1 2", "the disk is full", sep="\\n", file=sys.stderr)
        sys.exit(3)
    """
    jobs.insert(1, job("bad", bad))
    outcomes = run_jobs(jobs, parallel=2)
    assert [outcome.job.name for outcome in outcomes] == ["0", "bad", "1", "2", "3"]
    assert [outcome.exit_code for outcome in outcomes] == [0, 3, 0, 0, 0]
    assert outcomes[1].tail == "the disk is full"  # the progress line is not part of the error
    assert all(mark.exists() for mark in marks)


def test_the_longest_starts_first_and_never_more_than_asked_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
        import os, time
        file = os.open({str(log)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, b"+NAME\\n"); time.sleep(0.1); os.write(file, b"-NAME\\n")
    """
    jobs = [job(n, code.replace("NAME", n), w) for n, w in (("a", 1), ("b", 3), ("c", 2))]
    run_jobs(jobs, parallel=1)
    assert log.read_text().split() == ["+b", "-b", "+c", "-c", "+a", "-a"]
    log.unlink()
    run_jobs(jobs * 2, parallel=2)
    running, most = 0, 0
    for line in log.read_text().split():
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    assert most == 2


def test_children_run_on_one_thread_each() -> None:
    code = "import os, sys; sys.exit(int(os.environ['OMP_NUM_THREADS']) + 10)"
    assert [outcome.exit_code for outcome in run_jobs([job("a", code)], 1)] == [11]


def test_no_jobs() -> None:
    assert run_jobs([], parallel=2) == []


def test_ctrl_c_ends_the_children(tmp_path: Path) -> None:
    child = (
        f"import os, time; open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w'); time.sleep(900)"
    )
    parent = f"""
        import sys
        from harness.training.jobs import ChildJob, run_jobs
        command = (sys.executable, "-S", "-c", {child!r})
        run_jobs([ChildJob(name=n, command=command) for n in "ab"], 2)
    """
    code = textwrap.dedent(parent)
    with program.started(sys.executable, "-c", code, stderr=subprocess.PIPE) as process:
        children = _wait_for(lambda: [int(path.name) for path in tmp_path.iterdir()], count=2)
        process.send_signal(signal.SIGINT)  # to the parent alone: a terminal would tell all of them
        _, errors = process.communicate(timeout=program.DEADLINE_S)
        assert b"KeyboardInterrupt" in errors
        assert not any(_alive(pid) for pid in children)


def _wait_for(find: object, count: int) -> list[int]:
    deadline = time.monotonic() + program.DEADLINE_S
    while time.monotonic() < deadline:
        found = find()  # type: ignore[operator]
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise AssertionError("the children did not start")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("@progress 5 20", 0.25),
        ("@progress 30 20", 1.0),
        ("@progress 0 0", 1.0),
        ("@progress x 20", None),
        ("progress 5 20", None),
        ("", None),
    ],
)
def test_progress_lines(line: str, share: float | None) -> None:
    assert progress.parse(line) == share


def test_what_a_child_prints_is_what_the_parent_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show("lines", "x", 1000) as shown:
        for _ in range(500):
            shown.advance(2, {"loss": 0.5})
    captured = capsys.readouterr()
    shares = [progress.parse(line) for line in captured.err.splitlines()]
    assert captured.out == ""
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert 100 <= len(shares) <= 101  # one a percent, however many batches


def test_the_bar_shows_loss_and_rate_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show("bar", "lfm seed 0", 4) as shown:
        shown.advance(4, {"loss": 0.5})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "lfm seed 0" in captured.err and "loss=0.5" in captured.err and "img/s" in captured.err
