"""Images to scores: every file is read and decoded once for all detectors that still need it.

Two ways with equal results within float rounding. On a CPU each worker thread takes one image from
file to scores (batch 1, one thread a forward pass): activations stay in cache, and no score
depends on what else is in a batch. Elsewhere threads read ahead and the caller's thread runs
batches of equally sized images. A share whose scores hang on the batch (:attr:`Share.batch`) is
scored apart from both, in the order of the images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Protocol

import torch

from harness.data import decode
from harness.data.loader import ordered_map
from harness.data.operations import Pixels
from harness.data.perturb import UNPERTURBED, Perturbation
from harness.data.preprocess import Preprocess, to_tensor
from harness.data.sample import Sample
from harness.engine.scorer import Compute, Scorer
from harness.errors import BadImageError, HarnessError, attempt
from harness.evaluation.image_file import ImageFile
from harness.results.records import Made

View = tuple[str, str, str]
Content = tuple[tuple[int, ...], str, bytes]
Bucket = tuple[View, tuple[int, ...]]


class ScoreBook(Protocol):
    """Where a share's scores go: a journal, or on a node what is sent back."""

    def __contains__(self, index: int) -> bool: ...

    def add(self, scores: Iterable[tuple[int, float]], made: Iterable[Made] = ()) -> None:
        """Scores, and what made them."""

    def skip(self, index: int) -> None:
        """An image that was left out."""


@dataclass(kw_only=True)
class Share:
    """One detector's share of a subset.

    Args:
        scorer: the detector.
        preprocess: its geometry here.
        journal: where its scores go; images in it are not scored again.
        perturbation: what happens to the images before.
        decoding: name of another way to read the files, "" for ours.
        batch: images in a forward pass, in manifest order, where scores hang on what else is in
            it; 0 = they do not.
        made: the session that scores, noted with what it adds.
        error: why it stopped, None while all is well. Other shares go on.
    """

    scorer: Scorer
    preprocess: Preprocess
    journal: ScoreBook
    perturbation: Perturbation = UNPERTURBED
    decoding: str = ""
    batch: int = 0
    made: Made | None = None
    error: HarnessError | None = None

    @cached_property
    def view(self) -> View:
        """What of an image it sees; shares of one view take the same pixels."""
        return self.decoding, str(self.perturbation), str(self.preprocess)

    @property
    def in_order(self) -> bool:
        """Whether its scores hang on the batch."""
        return bool(self.batch) and self.scorer.reads_pixels

    def wants(self, index: int) -> bool:
        """Whether this image is still to be scored."""
        return self.error is None and index not in self.journal


@dataclass(kw_only=True)
class _Loaded:
    """A read image: its pixels by view, and what is already known of it by share.

    ``refused`` says for which views, and why, an operation cannot take it.
    """

    pixels: dict[View, Pixels] = field(default_factory=dict)
    refused: dict[View, BadImageError] = field(default_factory=dict)
    results: dict[int, float | HarnessError] = field(default_factory=dict)


