"""How fast the evaluation is, beside a plain loop and beside what the machine could do.

Every loop has a process of its own, so that none inherits another's thread pools or allocator
settings, and they take turns in rounds: a machine that is busy with something else slows all of
them, and ratios are taken within a round.
"""

from __future__ import annotations

import multiprocessing
import statistics
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from harness.cost import bench_loops as loops
from harness.cost.bench_loops import Lap, Limits, Work
from harness.cost.count import count
from harness.data import decode
from harness.data.preprocess import parse
from harness.errors import HarnessError
from harness.registry.detectors import detector

PLAIN = "plain loop"
MEMORY_COUNTS = (1_000, 20_000)
SYNTHETIC_SIDE = 256


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """One loop's outcome.

    Args:
        name: which loop.
        images_per_s: median over the rounds, files to scores.
        slowest, fastest: images a second in the worst and the best round.
        speedup: median over the rounds of its speed relative to the plain loop in that round.
        cpu_ms: CPU milliseconds an image, all threads, median over the rounds.
        score_difference: largest |score - plain score| / max(1, |plain score|) of all images.
        split_ms: step -> milliseconds an image; ours on one thread, the plain loop as it runs.
    """

    name: str
    images_per_s: float
    slowest: float
    fastest: float
    speedup: float
    cpu_ms: float
    score_difference: float
    split_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class MachineResult:
    """The machine's own limit in the same rounds.

    Args:
        limits: medians over the rounds.
        gflop_per_image: 2 x fvcore's multiply-accumulates at the scored size, 10^9.
        forward_per_s: images a second if the network ran at the faster matrix product.
        images_per_s: the same with reading and decoding on the same cores.
    """

    limits: Limits
    gflop_per_image: float
    forward_per_s: float
    images_per_s: float


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Everything that one call of ``bench`` measured.

    Args:
        method, weights, preprocess, images, rounds, workers: what was run; ``weights`` is a label.
        loops: the plain loop first.
        machine: the machine's limit.
        memory_mib: images -> peak resident memory, empty when not asked for.
    """

    method: str
    weights: str
    preprocess: str
    images: int
    rounds: int
    workers: int
    loops: tuple[LoopResult, ...]
    machine: MachineResult
    memory_mib: dict[int, float]


def synthetic_images(folder: Path, count: int, side: int = SYNTHETIC_SIDE) -> list[Path]:
    """Writes ``count`` PNG files with a photograph's spectrum (1/f) and grain; same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    weight = 1 / np.maximum(frequency, 1 / side)
    files = []
    for number in range(count):
        rng = np.random.default_rng(number)
        white = np.fft.rfft2(rng.standard_normal((3, side, side)), axes=(1, 2))
        smooth = np.fft.irfft2(white * weight, s=(side, side), axes=(1, 2))
        smooth /= smooth.std()
        pixels = 128 + 50 * smooth + 2 * rng.standard_normal(smooth.shape)
        image = np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0)
        files.append(folder / f"{number:05d}.png")
        Image.fromarray(image).save(files[-1])
    return files


def runtimes() -> tuple[str, ...]:
    """The runtimes that are installed."""
    packages = ("onnx", "onnxscript", "onnxruntime")
    return ("torch", "onnxruntime") if all(map(find_spec, packages)) else ("torch",)


