"""The work of ``cost``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from tqdm import tqdm

from harness.api import DetectorSpec
from harness.checkpoints.files import files_of
from harness.cost.count import ATTENTION, MACS_UNIT, Counts, Size, count
from harness.cost.latency import Speed, measure
from harness.cost.printed import Reconciled, explain, reconcile
from harness.env import environment, resolve_device
from harness.errors import HarnessError
from harness.registry import detectors as registry
from harness.results.store import canonical_json


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Everything known of one detector's cost; None where it does not apply."""

    detector: str
    title: str
    size: Size
    counts: Counts | None
    speed: Speed | None
    paper: Reconciled | None
    timed: bool


def run(args: argparse.Namespace) -> int:
    device = resolve_device(args.device)
    code, costs = 0, []
    specs = registry.usable(args.method)
    for spec in tqdm(specs, desc="cost", unit="detector"):
        try:
            costs.append(_cost(spec, args, device))
        except HarnessError as error:
            print(f"error: {error}", file=sys.stderr)
            code = code or error.exit_code
    if args.json:
        content = {
            "costs": [asdict(cost) for cost in costs],
            "macs_unit": MACS_UNIT,
            "shared": shared_files(specs),
            "environment": environment(device),
        }
        print(canonical_json(content), end="")
    else:
        print("\n\n".join("\n".join(_lines(cost)) for cost in costs))
        for file, names in shared_files(specs).items():
            print(f"\nshared: {file} of {', '.join(names)}; a run of them keeps equal parts once")
    return code


def shared_files(specs: Sequence[DetectorSpec]) -> dict[str, list[str]]:
    """Published files that several of these detectors are made of -> their names."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        for name in sorted({part.filename for w in spec.weights for part in files_of(w)}):
            found.setdefault(name, []).append(spec.name)
    return {name: owners for name, owners in found.items() if len(owners) > 1}


def _cost(spec: DetectorSpec, args: argparse.Namespace, device: torch.device) -> CostReport:
    size = args.size or spec.evaluation_size
    speed = None
    if args.repeats > 0:
        speed = measure(spec, size, device, batch_size=args.batch_size, repeats=args.repeats)
    counts = count(spec, size)
    return CostReport(
        detector=spec.name,
        title=spec.title,
        size=size,
        counts=counts,
        speed=speed,
        paper=reconcile(spec, counts),
        timed=args.repeats > 0,
    )


def _lines(cost: CostReport) -> list[str]:
    lines = [f"{cost.detector} ({cost.title}), 1 image of {cost.size[0]}x{cost.size[1]}"]
    lines += _count_lines(cost.counts)
    if cost.timed:
        lines += _speed_lines(cost.speed)
    if cost.paper is not None:
        printed = cost.paper.flops.printed, cost.paper.parameters.printed
        lines.append(f"  the paper prints {printed[0]} FLOPs, {printed[1]} parameters")
        lines += [f"    {line}" for line in explain(cost.paper)]
    return lines


def _count_lines(counts: Counts | None) -> list[str]:
    if counts is None:
        return ["  MACs, parameters           n/a (no network)"]
    left_out = [f"{name} x{times}" for name, times in counts.not_counted.items()]
    lines = [
        f"  {MACS_UNIT:<26} {counts.macs:,} ({_listed(counts.by_operator)})",
        f"  fvcore does not count      {', '.join(left_out) or 'nothing left out'}",
    ]
    if counts.attention_products:
        lines.append(
            f"  with attention's products  {counts.macs + counts.attention_products:,} "
            f"({counts.attention_products:,} more, in {ATTENTION})"
        )
    seen = ""
    if counts.thop_parameters != counts.parameters:
        seen = f" (of layers with {counts.thop_parameters:,} of the parameters)"
    return [
        *lines,
        f"  rule of thop               {counts.thop_rule:,}{seen}",
        f"  parameters                 {counts.parameters:,}, trainable {counts.trainable:,}",
    ]


def _speed_lines(speed: Speed | None) -> list[str]:
    if speed is None:
        return ["  latency, memory            n/a (sees no pixels)"]
    peak = speed.memory
    if speed.peak_bytes is not None:
        peak = f"{speed.peak_bytes / 2**20:,.0f} MiB at batch {speed.batch_size} ({speed.memory})"
    return [
        f"  latency                    median {speed.latency_ms:.2f} ms, "
        f"p90 {speed.latency_p90_ms:.2f} ms (batch 1, {speed.repeats} calls)",
        f"  throughput                 {speed.images_per_s:.1f} images/s "
        f"(batch {speed.batch_size})",
        f"  peak memory                {peak}",
        f"  timed on                   {speed.device}, {speed.threads} threads, eager, fp32",
    ]


def _listed(counts: Mapping[str, int]) -> str:
    largest_first = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {number:,}" for name, number in largest_first)
