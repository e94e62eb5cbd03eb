"""The gradient of a batch's mean loss, from its parts and over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.api import Trainable
from harness.engine.seeding import seeded
from harness.training.processes import Stop
from harness.training.request import Machine, Numerics


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """Images of a batch that go through the network together.

    Args:
        images, labels: (n, 3, H, W) in [0, 1] and (n,), on the network's device.
        share: n of all images of the batch.
        draws: seeds what the loss draws for this part, from its generator or from global ones.
    """

    images: Tensor
    labels: Tensor
    share: float
    draws: int


class Gradients:
    """Adds up gradients; every process leaves with the same ones, and with the same statistics.

    The loss of a batch is the mean of its parts' losses, weighted by their images: the gradient of
    the whole batch where a loss is a mean over images. A persistent buffer that a network changes
    in training (running statistics) becomes the mean over the processes, weighted likewise.

    Args:
        detector: on its device.
        scaler: scales the loss before the backward pass.
        numerics: precision of the forward pass.
        machine: device and processes.
        stop: whether this process has been asked to stop.
    """

    def __init__(
        self,
        detector: Trainable,
        scaler: torch.amp.GradScaler,
        numerics: Numerics,
        machine: Machine,
        stop: Stop,
    ) -> None:
        self._detector = detector
        self._scaler = scaler
        self._numerics = numerics
        self._device = machine.device
        self._ranks = machine.ranks
        self._stop = stop
        self._stop_of_any = False
        # On the CPU whatever the device is: a seed then means the same draws everywhere.
        self._generator = torch.Generator()

    @property
    def stop(self) -> bool:
        """Whether a process has been asked to stop; the same answer in all of them."""
        return self._stop.requested if self._ranks.size == 1 else self._stop_of_any

    def add(self, parts: Sequence[MicroBatch]) -> float:
        """Adds the gradient to every parameter's ``grad``; returns the batch's loss.

        Args:
            parts: this process's, perhaps none.
        """
        loss = 0.0
        for part in parts:
            self._generator.manual_seed(part.draws)
            with seeded(part.draws, self._device), self._numerics.autocast(self._device):
                value = self._detector.loss(part.images, part.labels, self._generator)
            self._scaler.scale(value * part.share).backward()  # type: ignore[no-untyped-call]
            loss += float(value.detach()) * part.share
        if self._ranks.size == 1:
            return loss
        self._add_over_processes()
        return self._average_statistics(loss, sum(part.share for part in parts))

    def _add_over_processes(self) -> None:
        trained = [p for p in self._detector.module.parameters() if p.requires_grad]
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        # A parameter without a gradient in any process keeps none: optimisers pass it over.
        there = torch.tensor([float(p.grad is not None) for p in trained], device=self._device)
        flat = self._ranks.sum(torch.cat([*(gradient.flatten() for gradient in own), there]))
        *sums, there = torch.split(flat, [*(gradient.numel() for gradient in own), len(own)])
        for parameter, gradient, total, n in zip(trained, own, sums, there.tolist(), strict=True):
            parameter.grad = gradient.copy_(total.view(gradient.shape)) if n else None

    def _average_statistics(self, loss: float, share: float) -> float:
        """Makes running statistics and the wish to stop common; returns the batch's loss."""
        buffers = list(_statistics(self._detector.module).values())
        own = [b.double().flatten() * share if share else b.double().flatten() * 0 for b in buffers]
        news = torch.tensor([loss, float(self._stop.requested)], dtype=torch.float64)
        flat = self._ranks.sum(torch.cat([*own, news.to(self._device)]))
        *means, news = torch.split(flat, [*(buffer.numel() for buffer in buffers), 2])
        for buffer, mean in zip(buffers, means, strict=True):
            buffer.copy_((mean if buffer.is_floating_point() else mean.round()).view(buffer.shape))
        self._stop_of_any = float(news[1]) > 0
        return float(news[0])


def moving(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: trained parameters and persistent buffers, not copied."""
    trained = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    return {**trained, **_statistics(module)}


def _statistics(module: nn.Module) -> dict[str, Tensor]:
    lasting = module.state_dict().keys()
    return {name: buffer for name, buffer in module.named_buffers() if name in lasting}
