"""Focus: hand-made maps, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.metrics.focus import focus

MAPS = arrays(np.float64, (4, 5), elements=st.integers(-50, 50).map(float))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1.0] * 4] * 5, 0.5),
        ([[0.0, 0.0], [0.0, 7.0]], 0.25),
        ([[4.0, 3.0, 2.0, 1.0]], 0.5),  # 4 is less than half of 10, 4 + 3 is not
        ([[5.0, 3.0, 1.0, 1.0]], 0.25),
        ([[5.0, -90.0, -90.0, 5.0]], 0.25),  # what is for real does not count
        ([[0.1] * 10], 0.5),  # whose sums are not exact
    ],
)
def test_by_hand(values: list[list[float]], expected: float) -> None:
    assert focus(values).value == pytest.approx(expected)


def test_nothing_for_fake_is_undefined_with_a_reason() -> None:
    assert focus([[-1.0, 0.0]]).value is None
    assert "nothing" in focus([[-1.0, 0.0]]).note


@pytest.mark.parametrize("values", [[], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_what_is_no_map_is_refused(values: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="finite"):
        focus(values)


@given(values=MAPS)
def test_scale_order_and_negative_cells_do_not_matter(values: np.ndarray) -> None:
    expected = focus(values).value
    assert focus(values * 3).value == expected
    assert focus(values.T[::-1]).value == expected
    assert focus(np.where(values < 0, values * 9, values)).value == expected
    if expected is not None:
        assert 1 / values.size <= expected <= 0.5


@given(values=MAPS)
def test_it_is_the_smallest_such_set(values: np.ndarray) -> None:
    found = focus(values).value
    if found is None:
        assert values.max() <= 0
        return
    positive = np.sort(values[values > 0])[::-1]
    count = round(found * values.size)
    assert 2 * positive[:count].sum() >= positive.sum()
    assert 2 * positive[: count - 1].sum() < positive.sum()
