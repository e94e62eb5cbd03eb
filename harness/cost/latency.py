"""How fast a detector is on this machine, and how much memory it takes.

The network as written, eager, at fp32, pixels already in memory: what papers call latency. The
harness itself scores through ``harness.engine.accelerate``, which is faster.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.api import Detector, DetectorSpec, HasModule
from harness.cost.count import Size, check_size
from harness.env import device_name, peak_memory

WARM_UP = 3


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A detector's speed and memory at one image size.

    Args:
        size: (height, width), pixels.
        latency_ms, latency_p90_ms: median and 90th percentile of one image's time.
        batch_size, images_per_s: throughput from the median time of a batch.
        peak_bytes: memory that building the detector and scoring one batch adds; None where it
            cannot be measured, and ``memory`` says why.
        memory: how it was measured.
        repeats: timed calls, after some untimed ones.
        device, threads: what it ran on.
    """

    size: Size
    latency_ms: float
    latency_p90_ms: float
    batch_size: int
    images_per_s: float
    peak_bytes: int | None
    memory: str
    repeats: int
    device: str
    threads: int


def measure(
    spec: DetectorSpec, size: Size, device: torch.device, *, batch_size: int, repeats: int
) -> Speed | None:
    """Times a detector on random pixels; None for one that sees no pixels.

    Raises:
        InputSizeError: the detector cannot take this size.
    """
    detector = spec.build()
    if not isinstance(detector, Detector):
        return None
    check_size(spec, size)
    if not isinstance(detector, HasModule):
        device = torch.device("cpu")
    score = _ready(detector, device)
    one = _durations_ms(score, _pixels((1, 3, *size), device), repeats)
    many = _durations_ms(score, _pixels((batch_size, 3, *size), device), repeats)
    peak, memory = _peak(spec, score, (batch_size, 3, *size), device)
    return Speed(
        size=size,
        latency_ms=statistics.median(one),
        latency_p90_ms=float(np.percentile(one, 90)),
        batch_size=batch_size,
        images_per_s=1000 * batch_size / statistics.median(many),
        peak_bytes=peak,
        memory=memory,
        repeats=repeats,
        device=device_name(device),
        threads=torch.get_num_threads(),
    )


def peak_growth(build: Callable[[], Any], shape: tuple[int, ...], threads: int) -> int | None:
    """Bytes by which building a detector and scoring one batch raise this process's peak memory.

    Meant for a process of its own: memory that an earlier call freed and the allocator kept would
    hide the growth. None where the system does not tell.
    """
    torch.set_num_threads(threads)
    with contextlib.suppress(OSError):  # Linux: let the peak start at what is in use now
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    score = _ready(build(), torch.device("cpu"))
    score(_pixels(shape, torch.device("cpu")))
    after = peak_memory()
    return None if before is None or after is None else after - before


def _ready(detector: Any, device: torch.device) -> Callable[[Tensor], Tensor]:
    if isinstance(detector, HasModule):
        detector.module.to(device).eval()

    def score(images: Tensor) -> Tensor:
        with torch.inference_mode():
            scores: Tensor = detector.score(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        return scores

    return score


def _pixels(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)


def _durations_ms(score: Callable[[Tensor], Tensor], images: Tensor, repeats: int) -> list[float]:
    for _ in range(WARM_UP):
        score(images)
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        score(images)
        durations.append(1000 * (time.perf_counter() - start))
    return durations


def _peak(
    spec: DetectorSpec,
    score: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
    device: torch.device,
) -> tuple[int | None, str]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        score(_pixels(shape, device))
        return torch.cuda.max_memory_allocated(device), "torch's peak of allocated CUDA memory"
    if device.type != "cpu":
        return None, f"not measured on {device.type}"
    try:
        pickle.dumps(spec.build)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None, "not measured: the detector's build function cannot be sent to a process"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
        threads = torch.get_num_threads()
        peak = process.submit(peak_growth, spec.build, shape, threads).result()
    if peak is None:
        return None, "not measured: this system does not tell a process's peak memory"
    return peak, "growth of a fresh process's peak resident memory"
