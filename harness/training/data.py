"""Training images: read once, kept decoded while they fit in memory, and batched without chance.

Order and augmentation follow from (seed, epoch, position in the manifest) alone, so that neither
worker threads nor the order in which files are listed can change a training.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from harness.api import FAKE, REAL, DetectorSpec
from harness.data.decode import Image8, decode, display_name, read_bytes
from harness.data.loader import ordered_map
from harness.data.operations import Pixels
from harness.data.preprocess import Preprocess, refuse_size, to_tensor
from harness.data.sample import Manifest, Sample
from harness.errors import BadImageError, DataError
from harness.training.request import Machine, Training

log = logging.getLogger(__name__)

MEMORY = 4 << 30
"""Bytes of decoded pixels kept by one training; images beyond it are decoded again each epoch."""

Batch = tuple[Tensor, Tensor]
Turn = tuple[int, int]
"""Position in the manifest, and how often that image has come before in this epoch."""


def stream(seed: int, *position: int) -> np.random.SeedSequence:
    """The randomness that belongs to a place in a training, such as (epoch, image)."""
    return np.random.SeedSequence(seed, spawn_key=position)


def dealt(batch: Sequence[Turn], parts: int) -> list[Sequence[Turn]]:
    """A batch in so many parts, in order, as even as can be; the last are empty if it is small."""
    least, more = divmod(len(batch), parts)
    ends = [number * least + min(number, more) for number in range(parts + 1)]
    return [batch[start:end] for start, end in pairwise(ends)]


def epoch_images(manifest: Manifest, balanced: bool) -> int:
    """Images of one epoch: all once or, balanced, twice the larger class."""
    if balanced:
        return 2 * max(manifest.n_real, manifest.n_fake)
    return len(manifest.samples)


class ImageSet:
    """The images of one manifest.

    Args:
        manifest: which images.
        detector: whose sizes they must end at; None = any.
        memory: bytes of decoded pixels to keep.
        workers: threads that read, decode and augment ahead; 0 = in the caller's thread.
        pinned: training batches lie in memory from which a CUDA device fetches them by itself.

    Attributes:
        labels: (N,) int64, 0 real, 1 fake.
    """

    def __init__(
        self,
        manifest: Manifest,
        detector: DetectorSpec | None = None,
        *,
        memory: int = MEMORY,
        workers: int = 0,
        pinned: bool = False,
    ) -> None:
        if not manifest.samples:
            raise DataError(f"{manifest.name}: no images")
        self.manifest = manifest
        self.detector = detector
        self.workers = workers
        self.pinned = pinned
        self.labels: np.ndarray[Any, np.dtype[np.int64]] = np.array(
            [sample.label for sample in manifest.samples], dtype=np.int64
        )
        self._kept: dict[int, Image8] = {}
        self._room = memory
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.manifest.samples)

    def image(self, index: int) -> Image8:
        """(H, W, 3) uint8 RGB as decoded; not to be written to.

        Raises:
            BadImageError: it cannot be read.
        """
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        image = _decoded(self.manifest.samples[index])
        with self._lock:
            if image.nbytes <= self._room and index not in self._kept:
                self._room -= image.nbytes
                self._kept[index] = image
        return image

    def order(self, seed: int, epoch: int, *, balanced: bool = False) -> list[Turn]:
        """The turns of an epoch: a permutation or, balanced, real and fake by turns.

        By turns and not half after half, so that any even share of a batch is balanced too.
        """
        rng = np.random.default_rng(stream(seed, epoch))
        if not balanced:
            return [(index, 0) for index in rng.permutation(len(self)).tolist()]
        count = epoch_images(self.manifest, balanced) // 2
        classes = [self._turns(label, count, rng) for label in (REAL, FAKE)]
        return [turn for pair in zip(*classes, strict=True) for turn in pair]

    def training_batches(
        self, preprocess: Preprocess, groups: Iterable[Sequence[Turn]], *, seed: int, epoch: int
    ) -> Iterator[Batch]:
        """Groups of an epoch's turns as batches, augmented.

        Args:
            preprocess: applied to each image.
            groups: the turns of each batch.
            seed, epoch: decide the augmentation.

        Yields:
            ((n, 3, H, W) float32 in [0, 1], (n,) float32 labels).

        Raises:
            DataError: an image does not have the size of the others after preprocessing.
            InputSizeError: the detector does not take an image's size.
        """

        def build(turns: Sequence[Turn]) -> Batch:
            images: list[Pixels] = []
            for index, repeat in turns:
                # A first time is (epoch, image): balance does not change how it is augmented.
                place = (epoch, index, repeat) if repeat else (epoch, index)
                rng = np.random.default_rng(stream(seed, *place))
                image = self._changed(index, partial(preprocess.apply, rng=rng))
                self._refuse_size(index, image, preprocess, "--train-preprocess")
                self._same_size(index, image.shape[:2], (images or [image])[0].shape[:2])
                images.append(image)
            labels = self.labels[[index for index, _ in turns]].astype(np.float32)
            pixels = to_tensor(np.stack(images))
            return pixels.pin_memory() if self.pinned else pixels, torch.from_numpy(labels)

        side: tuple[int, ...] = ()
        for outcome in ordered_map(build, groups, workers=self.workers, ahead=self.workers + 1):
            pixels, labels = outcome.get()
            side = side or tuple(pixels.shape[2:])
            self._same_size(outcome.item[0][0], tuple(pixels.shape[2:]), side)
            yield pixels, labels

    def plain_batches(
        self, preprocess: Preprocess, batch_size: int, indices: Sequence[int] | None = None
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Every image once without augmentation, equal sizes together.

        Args:
            preprocess: applied to each image.
            batch_size: images of a batch, at most.
            indices: positions in the manifest of the images that are wanted; None = all.

        Yields:
            (positions in the manifest, (n, 3, H, W) float32 in [0, 1]).

        Raises:
            InputSizeError: the detector does not take an image's size.
        """

        def prepare(index: int) -> Pixels:
            image = self._changed(index, preprocess)
            self._refuse_size(index, image, preprocess, "--val-preprocess")
            return image

        waiting: dict[tuple[int, ...], list[tuple[int, Pixels]]] = {}
        wanted = range(len(self)) if indices is None else indices
        for outcome in ordered_map(prepare, wanted, workers=self.workers, ahead=2 * batch_size):
            image = outcome.get()
            group = waiting.setdefault(image.shape, [])
            group.append((outcome.item, image))
            if len(group) == batch_size:
                yield _joined(waiting.pop(image.shape))
        for group in waiting.values():
            yield _joined(group)

    def _name(self, index: int) -> str:
        return display_name(self.manifest.samples[index])

    def _turns(self, label: int, count: int, rng: np.random.Generator) -> list[Turn]:
        """``count`` turns of a class, in a new permutation each time that all have come."""
        members = np.flatnonzero(self.labels == label)
        if not len(members):
            raise DataError(
                f"{self.manifest.name}: a balanced batch needs both classes, one has no image",
                hint="--balanced false",
            )
        rounds = range(-(-count // len(members)))
        turns = [(int(index), r) for r in rounds for index in rng.permutation(members)]
        return turns[:count]

    def _changed(self, index: int, change: Callable[[Image8], Pixels]) -> Pixels:
        image = self.image(index)
        try:
            return change(image)
        except DataError as error:  # which of the images it was is not known where it is raised
            name = self._name(index)
            if isinstance(error, BadImageError):
                raise BadImageError(name, error.reason) from error
            raise DataError(f"{name}: {error.message}", hint=error.hint) from error

    def _refuse_size(self, index: int, image: Pixels, preprocess: Preprocess, flag: str) -> None:
        if self.detector:
            name = self._name(index)
            refuse_size(self.detector, image.shape[:2], name, after=preprocess, flag=flag)

    def _same_size(self, index: int, size: tuple[int, ...], first: tuple[int, ...]) -> None:
        if size != first:
            raise DataError(
                f"{self._name(index)} is {size[1]}x{size[0]} (width x height) after "
                f"preprocessing, others are {first[1]}x{first[0]}: "
                "images of one training must end at one size",
                hint="crop them, e.g. --train-preprocess 'resize(256)|random_crop(224)'",
            )


def _joined(group: list[tuple[int, Pixels]]) -> tuple[list[int], Tensor]:
    return [index for index, _ in group], to_tensor(np.stack([image for _, image in group]))


def _decoded(sample: Sample) -> Image8:
    return decode(read_bytes(sample), display_name(sample))


def readable(training: Training, machine: Machine) -> tuple[Training, dict[str, list[str]]]:
    """The training without unreadable images, where ``on_bad_image`` says so, and their ids.

    Every image is decoded once beforehand: batches, processes and a resumed training then agree on
    which images there are.

    Raises:
        DataError: no image of a class is left to train on.
    """
    skipped: dict[str, list[str]] = {"train": [], "val": []}
    if training.on_bad_image == "error":
        return training, skipped
    for name in skipped:
        manifest: Manifest = getattr(training, name)
        bad = _unreadable(manifest, machine)
        if not bad:
            continue
        skipped[name] = [sample.id for sample in manifest.samples if sample in bad]
        left = tuple(sample for sample in manifest.samples if sample not in bad)
        training = replace(training, **{name: Manifest(manifest.name, left)})  # type: ignore[arg-type]
        log.warning("%s: %d unreadable images are left out", manifest.name, len(bad))
    if not (training.train.n_real and training.train.n_fake):
        raise DataError(f"{training.train.name}: no readable image of one of the two classes")
    return training, skipped


def _unreadable(manifest: Manifest, machine: Machine) -> set[Sample]:
    ranks = machine.ranks
    found = torch.zeros(len(manifest.samples), device=machine.device)
    mine = range(ranks.rank, len(found), ranks.size)
    opened = ordered_map(
        lambda index: _decoded(manifest.samples[index]), mine, workers=machine.workers
    )
    hidden = machine.progress != "bar"
    for outcome in tqdm(opened, f"check {manifest.name}", len(mine), leave=False, disable=hidden):
        found[outcome.item] = isinstance(outcome.error, BadImageError)
    return {manifest.samples[index] for index in ranks.sum(found).nonzero().flatten().tolist()}
