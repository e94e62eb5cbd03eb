"""Training images: read once, kept decoded while they fit in memory, and batched without chance.

Order and augmentation follow from (seed, epoch, position in the manifest) alone, so that neither
worker threads nor the order in which files are listed can change a training.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.data.decode import Image8, decode, display_name, read_bytes
from harness.data.loader import ordered_map
from harness.data.preprocess import Preprocess, to_tensor
from harness.data.sample import Manifest, Sample
from harness.errors import BadImageError, DataError

MEMORY = 4 << 30
"""Bytes of decoded pixels kept by one training; images beyond it are decoded again each epoch."""

Batch = tuple[Tensor, Tensor]


def stream(seed: int, *position: int) -> np.random.SeedSequence:
    """The randomness that belongs to a place in a training, such as (epoch, image)."""
    return np.random.SeedSequence(seed, spawn_key=position)


class ImageSet:
    """The images of one manifest.

    Args:
        manifest: which images.
        memory: bytes of decoded pixels to keep.
        workers: threads that read, decode and augment ahead; 0 = in the caller's thread.

    Attributes:
        labels: (N,) int64, 0 real, 1 fake.
    """

    def __init__(self, manifest: Manifest, *, memory: int = MEMORY, workers: int = 0) -> None:
        if not manifest.samples:
            raise DataError(f"{manifest.name}: no images")
        self.manifest = manifest
        self.workers = workers
        self.labels: np.ndarray[Any, np.dtype[np.int64]] = np.array(
            [sample.label for sample in manifest.samples], dtype=np.int64
        )
        self._kept: dict[int, Image8] = {}
        self._room = memory
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.manifest.samples)

    def sample(self, index: int) -> Sample:
        """The sample at a position of the manifest."""
        return self.manifest.samples[index]

    def image(self, index: int) -> Image8:
        """(H, W, 3) uint8 RGB as decoded; not to be written to.

        Raises:
            BadImageError: it cannot be read.
        """
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        sample = self.sample(index)
        image = decode(read_bytes(sample), display_name(sample))
        with self._lock:
            if image.nbytes <= self._room and index not in self._kept:
                self._room -= image.nbytes
                self._kept[index] = image
        return image

    def training_batches(
        self, preprocess: Preprocess, batch_size: int, *, seed: int, epoch: int
    ) -> Iterator[Batch]:
        """Every image once, shuffled and augmented.

        Yields:
            ((n, 3, H, W) float32 in [0, 1], (n,) float32 labels); the last batch may be smaller.

        Raises:
            DataError: an image does not have the size of the others after preprocessing.
        """
        order = np.random.default_rng(stream(seed, epoch)).permutation(len(self)).tolist()

        def prepare(index: int) -> Image8:
            rng = np.random.default_rng(stream(seed, epoch, index))
            return preprocess.apply(self.image(index), rng)

        prepared = self._prepared(prepare, order, ahead=2 * batch_size)
        first: Image8 | None = None
        for start in range(0, len(order), batch_size):
            indices = order[start : start + batch_size]
            images = []
            for index in indices:
                image = next(prepared)
                first = image if first is None else first
                self._same_size(index, image, first, preprocess)
                images.append(image)
            labels = torch.from_numpy(self.labels[indices].astype(np.float32))
            yield to_tensor(np.stack(images)), labels

    def plain_batches(
        self, preprocess: Preprocess, batch_size: int
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Every image once without augmentation, equal sizes together.

        Yields:
            (positions in the manifest, (n, 3, H, W) float32 in [0, 1]).
        """
        waiting: dict[tuple[int, ...], list[tuple[int, Image8]]] = {}
        everything = range(len(self))
        prepared = self._prepared(lambda i: preprocess(self.image(i)), everything, 2 * batch_size)
        for index, image in zip(everything, prepared, strict=True):
            group = waiting.setdefault(image.shape, [])
            group.append((index, image))
            if len(group) == batch_size:
                yield _joined(waiting.pop(image.shape))
        for group in waiting.values():
            yield _joined(group)

    def _prepared(
        self, prepare: Callable[[int], Image8], order: Sequence[int], ahead: int
    ) -> Iterator[Image8]:
        for outcome in ordered_map(prepare, order, workers=self.workers, ahead=ahead):
            error = outcome.error
            if isinstance(error, DataError) and not isinstance(error, BadImageError):
                name = display_name(self.sample(outcome.item))
                raise DataError(f"{name}: {error.message}", hint=error.hint) from error
            yield outcome.get()

    def _same_size(self, index: int, image: Image8, first: Image8, preprocess: Preprocess) -> None:
        if image.shape != first.shape:
            height, width = image.shape[:2]
            raise DataError(
                f"{display_name(self.sample(index))} is {width}x{height} (width x height) after "
                f"{preprocess}, others are {first.shape[1]}x{first.shape[0]}: "
                "images of one training must end at one size",
                hint="crop them, e.g. --train-preprocess 'resize(256)|random_crop(224)'",
            )


def _joined(group: list[tuple[int, Image8]]) -> tuple[list[int], Tensor]:
    return [index for index, _ in group], to_tensor(np.stack([image for _, image in group]))
