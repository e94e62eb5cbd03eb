"""The work of ``bench``."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.commands import _text
from harness.commands.bench import IMAGES, METHOD
from harness.cost.bench import (
    LAP_GFLOP,
    MEMORY_COUNTS,
    BenchResult,
    LoopResult,
    Plan,
    bench,
    runtimes,
    synthetic_images,
)
from harness.cost.bench_loops import UNTRAINED, Work, load
from harness.data.disk import DiskFolder
from harness.data.folders import walk_images
from harness.data.preprocess import parse
from harness.data.source import FileSource
from harness.engine.accelerate import TOLERANCE, check_options
from harness.engine.scorer import CPU
from harness.env import environment, load_average, usable_cores
from harness.errors import HarnessError, UsageError, WeightsError, attempt
from harness.registry import detectors as registry
from harness.results.store import canonical_json

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    if args.commands:
        raise UsageError("--commands needs --scale", hint="python -m harness bench --scale 20000")
    method = args.method or METHOD
    asked = list(registry.detectors()) if method == "all" else method.split(",")
    chosen = runtimes() if args.runtime == "all" else (args.runtime,)
    for runtime in chosen:
        check_options(CPU, "fp32", runtime)
    several = len(asked) > 1
    plan = Plan(
        rounds=args.rounds,
        workers=args.workers or usable_cores(),
        runtimes=chosen,
        lap_gflop=LAP_GFLOP if several and not args.n else 0,
        detailed=not several,
        memory_counts=MEMORY_COUNTS if args.memory else (),
    )
    results: list[BenchResult] = []
    absent: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = _files(args.images, args.n or IMAGES, Path(scratch))
        for name in asked:
            measured = attempt(lambda name=name: bench(_work(name, files, args.preprocess), plan))
            if not isinstance(measured, HarnessError):
                results.append(measured)
                if several:  # an interrupt loses the table, not what was measured
                    log.info("%s", summary([measured], {}))
            elif several:  # minutes of the others must not be lost
                absent[name] = measured.message
                log.warning("%s: %s", name, measured.message)
            else:
                raise measured
    if args.json:
        values = {
            "detectors": [dataclasses.asdict(result) for result in results],
            "not_measured": absent,
            "environment": environment(),
        }
        print(canonical_json(values), end="")
    else:
        print(summary(results, absent) if several else report(results[0]))
    loops = [loop for result in results for loop in result.loops]
    return 1 if any(loop.score_difference > TOLERANCE for loop in loops) else 0


def _files(folder: Path | None, count: int, scratch: Path) -> tuple[Path, ...]:
    if folder is None:
        return tuple(synthetic_images(scratch, count))
    found = itertools.islice(walk_images(DiskFolder(folder)), count)
    files = tuple(Path(each.source.path) for each in found if isinstance(each.source, FileSource))
    if not files:
        raise UsageError(f"{folder}: no image below this folder")
    return files


def _work(row: str, files: tuple[Path, ...], preprocess: str) -> Work:
    method, _, token = row.partition(":")
    spec = registry.detector(method)
    registry.require_extras(spec)
    text = str(parse(preprocess or spec.geometry["*"]))
    return Work(method=method, token=_token(method, token), files=files, preprocess=text)


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


def summary(results: Sequence[BenchResult], absent: dict[str, str]) -> str:
    """Several detectors as one table: a row for each loop of each, and below it what failed."""
    rows = []
    notes = [f"{name}: not measured: {reason}" for name, reason in absent.items()]
    for result in results:
        for loop in result.loops:
            about = [f"{result.method}:{result.weights}", str(result.images)]
            gflop = f"{result.machine.gflop_per_image:.2f}"
            rows.append([*about, gflop, loop.name, *_shown(loop)])
            notes += [f"{result.method}, {loop.name}: {reason}" for reason in loop.start.refused]
        notes += [f"{result.method}, {name}: failed: {why}" for name, why in result.failed.items()]
    head = ["detector", "images", "GFLOP", "files to scores", *_SHOWN]
    parts = [_machine(results), _text.table(head, rows), _LEGEND, "\n".join(notes)]
    return "\n\n".join(filter(None, parts))


_SHOWN = ("images/s", "(range)", "x plain", "limit", "CPU ms", "ready s", "form", "diff", "MiB")
_LEGEND = (
    "limit: share of what the machine could do, reading, decoding and multiplying at its best\n"
    "ready: seconds to build the network, load its weights and rewrite it\n"
    "diff: largest score difference from the plain loop, of logit scale\n"
    "MiB: peak memory of the loop's process; untrained: random weights, which are as fast"
)


def _shown(loop: LoopResult) -> list[str]:
    return [
        f"{loop.images_per_s:.1f}",
        f"{loop.slowest:.1f}-{loop.fastest:.1f}",
        f"{loop.speedup:.2f}",
        f"{100 * loop.share:.0f} %",
        f"{loop.cpu_ms:.1f}",
        f"{loop.start.seconds:.1f}",
        loop.start.form,
        f"{loop.score_difference:.1e}",
        "-" if loop.peak_mib is None else f"{loop.peak_mib:.0f}",
    ]


def _machine(results: Sequence[BenchResult]) -> str:
    rounds = max((result.rounds for result in results), default=0)
    load = load_average()
    return (
        f"{rounds} rounds; {environment()['cpu']}, {usable_cores()} cores, "
        f"load {'not known' if load is None else f'{load:.1f}'}"
    )


def report(result: BenchResult) -> str:
    """One detector in detail."""
    machine = result.machine
    limits = machine.limits
    parts = [
        f"{result.method}:{result.weights} on {result.images} images, {result.preprocess}, "
        + _machine([result]),
        _text.table(
            ["files to scores", *_SHOWN], [[loop.name, *_shown(loop)] for loop in result.loops]
        ),
        _LEGEND,
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
        *(f"{loop.name}: {why}" for loop in result.loops for why in loop.start.refused),
        *(f"{name}: failed: {why}" for name, why in result.failed.items()),
    ]
    if result.memory_mib:
        peaks = [
            f"{count:,} images {'not known' if mib is None else f'{mib:.0f} MiB'}"
            for count, mib in result.memory_mib.items()
        ]
        parts.append(f"peak memory of ours: {', '.join(peaks)}")
    return "\n\n".join(parts)
