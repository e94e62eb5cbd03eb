"""GAP baselines: LFM's own network with global average pooling in place of top-K pooling.

``gap`` changes the pooling and nothing else, so that the paper's central claim (top-K pooling
generalises better than averaging) can be tested; ``gap-rgb`` also drops the residual and sees
plain normalised RGB. Not published by anyone as detectors: trained here.
"""

from __future__ import annotations

from dataclasses import replace

from harness.api import DetectorSpec, InputRule, ScoreSpec
from lfm.detector import GEOMETRY, RECIPE, LFMDetector
from lfm.detector import build as build_lfm
from lfm.network import final_side


def build() -> LFMDetector:
    """LFM with global average pooling, untrained."""
    return build_lfm(pooling="gap", p_min=0.0, p_max=0.0)


def build_rgb() -> LFMDetector:
    """LFM with global average pooling on plain normalised RGB, untrained."""
    return build_lfm(pooling="gap", residual=False, p_min=0.0, p_max=0.0)


def size_problem(height: int, width: int) -> str:
    """The salience maps must have at least one cell."""
    return "" if min(final_side(height), final_side(width)) >= 1 else "the smallest side is 23"


GAP = DetectorSpec(
    name="gap",
    title="GAP",
    family="ablation of LFM",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry=GEOMETRY,
    input_rule=InputRule(smallest=(24, 24), multiple_of=2, check=size_problem),
    recipe=replace(RECIPE, source="LFM's recipe, so that only the pooling differs"),
    citation="this project; network of LFM, arXiv 2508.17029",
    notes="Both sides even; smallest 24x24.",
)

GAP_RGB = DetectorSpec(
    name="gap-rgb",
    title="GAP on RGB",
    family="ablation of LFM",
    build=build_rgb,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry=GEOMETRY,
    input_rule=InputRule(smallest=(23, 23), check=size_problem),
    recipe=replace(RECIPE, source="LFM's recipe, so that only pooling and input differ"),
    citation="this project; network of LFM, arXiv 2508.17029",
    notes="Odd sides are fine; smallest 23x23.",
)
