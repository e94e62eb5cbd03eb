"""Which conditions explain: planted among others whose numbers are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.diagnosis.verdicts import Target, Tried, judge
from harness.results.answers import ConditionResult, Number

CELLS = 4
TARGETS = tuple(
    Target(name=f"cell{i}", low=0.6225 + i / 20, high=0.6235 + i / 20) for i in range(CELLS)
)
RIGHT = tuple((target.low + target.high) / 2 for target in TARGETS)


def tried(name: str, values: tuple[float | None, ...] = RIGHT, **more: object) -> Tried:
    numbers = tuple(Number(value=value, images=1000) for value in values)
    return Tried(**{"name": name, "family": "metric", "kin": "", "numbers": numbers, **more})


def crowd(count: int = 60, cells: int = CELLS, seed: int = 0) -> list[Tried]:
    draws = np.random.default_rng(seed)
    return [
        tried(f"other{i}", tuple(row.tolist()))
        for i, row in enumerate(draws.uniform(0.5, 1, (count, cells)))
    ]


def by_name(outcomes: tuple[ConditionResult, ...]) -> dict[str, ConditionResult]:
    return {outcome.name: outcome for outcome in outcomes}


def near(shift: float) -> tuple[float, ...]:
    return tuple(value + shift for value in RIGHT)


def test_the_one_that_matches_all_explains() -> None:
    planted = tried("resize(256)", kin="resize", changes="c", seen="s", do="d")
    outcomes = judge(TARGETS, [*crowd(), planted])
    first = outcomes[0]
    assert (first.name, first.verdict, first.why, first.group) == (
        "resize(256)", "explains", "", 0,
    )  # fmt: skip
    assert first.accidental is not None
    assert first.accidental < 1e-3
    assert (first.changes, first.seen, first.do, first.family) == ("c", "s", "d", "metric")
    assert first.numbers["cell2"].value == RIGHT[2]
    assert {each.verdict for each in outcomes[1:]} == {"excluded"}
    assert {(each.group, each.accidental, each.why) for each in outcomes[1:]} == {(-1, None, "")}
    assert len(outcomes) == 61


def test_the_published_way_can_explain() -> None:
    outcomes = judge(TARGETS, [tried("as published"), *crowd(40)])
    assert outcomes[0].name == "as published"
    assert outcomes[0].verdict == "explains"


def test_the_excluded_are_sorted_by_nearness() -> None:
    undefined = tried("undefined", (None, *RIGHT[1:]))
    far, nearer = tried("far", near(0.1)), tried("nearer", near(-0.01))
    outcomes = judge(TARGETS, [undefined, far, nearer])
    assert [each.name for each in outcomes] == ["nearer", "far", "undefined"]
    assert {each.verdict for each in outcomes} == {"excluded"}


def test_one_cell_that_does_not_match_excludes() -> None:
    for cell in range(CELLS):
        values = [*RIGHT]
        values[cell] += 0.001
        found = by_name(judge(TARGETS, [*crowd(), tried("but one", tuple(values))]))
        assert found["but one"].verdict == "excluded"


def test_both_ends_match() -> None:
    ends = tuple(target.low if i % 2 else target.high for i, target in enumerate(TARGETS))
    assert judge(TARGETS, [*crowd(), tried("ends", ends)])[0].verdict == "explains"


def test_a_number_of_a_sample_is_possible_where_its_interval_meets() -> None:
    def sampled(low: float, high: float) -> tuple[Number, ...]:
        first = Number(value=(low + high) / 2, low=low, high=high, images=200)
        return (first, *(Number(value=value) for value in RIGHT[1:]))

    meets, apart = sampled(0.5, 0.6226), sampled(0.5, 0.6224)
    more = [tried("meets", numbers=meets), tried("apart", numbers=apart)]
    found = by_name(judge(TARGETS, [*crowd(), *more]))
    assert (found["meets"].verdict, found["meets"].why) == (
        "possible", "known from 200 images only",
    )  # fmt: skip
    assert found["apart"].verdict == "excluded"
    # It takes nothing from what is known to match, and is no group with it.
    found = by_name(judge(TARGETS, [*crowd(), *more, tried("planted")]))
    assert found["planted"].verdict == "explains"
    assert found["planted"].group != found["meets"].group


def test_what_draws_is_at_most_possible() -> None:
    outcome = judge(TARGETS, [*crowd(), tried("dropout", random=True)])[0]
    assert (outcome.verdict, outcome.why) == ("possible", "it draws; its numbers are of one draw")


def test_numbers_of_other_images_explain_nothing() -> None:
    targets = (*TARGETS[:-1], dataclasses.replace(TARGETS[-1], exact=False))
    outcome = judge(targets, [*crowd(), tried("planted")])[0]
    assert (outcome.verdict, outcome.why) == ("possible", "the images are not known to be the same")


def test_equal_numbers_and_one_kin_are_one_group() -> None:
    twin = tried("twin", near(1e-11))
    kin = [tried("bilinear", near(0.0002), kin="resize"), tried("bicubic", kin="resize")]
    found = by_name(judge(TARGETS, [*crowd(), twin, *kin]))
    assert {found[name].verdict for name in ("twin", "bilinear", "bicubic")} == {"explains"}
    assert {found[name].group for name in ("twin", "bilinear", "bicubic")} == {0}


def test_two_groups_are_possible() -> None:
    found = by_name(judge(TARGETS, [*crowd(), tried("one"), tried("two", near(0.0002))]))
    assert {found[name].verdict for name in ("one", "two")} == {"possible"}
    assert found["one"].group != found["two"].group
    assert found["one"].accidental == pytest.approx(1)
    assert "in another way" in found["one"].why


def test_kin_is_no_evidence_of_accidents() -> None:
    # Fifty arithmetics of one resize lie around it: another kin would make its match no surprise.
    steps = np.linspace(0.0007, 0.004, 50)
    around = [tried(f"arithmetic {i}", near(step), kin="resize") for i, step in enumerate(steps)]
    planted = tried("resize(256)", kin="resize")
    assert judge(TARGETS, [*crowd(), *around, planted])[0].verdict == "explains"
    others = [dataclasses.replace(each, kin="") for each in around]
    outcome = judge(TARGETS, [*crowd(), *others, planted])[0]
    assert outcome.verdict == "possible"
    assert "accidental matches are expected" in outcome.why


def test_one_cell_among_many_conditions_is_no_proof() -> None:
    outcome = judge(TARGETS[:1], [*crowd(300, 1), tried("planted", RIGHT[:1])])[0]
    assert outcome.name == "planted"
    assert outcome.verdict == "possible"
    assert outcome.accidental == pytest.approx(0.6, rel=0.8)


def test_few_conditions_explain_nothing() -> None:
    unchanged = [tried(f"no effect {i}", near(-0.2)) for i in range(40)]
    outcome = judge(TARGETS, [*crowd(3), *unchanged, tried("planted")])[0]
    assert outcome.verdict == "possible"
    assert outcome.accidental is None
    assert "fewer than 5 others" in outcome.why
    assert judge(TARGETS, [*crowd(4), *unchanged, tried("planted")])[0].verdict == "explains"


def test_a_step_of_the_metric_is_no_distance() -> None:
    # Of 40 images an accuracy has 41 values: one in 20 of the others is next to it by chance.
    coarse = [dataclasses.replace(t, step=1 / 40, low=0.6245, high=0.6255) for t in TARGETS[:2]]
    rows = np.round(np.random.default_rng(0).uniform(0.5, 1, (200, 2)) * 40) / 40
    others = [tried(f"o{i}", tuple(row.tolist())) for i, row in enumerate(rows)]
    others = [each for each in others if any(n.value != 0.625 for n in each.numbers)]
    planted = tried("planted", (0.625, 0.625))
    assert judge(coarse, [*others, planted])[0].verdict == "possible"
    fine = [dataclasses.replace(target, step=0.0) for target in coarse]
    assert judge(fine, [*others, planted])[0].verdict == "explains"


def pair(one: str, other: str, values: tuple[float, ...] = RIGHT) -> Tried:
    return tried(f"{one} + {other}", values, parts=(one, other))


def test_a_pair_adds_nothing_to_a_single_condition_that_matches() -> None:
    pairs = [pair("planted", "other1", near(0.0003)), pair("other1", "other2")]
    found = by_name(judge(TARGETS, [*crowd(), tried("planted"), *pairs]))
    assert found["planted"].verdict == "explains"
    assert "planted + other1" not in found
    assert "other1 + other2" not in found
    assert len(found) == 61


def test_a_pair_that_alone_matches_explains() -> None:
    pairs = [
        pair(f"other{i}", f"other{j}", tuple(row.tolist()))
        for (i, j), row in zip(
            [(i, j) for i in range(20) for j in range(i)],
            np.random.default_rng(1).uniform(0.5, 1, (190, CELLS)),
            strict=True,
        )
    ]
    outcomes = judge(TARGETS, [*crowd(), *pairs, pair("other30", "other31")])
    assert (outcomes[0].name, outcomes[0].verdict) == ("other30 + other31", "explains")
    assert len(outcomes) == 251


def test_pairs_do_not_undo_a_single_condition_and_are_judged_among_all() -> None:
    rival = pair("other1", "other2", near(0.0003))
    found = by_name(judge(TARGETS, [*crowd(), tried("planted"), rival]))
    assert found["planted"].verdict == "explains"
    assert found["other1 + other2"].verdict == "possible"
    assert found["other1 + other2"].why == "a single condition explains the numbers"
    # Pairs around a single condition count for pairs: one of them matches by accident.
    around = [
        pair("other1", f"other{i}", near(step))
        for i, step in enumerate(np.linspace(0.0006, 0.004, 40), 2)
    ]
    alone = pair("other1", "other59")
    assert judge(TARGETS, [*crowd(), *around, alone])[0].verdict == "possible"


def test_of_no_conditions_there_is_no_outcome_and_nonsense_is_refused() -> None:
    assert judge(TARGETS, []) == ()
    with pytest.raises(ValueError, match="no number is wanted"):
        judge((), [tried("planted")])
    with pytest.raises(ValueError, match="one number a target"):
        judge(TARGETS[:2], [tried("planted")])
    with pytest.raises(ValueError, match="names of their own"):
        judge(TARGETS, [tried("planted"), tried("planted")])
