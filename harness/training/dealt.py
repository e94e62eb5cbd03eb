"""Several trainings on a cluster: each is the child process that it would be here, on some node.

``--out`` must be a folder that every node sees: what a training saves there is what it goes on from
after an interruption, on whatever node that is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from harness.cluster.alike import differences, versions
from harness.cluster.crew import Dealt, Seats, UnfitNodeError, deal
from harness.cluster.session import Cluster
from harness.training.jobs import ONE_THREAD, TAIL, ChildJob, ChildOutcome, say_failed
from harness.training.progress import parse

# Ray kills what a worker has started when the worker ends, and a training must be told to save
# instead. So its parent is a process in between, at whose end the system sends it SIGTERM
# (PR_SET_PDEATHSIG of prctl(2), Linux only: elsewhere it ends without saving a last time).
_SUPERVISED = (
    sys.executable,
    "-c",
    "import ctypes, signal, subprocess, sys\n"
    "def told():\n"
    "    if sys.platform == 'linux':\n"
    "        ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
    "sys.exit(subprocess.call(sys.argv[1:], preexec_fn=told))\n",
)


@dataclass(frozen=True, kw_only=True)
class _Order:
    """A job, and what its node must have.

    Args:
        number: of the job.
        job: what to run.
        token: a file of the driver below ``--out``.
        versions: of the driver; empty = any will do.
    """

    number: int
    job: ChildJob
    token: Path
    versions: Mapping[str, str]


def deal_jobs(
    jobs: Sequence[ChildJob], cluster: Cluster, out: Path, seats: Seats, *, allow_mixed: bool
) -> list[ChildOutcome]:
    """Runs all jobs on the cluster, the longest first; one that fails does not stop the others.

    A job whose process's worker is lost runs again, elsewhere if need be, and goes on from what it
    has saved. Ctrl-C ends the processes on all nodes; they save their state.

    Args:
        jobs: what to run.
        cluster: where.
        out: a folder that every node must see.
        seats: cores or GPUs of each.
        allow_mixed: also on nodes with other versions.

    Returns:
        One outcome a job, in the given order; the failed ones are in the log.
    """
    outcomes: dict[int, ChildOutcome] = {}
    with _token(out) as token:
        wanted = {} if allow_mixed else versions()
        orders = [
            _Order(number=i, job=job, token=token, versions=wanted) for i, job in enumerate(jobs)
        ]
        orders.sort(key=lambda order: (-order.job.weight, order.number))
        with tqdm(total=len(orders), desc="train", unit="training", dynamic_ncols=True) as bar:
            for dealt in deal(cluster, _run, orders, seats):
                outcomes[dealt.part.number] = _outcome(dealt)
                bar.set_postfix_str(f"{dealt.part.job.name} on {dealt.node.name}", refresh=False)
                bar.update()
    found = [outcomes[number] for number in range(len(jobs))]
    say_failed(found)
    return found


def _outcome(dealt: Dealt[_Order, ChildOutcome]) -> ChildOutcome:
    if dealt.answer is not None:
        return dealt.answer
    reason = dealt.error.message if dealt.error else "no answer"
    return ChildOutcome(job=dealt.part.job, exit_code=1, tail=reason)


@contextlib.contextmanager
def _token(out: Path) -> Iterator[Path]:
    """A file that nodes look for, gone afterwards."""
    out.mkdir(parents=True, exist_ok=True)
    path = out.absolute() / f".seen-by-nodes-{uuid.uuid4().hex[:8]}"
    path.write_text("A run looks here whether its nodes see this folder; delete it at will.\n")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _run(order: _Order) -> ChildOutcome:
    """On a node: the job's process from its start to its end."""
    if not order.token.is_file():
        raise UnfitNodeError(
            f"it does not see {order.token.parent}: --out must be a folder that all nodes share"
        )
    other = differences(order.versions, versions()) if order.versions else ""
    if other:
        raise UnfitNodeError(f"{other}; --allow-mixed takes it all the same")
    tail: deque[str] = deque(maxlen=TAIL)
    child = subprocess.Popen(
        [*_SUPERVISED, *order.job.command],
        cwd=order.job.folder or None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **ONE_THREAD},
    )
    with child:
        assert child.stderr is not None
        tail.extend(line.rstrip("\n") for line in child.stderr if parse(line) is None)
    code = child.returncode
    return ChildOutcome(job=order.job, exit_code=code, tail="\n".join(tail) if code else "")
