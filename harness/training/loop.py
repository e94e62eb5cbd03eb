"""Training a network by gradient descent, with validation after every epoch."""

from __future__ import annotations

import math
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from harness.api import Detector, DetectorSpec, HasState, Recipe, Trainable
from harness.data.preprocess import parse
from harness.errors import DataError, HarnessError
from harness.training.data import ImageSet, epoch_images, stream
from harness.training.optimisers import build_optimiser
from harness.training.outcome import Epoch, Scores, Trained, measure
from harness.training.progress import Progress
from harness.training.recipe import uses_monitor
from harness.training.schedule import Course, learning_rate

State = dict[str, Tensor]


class TrainableDetector(Trainable, Detector, HasState, Protocol):
    """What the loop needs of a detector."""


class Descent:
    """One training by gradient.

    The order of images, their augmentation and the loss's own draws follow from the seed, and
    every step seeds its own draws: nothing depends on what ran before it in the process.

    Args:
        spec: the detector's spec, for messages and the threshold.
        detector: freshly built (``outcome.seeded_build``); it is trained in place.
        recipe: as resolved.
        seed: of this training.
        device: where the network runs.
    """

    def __init__(
        self,
        spec: DetectorSpec,
        detector: TrainableDetector,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.spec = spec
        self.detector = detector
        self.recipe = recipe
        self.seed = seed
        self.device = device
        # In this memory layout convolutions train about 1.4 times as fast on a CPU.
        detector.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = build_optimiser(detector.module, recipe)
        self._course = Course(recipe=recipe)
        # On the CPU whatever the device is: a seed then means the same draws everywhere.
        self._generator = torch.Generator()

    def run(self, train: ImageSet, val: ImageSet, progress: Progress) -> Trained:
        """The recipe's epochs, or fewer where it ends training early.

        Raises:
            HarnessError: the loss is not finite.
            DataError: an image cannot be read or does not fit the others, or the validation images
                cannot give the figure that the recipe decides by.
            InputSizeError: the detector does not take an image's size.
        """
        self._refuse_useless(val)
        epochs: list[Epoch] = []
        best: State = {}
        ended = ""
        while len(epochs) < self.recipe.epochs and not ended:
            epochs.append(self._epoch(len(epochs), train, val, progress))
            ended = self._course.note(epochs[-1])
            if self.recipe.keep == "best" and self._course.best_epoch == len(epochs):
                best = self._state()
        best_epoch = self._course.best_epoch
        return Trained(
            state=best or self._state(),
            epochs=tuple(epochs),
            kept=best_epoch if best and best_epoch else len(epochs),
            best_val_epoch=best_epoch,
            ended=ended,
        )

    def _refuse_useless(self, val: ImageSet) -> None:
        """What would be an error after the first epoch is one before it."""
        next(val.plain_batches(parse(self.recipe.val_preprocess), 1))
        one_class = not (val.manifest.n_real and val.manifest.n_fake)
        if uses_monitor(self.recipe) and self.recipe.monitor == "val_ap" and one_class:
            raise DataError(
                f"{val.manifest.name}: {val.manifest.n_real} real and {val.manifest.n_fake} fake "
                "images: val_ap, by which this recipe decides, needs both classes",
                hint="--monitor val_acc, or add images of the other class",
            )

    def _epoch(self, number: int, train: ImageSet, val: ImageSet, progress: Progress) -> Epoch:
        recipe = self.recipe
        self.detector.module.train()
        images_of_epoch = epoch_images(train.manifest, recipe.balanced)
        steps = -(-images_of_epoch // recipe.batch_size)
        total, rate = 0.0, 0.0
        batches = train.training_batches(
            parse(recipe.train_preprocess),
            recipe.batch_size,
            seed=self.seed,
            epoch=number,
            balanced=recipe.balanced,
        )
        for step, (images, labels) in enumerate(batches):
            rate = learning_rate(recipe, number + step / steps, self._course.drops)
            self._optimiser.set_rate(rate)
            draws = stream(self.seed, number, step, 0).generate_state(1, np.uint32)
            loss = self._step(images, labels, int(draws[0]))
            self._refuse_nonsense(loss, number, step, rate)
            total += loss * len(labels)
            progress.advance(len(labels), {"epoch": number + 1, "loss": loss})
        return measure(
            self.spec,
            val,
            self._scores(val),
            epoch=number + 1,
            lr=rate,
            train_loss=total / images_of_epoch,
        )

    def _step(self, images: Tensor, labels: Tensor, draws: int) -> float:
        images = images.to(self.device, memory_format=torch.channels_last)
        return self._optimiser.step(partial(self._loss, images, labels.to(self.device), draws))

    def _loss(self, images: Tensor, labels: Tensor, draws: int) -> Tensor:
        self._generator.manual_seed(draws)
        return self.detector.loss(images, labels, self._generator)

    def _state(self) -> State:
        """A copy of the weights as they are now, on the CPU."""
        return {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.detector.state_dict().items()
        }

    def _refuse_nonsense(self, loss: float, epoch: int, step: int, rate: float) -> None:
        if not math.isfinite(loss):
            raise HarnessError(
                f"{self.spec.name}, seed {self.seed}: the loss is {loss} in epoch {epoch + 1}, "
                f"step {step + 1} (learning rate {rate:g}); nothing was written",
                hint=f"try a smaller rate: --lr {rate / 10:g}",
            )

    def _scores(self, images: ImageSet) -> Scores:
        self.detector.module.eval()
        scores = np.empty(len(images), dtype=np.float64)
        batches = images.plain_batches(parse(self.recipe.val_preprocess), self.recipe.batch_size)
        with torch.inference_mode():
            for positions, batch in batches:
                batch = batch.to(self.device, memory_format=torch.channels_last)
                scores[positions] = self.detector.score(batch).cpu().double().numpy()
        return scores
