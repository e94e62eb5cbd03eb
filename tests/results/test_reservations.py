"""What must be said wherever a number stands."""

from __future__ import annotations

import pytest

from harness.results.records import Metric, SubsetResult
from harness.results.reservations import reservations

from ..report.synthetic import record, result

WHOLE: dict[str, object] = {"expected_real": 1000, "expected_fake": 1000, "counts": "documented"}


def said(**changes: object) -> list[tuple[str, bool]]:
    one = result("sdv2", **{**WHOLE, **changes})
    return [(each.kind, each.comparable) for each in reservations(record("ufd", (one,)), one)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"n_fake": 999}, [("counts", False)]),
        ({"n_fake": 999, "counts": "inferred"}, [("counts", True)]),
        ({"n_fake": 0, "counts": "inferred"}, [("counts", False), ("classes", False)]),
        ({"n_real": 0, "counts": "inferred"}, [("counts", False), ("classes", False)]),
        ({"n_real": 2000, "n_fake": 2000, "also": ((2000, 2000),)}, []),
        ({"n_real": 2000, "n_fake": 1000, "also": ((2000, 2000),)}, [("counts", False)]),
        ({"skipped": ("a",), "n_fake": 999}, [("skipped", False)]),
        ({"left_out": ("a.heic",)}, [("left out", True)]),
        ({"status": "partial", "n_real": 5, "n_fake": 5}, [("limit", False)]),
        ({"seen": "generator progan"}, [("seen", True)]),
        ({"metrics": {}, "n_fake": 3}, []),
    ],
)
def test_what_is_said_and_whether_the_number_may_be_compared(
    changes: dict[str, object], expected: list[tuple[str, bool]]
) -> None:
    assert said(**changes) == expected


def test_images_left_out_are_named_and_then_counted() -> None:
    one = SubsetResult(
        subset="a",
        status="ok",
        n_real=1,
        n_fake=1,
        metrics={"acc": Metric(value=1.0)},
        skipped=tuple("abcde"),
    )
    (found,) = reservations(record("own-a", (one,)), one)
    assert (
        found.text
        == "5 of 7 images could not be read or scored and are left out: a, b, c and 2 more"
    )
