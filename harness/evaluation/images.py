"""Images to scores: every file is read and decoded once for all detectors that still need it.

Two ways with equal results within float rounding. On a CPU each worker thread takes one image from
file to scores (batch 1, one thread a forward pass): activations stay in cache, and no score
depends on what else is in a batch. Elsewhere threads read ahead and the caller's thread runs
batches of equally sized images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from harness.data import decode
from harness.data.decode import Image8
from harness.data.loader import ordered_map
from harness.data.perturb import UNPERTURBED, Perturbation
from harness.data.preprocess import Preprocess, to_tensor
from harness.data.sample import Sample
from harness.engine.scorer import Compute, Scorer
from harness.errors import BadImageError, HarnessError, attempt
from harness.evaluation.image_file import ImageFile
from harness.results.records import Made

View = tuple[str, str]
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
        made: the session that scores, noted with what it adds.
        error: why it stopped, None while all is well. Other shares go on.
    """

    scorer: Scorer
    preprocess: Preprocess
    journal: ScoreBook
    perturbation: Perturbation = UNPERTURBED
    made: Made | None = None
    error: HarnessError | None = None

    @property
    def view(self) -> View:
        """What of an image it sees; shares of one view take the same pixels."""
        return str(self.perturbation), str(self.preprocess)

    def wants(self, index: int) -> bool:
        """Whether this image is still to be scored."""
        return self.error is None and index not in self.journal


@dataclass(kw_only=True)
class _Loaded:
    """A read image: its pixels by view, and what is already known of it by share.

    ``refused`` says for which views, and why, an operation cannot take it.
    """

    pixels: dict[View, Image8] = field(default_factory=dict)
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
        self._buckets: dict[Bucket, list[tuple[int, Image8]]] = defaultdict(list)

    def run(self) -> None:
        """Scores until every share is done or has failed; failures are left in ``share.error``."""
        pending = [
            i for i in range(len(self.samples)) if any(share.wants(i) for share in self.shares)
        ]
        pending.sort(key=lambda index: self.samples[index].source.order)
        per_image = self.compute.per_image
        work = self._load_and_score if per_image else self._load
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
            if all(share.error for share in self.shares):
                return
        for bucket in list(self._buckets):
            self._flush(bucket)

    def _load(self, index: int) -> _Loaded:
        """Reads and decodes one image for all shares that want it; runs in a worker thread."""
        sample = self.samples[index]
        image = ImageFile(
            decode.read_bytes(sample),
            decode.display_name(sample),
            seed=sample.id,
            label=sample.label,
        )
        loaded = _Loaded()
        for number, share in enumerate(self.shares):
            if not share.wants(index):
                continue
            if not share.scorer.reads_pixels:
                whole = image.whole(share.perturbation)
                loaded.results[number] = attempt(share.scorer.encoded, *whole, image.name)
            elif share.view not in loaded.pixels:
                image.pixels(UNPERTURBED)  # what cannot be decoded is bad for every share
                try:
                    pixels = image.pixels(share.perturbation)
                    loaded.pixels[share.view] = share.preprocess(pixels, image.name)
                except BadImageError as error:
                    loaded.refused[share.view] = error
        return loaded

    def _load_and_score(self, index: int) -> _Loaded:
        """One image from file to scores; runs in a worker thread, one thread a forward pass."""
        _single_threaded()
        loaded = self._load(index)
        name = decode.display_name(self.samples[index])
        for view, pixels in loaded.pixels.items():
            images = to_tensor(pixels)[None]
            for number, share in enumerate(self.shares):
                if share.scorer.reads_pixels and share.view == view and share.wants(index):
                    scores = attempt(share.scorer.pixels, images, name)
                    loaded.results[number] = (
                        scores if isinstance(scores, HarnessError) else float(scores[0])
                    )
        return _Loaded(results=loaded.results, refused=loaded.refused)

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
            if not share.scorer.reads_pixels or share.view != bucket[0]:
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


def _single_threaded() -> None:
    """Sets this thread's share of torch to one core; the pool of workers uses the others."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
