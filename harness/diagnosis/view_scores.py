"""Scores of the images under conditions: one pass over the images serves all conditions of it.

Every condition's scores have a key of their own and are kept as those of a run are: in a journal
while they are not whole, then in a prediction file. No record is written, so that no table and no
mean can read them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.diagnosis.condition import ScoredSubset, Scores, View
from harness.diagnosis.row import ScoredRow
from harness.engine.scorer import Job, Scorer, make_job, with_options
from harness.engine.towers import Towers
from harness.errors import HarnessError
from harness.evaluation.images import Share, SubsetScoring
from harness.evaluation.scorers import session
from harness.results.journal import Flags, Journal
from harness.results.predictions import prediction_path, read_predictions
from harness.results.records import PredictionKey

MEMORY = 3e9
"""Bytes of weights that conditions on the network may hold at once."""


class BudgetSpentError(Exception):
    """There is no time left; what was scored is kept."""


@dataclass(kw_only=True)
class ViewState:
    """How far one condition's images are scored.

    Args:
        view: the condition's.
        job: the detector as it scores under it.
        scores: subset -> (N,) by place among the row's samples, NaN for what is not scored.
        error: why it cannot be scored, "" while all is well.
    """

    view: View
    job: Job
    scores: dict[str, Scores] = field(default_factory=dict)
    error: str = ""


class ViewScores:
    """Scores of a row's images under conditions.

    Args:
        row: the row.

    Attributes:
        deadline: of ``time.monotonic``; after it :class:`BudgetSpentError` is raised.
        computed: scores that networks gave.
        states: how far each condition is, by name.
    """

    def __init__(self, row: ScoredRow) -> None:
        self.row = row
        self.deadline = math.inf
        self.computed = 0
        self.states: dict[str, ViewState] = {}
        self._jobs: dict[str, Job] = {}
        self._scorers: dict[tuple[str, str, str], Scorer] = {}
        self._samples: dict[tuple[str, int, int], Flags] = {}
        place = {name: row.places(name) for name in row.sets}
        self._places = place
        self._rows = {name: [place[name][i] for i in each.ids] for name, each in row.sets.items()}
        self._towers = Towers()
        self._made = session(row.settings.compute, row.settings.config)

    def state(self, name: str, view: View) -> ViewState:
        """How far a condition is; its error says why it cannot be tried."""
        if name not in self.states:
            try:
                self.states[name] = ViewState(view=view, job=self._job(view))
            except HarnessError as error:
                state = ViewState(view=view, job=self.row.job, error=error.message)
                self.states[name] = state
        return self.states[name]

    def _job(self, view: View) -> Job:
        """The row's job with the condition's weights or build options."""
        job = self.row.job
        if view.weights and view.weights not in self._jobs:
            self._jobs[view.weights] = make_job(job.spec, view.weights)
        if view.weights:
            job = self._jobs[view.weights]
        if view.options is not None:
            spec = with_options(job.spec, job.loaded.variant, view.options)
            job = dataclasses.replace(job, spec=spec)
        return job

    def key(self, state: ViewState, subset: str) -> PredictionKey:
        """What decides the scores of a condition on a subset."""
        base = self.row.record.key(subset, self.row.manifests[subset].digest)
        view, loaded = state.view, state.job.loaded
        changed = [f"decoding {view.decoding}" if view.decoding else "", view.variation]
        return dataclasses.replace(
            base,
            preprocess=str(parse(view.preprocess)) if view.preprocess else base.preprocess,
            perturbation=str(parse_perturbation(view.perturbation or base.perturbation)),
            precision=view.precision if view.precision != "fp32" else base.precision,
            weights=loaded.ref.sha256,
            variant=loaded.variant if view.weights else base.variant,
            condition=", ".join(filter(None, changed)),
        )

    def score(
        self, states: Mapping[str, ViewState], subsets: Sequence[str], per_class: int, what: str
    ) -> None:
        """Scores at least ``per_class`` images of each class, 0 = all, under each condition.

        Raises:
            BudgetSpentError: there is no time left.
        """
        wanted = {
            name: {subset: self._wanted(state, subset, per_class) for subset in subsets}
            for name, state in states.items()
            if not state.error
        }
        total = sum(int(flags.sum()) for each in wanted.values() for flags in each.values())
        bar: tqdm[Any]
        with tqdm(total=total, desc=what, unit="score", smoothing=0.05) as bar:
            for names in self._together(wanted, states):
                for subset in subsets:
                    flags = {name: wanted[name][subset] for name in names}
                    self._score_subset({n: states[n] for n in names}, subset, flags, bar)

    def _together(
        self, names: Iterable[str], states: Mapping[str, ViewState]
    ) -> Iterator[list[str]]:
        """Conditions by how many networks fit into :data:`MEMORY` at once; those of the published
        network are together."""
        own = [name for name in names if self._own_network(states[name].view)]
        shared = [name for name in names if name not in own]
        at_once = max(1, int(MEMORY // max(1, self._bytes())))
        for place in range(0, max(len(own), 1), at_once):
            part = own[place : place + at_once]
            yield shared + part if not place else part
            if at_once < len(own):
                self._scorers = {k: s for k, s in self._scorers.items() if not any(k)}

    def _bytes(self) -> int:
        """Of one network."""
        state = self.row.job.loaded.state
        return sum(tensor.numel() * tensor.element_size() for tensor in state.values())

    def _own_network(self, view: View) -> bool:
        return any(self._network(view))

    def _network(self, view: View) -> tuple[str, str, str]:
        """What sets a condition's network apart, empty texts for the published one."""
        precision = "" if view.precision == "fp32" else view.precision
        return view.weights, precision, view.variation

    def _wanted(self, state: ViewState, subset: str, per_class: int) -> Flags:
        known = self._known(state, subset)
        drawn = (subset, per_class, state.view.batch)
        if drawn not in self._samples:  # hundreds of conditions draw the same images
            samples = self.row.samples[subset]
            self._samples[drawn] = sampled(samples, per_class, state.view.batch)
        flags: Flags = self._samples[drawn] & np.isnan(known)
        return flags

    def _known(self, state: ViewState, subset: str) -> Scores:
        """(N,) what is known so far; whole files are read from disk once."""
        if subset not in state.scores:
            samples = self.row.samples[subset]
            scores = np.full(len(samples), np.nan)
            path = prediction_path(self.row.settings.out, self.key(state, subset))
            with contextlib.suppress(HarnessError):
                kept = read_predictions(path)
                place = self._places[subset]
                scores[[place[name] for name in kept.ids]] = kept.scores
            state.scores[subset] = scores
        return state.scores[subset]

    def _score_subset(
        self,
        states: Mapping[str, ViewState],
        subset: str,
        wanted: Mapping[str, Flags],
        bar: tqdm[Any],
    ) -> None:
        samples = self.row.samples[subset]
        with contextlib.ExitStack() as stack:
            shares: dict[str, tuple[Share, Journal]] = {}
            for name, state in states.items():
                if state.error or not wanted[name].any():
                    continue
                try:
                    journal = self._journal(state, subset, ~wanted[name], stack)
                    if journal.done() == len(samples):  # scored before a stop: no network is needed
                        self._keep(state, subset, journal)
                    else:
                        shares[name] = self._share(state, journal), journal
                except HarnessError as error:
                    state.error = error.message
            scoring = SubsetScoring(
                samples,
                [share for share, _ in shares.values()],
                self.row.settings.compute,
                skip_bad=self.row.settings.skip_bad,
                tick=self._tick(bar),
            )
            try:
                scoring.run()
            finally:
                for name, (share, journal) in shares.items():
                    if share.error is not None:
                        states[name].error = share.error.message
                    self._keep(states[name], subset, journal)

    def _journal(
        self, state: ViewState, subset: str, elsewhere: Flags, stack: contextlib.ExitStack
    ) -> Journal:
        key = self.key(state, subset)
        path = prediction_path(self.row.settings.out, key).with_suffix(".journal")
        journal = Journal(path, key, len(elsewhere), elsewhere)
        stack.callback(journal.close)
        return journal

    def _share(self, state: ViewState, journal: Journal) -> Share:
        view, record = state.view, self.row.record
        scorer = self._scorer(state)
        if view.preprocess and not scorer.reads_pixels:
            raise HarnessError(f"{scorer.spec.name} takes whole files: nothing here resizes them")
        return Share(
            scorer=scorer,
            preprocess=parse(view.preprocess or record.preprocess),
            perturbation=parse_perturbation(view.perturbation or record.perturbation),
            journal=journal,
            made=self._made,
            decoding=view.decoding,
            batch=view.batch,
        )

    def _scorer(self, state: ViewState) -> Scorer:
        """One network for all conditions that change nothing in it."""
        view = state.view
        key = self._network(view)
        if key not in self._scorers:
            compute = self.row.settings.compute
            if view.precision != "fp32":
                compute = dataclasses.replace(compute, precision=view.precision)
            self._scorers[key] = Scorer(
                state.job.spec, state.job.loaded, compute, self._towers, change=view.change
            )
        return self._scorers[key]

    def _tick(self, bar: tqdm[Any]) -> Callable[..., None]:
        def tick(scored: int, skipped: int = 0) -> None:
            self.computed += scored
            bar.update(scored + skipped)
            if time.monotonic() > self.deadline:
                raise BudgetSpentError

        return tick

    def _keep(self, state: ViewState, subset: str, journal: Journal) -> None:
        """Takes over what the journal holds; a whole one becomes a prediction file."""
        samples = self.row.samples[subset]
        state.scores[subset] = journal.scores.copy()
        if state.error:
            return
        scored = ~np.isnan(journal.scores)
        scored[sorted(journal.skipped)] = True
        if scored.all():
            key = self.key(state, subset)
            path = prediction_path(self.row.settings.out, key)
            journal.finish(path, key, samples, self.row.manifests[subset].unit)

    def sets(self, state: ViewState) -> tuple[dict[str, ScoredSubset], dict[str, Flags]]:
        """The row's sets with the condition's scores, and which of their images have one.

        Returns:
            subset -> images that have a score under the condition; subset -> (N,) booleans over the
            row's set, whether it has.
        """
        found, known = {}, {}
        for subset, base in self.row.sets.items():
            scores = self._known(state, subset)[self._rows[subset]]
            known[subset] = ~np.isnan(scores)
            found[subset] = dataclasses.replace(base, scores=scores).take(known[subset])
        return found, known


