"""What a training is asked to be, and how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from harness.api import DetectorSpec
from harness.checkpoints.files import files_of
from harness.checkpoints.resolve import pretrained
from harness.data.remote import shown_place
from harness.data.sample import Manifest
from harness.errors import UsageError
from harness.training.processes import ALONE, Ranks
from harness.training.recipe import ResolvedRecipe

Precision = Literal["fp32", "bf16", "fp16"]

_NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """How the gradient of a batch is computed: part of what is trained, because it moves weights.

    Validation is always in fp32, as a test is unless asked otherwise.

    Args:
        precision: of the forward and backward pass (``torch.autocast``; weights stay fp32); fp16
            with a scaled loss.
        accumulate: parts of a process's share of a batch, one after the other. Where images do
            not meet in the network, the gradient is that of the whole batch up to float sums;
            batch norm takes its statistics of each part.
        processes: that every batch is dealt out to (``torchrun``); batch norm likewise.
        sync_bn: batch norm takes its statistics over all processes. CUDA only.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    processes: int = 1
    sync_bn: bool = False

    @property
    def parts(self) -> int:
        """Into how many parts every batch is dealt."""
        return self.accumulate * self.processes

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context of a forward pass in training."""
        narrow = _NARROW.get(self.precision)
        return torch.autocast(device.type, narrow, enabled=narrow is not None)

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Keeps small fp16 gradients from becoming 0; does nothing in other precisions."""
        return torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train, fully resolved.

    Args:
        spec: the detector.
        variant: training behaviour, "" where the detector has none.
        recipe: as published and as used.
        seed: decides the first weights, the order, the augmentation and the loss's draws.
        trained_on: the data in words, e.g. ``mini-train``.
        train, val: the images.
        numerics: how gradients are computed.
        on_bad_image: ``error``, or ``skip`` to train without the images that cannot be read.
    """

    spec: DetectorSpec
    variant: str
    recipe: ResolvedRecipe
    seed: int
    trained_on: str
    train: Manifest
    val: Manifest
    numerics: Numerics = field(default_factory=Numerics)
    on_bad_image: Literal["error", "skip"] = "error"

    @property
    def label(self) -> str:
        """``lfm (algorithm1) seed 0``: how logs call it."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.spec.name}{variant} seed {self.seed}"

    @property
    def options(self) -> dict[str, object]:
        """The variant's options for ``build``."""
        return dict(self.spec.variants.get(self.variant, {}))

    @property
    def start_digest(self) -> str:
        """The sha256 of the published network it starts from, "" for random first weights.

        As published, where that is known: a finished training is told from another one without
        the file. Of several files, all digests.

        Raises:
            WeightsError: not known, and the file is not here either.
        """
        name = self.recipe.used.start
        if not name:
            return ""
        entry = next(weights for weights in self.spec.pretrained if weights.name == name)
        digests = [part.sha256 for part in files_of(entry)]
        return "+".join(digests) if all(digests) else pretrained(self.spec, name).ref.sha256


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How to run a training; none of it is part of what is trained.

    Args:
        device: where the network runs.
        workers: threads that read ahead; 0 = none.
        progress: ``bar``, ``lines`` or ``none``.
        save_every: minutes after which the state is saved again, between the ends of epochs.
        tensorboard: write curves into the run folder (extra ``tensorboard``).
        ranks: the processes that train together.
    """

    device: torch.device
    workers: int = 0
    progress: str = "bar"
    save_every: float = 5.0
    tensorboard: bool = False
    ranks: Ranks = ALONE


def refuse_contradictions(training: Training, device: torch.device) -> None:
    """Raises UsageError for numerics that the recipe or the device does not allow, and for images
    that cannot be read in a random order."""
    packed = next((s.source for s in training.train.samples if s.source.forward_only), None)
    if packed:
        raise UsageError(
            f"{shown_place(packed.holder)} is compressed as a whole, and can only be read from its "
            "beginning; training reads images in random order",
            hint="unpack it (tar -xf), or pack the images as .zip, .tar or Parquet",
        )
    numerics, recipe = training.numerics, training.recipe.used
    if numerics.precision == "fp16" and recipe.optimiser == "sam":
        raise UsageError(
            f"{training.spec.name}: sam measures its step by the gradient's length, which the "
            "scaled loss of fp16 changes",
            hint="--precision bf16, or --optimiser adam",
        )
    if numerics.parts > recipe.batch_size:
        raise UsageError(
            f"{training.spec.name}: a batch of {recipe.batch_size} cannot be dealt into "
            f"{numerics.parts} parts ({numerics.processes} processes x accumulate "
            f"{numerics.accumulate})",
            hint=f"--batch-size {numerics.parts}, or fewer parts",
        )
    if numerics.sync_bn and (device.type != "cuda" or numerics.processes == 1):
        raise UsageError(
            f"--sync-bn needs several processes on CUDA, got {numerics.processes} on {device.type}",
            hint="torchrun --nproc-per-node N -m harness train ... --sync-bn, or without it: "
            "batch norm then takes the statistics of each process",
        )
