"""Counting records a network's calls, under which sizes are tensors: the networks stand it."""

from __future__ import annotations

from typing import Any

import pytest

from baselines import aeroblade, bfree, cospy, d3, dda, drct, effort, rigid
from harness.cost.count import count_module
from tests.baselines.small_clip import SMALL
from tests.baselines.small_dino import SMALL_DINO
from tests.baselines.test_bfree import SMALL as SMALL_BFREE

TRUNK = {"embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 2.0}
CASES = {
    "drct": (lambda: drct.build(depths=(1, 1, 1, 1), widths=(8, 16, 24, 32)), 224, 224),
    "drct-clip": (lambda: drct.build_clip(sizes=SMALL), 224, 224),
    "effort": (lambda: effort.build(sizes=SMALL), 224, 224),
    "effort-univfd": (lambda: effort.build_univfd(sizes=SMALL), 224, 224),
    "dda": (lambda: dda.build(sizes=SMALL_DINO), 336, 336),
    "bfree": (lambda: bfree.build(sizes=SMALL_BFREE), 98, 112),
    "bfree, narrow": (lambda: bfree.build(sizes=SMALL_BFREE), 112, 28),
    "d3": (lambda: d3.build(sizes=SMALL), 224, 224),
    "rigid": (lambda: rigid.build(sizes=SMALL_DINO), 224, 224),
    "aeroblade": (lambda: aeroblade.build(widths=(32, 32, 32, 32)), 32, 48),
    "cospy": (lambda: cospy.build(widths=(32, 32, 32, 32), smaller=TRUNK), 384, 384),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_counted(name: str) -> None:
    build, height, width = CASES[name]
    detector: Any = build()
    counts = count_module(detector.module, (1, 3, height, width))
    assert counts.macs > 0
    assert counts.parameters == sum(p.numel() for p in detector.module.parameters())


def test_a_small_picture_costs_one_window_and_a_large_one_five() -> None:
    module = bfree.build(sizes=SMALL_BFREE).module
    one, five = (count_module(module, (1, 3, side, side)) for side in (28, 112))
    assert five.attention_products == 5 * one.attention_products > 0
