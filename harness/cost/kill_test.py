"""A run on a cluster whose workers and driver are killed at random: is anything lost or double?

The images are synthetic, the drivers are processes of their own, and the cluster is this machine's.
Each driver that is killed leaves its journals to the next, which gets another number of workers. In
the end the prediction files must be, byte for byte, those of one process that nobody disturbed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from harness.cluster.session import LOCAL, connected
from harness.data.places import Folder
from harness.data.sample import Listing
from harness.data.suite import Selection, Subset, Suite
from harness.data.synthetic import SyntheticSource, synthetic_suite
from harness.engine.scorer import Compute, make_job
from harness.errors import HarnessError
from harness.evaluation.dealing import Dealing
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings
from harness.evaluation.work import Engine, Local
from harness.installed import ROOT
from harness.registry import detectors as registry

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
WORKER = "ray::_Actor"
"""How Ray names the processes of workers."""


@dataclass(frozen=True, kw_only=True)
class KillPlan:
    """What is done to a run.

    Args:
        images: to score.
        actors: workers at first.
        actor_kills, driver_kills: how many, spread over the run by chance.
        seed: of that chance.
        pause: seconds that reading an image takes longer: few images are scored too soon for kills.
        detector: which scores; it must need no weights.
    """

    images: int
    actors: int
    actor_kills: int
    driver_kills: int
    seed: int
    pause: float = 0.0
    detector: str = "chance"

    def moments(self) -> tuple[list[float], list[float]]:
        """Shares of the images, in (0, 1), at which a worker and at which the driver is killed."""
        chance = random.Random(self.seed)
        drawn = [
            sorted(chance.uniform(0.02, 0.95) for _ in range(count))
            for count in (self.actor_kills, self.driver_kills)
        ]
        return drawn[0], drawn[1]


@dataclass(kw_only=True)
class KillResult:
    """What came of it.

    Args:
        actor_kills, driver_kills: that hit.
        workers: of each driver.
        missing, double: images without a line in the journals when the last driver had ended
            them, and images with several lines, over all journals that drivers left.
        equal: whether the prediction files are those of one process.
        seconds: of the disturbed run, and of the single process.
    """

    actor_kills: int = 0
    driver_kills: int = 0
    workers: list[int] = field(default_factory=list)
    missing: int = 0
    double: int = 0
    equal: bool = False
    seconds: float = 0.0
    single_seconds: float = 0.0

    def passed(self, plan: KillPlan) -> bool:
        """Whether nothing is lost, double or other, and as much was killed as asked for."""
        hit = (self.actor_kills, self.driver_kills) == (plan.actor_kills, plan.driver_kills)
        return hit and self.equal and not self.missing and not self.double


@dataclass(frozen=True, slots=True)
class PausedSource(SyntheticSource):
    """A synthetic image that takes a while.

    Args:
        pause: seconds.
    """

    pause: float

    def read(self) -> bytes:
        """The encoded bytes."""
        time.sleep(self.pause)
        return SyntheticSource(self.number).read()


def _suite(plan: KillPlan) -> Suite:
    suite = synthetic_suite(plan.images, ROOT)
    if not plan.pause:
        return suite
    adapter = suite.adapter

    def paused(suite: Suite, subset: Subset, root: Folder) -> Listing:
        return Listing(
            replace(sample, source=PausedSource(number, plan.pause))
            for number, sample in enumerate(adapter(suite, subset, root))
        )

    return replace(suite, adapter=paused)


def score(plan: KillPlan, out: Path, workers: int) -> None:
    """Scores the images: on a local cluster of so many workers, or (0) in this process."""
    suite = _suite(plan)
    compute = Compute(device=torch.device("cpu"), workers=1)
    settings = Settings(out=out, compute=compute, resampling=None)
    job = make_job(registry.detector(plan.detector), "")
    with _engine(compute, workers) as engine:
        matrix = Matrix([job], settings, engine)
        (record,) = matrix.run([Selection(suite=suite, subsets=suite.subsets)])
    failed = [result.error for result in record.subsets if result.status != "ok"]
    if failed:
        raise HarnessError(failed[0])


@contextlib.contextmanager
def _engine(compute: Compute, workers: int) -> Iterator[Engine]:
    if not workers:
        yield Local(compute, {})
        return
    with connected(LOCAL, cores=workers) as cluster:
        yield Dealing(cluster, compute, "cpu", {}, allow_mixed=False)


def kill_test(plan: KillPlan) -> KillResult:
    """Runs it all; a second or two for each kill, and twice the time that the images take.

    Raises:
        HarnessError: a driver ended with an error of its own.
    """
    with tempfile.TemporaryDirectory(prefix="kill-test-") as folder:
        single, disturbed = Path(folder, "single"), Path(folder, "disturbed")
        result = KillResult()
        start = time.monotonic()
        score(plan, single, 0)
        result.single_seconds = time.monotonic() - start
        start = time.monotonic()
        _Disturbed(plan, disturbed, result).run()
        result.seconds = time.monotonic() - start
        result.equal = _files(single) == _files(disturbed) != {}
        return result


def _files(out: Path) -> dict[str, bytes]:
    """Prediction file -> its bytes."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("predictions/**/*.parquet"))
    }


