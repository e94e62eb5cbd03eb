"""A subset whose journals are open, and who scores it: this process, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.data.manifest import Hasher
from harness.data.sample import Sample
from harness.engine.scorer import Compute, Job
from harness.errors import HarnessError
from harness.evaluation.images import Share, SubsetScoring
from harness.evaluation.plan import PlannedCell
from harness.evaluation.scorers import Scorers, session
from harness.results.journal import Journal

Tick = Callable[..., object]
"""Called with the number of scores just finished, and of images just left out."""


@dataclass(kw_only=True, eq=False)
class CellWork:
    """A cell that is being scored.

    Args:
        cell: which.
        journal: where its scores go; images in it are not scored.
        error: why it stopped, None while all is well. Other tasks go on.
    """

    cell: PlannedCell
    journal: Journal
    error: HarnessError | None = None


@dataclass(kw_only=True, eq=False)
class OpenSubset:
    """A subset's images, and what is to be done with them.

    Args:
        samples: in manifest order.
        tasks: cells that one pass over the images serves.
        skip_bad: unreadable images are left out (noted in the journals) instead of an error.
    """

    samples: Sequence[Sample]
    tasks: list[CellWork]
    skip_bad: bool

    def close(self) -> None:
        """Closes the journals; they stay."""
        for task in self.tasks:
            task.journal.close()


class Engine(Protocol):
    """Who scores.

    Attributes:
        largest_first: in which order it wants the subsets; else as they were asked for.
        progress: what there is to say of it beside the bar.
        hasher: who hashes images that are not known yet; None = threads of this process.
    """

    largest_first: bool
    hasher: Hasher | None

    @property
    def progress(self) -> str: ...  # noqa: D102

    def expect(self, jobs: Sequence[Job], subsets: Sequence[Sequence[Sample]]) -> None:
        """What is going to be scored: said once, before :meth:`run`."""

    def run(self, work: Iterator[OpenSubset], tick: Tick) -> Iterator[OpenSubset]:
        """Takes subsets as it has room for them, and gives each back when it is done: every image
        is in the journal of every task that has no error."""


class Local:
    """Scores in this process, one subset after the other.

    Args:
        compute: where and how.
        config: the resolved command line, noted with the scores.
    """

    largest_first = False
    progress = ""
    hasher: Hasher | None = None

    def __init__(self, compute: Compute, config: Mapping[str, str]) -> None:
        self.compute = compute
        self._scorers = Scorers(compute)
        self._made = session(compute, config)

    def expect(self, jobs: Sequence[Job], subsets: Sequence[Sequence[Sample]]) -> None:
        """Nothing has to be known before."""

    def run(self, work: Iterator[OpenSubset], tick: Tick) -> Iterator[OpenSubset]:
        """As of :class:`Engine`."""
        for subset in work:
            try:
                self._score(subset, tick)
                yield subset
            finally:
                subset.close()

    def _score(self, subset: OpenSubset, tick: Tick) -> None:
        shares: list[tuple[CellWork, Share]] = []
        for task in subset.tasks:
            if task.journal.done() == len(subset.samples):
                continue  # merged from shards, or known from other subsets: needs no network
            try:
                shares.append((task, self._share(task)))
            except HarnessError as error:
                task.error = error
        SubsetScoring(
            subset.samples,
            [share for _, share in shares],
            self.compute,
            skip_bad=subset.skip_bad,
            tick=tick,
        ).run()
        for task, share in shares:
            task.error = share.error

    def _share(self, task: CellWork) -> Share:
        return Share(
            scorer=self._scorers.of(task.cell.job),
            preprocess=task.cell.preprocess,
            perturbation=task.cell.perturbation,
            journal=task.journal,
            made=self._made,
        )