class SubsetScoring:
    """Scores the images of one subset for several detectors.

    Args:
        samples: the images, in manifest order.
        shares: the detectors.
        compute: batch size and workers.
        skip_bad: leave unreadable images out (noted in the journals) instead of failing.
        tick: called with the number of scores just finished, or with 0 and the number of images
            just left out.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        shares: Sequence[Share],
        compute: Compute,
        *,
        skip_bad: bool,
        tick: Callable[..., object],
    ) -> None:
        self.samples = samples
        self.shares = shares
        self.compute = compute
        self.skip_bad = skip_bad
        self.tick = tick
        self._buckets: dict[Bucket, list[tuple[int, Pixels]]] = defaultdict(list)

    def run(self) -> None:
        """Scores until every share is done or has failed; failures are left in ``share.error``."""
        self._run_freely([n for n, share in enumerate(self.shares) if not share.in_order])
        self._run_in_order([n for n, share in enumerate(self.shares) if share.in_order])

    def _run_freely(self, numbers: Sequence[int]) -> None:
        """The shares of these numbers, whose scores hang on no batch."""
        shares = [self.shares[number] for number in numbers]
        pending = [i for i in range(len(self.samples)) if any(share.wants(i) for share in shares)]
        pending.sort(key=lambda index: self.samples[index].source.order)
        per_image = self.compute.per_image
        work = partial(self._load_and_score if per_image else self._load, numbers=numbers)
        workers = self.compute.workers
        # Results come in the order of the images, so that a slow one holds back those behind it:
        # with two images a thread in flight nobody is idle meanwhile. Where batches are made the
        # decoded images wait, which are large: one batch runs, one fills, each thread reads one.
        ahead = 2 * workers if per_image else 2 * self.compute.batch_size + workers
        for outcome in ordered_map(work, pending, workers=workers, ahead=ahead):
            if outcome.error is not None:
                self._bad_image(outcome.item, outcome.error)
            else:
                self._take(outcome.item, outcome.get())
            if all(share.error for share in shares):
                return
        for bucket in list(self._buckets):
            self._flush(bucket)

    def _run_in_order(self, numbers: Sequence[int]) -> None:
        """The shares of these numbers: just ``batch`` images a pass, in manifest order.

        An image whose score is known is read all the same where a share goes on: it was in a batch.
        """
        everything = range(len(self.samples))
        numbers = [n for n in numbers if any(map(self.shares[n].wants, everything))]
        if not numbers:
            return
        batches: dict[int, list[tuple[int, Pixels]]] = {number: [] for number in numbers}
        work = partial(self._load, numbers=numbers, known=True)
        workers = self.compute.workers
        for outcome in ordered_map(work, everything, workers=workers, ahead=2 * workers):
            if outcome.error is not None:
                self._bad_image(outcome.item, outcome.error)
                continue
            loaded = outcome.get()
            for view, error in loaded.refused.items():
                self._bad_image(outcome.item, error, view)
            for number, batch in batches.items():
                share = self.shares[number]
                if share.view in loaded.pixels:
                    batch.append((outcome.item, loaded.pixels[share.view]))
                if len(batch) == share.batch:
                    self._score_batch(share, batch)
                    batch.clear()
            if all(self.shares[number].error for number in numbers):
                return
        for number, batch in batches.items():
            self._score_batch(self.shares[number], batch)

    def _score_batch(self, share: Share, items: Sequence[tuple[int, Pixels]]) -> None:
        """One forward pass of a share in order; nothing where it wants none of the images."""
        wanted = [row for row, (index, _) in enumerate(items) if share.wants(index)]
        if not wanted:
            return
        first, *others = dict.fromkeys(pixels.shape[:2] for _, pixels in items)
        name = decode.display_name(self.samples[items[0][0]])
        if others:
            share.error = HarnessError(
                f"{share.scorer.spec.name}: images of {len(others) + 1} sizes in a batch that "
                f"begins with {name}: {first[1]}x{first[0]} and {others[0][1]}x{others[0][0]} "
                "(width x height)",
                hint="a batch takes images of one size: choose a geometry that ends at one",
            )
            return
        images = torch.stack([to_tensor(pixels) for _, pixels in items])
        scores = attempt(share.scorer.pixels, images, name)
        if isinstance(scores, HarnessError):
            share.error = scores  # without one of its images it would be another batch
        else:
            self._keep(share, [items[row][0] for row in wanted], scores[wanted])

    def _load(self, index: int, numbers: Sequence[int], *, known: bool = False) -> _Loaded:
        """Reads and decodes one image for all shares that want it; runs in a worker thread.

        ``known``: also for those that have its score.
        """
        loaded = _Loaded()
        wanting = [n for n in numbers if known or self.shares[n].wants(index)]
        for views, pixels in self._seen(index, wanting, loaded):
            loaded.pixels |= dict.fromkeys(views, pixels)
        return loaded

    def _seen(
        self, index: int, numbers: Sequence[int], loaded: _Loaded
    ) -> Iterator[tuple[list[View], Pixels]]:
        """What shares see of an image: views that come out the same way, and their pixels.

        What needs no pixels, and what cannot be taken, goes to ``loaded``.
        """
        sample = self.samples[index]
        image = ImageFile(
            decode.read_bytes(sample),
            decode.display_name(sample),
            seed=sample.id,
            label=sample.label,
        )
        views: dict[View, Share] = {}
        for number in numbers:
            share = self.shares[number]
            if share.scorer.reads_pixels:
                views.setdefault(share.view, share)
            else:
                whole = image.read_by(share.decoding).whole(share.perturbation)
                loaded.results[number] = attempt(share.scorer.encoded, *whole, image.name)
        if views:
            image.pixels(UNPERTURBED)  # what cannot be decoded is bad for every share
        alike: dict[tuple[int, str], list[View]] = defaultdict(list)
        for view, share in views.items():
            try:
                before = image.read_by(share.decoding).pixels(share.perturbation)
                alike[id(before), str(share.preprocess)].append(view)
            except BadImageError as error:
                loaded.refused[view] = error
        for same in alike.values():
            share = views[same[0]]
            before = image.read_by(share.decoding).pixels(share.perturbation)
            try:
                pixels = share.preprocess(before, image.name)
            except BadImageError as error:
                loaded.refused |= dict.fromkeys(same, error)
            else:
                yield same, pixels

    def _load_and_score(self, index: int, numbers: Sequence[int]) -> _Loaded:
        """One image from file to scores; runs in a worker thread, one thread a forward pass.

        Views of which an image comes out with equal pixels are scored once a scorer.
        """
        _single_threaded()
        loaded = _Loaded()
        wanting = [n for n in numbers if self.shares[n].wants(index)]
        name = decode.display_name(self.samples[index])
        of_view: dict[View, list[int]] = defaultdict(list)
        for number in wanting:
            if self.shares[number].scorer.reads_pixels:
                of_view[self.shares[number].view].append(number)
        scored: dict[tuple[int, Content | None], float | HarnessError] = {}
        for views, pixels in self._seen(index, wanting, loaded):
            images = to_tensor(pixels)[None]
            # One view has nothing to share, and most runs have one: no hash then.
            content = _content(pixels) if len(of_view) > 1 else None
            for number in chain.from_iterable(of_view[view] for view in views):
                scorer = self.shares[number].scorer
                key = (id(scorer), content)
                if key not in scored:
                    scores = attempt(scorer.pixels, images, name)
                    scored[key] = scores if isinstance(scores, HarnessError) else float(scores[0])
                loaded.results[number] = scored[key]
        return loaded

    def _take(self, index: int, loaded: _Loaded) -> None:
        for number, result in loaded.results.items():
            self._keep(self.shares[number], [index], [result])
        for view, error in loaded.refused.items():
            self._bad_image(index, error, view)
        for view, pixels in loaded.pixels.items():
            bucket = (view, pixels.shape)
            self._buckets[bucket].append((index, pixels))
            if len(self._buckets[bucket]) >= self.compute.batch_size:
                self._flush(bucket)
        # Many odd sizes must not pile up: the fullest bucket goes early.
        if sum(map(len, self._buckets.values())) > 4 * self.compute.batch_size:
            self._flush(max(self._buckets, key=lambda bucket: len(self._buckets[bucket])))

    def _flush(self, bucket: Bucket) -> None:
        """Scores a bucket of equally sized images with every share of that view."""
        items = self._buckets.pop(bucket)
        images = torch.stack([to_tensor(pixels) for _, pixels in items])
        for share in self.shares:
            if not share.scorer.reads_pixels or share.in_order or share.view != bucket[0]:
                continue
            wanted = [row for row, (index, _) in enumerate(items) if share.wants(index)]
            if not wanted:
                continue
            indices = [items[row][0] for row in wanted]
            name = decode.display_name(self.samples[indices[0]])
            batch = images if len(wanted) == len(items) else images[wanted]
            scores = attempt(share.scorer.pixels, batch, name)
            if isinstance(scores, BadImageError):  # of one of them: which?
                for index, image in zip(indices, batch, strict=True):
                    name = decode.display_name(self.samples[index])
                    alone = attempt(share.scorer.pixels, image[None], name)
                    self._keep(
                        share, [index], [alone] if isinstance(alone, HarnessError) else alone
                    )
            else:
                self._keep(share, indices, [scores] if isinstance(scores, HarnessError) else scores)

    def _keep(
        self, share: Share, indices: Sequence[int], results: Iterable[float | HarnessError]
    ) -> None:
        """Journals scores; an error among them ends the share, or leaves a bad image out of it."""
        scores = list(results)
        error = next((score for score in scores if isinstance(score, HarnessError)), None)
        if isinstance(error, BadImageError) and share.error is None:
            self._leave_out(share, indices[0], error)
            return
        if error is not None:
            share.error = share.error or error
            return
        made = () if share.made is None else (share.made,)
        share.journal.add(zip(indices, map(float, scores), strict=True), made)  # type: ignore[arg-type]
        self.tick(len(indices))

    def _bad_image(self, index: int, error: Exception, view: View | None = None) -> None:
        """Leaves an image out of every share, or of those of a view, or ends them."""
        if not isinstance(error, HarnessError):
            raise error
        if not isinstance(error, BadImageError):
            for share in self.shares:
                share.error = share.error or error
            return
        for share in self.shares:
            concerned = view is None or (share.view == view and share.scorer.reads_pixels)
            if concerned and share.wants(index):
                self._leave_out(share, index, error)

    def _leave_out(self, share: Share, index: int, error: BadImageError) -> None:
        """Leaves an image out of a share, or ends it."""
        if self.skip_bad:
            share.journal.skip(index)
            self.tick(0, 1)
        else:
            share.error = BadImageError(error.name, error.reason)
            share.error.hint = error.hint or (
                "`python -m harness check --deep` lists every bad file; "
                "`--on-bad-image skip` leaves them out and says so"
            )


def _content(pixels: Pixels) -> Content:
    """Equal for equal pixels alone."""
    return pixels.shape, pixels.dtype.str, hashlib.sha256(pixels.tobytes()).digest()


def _single_threaded() -> None:
    """Sets this thread's share of torch to one core; the pool of workers uses the others."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
