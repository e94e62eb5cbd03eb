"""How fast the evaluation is, beside a plain loop and beside what the machine could do.

Every loop has a process of its own, so that none inherits another's thread pools or allocator
settings, and they take turns in rounds: a machine that is busy with something else slows all of
them, and ratios are taken within a round.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import statistics
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from harness.cost import bench_loops as loops
from harness.cost.bench_loops import Lap, Limits, Start, Work
from harness.cost.count import count
from harness.data import decode
from harness.data.preprocess import parse
from harness.engine import onnx_session
from harness.engine.accelerate import FORMS
from harness.errors import HarnessError
from harness.registry.detectors import detector

PLAIN = "plain loop"
MEMORY_COUNTS = (1_000, 20_000)
SYNTHETIC_SIDE = 256

LAP_GFLOP = 500
FEWEST_IMAGES = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How loops are measured.

    Args:
        rounds: passes of every loop over the images.
        workers: threads of ours.
        runtimes: of ours, each a loop.
        lap_gflop: a pass takes as many of the images as the network scores with these operations,
            but :data:`FEWEST_IMAGES`; 0 = all images.
        detailed: also a plain loop with workers, and the milliseconds of each step.
        memory_counts: numbers of images at which ours' peak memory is measured.
    """

    rounds: int
    workers: int
    runtimes: tuple[str, ...]
    lap_gflop: float = 0
    detailed: bool = True
    memory_counts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """One loop's outcome.

    Args:
        name: which loop.
        start: seconds until it was ready, and what scores.
        images_per_s: median over the rounds, files to scores.
        slowest, fastest: images a second in the worst and the best round.
        speedup: median over the rounds of its speed relative to the plain loop in that round.
        share: ``images_per_s`` of the machine's limit.
        cpu_ms: CPU milliseconds an image, all threads, median over the rounds.
        score_difference: largest |score - plain score| / max(1, |plain score|) of all images.
        peak_mib: peak resident memory of its process; None where the system does not tell.
        split_ms: step -> milliseconds an image; ours on one thread, the plain loop as it runs.
    """

    name: str
    start: Start
    images_per_s: float
    slowest: float
    fastest: float
    speedup: float
    share: float
    cpu_ms: float
    score_difference: float
    peak_mib: float | None
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
        failed: loop -> why it could not be measured.
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
    failed: dict[str, str]
    machine: MachineResult
    memory_mib: dict[int, float | None]


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
    return tuple(name for name in FORMS if name != "onnxruntime" or onnx_session.installed())


def bench(work: Work, plan: Plan) -> BenchResult:
    """Runs all loops in turns and compares them.

    Raises:
        HarnessError: the detector has no network, its weights are absent, or the plain loop fails.
    """
    label = loops.load(work.method, work.token)[1].ref.label
    gflop = _gflop_per_image(work)
    if plan.lap_gflop:
        number = max(FEWEST_IMAGES, int(plan.lap_gflop / gflop))
        work = dataclasses.replace(work, files=work.files[:number])
    compared: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        PLAIN: (loops.PlainLoop, (work, 0))
    }
    if plan.detailed:
        compared[f"{PLAIN}, 2 workers"] = (loops.PlainLoop, (work, 2))
    for runtime in plan.runtimes:
        compared[f"ours, {runtime}"] = (loops.OurLoop, (work, runtime, plan.workers))
    measured = _measure(compared, (loops.MachineProbe, (work, plan.workers)), plan)
    machine = _machine_result(gflop, measured.limits)
    return BenchResult(
        method=work.method,
        weights=label,
        preprocess=work.preprocess,
        images=len(work.files),
        rounds=plan.rounds,
        workers=plan.workers,
        loops=tuple(_loop_result(name, measured, machine) for name in measured.laps),
        failed=measured.failed,
        machine=machine,
        memory_mib={count: _peak_mib(work, count, plan) for count in plan.memory_counts},
    )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What the processes told, by loop; and the machine's limits, one a round."""

    laps: dict[str, list[Lap]]
    starts: dict[str, Start]
    splits: dict[str, dict[str, float]]
    peaks: dict[str, float | None]
    failed: dict[str, str]
    limits: list[Limits]