def sampled(samples: Sequence[Sample], per_class: int, batch: int = 0) -> Flags:
    """(N,) a stratified sample that a larger one contains; all images with ``per_class`` 0.

    Args:
        samples: in manifest order, by label.
        per_class: images of each class, at least.
        batch: whole batches of so many images in manifest order are taken, where scores hang on
            them; 0 = single images.
    """
    size = len(samples)
    if not per_class:
        return np.ones(size, np.bool_)
    rank = np.array([_rank(sample.id) for sample in samples])
    labels = np.array([sample.label for sample in samples])
    flags = np.zeros(size, np.bool_)
    for label in (0, 1):
        mine = np.flatnonzero(labels == label)
        flags[mine[np.argsort(rank[mine], kind="stable")[:per_class]]] = True
    if not batch:
        return flags
    whole = np.arange(size) // batch
    chosen = np.zeros(int(whole[-1]) + 1, np.bool_)
    for label in (0, 1):
        batches = dict.fromkeys(whole[labels == label].tolist())
        order = sorted(batches, key=lambda number: _rank(str(number)))
        chosen[order[: -(-per_class // batch)]] = True
    return chosen[whole]


def _rank(name: str) -> int:
    """A place in an order that has nothing to do with names, the same everywhere."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big")


def rounds(sizes: Sequence[int], largest: int) -> Iterator[int]:
    """Sample sizes a class, rising, and 0 for all at the end."""
    yield from (size for size in sizes if size < largest)
    yield 0
