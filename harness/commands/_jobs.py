"""From flags to detectors with checkpoints, and to the compute settings."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.api import DetectorSpec
from harness.commands import _flags
from harness.data.preprocess import parse
from harness.engine.scorer import Compute, Job, make_job
from harness.env import resolve_device, usable_cores
from harness.errors import UsageError
from harness.outside.declared import Declared
from harness.registry import detectors as registry


class Chosen(NamedTuple):
    """A row that was asked for: what :func:`harness.engine.scorer.make_job` takes.

    Args:
        spec: the detector.
        token: which weights, "" = its default.
        variant: that the weights are of, "" = what they say.
    """

    spec: DetectorSpec
    token: str
    variant: str = ""


def selected(args: argparse.Namespace) -> list[Chosen]:
    """The rows that ``--method``, ``--weights`` and ``--variant`` ask for.

    Raises:
        UsageError: an unknown name, a method that is named twice, weights that no method takes, or
            a variant of several detectors.
    """
    methods: str = args.method
    weights: Path | None = args.weights
    names = list(registry.detectors()) if methods == "all" else methods.split(",")
    chosen: list[Chosen] = []
    taken = False
    declared = _flags.declared(args)
    for name in names:
        spec, token = _named(name.strip(), declared, getattr(args, "out", None))
        if token or weights is None:
            chosen.append(Chosen(spec, token, args.variant))
        else:
            taken = True
            chosen += [Chosen(spec, text, args.variant) for text in _tokens(spec, weights)]
    if len({(spec.name, token) for spec, token, _ in chosen}) < len(chosen):
        raise UsageError(f"--method names a detector twice: {methods}")
    if weights is not None and not taken:
        raise UsageError(
            f"--weights {weights} would not be used: --method {methods} names its own weights",
            hint="leave one of the two out",
        )
    if args.variant and len({spec.name for spec, *_ in chosen}) > 1:
        raise UsageError(
            f"--variant {args.variant} is of one detector, --method {methods} names several",
            hint="run them one by one",
        )
    return chosen


def _named(text: str, declared: Declared, out: Path | None) -> tuple[DetectorSpec, str]:
    """As the registry has it; of scores that were imported it says that they are all there is."""
    try:
        return registry.named(text, declared)
    except UsageError as error:
        name = re.escape(text.partition(":")[0])
        there = out.glob("results/*/*@imported.*.json") if out is not None else ()
        if any(re.match(rf"{name}@imported\.", path.name) for path in there):
            raise UsageError(
                f"{text}: its scores were imported, so nothing here can score images with it",
                hint=f"python -m harness metrics {text}; compare and tables take it too",
            ) from error
        raise


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
    # With --ray the GPUs are the nodes' own, and are looked for there.
    elsewhere = args.device == "cuda" and getattr(args, "ray", "")
    device = resolve_device("cpu" if elsewhere else args.device)
    cpu = device.type == "cpu"
    return Compute(
        device=device,
        precision=args.precision,
        runtime=args.runtime,
        batch_size=args.batch_size or (1 if cpu else 32),
        workers=args.workers or usable_cores(),
    )


def takes_files(spec: DetectorSpec) -> bool:
    """Whether it is somebody's function of a path."""
    found = registry.origin(spec)
    return found is not None and found.facts.get("takes", "").startswith("path")


def job(chosen: Chosen, preprocess: str = "") -> Job:
    """The detector of a row with its weights, under another geometry where one is given."""
    made = make_job(*chosen)
    if preprocess and takes_files(chosen.spec):
        raise UsageError(
            f"--preprocess: {chosen.spec.name} takes whole files, and does with them what it does",
            hint="leave it out; --perturb and --twin change the file that it gets",
        )
    return replace(made, geometry={"*": str(parse(preprocess))}) if preprocess else made