def bench(
    work: Work,
    *,
    rounds: int,
    workers: int,
    runtimes: Sequence[str],
    memory_counts: Sequence[int] = (),
) -> BenchResult:
    """Runs all loops in turns and compares them.

    Args:
        work: detector, weights, images.
        rounds: passes of every loop over the images.
        workers: threads of ours.
        runtimes: of ours, each a loop.
        memory_counts: numbers of images at which ours' peak memory is measured.
    """
    _, loaded = loops.load(work.method, work.token)
    compared: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        PLAIN: (loops.PlainLoop, (work, 0)),
        f"{PLAIN}, 2 workers": (loops.PlainLoop, (work, 2)),
    }
    for runtime in runtimes:
        compared[f"ours, {runtime}"] = (loops.OurLoop, (work, runtime, workers))
    laps: dict[str, list[Lap]] = {name: [] for name in compared}
    limits: list[Limits] = []
    with ExitStack() as stack:
        machine = stack.enter_context(_process(loops.Machine, (work, workers)))
        running = {
            name: stack.enter_context(_process(make, arguments))
            for name, (make, arguments) in compared.items()
        }
        for ask in running.values():
            ask("lap")  # the first pass warms caches, allocator and clocks
        for _ in tqdm(range(rounds), desc="bench", unit="round"):
            limits.append(machine("lap"))
            for name, ask in running.items():
                laps[name].append(ask("lap"))
        splits = {name: ask("split") for name, ask in running.items()}
    return BenchResult(
        method=work.method,
        weights=loaded.ref.label,
        preprocess=work.preprocess,
        images=len(work.files),
        rounds=rounds,
        workers=workers,
        loops=tuple(_loop_result(name, laps[name], laps[PLAIN], splits[name]) for name in laps),
        machine=_machine_result(work, limits),
        memory_mib={count: _peak_memory(work, count, workers) for count in memory_counts},
    )


def _loop_result(
    name: str, laps: list[Lap], plain: list[Lap], split: dict[str, float]
) -> LoopResult:
    images = len(plain[0].scores)
    speeds = [images / lap.seconds for lap in laps]
    slow = np.array(plain[0].scores)
    differences = [
        np.abs(np.array(lap.scores) - slow) / np.maximum(1, np.abs(slow)) for lap in laps
    ]
    return LoopResult(
        name=name,
        images_per_s=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        speedup=statistics.median(
            other.seconds / lap.seconds for lap, other in zip(laps, plain, strict=True)
        ),
        cpu_ms=1e3 * statistics.median(lap.cpu_seconds for lap in laps) / images,
        score_difference=float(np.max(differences)),
        split_ms=split,
    )


def _machine_result(work: Work, measured: list[Limits]) -> MachineResult:
    limits = Limits(
        blas_gflops=statistics.median(one.blas_gflops for one in measured),
        onednn_gflops=statistics.median(one.onednn_gflops for one in measured),
        decode_per_s=statistics.median(one.decode_per_s for one in measured),
    )
    file = work.files[0]
    image = parse(work.preprocess)(decode.decode(file.read_bytes(), str(file)))
    counts = count(detector(work.method), (image.shape[0], image.shape[1]))
    assert counts is not None  # bench_loops.load refuses detectors without a network
    gflop = 2 * counts.macs / 1e9
    forward = max(limits.blas_gflops, limits.onednn_gflops) / gflop
    return MachineResult(
        limits=limits,
        gflop_per_image=gflop,
        forward_per_s=forward,
        images_per_s=1 / (1 / forward + 1 / limits.decode_per_s),
    )


def _peak_memory(work: Work, count: int, workers: int) -> float:
    with _process(_MemoryProbe, (work, count, workers)) as ask:
        return float(ask("lap"))


class _MemoryProbe:
    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def lap(self) -> float:
        return loops.peak_memory_mib(*self._arguments)


@contextmanager
def _process(
    make: Callable[..., Any], arguments: tuple[Any, ...]
) -> Iterator[Callable[[str], Any]]:
    """``make(*arguments)`` in a fresh process; yields a function that calls its methods by name."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, make, arguments))
    process.start()
    there.close()

    def ask(method: str) -> Any:
        here.send(method)
        try:
            failed, value = here.recv()
        except EOFError:
            raise HarnessError(f"bench: the process of {make.__name__} died") from None
        if failed:
            raise value
        return value

    try:
        yield ask
    finally:
        here.close()  # ends the process: it waits for the next method
        process.join()


def _serve(connection: Connection, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    subject: Any = None
    while True:
        try:
            method = connection.recv()
        except EOFError:
            return
        try:
            if subject is None:
                subject = make(*arguments)
            answer = (False, getattr(subject, method)())
        except HarnessError as error:
            # As the base class, because subclasses with arguments of their own do not travel.
            plain = HarnessError(error.message, hint=error.hint)
            plain.exit_code = error.exit_code
            answer = (True, plain)
        except Exception:
            answer = (True, HarnessError(f"bench: {make.__name__}:\n{traceback.format_exc()}"))
        connection.send(answer)