_Made = tuple[Callable[..., Any], tuple[Any, ...]]


def _measure(compared: dict[str, _Made], machine: _Made, plan: Plan) -> _Measured:
    limits: list[Limits] = []
    starts: dict[str, Start] = {}
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        ask_machine = stack.enter_context(process(*machine))
        running = {}
        for name, made in compared.items():
            ask = stack.enter_context(process(*made))
            try:
                starts[name] = ask("started")
                ask("lap")  # the first pass warms caches, allocator and clocks
            except HarnessError as error:
                if name == PLAIN or len(compared) == 1:
                    raise
                failed[name] = error.message
            else:
                running[name] = ask
        laps: dict[str, list[Lap]] = {name: [] for name in running}
        for _ in tqdm(range(plan.rounds), desc="bench", unit="round"):
            limits.append(ask_machine("lap"))
            for name, ask in running.items():
                laps[name].append(ask("lap"))
        peaks = {name: ask("peak_mib") for name, ask in running.items()}
        splits = {name: ask("split") for name, ask in running.items()} if plan.detailed else {}
    return _Measured(
        laps=laps, starts=starts, splits=splits, peaks=peaks, failed=failed, limits=limits
    )


def _loop_result(name: str, measured: _Measured, machine: MachineResult) -> LoopResult:
    laps, plain = measured.laps[name], measured.laps[PLAIN]
    images = len(plain[0].scores)
    speeds = [images / lap.seconds for lap in laps]
    slow = np.array(plain[0].scores)
    differences = [
        np.abs(np.array(lap.scores) - slow) / np.maximum(1, np.abs(slow)) for lap in laps
    ]
    return LoopResult(
        name=name,
        start=measured.starts[name],
        images_per_s=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        speedup=statistics.median(
            other.seconds / lap.seconds for lap, other in zip(laps, plain, strict=True)
        ),
        share=statistics.median(speeds) / machine.images_per_s,
        cpu_ms=1e3 * statistics.median(lap.cpu_seconds for lap in laps) / images,
        score_difference=float(np.max(differences)),
        peak_mib=measured.peaks[name],
        split_ms=measured.splits.get(name, {}),
    )


def _gflop_per_image(work: Work) -> float:
    file = work.files[0]
    image = parse(work.preprocess)(decode.decode(file.read_bytes(), str(file)))
    counts = count(detector(work.method), (image.shape[0], image.shape[1]))
    assert counts is not None  # bench_loops.load refuses detectors without a network
    return 2 * counts.macs / 1e9


def _machine_result(gflop: float, measured: list[Limits]) -> MachineResult:
    limits = Limits(
        blas_gflops=statistics.median(one.blas_gflops for one in measured),
        onednn_gflops=statistics.median(one.onednn_gflops for one in measured),
        decode_per_s=statistics.median(one.decode_per_s for one in measured),
    )
    forward = max(limits.blas_gflops, limits.onednn_gflops) / gflop
    return MachineResult(
        limits=limits,
        gflop_per_image=gflop,
        forward_per_s=forward,
        images_per_s=1 / (1 / forward + 1 / limits.decode_per_s),
    )


def _peak_mib(work: Work, count: int, plan: Plan) -> float | None:
    """After ``count`` images: the files of the work, again and again, in a process of its own."""
    files = tuple(work.files[number % len(work.files)] for number in range(count))
    work = dataclasses.replace(work, files=files)
    with process(loops.OurLoop, (work, plan.runtimes[0], plan.workers)) as ask:
        ask("lap")
        peak: float | None = ask("peak_mib")
        return peak


@contextmanager
def process(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Callable[[str], Any]]:
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
        except (EOFError, ConnectionError):
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
        except (EOFError, ConnectionError):
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
