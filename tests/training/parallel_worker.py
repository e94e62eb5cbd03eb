"""Trains tiny networks in several processes, for ``test_parallel.py``.

python -m torch.distributed.run --nproc-per-node 2 -m tests.training.parallel_worker DATA OUT
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.data.sample import Manifest
from harness.training import loop, session
from harness.training.gradients import Gradients, MicroBatch
from harness.training.outcome import Epoch
from harness.training.processes import Ranks, Stop, joined
from harness.training.request import Machine, Numerics, Training
from tests.training import tiny


class Stopped(tiny.PlainDetector):
    """The second process, and it alone, is asked to stop in its fourth step."""

    steps = 0

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        type(self).steps += 1
        if self.steps == 4 and os.environ["RANK"] == "1":
            signal.raise_signal(signal.SIGTERM)
        return super().loss(images, labels, generator)


UNEVEN = replace(tiny.RECIPE, epochs=2, eps=1e-3)
CASES: dict[str, dict[str, Any]] = {
    "plain": {"detector": tiny.PlainDetector, "recipe": UNEVEN},
    "stopped": {"detector": Stopped, "recipe": UNEVEN},
    "sam": {"detector": tiny.PlainDetector, "recipe": replace(UNEVEN, optimiser="sam")},
    "parts": {"detector": tiny.PlainDetector, "recipe": UNEVEN, "accumulate": 2},
    "norm": {"detector": tiny.TinyDetector, "recipe": replace(UNEVEN, keep="best")},
}


def case(name: str, data: Path, processes: int) -> Training:
    """A training on 33 images, 8 a batch: the last batch has one, for the first process."""
    changes = dict(CASES[name])
    numerics = Numerics(processes=processes, accumulate=changes.pop("accumulate", 1))
    few = Manifest("few", tiny.manifest(data / "train").samples[:33])
    val = tiny.manifest(data / "val", "test/val")
    return tiny.training(few, val, numerics=numerics, **changes)


def main(data: Path, out: Path) -> None:
    """Every case to ``OUT/NAME``; what each process saw of it to ``OUT/NAME.RANK.pt``."""
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as ranks:
        machine = Machine(device=torch.device("cpu"), progress="none", ranks=ranks)
        for name in CASES:
            scores: list[Tensor] = []
            loop.measure = watched(loop.measure, scores)
            training = case(name, data, ranks.size)
            if name == "stopped":
                try:
                    session.run(training, out / name, machine)
                except KeyboardInterrupt:
                    (out / f"stopped in {ranks.rank}").touch()
                scores.clear()
            record = session.run(training, out / name, machine)
            seen = {"scores": scores, "epochs": record["epochs"], "steps": Stopped.steps}
            torch.save(seen, out / f"{name}.{ranks.rank}.pt")
        exchange(ranks, out)


def watched(measure: Any, scores: list[Tensor]) -> Any:
    """``measure``, with the scores it is given written down."""

    def watching(spec: Any, val: Any, found: Any, **facts: Any) -> Epoch:
        scores.append(torch.from_numpy(found.copy()))
        epoch: Epoch = measure(spec, val, found, **facts)
        return epoch

    return watching


def exchange(ranks: Ranks, out: Path) -> None:
    """What the processes tell each other."""
    grid = torch.full((2, 3, 4, 4), float(ranks.rank + 1)).to(memory_format=torch.channels_last)
    total = ranks.sum(torch.full((3,), float(ranks.rank + 1)))
    ranks.take_from_first([grid])
    word = ranks.word_of_first(f"of {ranks.rank}".encode())
    seen = {"grid": grid, "total": total, "word": word, **averaged(ranks)}
    torch.save(seen, out / f"exchange.{ranks.rank}.pt")


def averaged(ranks: Ranks) -> dict[str, Any]:
    """One gradient of six images by the first process and two by the second."""
    detector = tiny.TinyDetector(tiny.TinyNetwork())
    detector.module.register_parameter("unused", torch.nn.Parameter(torch.ones(2)))
    ranks.take_from_first(detector.module.state_dict().values())
    norm = detector.network.norm.eval()  # leaves its statistics alone
    norm.running_mean.fill_(ranks.rank + 1.0)
    norm.num_batches_tracked.fill_(7)
    machine = Machine(device=torch.device("cpu"), ranks=ranks)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    gradients = Gradients(detector, scaler, Numerics(processes=2), machine, Stop())
    n = 2 if ranks.rank else 6
    part = MicroBatch(images=torch.rand(n, 3, 8, 8), labels=torch.ones(n), share=n / 8, draws=0)
    loss = gradients.add([part])
    return {
        "mean": norm.running_mean,
        "batches": norm.num_batches_tracked,
        "gradient": detector.network.fc.weight.grad,
        "unused": detector.module.unused.grad,
        "loss": loss,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
