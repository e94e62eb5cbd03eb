"""Reliability diagrams: vector files whose bytes do not change."""

from __future__ import annotations

import numpy as np
import pytest

from harness.figures.reliability import reliability_diagram
from harness.metrics.calibration import reliability

BARS = reliability([0, 1, 1, 0], np.array([0.1, 0.9, 0.8, 0.7]), "probability")


@pytest.mark.parametrize(("form", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_same_bars_give_the_same_bytes(form: str, magic: bytes) -> None:
    drawn = reliability_diagram(BARS, "A title", form)
    assert drawn.startswith(magic)
    assert drawn == reliability_diagram(BARS, "A title", form)
    assert b"CreationDate" not in drawn
    assert b"dc:date" not in drawn


def test_other_bars_are_drawn_otherwise() -> None:
    other = reliability([0, 1, 1, 1], np.array([0.1, 0.9, 0.8, 0.7]), "probability")
    assert reliability_diagram(other, "A title", "svg") != reliability_diagram(
        BARS, "A title", "svg"
    )
