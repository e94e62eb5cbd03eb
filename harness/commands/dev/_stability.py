"""The work of ``dev stability``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Sequence

from harness.commands import _jobs, _matrix, _text
from harness.engine.scorer import Compute, make_job
from harness.env import environment
from harness.evaluation.plan import Settings
from harness.evaluation.stability import Effect, Stability
from harness.results.store import canonical_json

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    jobs = [make_job(*chosen) for chosen in _jobs.selected(args)]
    selections, _ = _matrix.present(args)
    settings = Settings(
        out=args.out, compute=_jobs.compute(args), data_root=args.data_root, limit=args.limit
    )
    effects: list[Effect] = []
    stability = Stability(jobs, selections, settings)
    for variation in stability.variations():
        log.info("%s", variation.name)
        effects += stability.effects(variation)
    print(as_json(effects, settings.compute) if args.json else as_text(effects, settings.compute))
    return 0 if all(effect.within for effect in effects) else 1


def as_json(effects: Sequence[Effect], compute: Compute) -> str:
    """The effects, and where they were seen."""
    rows = [{**dataclasses.asdict(effect), "within": effect.within} for effect in effects]
    where = {"environment": environment(compute.device), "plain": plain(compute)}
    return canonical_json({**where, "effects": rows}).rstrip()


def as_text(effects: Sequence[Effect], compute: Compute) -> str:
    """A table for each detector."""
    header = ["variation", "may move", "largest |d|", "differing", "flipped", "ACC", "AP", ""]
    parts = []
    for detector in dict.fromkeys(effect.detector for effect in effects):
        mine = [effect for effect in effects if effect.detector == detector]
        rows = [
            [
                effect.variation,
                f"{effect.allowed:.0e}" if effect.allowed else "0",
                f"{effect.largest:.1e}" if effect.largest else "0",
                str(effect.differing),
                str(effect.flipped),
                _points(effect.acc),
                _points(effect.ap),
                "ok" if effect.within else "MOVED",
            ]
            for effect in mine
        ]
        title = f"{detector}: {mine[0].images} scores against those of one run ({plain(compute)})"
        parts.append(f"{title}\n{_text.table(header, rows)}")
    note = (
        "may move: the largest |difference| / max(1, |score|) that passes. flipped: decisions at "
        "the declared threshold. ACC, AP: the largest difference of a subset's, in percentage "
        "points."
    )
    return "\n\n".join([*parts, note])


def plain(compute: Compute) -> str:
    """The run that the others are compared with, in words."""
    return (
        f"batch {compute.batch_size}, {compute.workers} workers, {compute.runtime}, "
        f"{compute.precision}, {compute.device}"
    )


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
