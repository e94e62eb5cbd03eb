"""The work of ``bench --scale``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.suite import audit_suite
from harness.commands import _run, _text
from harness.commands.bench import SCALE_METHOD
from harness.cost.bench import process
from harness.cost.scale import MIB, SCORING, STAGES, ScalePlan, ScaleResult, ScaleRun
from harness.data.synthetic import SIDE
from harness.env import environment, load_average, peak_memory, usable_cores
from harness.errors import UsageError
from harness.registry.suites import find_root
from harness.results.comparison import Contender, compare
from harness.results.paths import TABLES
from harness.results.records import Resampling
from harness.results.store import canonical_json, load_records
from harness.site import record_page
from harness.site.renderer import PageRenderer

log = logging.getLogger(__name__)

STEPS = (100, 10, 1)
"""What the number of images is divided by."""


@dataclass(frozen=True, kw_only=True)
class CommandCost:
    """Seconds of a command on the same images, and the peak memory of its process in bytes."""

    seconds: float
    peak: int | None


COMMANDS = ("check", "check --deep", "check --audit", "compare", "report")
"""Commands that are measured after a run; of ``report`` the pages of its records."""


Measured = list[tuple[ScaleResult, dict[str, CommandCost]]]
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


def _commands(found: Sequence[tuple[int, Mapping[str, CommandCost]]]) -> str:
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


def measure(
    count: int, plan: ScalePlan, commands: Sequence[str] = ()
) -> tuple[ScaleResult, dict[str, CommandCost]]:
    """A run of ``count`` images and commands after it, each in a process of its own.

    Raises:
        HarnessError: a detector cannot be set up or a cell failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with process(ScaleRun, (count, plan, out)) as ask:
            result: ScaleResult = ask("result")
        found = {}
        for name in commands:
            with process(ScaleCommand, (name, count, plan, out)) as ask:
                found[name] = ask("cost")
        return result, found


class ScaleCommand:
    """A command on the images and records of a :class:`ScaleRun`.

    Args:
        name: of :data:`COMMANDS`.
        count, plan, out: of the run.
    """

    def __init__(self, name: str, count: int, plan: ScalePlan, out: Path) -> None:
        self.name, self.out, self.plan = name, out, plan
        self.selection = ScaleRun(count, plan, out).selection

    def cost(self) -> CommandCost:
        """Runs it."""
        start = time.perf_counter()
        if self.name == "compare":
            self._compare()
        elif self.name == "report":
            records, renderer = load_records(self.out), PageRenderer(TABLES / "templates")
            record_page.write(self.out, self.out / "pages", records, renderer)
        else:
            self._check()
        return CommandCost(seconds=time.perf_counter() - start, peak=peak_memory())

    def _compare(self) -> None:
        sides = [Contender(name=r.detector, records=(r,)) for r in load_records(self.out)]
        if len(sides) > 1:
            compare(self.out, sides, Resampling(resamples=self.plan.resamples))

    def _check(self) -> None:
        root = find_root(self.selection.suite, None)
        depths = {"check": "headers", "check --deep": "pixels", "check --audit": "audit"}
        audit_suite(
            self.selection,
            root,
            self.out,
            depth=depths[self.name],  # type: ignore[arg-type]
            workers=usable_cores(),
        )
