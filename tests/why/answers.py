"""Answers with round numbers, for tests of what is printed and drawn of them."""

from __future__ import annotations

from harness.results.answers import ConditionResult, Number, Verdict, WantedNumber, WhyAnswer

ACC = WantedNumber(name="ACC", subset="began", metric="acc", text="62.3", low=0.6225, high=0.6235)
AP = WantedNumber(name="AP", subset="began", metric="ap", text="70.2", low=0.7015, high=0.7025)


def outcome(name: str, verdict: Verdict, *values: float | None, **more: object) -> ConditionResult:
    """Under a condition ACC, and AP where a second value is given, as fractions."""
    numbers = {
        wanted: Number(value=value, images=4000)
        for wanted, value in zip(("ACC", "AP"), values, strict=False)
    }
    fields: dict[str, object] = {
        "family": "geometry",
        "numbers": numbers,
        "changes": f"what {name} changes.",
        "do": f"what to do about {name}.",
    }
    return ConditionResult(name=name, verdict=verdict, **{**fields, **more})  # type: ignore[arg-type]


def answer(
    *outcomes: ConditionResult, wanted: tuple[WantedNumber, ...] = (ACC,), **more: object
) -> WhyAnswer:
    fields: dict[str, object] = {
        "detector": "lfm",
        "weights": "released",
        "suite": "gangen",
        "same_images": "the counts are the published ones",
        "keys": {"began": "m" * 64},
    }
    return WhyAnswer(wanted=wanted, outcomes=outcomes, **{**fields, **more})  # type: ignore[arg-type]


EXPLAINED = answer(
    outcome("resize(256) bilinear", "explains", 0.6228, 0.702, group=0, accidental=0.004,
            seen="a thread"),
    outcome("resize(256) by OpenCV", "explains", 0.6230, 0.7021, group=0, accidental=0.004),
    outcome("JPEG 90", "excluded", 0.618, 0.80),
    outcome("BGR", "excluded", 0.50, 0.51),
    outcome("no AP", "excluded", 0.99, None),
    wanted=(ACC, AP),
)  # fmt: skip
POSSIBLE = answer(
    outcome("BGR", "possible", 0.6229, group=1, accidental=0.4, why="other images"),
    outcome("JPEG 90", "possible", 0.6231, group=2, accidental=0.4, why="other images"),
    outcome("as published", "excluded", 0.999),
    deciding=("AP would be 87.2 under BGR, 71.0 under JPEG 90.",),
    remarks=("The budget was spent.",),
    not_tried={"ten-crop": "no time", "five-crop": "no time", "pool": "no reals"},
    same_images="",
)
NOTHING = answer(
    outcome("as published", "excluded", 0.999),
    outcome("JPEG 90 of both", "excluded", 0.618),
    outcome("BGR", "excluded", 0.55),
    remains=("Other weights: these have the published sha256.",),
)
