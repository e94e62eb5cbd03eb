"""DINOv2 in small: the detectors' own code on networks that take kilobytes and milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from baselines._dinov2 import DinoSizes
from harness.api import DetectorSpec

SMALL_DINO = DinoSizes(width=128, layers=2, grid=5)


def in_small_dino(
    spec: DetectorSpec, build: Callable[..., Any], sizes: DinoSizes = SMALL_DINO
) -> DetectorSpec:
    """The same detector with a small DINOv2 inside."""
    return replace(spec, build=lambda: build(sizes=sizes))
