"""Training a network by gradient descent, with validation after every epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from harness.api import Detector, HasState, Trainable
from harness.data.preprocess import parse
from harness.errors import DataError, HarnessError, UsageError
from harness.metrics.values import Floats
from harness.training.data import Batch, ImageSet, Turn, dealt, epoch_images, stream
from harness.training.gradients import Gradients, MicroBatch, moving
from harness.training.optimisers import build_optimiser
from harness.training.outcome import Epoch, Trained, measure, on_cpu
from harness.training.processes import Stop, held_back
from harness.training.progress import Curves, Progress
from harness.training.recipe import uses_monitor
from harness.training.request import Machine, Training
from harness.training.savepoint import Savepoint, State
from harness.training.schedule import Course, learning_rate

log = logging.getLogger(__name__)


class TrainableDetector(Trainable, Detector, HasState, Protocol):
    """What the loop needs of a detector."""


@dataclass(frozen=True, kw_only=True)
class Keepers:
    """Where a training leaves what it knows while it runs."""

    progress: Progress
    savepoint: Savepoint
    curves: Curves


class Descent:
    """One training by gradient.

    The order of images, their augmentation and the loss's own draws follow from the seed, and
    every step seeds its own draws: nothing depends on what ran before it in the process, nor on
    which process works on which part of a batch.

    Args:
        training: what to train; its manifests are given to :meth:`run`.
        detector: freshly built (``outcome.seeded_build``); it is trained in place.
        machine: how to run it.
    """

    def __init__(self, training: Training, detector: TrainableDetector, machine: Machine) -> None:
        self.training = training
        self.recipe = training.recipe.used
        self.detector = detector
        self.machine = machine
        numerics, module = training.numerics, detector.module
        if numerics.sync_bn:
            nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        # In this memory layout convolutions train about 1.4 times as fast on a CPU.
        module.to(device=machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        scaler = numerics.scaler(machine.device)
        self._optimiser = build_optimiser(module, self.recipe, scaler)
        self._stop = Stop()
        self._gradients = Gradients(detector, scaler, numerics, machine, self._stop)
        # Where it stands, between two steps: with weights and optimiser, all of its state.
        self._course = Course(recipe=self.recipe)
        self._epochs: list[Epoch] = []
        self._step = 0  # of the running epoch, to be done next
        self._loss = 0.0  # summed over the images of the steps done
        self._best: dict[str, Tensor] = {}
        self._ended = ""

    def run(self, train: ImageSet, val: ImageSet, keepers: Keepers) -> Trained:
        """The recipe's epochs, or fewer where it ends training early; from the saved state on.

        Raises:
            HarnessError: the loss is not finite, or the state cannot be written.
            DataError: an image cannot be read or does not fit the others, or the validation images
                cannot give the figure that the recipe decides by.
            InputSizeError: the detector does not take an image's size.
            KeyboardInterrupt: somebody has asked to stop; the state is saved.
        """
        self._refuse_useless(train, val)
        self._go_on(train, keepers)
        self.machine.ranks.take_from_first(moving(self.detector.module).values())
        with held_back(self._stop):
            while len(self._epochs) < self.recipe.epochs and not self._ended:
                self._train(train, keepers)
                self._validate(train, val, keepers)
        if self._best:
            _copy(self._best, moving(self.detector.module))
        best_epoch = self._course.best_epoch
        return Trained(
            state=on_cpu(self.detector.state_dict()),
            epochs=tuple(self._epochs),
            kept=best_epoch if self._best and best_epoch else len(self._epochs),
            best_val_epoch=best_epoch,
            ended=self._ended,
        )

    def ready(self, train: ImageSet) -> Iterator[tuple[int, list[MicroBatch]]]:
        """For each step left of the running epoch: its images, and this process's parts of it."""
        number, first = len(self._epochs), self._step
        steps = self._batches(train)[first:]
        own = [self._own(turns) for turns in steps]
        loaded = train.training_batches(
            parse(self.recipe.train_preprocess),
            [turns for parts in own for turns in parts.values()],
            seed=self.training.seed,
            epoch=number,
        )
        for step, (turns, parts) in enumerate(zip(steps, own, strict=True), start=first):
            images = len(turns)
            yield images, [self._part(next(loaded), images, (number, step, p)) for p in parts]

    def step(self, parts: Sequence[MicroBatch]) -> float:
        """One step on this process's parts of a batch; returns the batch's loss before it."""
        return self._optimiser.step(partial(self._gradients.add, parts))

    def _train(self, train: ImageSet, keepers: Keepers) -> None:
        """The running epoch from its next step to its end."""
        number, steps = len(self._epochs), self._n_steps(train)
        self.detector.module.train()
        for images, parts in self.ready(train):
            rate = self._rate(train, self._step)
            self._optimiser.set_rate(rate)
            loss = self.step(parts)
            self._refuse_nonsense(loss, rate)
            self._loss += loss * images
            self._step += 1
            keepers.progress.advance(images, {"epoch": number + 1, "loss": loss})
            keepers.curves.add(
                {"train/loss": loss, "train/rate": rate}, number * steps + self._step
            )
            if self._gradients.stop:
                self._leave(keepers)
            if keepers.savepoint.is_due():
                keepers.savepoint.save(self._state())

    def _validate(self, train: ImageSet, val: ImageSet, keepers: Keepers) -> None:
        """Ends the running epoch."""
        epoch = measure(
            self.training.spec,
            val,
            self._scores(val, keepers),
            epoch=len(self._epochs) + 1,
            lr=self._rate(train, self._step - 1),
            train_loss=self._loss / epoch_images(train.manifest, self.recipe.balanced),
        )
        figures = {"val/loss": epoch.val_loss, "val/acc": epoch.val_acc, "val/ap": epoch.val_ap}
        keepers.curves.add(figures, epoch.epoch * self._step)
        self._epochs.append(epoch)
        self._step, self._loss = 0, 0.0
        self._ended = self._course.note(epoch)
        if self.recipe.keep == "best" and self._course.best_epoch == epoch.epoch:
            self._best = on_cpu(moving(self.detector.module))
        keepers.savepoint.save(self._state())

    def _batches(self, train: ImageSet) -> list[list[Turn]]:
        """The turns of every step of the running epoch."""
        recipe, number = self.recipe, len(self._epochs)
        order = train.order(self.training.seed, number, balanced=recipe.balanced)
        starts = range(0, len(order), recipe.batch_size)
        return [order[start : start + recipe.batch_size] for start in starts]

    def _own(self, turns: list[Turn]) -> dict[int, Sequence[Turn]]:
        """Number -> turns of this process's parts of a batch, without empty ones."""
        numerics = self.training.numerics
        first = self.machine.ranks.rank * numerics.accumulate
        parts = dealt(turns, numerics.parts)
        own = range(first, first + numerics.accumulate)
        return {number: parts[number] for number in own if parts[number]}

    def _part(self, batch: Batch, images_of_step: int, place: tuple[int, int, int]) -> MicroBatch:
        """A part on the device; ``place`` is (epoch, step, part) and decides the loss's draws."""
        images, labels = batch
        epoch, step, part = place
        # Three numbers are an image's place when its third is not 0: a part's are four.
        key = (epoch, step, 0, part) if part else (epoch, step, 0)
        draws = stream(self.training.seed, *key).generate_state(1, np.uint32)
        device = self.machine.device
        return MicroBatch(
            images=images.to(device, non_blocking=True).contiguous(
                memory_format=torch.channels_last
            ),
            labels=labels.to(device, non_blocking=True),
            share=len(labels) / images_of_step,
            draws=int(draws[0]),
        )

    def _rate(self, train: ImageSet, step: int) -> float:
        """The learning rate of a step of the running epoch."""
        passed = len(self._epochs) + step / self._n_steps(train)
        return learning_rate(self.recipe, passed, self._course.drops)

    def _n_steps(self, train: ImageSet) -> int:
        """Steps of an epoch."""
        return -(-epoch_images(train.manifest, self.recipe.balanced) // self.recipe.batch_size)

    def _scores(self, images: ImageSet, keepers: Keepers) -> Floats:
        """(N,) scores in manifest order; every process scores its share."""
        self.detector.module.eval()
        ranks = self.machine.ranks
        scores = torch.zeros(len(images), dtype=torch.float64)
        batches = images.plain_batches(
            parse(self.recipe.val_preprocess),
            self.recipe.batch_size,
            range(ranks.rank, len(images), ranks.size),
        )
        with torch.inference_mode():
            for positions, batch in batches:
                batch = batch.to(self.machine.device, memory_format=torch.channels_last)
                scores[positions] = self.detector.score(batch).cpu().double()
                if ranks.size == 1 and self._gradients.stop:
                    self._leave(keepers)
        if ranks.size > 1:  # of every image all processes but one say 0
            scores = ranks.sum(scores.to(self.machine.device)).cpu()
        whole: Floats = scores.numpy()
        return whole

    def _leave(self, keepers: Keepers) -> None:
        keepers.savepoint.save(self._state())
        raise KeyboardInterrupt

    def _state(self) -> State:
        course = asdict(self._course)
        del course["recipe"]
        return {
            "network": moving(self.detector.module),
            "optimiser": self._optimiser.state(),
            "course": course,
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "step": self._step,
            "loss": self._loss,
            "best": self._best,
            "ended": self._ended,
        }

    def _go_on(self, train: ImageSet, keepers: Keepers) -> None:
        """Takes the saved state, if there is one."""
        state = keepers.savepoint.load()
        if state is None:
            return
        _copy(state["network"], moving(self.detector.module))
        self._optimiser.restore(state["optimiser"])
        self._course = Course(recipe=self.recipe, **state["course"])
        self._epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self._step, self._loss = state["step"], state["loss"]
        self._best, self._ended = state["best"], state["ended"]
        done = len(self._epochs) * epoch_images(train.manifest, self.recipe.balanced)
        keepers.progress.skip(done + sum(map(len, self._batches(train)[: self._step])))
        log.info(
            "%s goes on from epoch %d, step %d",
            self.training.label,
            len(self._epochs) + 1,
            self._step + 1,
        )

    def _refuse_useless(self, train: ImageSet, val: ImageSet) -> None:
        """What would be an error after the first epoch is one before it."""
        next(val.plain_batches(parse(self.recipe.val_preprocess), 1))
        one_class = not (val.manifest.n_real and val.manifest.n_fake)
        if uses_monitor(self.recipe) and self.recipe.monitor == "val_ap" and one_class:
            raise DataError(
                f"{val.manifest.name}: {val.manifest.n_real} real and {val.manifest.n_fake} fake "
                "images: val_ap, by which this recipe decides, needs both classes",
                hint="--monitor val_acc, or add images of the other class",
            )
        smallest, parts = len(self._batches(train)[-1]), self.training.numerics.parts
        if self.training.numerics.sync_bn and smallest < parts:
            raise UsageError(
                f"the last batch has {smallest} images for {parts} parts: with --sync-bn none may "
                "be empty",
                hint=f"--batch-size {self.recipe.batch_size + 1}",
            )

    def _refuse_nonsense(self, loss: float, rate: float) -> None:
        if not math.isfinite(loss):
            narrow = "--precision fp32, or " if self.training.numerics.precision == "fp16" else ""
            raise HarnessError(
                f"{self.training.spec.name}, seed {self.training.seed}: the loss is {loss} in "
                f"epoch {len(self._epochs) + 1}, step {self._step + 1} (learning rate {rate:g})",
                hint=f"{narrow}try a smaller rate: --lr {rate / 10:g}",
            )


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    """Overwrites tensors in place, name by name."""
    with torch.no_grad():
        for name, value in target.items():
            value.copy_(source[name])
