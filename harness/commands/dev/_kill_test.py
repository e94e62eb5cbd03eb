"""The work of ``dev kill-test``."""

from __future__ import annotations

import argparse

from harness.commands import _text
from harness.cost.kill_test import KillPlan, KillResult, kill_test


def run(args: argparse.Namespace) -> int:
    plan = KillPlan(
        images=args.images,
        actors=args.actors,
        actor_kills=args.actor_kills,
        driver_kills=args.driver_kills,
        seed=args.seed,
    )
    result = kill_test(plan)
    print(as_text(plan, result))
    return 0 if result.passed(plan) else 1


def as_text(plan: KillPlan, result: KillResult) -> str:
    """What was done and what came of it."""
    rows = [
        ["images", f"{plan.images:,}"],
        ["workers of each driver", ", ".join(map(str, result.workers))],
        ["workers killed", f"{result.actor_kills} of {plan.actor_kills}"],
        ["drivers killed", f"{result.driver_kills} of {plan.driver_kills}"],
        ["images missing in the journal", str(result.missing)],
        ["images double in the journal", str(result.double)],
        ["prediction file", "byte-equal" if result.equal else "DIFFERS"],
        ["seconds, one process undisturbed", f"{result.single_seconds:.0f}"],
        ["seconds, killed", f"{result.seconds:.0f}"],
    ]
    return _text.table(["kill test", ""], rows)
