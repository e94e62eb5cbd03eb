"""``python -m harness dev bench``: images a second, beside a plain loop and the machine's limit."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import logging
import tempfile
from pathlib import Path

from harness.commands import _flags, _text
from harness.cost.bench import MEMORY_COUNTS, BenchResult, bench, runtimes, synthetic_images
from harness.cost.bench_loops import UNTRAINED, Work, load
from harness.data.folders import walk_images
from harness.data.preprocess import parse
from harness.engine.accelerate import TOLERANCE
from harness.env import environment, load_average, usable_cores
from harness.errors import UsageError, WeightsError
from harness.registry import detectors as registry

HELP = "measure images/s of the evaluation beside a plain loop and the machine's limit"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``bench``."""
    parser.add_argument("--method", default="lfm", help="one detector, `name` or `name:WEIGHTS`")
    parser.add_argument(
        "--images", type=Path, help="folder of images (default: synthetic 256x256 PNG files)"
    )
    parser.add_argument("--n", type=_flags.positive, default=128, help="images (default: 128)")
    parser.add_argument(
        "--rounds", type=_flags.positive, default=5, help="passes of every loop (default: 5)"
    )
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--runtime",
        choices=("all", "torch", "onnxruntime"),
        default="all",
        help="of ours (default: every one that is installed)",
    )
    parser.add_argument("--workers", type=_flags.positive, help="threads of ours (default: cores)")
    parser.add_argument(
        "--memory",
        action="store_true",
        help="also peak memory at 1,000 and 20,000 images (minutes)",
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measures and prints; 1 when a score differs from the plain loop's by more than rounding."""
    method, _, token = args.method.partition(":")
    spec = registry.detector(method)
    preprocess = str(parse(args.preprocess or spec.geometry["*"]))
    with tempfile.TemporaryDirectory() as scratch:
        files = (
            _files(args.images, args.n) if args.images else synthetic_images(Path(scratch), args.n)
        )
        result = bench(
            Work(
                method=method,
                token=_token(method, token),
                files=tuple(files),
                preprocess=preprocess,
            ),
            rounds=args.rounds,
            workers=args.workers or usable_cores(),
            runtimes=runtimes() if args.runtime == "all" else (args.runtime,),
            memory_counts=MEMORY_COUNTS if args.memory else (),
        )
    if args.json:
        values = {**dataclasses.asdict(result), "environment": environment()}
        print(json.dumps(values, indent=1, sort_keys=True, allow_nan=False))
    else:
        print(report(result))
    return 1 if any(loop.score_difference > TOLERANCE for loop in result.loops) else 0


def _files(folder: Path, count: int) -> list[Path]:
    files = list(itertools.islice(walk_images(folder), count))
    if not files:
        raise UsageError(f"{folder}: no image below this folder")
    return files


def _token(method: str, token: str) -> str:
    """The weights asked for; without any, the published ones or, where absent, untrained ones."""
    if token:
        return token
    try:
        load(method, "")
    except WeightsError as error:
        log.warning("%s: measured with untrained weights", error.message)
        return UNTRAINED
    return ""


def report(result: BenchResult) -> str:
    """The result as text."""
    machine = result.machine
    limits = machine.limits
    env, load = environment(), load_average()
    parts = [
        f"{result.method}:{result.weights} on {result.images} images, {result.preprocess}, "
        f"{result.rounds} rounds; {env['cpu']}, {usable_cores()} cores, "
        f"load {'not known' if load is None else f'{load:.1f}'}",
        _text.table(
            ["files to scores", "images/s", "(range)", "x plain", "CPU ms/image", "score diff"],
            [
                [
                    loop.name,
                    f"{loop.images_per_s:.1f}",
                    f"{loop.slowest:.1f}-{loop.fastest:.1f}",
                    f"{loop.speedup:.2f}",
                    f"{loop.cpu_ms:.1f}",
                    f"{loop.score_difference:.1e}",
                ]
                for loop in result.loops
            ],
        ),
        "ms an image (ours: one thread; plain: as it runs, all threads)\n"
        + "\n".join(
            f"  {loop.name:24s} "
            + ", ".join(f"{step} {ms:.2f}" for step, ms in loop.split_ms.items())
            for loop in result.loops
        ),
        f"machine: fp32 matrix product {limits.onednn_gflops:.0f} GFLOP/s by oneDNN, "
        f"{limits.blas_gflops:.0f} by BLAS: {machine.forward_per_s:.0f} images/s at "
        f"{machine.gflop_per_image:.2f} GFLOP; read and decode {limits.decode_per_s:.0f} images/s; "
        f"both {machine.images_per_s:.0f} images/s",
    ]
    if result.memory_mib:
        peaks = [f"{count:,} images {mib:.0f} MiB" for count, mib in result.memory_mib.items()]
        parts.append(f"peak memory of ours: {', '.join(peaks)}")
    return "\n\n".join(parts)