def _workers_of(driver: int) -> list[int]:
    """Process ids of the workers on the local cluster of a driver."""
    parents: dict[int, int] = {}
    workers = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(folder.name)
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(WORKER.encode()):
                workers.append(pid)
    return sorted(pid for pid in workers if driver in (parents[pid], parents.get(parents[pid])))


class _Disturbed:
    """The drivers, one after the other, and what kills them."""

    def __init__(self, plan: KillPlan, out: Path, result: KillResult) -> None:
        self.plan = plan
        self.out = out
        self.result = result
        self.chance = random.Random(plan.seed + 1)
        self.for_workers, self.for_drivers = plan.moments()

        self._journal = out.with_suffix(".journal")
        self._read = self._lines = 0

    def run(self) -> None:
        """Until a driver comes to its end."""
        while not self._driver():
            pass
        lines = self._journal.read_bytes().splitlines()
        counts = Counter(line.partition(b"\t")[0] for line in lines[1:])
        del counts[b"made"]
        self.result.double = sum(count > 1 for count in counts.values())
        self.result.missing = self.plan.images - len(counts)

    def _driver(self) -> bool:
        """One driver, to its end or its kill; whether it finished."""
        number = len(self.result.workers)
        workers = max(1, self.plan.actors + (0, -1, 1, -2)[number % 4])
        self.result.workers.append(workers)
        log.info("driver %d with %d workers", number + 1, workers)
        plan = [self.plan.images, self.plan.pause, self.plan.detector, self.out, workers]
        command = [sys.executable, "-c", _DRIVER, *map(str, plan)]
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as driver:
            try:
                while driver.poll() is None:
                    time.sleep(POLL_SECONDS)
                    if self._kill(driver.pid):
                        return False
            finally:
                with contextlib.suppress(ProcessLookupError):
                    driver.kill()
        if driver.returncode:
            raise HarnessError(f"driver {number + 1} ended with exit code {driver.returncode}")
        return True

    def _kill(self, driver: int) -> bool:
        """Kills whom it is time for; whether that was the driver."""
        done = self._done()
        if self.for_drivers and done >= self.for_drivers[0]:
            self.for_drivers.pop(0)
            self.result.driver_kills += 1
            os.kill(driver, signal.SIGKILL)
            # Ray's processes end with the driver that started them; not at once.
            return True
        if self.for_workers and done >= self.for_workers[0]:
            found = _workers_of(driver)
            if found:
                self.for_workers.pop(0)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.chance.choice(found), signal.SIGKILL)
                    self.result.actor_kills += 1
        return False

    def _done(self) -> float:
        """The share of the images that the journal has."""
        if not self._journal.exists():
            with contextlib.suppress(OSError, StopIteration):
                # The driver deletes it in the end; by this name it stays to be counted.
                os.link(next(iter(self.out.rglob("*.journal"))), self._journal)
            return 0.0
        with self._journal.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self._lines += new.count(b"\n")
        return self._lines / self.plan.images


def drive() -> None:
    """A driver: scores what its command line says."""
    images, pause, detector, out, workers = sys.argv[1:]
    plan = KillPlan(
        images=int(images),
        actors=0,
        actor_kills=0,
        driver_kills=0,
        seed=0,
        pause=float(pause),
        detector=detector,
    )
    score(plan, Path(out), int(workers))


_DRIVER = "from harness.cost.kill_test import drive; drive()"
