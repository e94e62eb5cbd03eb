"""How fast a training goes, beside how fast its steps alone would."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

from harness.errors import DetectorError
from harness.training.gradients import MicroBatch
from harness.training.loop import Descent
from harness.training.request import Machine, Training
from harness.training.session import image_sets, prepared_detector

SECONDS = 15.0
"""Of each of the two measurements."""

_WARM_UP = 2  # steps: memory is allocated, kernels are chosen


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Images per second.

    Args:
        training: from files to steps, in the first epoch: every image is read and decoded.
        limit: the same step on a batch that lies in memory, again and again.
    """

    training: float
    limit: float

    def __str__(self) -> str:
        share = 100 * self.training / self.limit
        return f"{self.training:.1f} images/s of {self.limit:.1f} possible ({share:.0f} %)"


def measure(training: Training, machine: Machine, seconds: float = SECONDS) -> Throughput:
    """Times a training that is thrown away.

    Raises:
        DetectorError: it is fitted in one go and has no steps.
    """
    detector, _ = prepared_detector(training)
    if not hasattr(detector, "loss"):
        raise DetectorError(f"{training.spec.name} is fitted in one go: it has no steps to measure")
    train, _ = image_sets(training, machine)
    descent = Descent(training, detector, machine)
    detector.module.train()
    _, in_memory = first = next(descent.ready(train))
    for _ in range(_WARM_UP):
        descent.step(in_memory)
    limit = _images_a_second(descent, repeat(first), seconds)
    return Throughput(
        training=_images_a_second(descent, descent.ready(train), seconds), limit=limit
    )


def _images_a_second(
    descent: Descent, steps: Iterable[tuple[int, list[MicroBatch]]], seconds: float
) -> float:
    done, start = 0, time.perf_counter()
    for images, parts in steps:
        descent.step(parts)  # returns the loss, so it has waited for the device
        done += images
        if time.perf_counter() - start >= seconds:
            break
    return done / (time.perf_counter() - start)
