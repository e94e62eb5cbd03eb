"""From flags to detectors with checkpoints, and to the compute settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import registry
from harness.api import DetectorSpec
from harness.engine import Compute
from harness.env import resolve_device, usable_cores
from harness.errors import UsageError

METHOD_HELP = (
    "detectors, comma-separated, or `all`; `name:WEIGHTS` picks a published checkpoint by its "
    "label, a file or a training run folder"
)
WEIGHTS_HELP = (
    "checkpoint file, training run folder, or a folder of them as `train` leaves it "
    "(DETECTOR/seed0, ...: every seed is a row of its own)"
)


def selected(methods: str, weights: Path | None) -> list[tuple[DetectorSpec, str]]:
    """(spec, weights token) for each row that ``--method`` and ``--weights`` ask for.

    Raises:
        UsageError: an unknown name, or a method that is named twice.
    """
    names = list(registry.detectors()) if methods == "all" else methods.split(",")
    chosen: list[tuple[DetectorSpec, str]] = []
    for name in names:
        bare, _, token = name.strip().partition(":")
        spec = registry.detector(bare)
        if token or weights is None:
            chosen.append((spec, token))
        else:
            chosen += [(spec, text) for text in _tokens(spec, weights)]
    if len({(spec.name, token) for spec, token in chosen}) < len(chosen):
        raise UsageError(f"--method names a detector twice: {methods}")
    return chosen


def _tokens(spec: DetectorSpec, weights: Path) -> list[str]:
    """What ``--weights`` means for one detector: itself, or the trained runs below it."""
    if not weights.is_dir() or (weights / "run.json").exists():
        return [str(weights)]
    runs = sorted(path.parent for path in weights.glob(f"{spec.name}/*/run.json"))
    if runs:
        return [str(run) for run in runs]
    # A detector that is not trained, or only from a published network that is seldom at hand,
    # stands beside trained ones with its published checkpoint.
    published = spec.recipe is None or spec.needs_pretrained
    return [""] if published else [str(weights / spec.name / "seed0")]


def compute(args: argparse.Namespace) -> Compute:
    """The compute settings of the flags that ``_flags.add_compute`` added."""
    device = resolve_device(args.device)
    cpu = device.type == "cpu"
    return Compute(
        device=device,
        precision=args.precision,
        runtime=args.runtime,
        batch_size=args.batch_size or (1 if cpu else 32),
        workers=args.workers or usable_cores(),
    )
