"""The work of ``bench --scale``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from harness.commands import _run, _text
from harness.commands.bench import SCALE_METHOD
from harness.cost.scale import (
    COMMANDS,
    MIB,
    SCORING,
    STAGES,
    Cost,
    ScalePlan,
    ScaleResult,
    measure,
)
from harness.data.synthetic import SIDE
from harness.env import environment, load_average, usable_cores
from harness.errors import UsageError
from harness.results.records import Resampling
from harness.results.store import canonical_json

log = logging.getLogger(__name__)

STEPS = (100, 10, 1)
"""What the number of images is divided by."""
Measured = list[tuple[ScaleResult, dict[str, Cost]]]
_UNUSED = ("images", "n", "preprocess", "memory", "workers")
_LEGEND = (
    "driver: resident memory of the run's process in MiB, at its start (everything imported, "
    "networks built) and at its peak\n"
    "an image: bytes of it that the manifest keeps; rest: peak less start and manifest, MiB\n"
    "bootstrap: seconds of all intervals, and the MiB that the largest one took on top\n"
    "others: seconds; planning is what is in no other stage; beside: share of the time that is "
    "not scoring"
)


def run(args: argparse.Namespace) -> int:
    for name in _UNUSED:
        if getattr(args, name):
            raise UsageError(f"--{name} is not of --scale", hint="leave it out")
    plan = ScalePlan(
        methods=tuple((args.method or SCALE_METHOD).split(",")),
        preprocess="native",
        resamples=Resampling().resamples,
        tabulate=_run.report,
    )
    found: Measured = []
    for step in STEPS:
        found.append(measure(args.scale // step, plan, COMMANDS if args.commands else ()))
        if step > 1:  # an interrupt of the longest loses no other
            log.info("%s", canonical_json(as_values(found[-1:])))
    if args.json:
        print(canonical_json({**as_values(found), "environment": environment()}), end="")
    else:
        print(as_text(found))
    return 0


def as_values(found: Measured) -> dict[str, Any]:
    """Everything as plain values: seconds and bytes."""
    runs = [
        {
            **dataclasses.asdict(result),
            "beside_scoring": result.beside_scoring,
            "commands": {name: dataclasses.asdict(cost) for name, cost in costs.items()},
        }
        for result, costs in found
    ]
    return {"runs": runs}


def as_text(found: Measured) -> str:
    """Three tables: memory, seconds of the stages, and of commands where they were asked for."""
    results = [result for result, _ in found]
    first, load = results[0], load_average()
    about = (
        f"{', '.join(first.detectors)} on synthetic images of {SIDE}x{SIDE}, native size, "
        f"{first.workers} workers; {environment()['cpu']}, {usable_cores()} cores, "
        f"load {'not known' if load is None else f'{load:.1f}'}"
    )
    parts = [
        about,
        _text.table(["images", "driver", "peak", "an image", "rest"], list(map(_memory, results))),
        _text.table(["images", *STAGES, "MiB", "images/s", "beside"], list(map(_seconds, results))),
        _LEGEND,
    ]
    parts += [_commands([(result.images, costs) for result, costs in found if costs])]
    return "\n\n".join(filter(None, parts))


def _memory(result: ScaleResult) -> list[str]:
    manifest = result.manifest * result.images
    rest = None
    if result.peak is not None and result.start is not None:
        rest = result.peak - result.start - manifest
    return [
        f"{result.images:,}",
        _mib(result.start),
        _mib(result.peak),
        f"{result.manifest:.0f}",
        _mib(rest),
    ]


def _seconds(result: ScaleResult) -> list[str]:
    return [
        f"{result.images:,}",
        *(f"{result.seconds[stage]:.1f}" for stage in STAGES),
        _mib(result.bootstrap),
        f"{len(result.detectors) * result.images / max(result.seconds[SCORING], 1e-9):.0f}",
        f"{100 * result.beside_scoring:.1f} %",
    ]


def _commands(found: Sequence[tuple[int, Mapping[str, Cost]]]) -> str:
    if not found:
        return ""
    rows = [
        [
            name,
            *(f"{costs[name].seconds:.1f} s, {_mib(costs[name].peak)} MiB" for _, costs in found),
        ]
        for name in COMMANDS
    ]
    return _text.table(["command", *(f"{count:,} images" for count, _ in found)], rows)


def _mib(value: float | None) -> str:
    return "-" if value is None else f"{value / MIB:.0f}"
