"""A run dealt to a cluster: subsets cut into parts, and the answers put into the journals.

Only this process writes. A part's scores enter a journal once, whole; a part whose worker ends is
dealt again. So whatever ends, nothing is there twice, and what is missing is scored by whoever runs
the same command next.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from harness.cluster.alike import differences, versions
from harness.cluster.crew import Crew, Dealt, LostError, Seats
from harness.cluster.deck import Deck
from harness.cluster.session import Cluster, Node
from harness.data.decode import display_name
from harness.data.manifest import Hasher
from harness.data.sample import Sample
from harness.engine.scorer import Compute, Job
from harness.errors import HarnessError
from harness.evaluation.indexing import ClusterHashes
from harness.evaluation.part import (
    About,
    NodeOrder,
    NodeScorer,
    Part,
    PartScores,
    PartTask,
    WeightsOrder,
)
from harness.evaluation.work import CellWork, OpenSubset, Tick
from harness.registry import detectors as registry

log = logging.getLogger(__name__)

_Answer = Dealt[Part, dict[int, PartScores]]

PART_IMAGES = 256
"""Of the largest part: seconds of work, so that what a kill loses is small."""
PARTS_A_WORKER = 4
"""At least so many parts of a subset for each worker, so that nobody waits for its last one."""
PROBED = 4
"""Images of every subset that a node must have before it gets work."""


@dataclass(kw_only=True, eq=False)
class _Open:
    """A subset in flight.

    Args:
        subset: it.
        cut: whether all its parts are made.
        out: images of parts that have no outcome yet; the parts themselves may be cut.
    """

    subset: OpenSubset
    cut: bool = False
    out: int = 0


class Dealing:
    """Scores on the nodes of a cluster.

    Args:
        cluster: which.
        compute: where and how on a node: ``workers`` threads a worker; its device is found there.
        device: ``cpu``, ``cuda`` (one a worker) or ``mps``.
        config: the resolved command line, noted with the scores.
        allow_mixed: take nodes whose versions differ from this process's.

    Attributes:
        lost: parts whose worker ended.
    """

    largest_first = True

    def __init__(
        self,
        cluster: Cluster,
        compute: Compute,
        device: str,
        config: Mapping[str, str],
        *,
        allow_mixed: bool,
    ) -> None:
        self.cluster = cluster
        self.compute = compute
        self.device = device
        self.config = config
        self.allow_mixed = allow_mixed
        self.lost = 0
        self.probe: list[Sample] = []
        self._weights: dict[int, int] = {}
        self._orders: list[WeightsOrder] = []
        self._versions = versions()
        self._in_flight: dict[int, _Open] = {}
        self._scored: Counter[str] = Counter()
        self._since = time.monotonic()
        self.seats = Seats(cores=compute.workers, gpu=device == "cuda")
        self.hasher: Hasher | None = ClusterHashes(cluster, self.seats)

    def expect(self, jobs: Sequence[Job], subsets: Sequence[Sequence[Sample]]) -> None:
        """What is going to be scored: nodes are told, and asked for, all of it at once."""
        for job in jobs:
            if id(job.loaded) not in self._weights:
                self._weights[id(job.loaded)] = len(self._orders)
                self._orders.append(_order(job))
        for samples in subsets:
            self.probe += samples[:: max(1, len(samples) // PROBED)][:PROBED]

    @property
    def progress(self) -> str:
        """Images a second of each node, and what was lost."""
        seconds = max(time.monotonic() - self._since, 1e-3)
        parts = [f"{name}: {count / seconds:.1f}/s" for name, count in self._scored.most_common(4)]
        if self.lost:
            parts.append(f"{self.lost} parts dealt again")
        return ", ".join(parts)

    def run(self, work: Iterator[OpenSubset], tick: Tick) -> Iterator[OpenSubset]:
        """As of :class:`harness.evaluation.work.Engine`."""
        done: deque[OpenSubset] = deque()
        parts = self._parts(work, done)
        try:
            first = list(itertools.islice(parts, 1))
            yield from _drained(done)
            if not first:
                return  # nothing to score: no worker is started
            self._since = time.monotonic()
            order = self._order()
            deck = Deck(itertools.chain(first, parts), Part.cut)
            make = partial(NodeScorer, order)
            with Crew(self.cluster, make, self.seats, self._unfit) as crew:
                for dealt in crew.deal(deck):
                    self.lost = crew.lost
                    self._take(dealt, tick, done)
                    yield from _drained(done)
            yield from _drained(done)
        finally:
            for subset in [*done, *(each.subset for each in self._in_flight.values())]:
                subset.close()
            self._in_flight.clear()

    def _order(self) -> NodeOrder:
        return NodeOrder(
            weights=tuple(self._orders),
            compute=self.compute,
            device=self.device,
            config=self.config,
            folder=str(Path.cwd()),
            threads=(torch.get_num_threads(), torch.get_num_interop_threads()),
            probe=tuple(self.probe),
        )

    def _unfit(self, node: Node, about: About) -> str:
        """Why a node that has said what it is may not score."""
        found = differences(self._versions, about.versions)
        if not found:
            return ""
        if self.allow_mixed:
            log.warning("node %s differs: %s (--allow-mixed)", node.name, found)
            return ""
        return f"it differs: {found}\n  next: install the same there, or --allow-mixed"

    def _parts(self, work: Iterator[OpenSubset], done: deque[OpenSubset]) -> Iterator[Part]:
        """Every part of every subset, which is opened when its first part is asked for."""
        for number, subset in enumerate(work):
            open_ = self._in_flight[number] = _Open(subset=subset)
            indices = [
                i
                for i in range(len(subset.samples))
                if any(i not in task.journal for task in subset.tasks)
            ]
            indices.sort(key=lambda index: subset.samples[index].source.order)
            size = self._part_size(len(indices))
            for first in range(0, len(indices), size):
                part = _part(number, subset, indices[first : first + size], self._weights)
                if part.tasks:
                    open_.out += len(part.indices)
                    yield part
            open_.cut = True
            self._finish(number, done)

    def _part_size(self, pending: int) -> int:
        workers = max(1, self.seats.total(self.cluster.nodes()))
        return max(1, min(PART_IMAGES, -(-pending // (PARTS_A_WORKER * workers))))

    def _finish(self, number: int, done: deque[OpenSubset]) -> None:
        found = self._in_flight[number]
        if found.cut and not found.out:
            done.append(self._in_flight.pop(number).subset)

    def _take(self, dealt: _Answer, tick: Tick, done: deque[OpenSubset]) -> None:
        """An answer into the journals; a part without one is an error of its images."""
        part = dealt.part
        found = self._in_flight[part.subset]
        for number in part.tasks:
            task = found.subset.tasks[number]
            if dealt.answer is None:
                task.error = task.error or _not_scored(part, dealt)
            else:
                self._keep(task, part, dealt.answer[number], dealt, tick)
        found.out -= len(part.indices)
        self._finish(part.subset, done)

    def _keep(
        self, task: CellWork, part: Part, answer: PartScores, dealt: _Answer, tick: Tick
    ) -> None:
        places = sorted(answer.scores)
        if places:
            scores = [(part.indices[place], answer.scores[place]) for place in places]
            task.journal.add(scores, [dealt.about.made])
        for place in sorted(answer.skipped):
            task.journal.skip(part.indices[place])
        if answer.error is not None and task.error is None:
            answer.error.message += f" (on node {dealt.node.name})"
            task.error = answer.error
        self._scored[dealt.node.name] += len(places)
        tick(len(places), len(answer.skipped))


def _drained(done: deque[OpenSubset]) -> Iterator[OpenSubset]:
    while done:
        try:
            yield done[0]
        finally:
            done.popleft().close()


def _part(
    number: int, subset: OpenSubset, indices: Sequence[int], weights: Mapping[int, int]
) -> Part:
    """Some images, for the tasks that want them and are well."""
    tasks = {}
    for place, task in enumerate(subset.tasks):
        wanted = tuple(p for p, index in enumerate(indices) if index not in task.journal)
        if wanted and task.error is None:
            tasks[place] = PartTask(
                weights=weights[id(task.cell.job.loaded)],
                wanted=wanted,
                preprocess=str(task.cell.preprocess),
                perturbation=str(task.cell.perturbation),
            )
    return Part(
        subset=number,
        indices=tuple(indices),
        samples=tuple(subset.samples[index] for index in indices),
        tasks=tasks,
        skip_bad=subset.skip_bad,
    )


def _order(job: Job) -> WeightsOrder:
    path = Path(job.token).expanduser() if job.token else None
    comes, registered = registry.origin(job.spec), job.spec.name in registry.detectors()
    return WeightsOrder(
        detector=job.spec.name if registered or not comes else comes.place,
        token=str(path.absolute()) if path is not None and path.exists() else job.token,
        variant=job.loaded.variant,
        sha256=job.weights.sha256,
        declared=registry.declared(job.spec),
        origin=comes.sha256 if comes else "",
    )


def _not_scored(part: Part, dealt: _Answer) -> HarnessError:
    """Why a part has no scores at all."""
    assert dealt.error is not None
    if not isinstance(dealt.error, LostError):
        return dealt.error
    name = display_name(part.samples[0])
    return HarnessError(
        f"{name}: {dealt.error.message}",
        hint="give the nodes more memory or fewer --workers and run again, or take this image out "
        "of the data; --on-bad-image skip leaves out only what cannot be read",
    )
