"""Workers and a driver of a dealt run are killed: the scores are those of one process."""

from __future__ import annotations

import pytest

from harness.cost.kill_test import KillPlan, KillResult, kill_test

pytest.importorskip("ray")


@pytest.mark.slow
def test_what_kills_leave_is_what_one_process_leaves() -> None:
    plan = KillPlan(images=600, actors=2, actor_kills=2, driver_kills=1, seed=1, pause=0.02)
    result = kill_test(plan)
    assert result.passed(plan), result
    assert result.workers == [2, 1]


def test_kills_that_missed_prove_nothing() -> None:
    plan = KillPlan(images=10, actors=2, actor_kills=2, driver_kills=1, seed=1)
    assert not KillResult(actor_kills=1, driver_kills=1, equal=True).passed(plan)
    assert not KillResult(actor_kills=2, driver_kills=1, equal=True, double=1).passed(plan)
    assert not KillResult(actor_kills=2, driver_kills=1, equal=True, missing=1).passed(plan)
    assert KillResult(actor_kills=2, driver_kills=1, equal=True).passed(plan)
