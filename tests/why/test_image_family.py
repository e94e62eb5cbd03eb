"""Which images count, on sets that are small enough to be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.diagnosis.condition import MEAN, Absent, Condition, ScoredSubset, Sets
from harness.diagnosis.image_family import COUNTS, conditions
from harness.diagnosis.published import number
from tests.why.free_sets import (
    LOGIT,
    PROBABILITY,
    about,
    by_name,
    given,
    numbered,
    rows_of,
    scored,
    value_of,
)

A, B = numbered("a", 120, 131), numbered("b", 30, 20)
CATALOGUE = by_name(conditions(about(A)))


def places(found: Sets | None, subset: str = "a") -> list[int]:
    """Of sets made by ``numbered``: the places that are kept, told by the scores."""
    assert found is not None
    reals = {"a": 120, "b": 30}[subset]
    return [int(s) if s < 1000 else int(s) - 1000 + reals for s in found[subset].scores.tolist()]


def test_every_row_of_the_table_is_there() -> None:
    fixed = {
        *(f"{which} {n:,} of each class" for n in COUNTS for which in ("first", "last")),
        *(f"first {n:,} images" for n in COUNTS),
        *(f"equal counts: {which} of the larger class" for which in ("first", "last")),
        *(f"drop_last at batches of {size}" for size in (16, 32, 64, 128, 256)),
        *(f"first images repeated for {n} GPUs" for n in (2, 4, 8)),
        "1,000 of each class drawn, or 100",
        "2,000 of each class drawn",
        "equal counts drawn",
        "names with a second dot left out",
        "scored without reals",
        "scored without reals, fakes labelled 0",
        "scored without fakes",
    }
    absent = {
        "one ending only",
        "one suffix only",
        "one scene only",
        "duplicates dropped",
        "unreadable skipped",
        "unreadable counted as wrong",
        "unreadable counted as real",
        "reals of another subset",
        "training reals",
    }
    assert COUNTS == (100, 200, 250, 500, 1000, 2000, 2500, 5000)
    assert {name for name, each in CATALOGUE.items() if isinstance(each, Condition)} == fixed
    assert {name for name, each in CATALOGUE.items() if isinstance(each, Absent)} == absent
    assert {each.family for each in CATALOGUE.values()} == {"images"}


REALS, FAKES = range(120), range(120, 251)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first 100 of each class", [*range(100), *range(120, 220)]),
        ("last 100 of each class", [*range(20, 120), *range(151, 251)]),
        ("first 100 images", [*range(100)]),
        ("first 200 images", [*range(200)]),
        ("equal counts: first of the larger class", [*REALS, *range(120, 240)]),
        ("equal counts: last of the larger class", [*REALS, *range(131, 251)]),
        ("drop_last at batches of 16", [*range(240)]),
        ("drop_last at batches of 64", [*range(192)]),
        ("drop_last at batches of 256", []),
        ("first images repeated for 2 GPUs", [*range(251), 0]),
        ("first images repeated for 4 GPUs", [*range(251), 0]),
        ("first images repeated for 8 GPUs", [*range(251), 0, 1, 2, 3, 4]),
    ],
)
def test_a_part_of_the_list(name: str, expected: list[int]) -> None:
    found = rows_of(CATALOGUE[name], A)
    assert places(found) == expected
    assert found and found["a"].ids == tuple(A.ids[place] for place in expected)
    assert found["a"].labels.tolist() == [int(place >= 120) for place in expected]


def test_what_leaves_every_set_whole_does_not_apply() -> None:
    small = numbered("b", 16, 16)
    for name in (
        "first 100 of each class",
        "first 100 images",
        "last 5,000 of each class",
        "equal counts: first of the larger class",
        "equal counts: last of the larger class",
        "equal counts drawn",
        "2,000 of each class drawn",
        "drop_last at batches of 32",
        "first images repeated for 8 GPUs",
        "names with a second dot left out",
    ):
        assert rows_of(CATALOGUE[name], small) is None
    both = rows_of(CATALOGUE["first 100 of each class"], {"a": A, "b": small})
    assert both and both["b"] is small and len(both["a"].ids) == 200


def test_drawn_images() -> None:
    for name, sizes in (
        ("1,000 of each class drawn, or 100", (100, 100)),
        ("equal counts drawn", (120, 120)),
    ):
        entry = CATALOGUE[name]
        assert isinstance(entry, Condition) and entry.random
        found = rows_of(entry, A)
        kept = places(found)
        assert (len(set(kept) & {*REALS}), len(set(kept) & {*FAKES})) == sizes
        assert len(kept) == sum(sizes)
        assert kept == sorted(kept)
        assert kept != places(rows_of(CATALOGUE["first 100 of each class"], A))
        assert places(rows_of(entry, A)) == kept  # the same each time
    large = numbered("a", 1000, 1200)
    found = rows_of(CATALOGUE["1,000 of each class drawn, or 100"], large)
    assert found and int(found["a"].labels.sum()) == 1000 == len(found["a"].ids) / 2
    large = numbered("a", 999, 1200)
    found = rows_of(CATALOGUE["1,000 of each class drawn, or 100"], large)
    assert found and int(found["a"].labels.sum()) == 100 == len(found["a"].ids) / 2
    assert sum(isinstance(each, Condition) and each.random for each in CATALOGUE.values()) == 3


def test_names() -> None:
    one = scored(
        "a",
        *((f"car/0_real/{n}.jpg", 0, float(n)) for n in range(5)),
        *((f"dog/0_real/{n}.v1.jpg", 0, 5.0 + n) for n in range(5)),
        *((f"car/1_fake/{n}_0.png", 1, 10.0 + n) for n in range(5)),
        *((f"dog/1_fake/{n}_1.JPG", 1, 15.0 + n) for n in range(5)),
        ("dog/1_fake/x_2.PNG", 1, 20.0),
    )
    found = by_name(conditions(about(one)))
    for name, expected in (
        ("files ending in .png", [*range(10), *range(10, 15), 20]),  # no real has it: all stay
        ("files ending in .jpg", [*range(10), *range(15, 20)]),
        ("names ending in _0", [*range(10), *range(10, 15)]),
        ("names ending in _1", [*range(10), *range(15, 20)]),
        ("scene car", [*range(5), *range(10, 15)]),
        ("scene dog", [*range(5, 10), *range(15, 21)]),
        ("names with a second dot left out", [*range(5), *range(10, 21)]),
    ):
        rows = rows_of(found[name], one)
        assert rows and rows["a"].scores.tolist() == expected
    assert "one scene only" not in found
    assert "names ending in _2" not in found  # one image's own
    assert sum(name.startswith(("files", "names ending", "scene")) for name in found) == 6


def test_no_more_suffixes_and_scenes_than_can_be_looked_at() -> None:
    rows = [(f"s{n % 50:02}/0_real/{n}_{n % 12}.png", 0, float(n)) for n in range(600)]
    found = by_name(conditions(about(scored("a", *rows))))
    assert sum(name.startswith("names ending in") for name in found) == 8
    assert sum(name.startswith("scene ") for name in found) == 40


def test_duplicates() -> None:
    one = replace(numbered("a", 3, 3), sha256=("p", "q", "p", "q", "r", "r"))
    found = by_name(conditions(about(one)))
    rows = rows_of(found["duplicates dropped"], one)
    assert rows and rows["a"].ids == (*one.ids[:2], one.ids[4])
    assert rows["a"].sha256 == ("p", "q", "r")
    unknown = numbered("a", 3, 3)
    assert rows_of(found["duplicates dropped"], unknown) is None


UNREAD = ("0_real/x.png", "1_fake/x.png", "elsewhere/x.png")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("unreadable counted as wrong", [(0, 1003.0), (1, -1.0)]),
        ("unreadable counted as real", [(0, -1.0), (0, -1.0)]),
    ],
)
def test_unreadable_images(name: str, extra: list[tuple[int, float]]) -> None:
    one, other = numbered("a", 2, 3), numbered("b", 2, 3)
    found = by_name(conditions(about(one, other, skipped={"a": UNREAD})))
    rows = rows_of(found[name], {"a": one, "b": other})
    assert rows and rows["b"] is other
    assert rows["a"].ids == (*one.ids, *UNREAD[:2])  # of the third no folder tells the label
    added = zip(rows["a"].labels[5:].tolist(), rows["a"].scores[5:].tolist(), strict=True)
    assert list(added) == extra
    assert rows["a"].scores[:5].tolist() == one.scores.tolist()
    assert rows_of(found[name], other) is None
    before, after = (
        number(sets, LOGIT, given("a", "real_acc").cell) for sets in ({"a": one}, rows)
    )
    right = {"unreadable counted as wrong": 0, "unreadable counted as real": 2}[name]
    # Of the reals with scores 0 and 1 the first is called real.
    assert (before, after) == (0.5, (1 + right) / (2 + sum(label == 0 for label, _ in extra)))


def test_an_unreadable_image_has_a_probability_where_others_have() -> None:
    one = scored("a", ("0_real/a", 0, 0.25), ("1_fake/a", 1, 0.75))
    found = by_name(conditions(about(one, rule=PROBABILITY, skipped={"a": UNREAD[:2]})))
    rows = rows_of(found["unreadable counted as wrong"], one, PROBABILITY)
    assert rows and rows["a"].scores.tolist() == [0.25, 0.75, 1.0, 0.0]


def test_scores_of_images_that_cannot_be_read_here() -> None:
    one = numbered("a", 2, 2)
    found = by_name(conditions(about(one, skipped={"a": (one.ids[1], "0_real/y.png")})))
    rows = rows_of(found["unreadable skipped"], one)
    assert rows and rows["a"].ids == (one.ids[0], *one.ids[2:])
    assert rows_of(found["unreadable skipped"], numbered("b", 2, 2)) is None


def test_scored_without_a_class() -> None:
    one = scored("a", ("r", 0, -1.0), ("f", 1, 1.0), ("g", 1, 2.0), ("h", 1, -1.0))
    sets = {"a": one, "b": scored("b", ("r", 0, 1.0), ("f", 1, 1.0))}
    for name, accuracies, area in (
        ("scored without reals", (2 / 3, 1.0), 1.0),
        ("scored without reals, fakes labelled 0", (1 / 3, 0.0), 0.0),
        ("scored without fakes", (1.0, 0.0), 0.0),
    ):
        entry = CATALOGUE[name]
        for subset, value in (("a", accuracies[0]), ("b", accuracies[1])):
            assert value_of(entry, sets, given(subset, "acc")) == pytest.approx(value)
            assert value_of(entry, sets, given(subset, "ap")) == area
        mean = sum(accuracies) / 2
        assert value_of(entry, sets, given(MEAN, "acc")) == pytest.approx(mean)
        assert value_of(entry, sets, given(MEAN, "ap")) == area
        assert value_of(entry, sets, given("a", "auc")) is None


def with_hashes(scored: ScoredSubset, *hashes: str) -> ScoredSubset:
    return replace(scored, sha256=hashes)


def test_reals_of_another_subset() -> None:
    a, b = numbered("a", 2, 1), numbered("b", 1, 2)
    b = replace(b, scores=b.scores + 0.5)
    other = scored("c", ("0_real/c.png", 0, 7.0))
    found = by_name(conditions(about(a, b, other_sets={"c": other})))
    assert {name for name in found if name.startswith("reals of")} == {
        "reals of subset a",
        "reals of subset b",
        "reals of subset c",
        "reals of all subsets",
    }
    sets = {"a": a, "b": b}
    rows = rows_of(found["reals of subset b"], sets)
    assert rows and rows["b"] is b
    assert rows["a"].scores.tolist() == [0.5, 1000.0]
    assert rows["a"].labels.tolist() == [0, 1]
    assert rows["a"].ids == ("b/0_real/000.png", "1_fake/000.png")
    rows = rows_of(found["reals of subset c"], sets)
    assert rows and rows["a"].scores.tolist() == [7.0, 1000.0]
    assert rows["b"].scores.tolist() == [7.0, 1000.5, 1001.5]
    rows = rows_of(found["reals of all subsets"], sets)
    assert rows and sorted(rows["b"].scores.tolist()) == [0.0, 0.5, 1.0, 7.0, 1000.5, 1001.5]


def test_scores_of_another_view_do_not_meet_kept_ones() -> None:
    a, b = numbered("a", 2, 1), numbered("b", 1, 2)
    others, pools = {"c": numbered("c", 1, 0)}, {"photos": numbered("p", 1, 0)}
    found = by_name(conditions(about(a, b, other_sets=others, pools=pools)))
    turned = {name: replace(each, scores=-each.scores) for name, each in (("a", a), ("b", b))}
    for name in ("reals of subset c", "reals of all subsets", "reals of photos"):
        assert rows_of(found[name], {"a": a, "b": b}) is not None
        assert rows_of(found[name], turned) is None
    rows = rows_of(found["reals of subset b"], turned)  # its scores are of the same view
    assert rows and rows["a"].scores.tolist() == [0.0, -1000.0]
    assert rows_of(found["reals of subset b"], {"b": b}) is None
    assert rows_of(found["reals of subset b"], {"a": a}) is None


def test_a_shared_real_counts_once() -> None:
    a = with_hashes(numbered("a", 2, 1), "p", "q", "f")
    b = with_hashes(numbered("b", 2, 1), "q", "r", "g")
    found = by_name(conditions(about(a, b)))
    rows = rows_of(found["reals of all subsets"], {"a": a, "b": b})
    assert rows and rows["a"].sha256 == ("p", "q", "r", "f")
    assert rows["b"].sha256 == ("p", "q", "r", "g")


def test_reals_of_a_pool() -> None:
    a = numbered("a", 2, 1)
    pool = scored("photos", ("x.png", 0, -3.0), ("y.png", 0, -4.0), ("z.png", 1, 9.0))
    found = by_name(conditions(about(a, pools={"photos": pool})))
    rows = rows_of(found["reals of photos"], a)
    assert rows and rows["a"].scores.tolist() == [-3.0, -4.0, 1000.0]
    assert "training reals" not in found
    missing = by_name(conditions(about(a)))["training reals"]
    assert isinstance(missing, Absent) and "--training-reals" in missing.why
