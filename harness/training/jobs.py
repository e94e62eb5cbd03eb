"""Several trainings at once: one child process each, one thread each, longest first.

Two single-threaded processes train faster on two cores than two threads do in one after the other,
and one thread makes float sums, so weights, independent of the number of cores.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NoReturn

from tqdm import tqdm

from harness.training.progress import parse

log = logging.getLogger(__name__)

TAIL = 15  # lines of a failed child's stderr that are kept
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class ChildJob:
    """One command.

    Args:
        name: shown to people.
        command: program and arguments; ``@progress DONE TOTAL`` lines on its stderr move the bar.
        folder: in which it runs, "" = that of this process.
        weight: expected cost relative to the other jobs: the longest starts first.
    """

    name: str
    command: tuple[str, ...]
    folder: str = ""
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ChildOutcome:
    """How a job ended; ``tail`` holds the last lines of its stderr when it failed."""

    job: ChildJob
    exit_code: int
    tail: str = ""


def run_jobs(jobs: Sequence[ChildJob], parallel: int) -> list[ChildOutcome]:
    """Runs all jobs, at most ``parallel`` at once; one that fails does not stop the others.

    Ctrl-C ends the children before it goes on.

    Returns:
        One outcome a job, in the given order; the failed ones are in the log.
    """
    outcomes = _Runner(jobs).run(max(1, min(parallel, len(jobs))))
    say_failed(outcomes)
    return outcomes


def say_failed(outcomes: Sequence[ChildOutcome]) -> None:
    """Puts the failed ones into the log, with the last lines that they wrote."""
    for failed in (outcome for outcome in outcomes if outcome.exit_code):
        log.error("failed: %s (exit code %d)\n%s", failed.job.name, failed.exit_code, failed.tail)


class _Runner:
    def __init__(self, jobs: Sequence[ChildJob]) -> None:
        self._jobs = jobs
        self._children: set[subprocess.Popen[str]] = set()
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._stopped = False
        total = sum(job.weight for job in jobs)
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self._bar: tqdm[NoReturn] = tqdm(
            total=total, desc="train", bar_format=form, dynamic_ncols=True
        )

    def run(self, parallel: int) -> list[ChildOutcome]:
        order = sorted(range(len(self._jobs)), key=lambda i: (-self._jobs[i].weight, i))
        with self._bar, ThreadPoolExecutor(parallel) as pool:
            futures = {i: pool.submit(self._run, self._jobs[i]) for i in order}
            try:
                wait(futures.values())
            except BaseException:
                self._stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [futures[i].result() for i in range(len(self._jobs))]

    def _run(self, job: ChildJob) -> ChildOutcome:
        with self._lock:
            if self._stopped:
                return ChildOutcome(job=job, exit_code=130)
            child = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, **ONE_THREAD},
            )
            self._children.add(child)
            self._running.append(job.name)
        with child:
            done, tail = self._follow(job, child)
        with self._lock:
            self._children.discard(child)
            self._running.remove(job.name)
            self._bar.update(job.weight * (1 - done))
        code = child.returncode
        return ChildOutcome(job=job, exit_code=code, tail="\n".join(tail) if code else "")

    def _follow(self, job: ChildJob, child: subprocess.Popen[str]) -> tuple[float, deque[str]]:
        done = 0.0
        tail: deque[str] = deque(maxlen=TAIL)
        assert child.stderr is not None
        for line in child.stderr:
            share = parse(line)
            if share is None:
                tail.append(line.rstrip("\n"))
                continue
            with self._lock:
                self._bar.set_postfix_str(", ".join(self._running), refresh=False)
                self._bar.update(job.weight * max(0.0, share - done))
            done = max(done, share)
        return done, tail

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(timeout=30)  # it ends its step and saves its state
            except subprocess.TimeoutExpired:
                child.kill()
