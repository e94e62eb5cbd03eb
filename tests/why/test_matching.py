"""Scores of another program: planted ways in which they are ours, and are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.scores import ScoreColumns
from harness.diagnosis.condition import ScoredSubset, Scores, pooled
from harness.diagnosis.matching import MISFITS, Match, match
from harness.diagnosis.theirs import Theirs, common, half_unit, read_theirs
from harness.errors import UsageError


def images(per_class: int = 60, subset: str = "began", seed: int = 0) -> ScoredSubset:
    """Reals 0_real/0.png, fakes 1_fake/0.png and so on, by label, then id; logits."""
    names = sorted(f"{number}" for number in range(per_class))
    endings = [".png" if int(name) % 3 else ".jpg" for name in names]
    files = [name + ending for name, ending in zip(names, endings, strict=True)]
    labels = np.repeat(np.array([0, 1], dtype=np.int8), per_class)
    scores = np.random.default_rng(seed).normal(3.0 * labels - 1.5, 2.0)
    ids = tuple(f"{folder}/{file}" for folder in ("0_real", "1_fake") for file in files)
    return ScoredSubset(subset=subset, ids=ids, labels=labels, scores=scores)


def theirs(ours: ScoredSubset, scores: Scores | None = None, decimals: int | None = None) -> Theirs:
    found = ours.scores if scores is None else scores
    if decimals is not None:
        found = np.round(found, decimals)
    return Theirs(ids=ours.ids, scores=found, half=half_unit(found))


def sigmoid(x: Scores) -> Scores:
    return np.asarray(1 / (1 + np.exp(-x)))


OURS = images()


def found(
    ours: ScoredSubset, scores: Scores, decimals: int | None = None, kind: str = "logit"
) -> Match:
    return match(ours, theirs(ours, scores, decimals), kind)


def test_equal_within_what_another_machine_may_change() -> None:
    noise = np.random.default_rng(1).uniform(-9e-5, 9e-5, len(OURS.ids))
    same = found(OURS, OURS.scores + noise)
    assert (same.kind, same.verdict, same.share, same.images) == ("equal", "explains", 1.0, 120)
    assert same.largest == pytest.approx(np.abs(noise).max())
    assert same.median == pytest.approx(np.median(np.abs(noise)))
    assert same.misfits == ()
    assert same.words.startswith("equal on 120 of 120 images (median difference ")
    other = found(OURS, OURS.scores + np.where(np.arange(120) % 2, 1e-3, -1e-3))
    assert other.verdict != "explains"


def test_printed_decimals_count_half_a_unit() -> None:
    assert found(OURS, OURS.scores, decimals=2).kind == "equal"
    printed = np.round(OURS.scores, 2)
    printed[7] += 0.01
    one_off = found(OURS, printed)
    assert one_off.kind == "part"
    assert [each.id for each in one_off.misfits] == [OURS.ids[7]]


def test_float32_is_no_difference() -> None:
    narrow = sigmoid(20 * OURS.scores).astype(np.float32).astype(np.float64)
    assert found(replace(OURS, scores=20 * OURS.scores), narrow).kind == "monotone"


PROBABILITIES = sigmoid(OURS.scores)


@pytest.mark.parametrize(
    ("ours", "given", "kind", "words"),
    [
        (OURS.scores, PROBABILITIES, "logit", "the sigmoid of ours"),
        (OURS.scores, 1 - PROBABILITIES, "logit", "1 - p, p the sigmoid of ours"),
        (OURS.scores, 100 * PROBABILITIES, "logit", "100 p, p the sigmoid"),
        (OURS.scores, -OURS.scores, "logit", "-x, x our score"),
        (PROBABILITIES, 1 - PROBABILITIES, "probability", "1 - p, p our score"),
        (PROBABILITIES, 100 * PROBABILITIES, "probability", "100 p, p our score"),
        (PROBABILITIES, OURS.scores, "probability", "the logit of ours"),
        (PROBABILITIES, -OURS.scores, "probability", "the logit of 1 - p"),
        (OURS.scores, 2 * OURS.scores + 0.5, "logit", "2 x + 0.5, x our score"),
        (OURS.scores, 3 - 0.5 * OURS.scores, "logit", "-0.5 x + 3, x our score"),
        (OURS.scores, sigmoid(OURS.scores / 4 - 1), "logit", "the sigmoid of 0.25 x - 1, x our"),
    ],
)
def test_maps_that_have_a_name(ours: Scores, given: Scores, kind: str, words: str) -> None:
    same = found(replace(OURS, scores=ours), given, kind=kind)
    assert (same.kind, same.verdict, same.share) == ("monotone", "explains", 1.0)
    assert f"after a map: theirs are {words}" in same.words


@pytest.mark.parametrize("sign", [1, -1])
def test_a_map_without_a_name_keeps_the_order_and_explains_no_scale(sign: int) -> None:
    same = found(OURS, sign * np.arctan(OURS.scores) ** 3)
    assert (same.kind, same.verdict) == ("monotone", "possible")
    assert ("the reverse of our order" in same.words) == (sign < 0)
    broken = sign * np.arctan(OURS.scores) ** 3
    low, high = np.argsort(OURS.scores)[[40, 60]]
    broken[[low, high]] = broken[[high, low]]
    assert found(OURS, broken).kind not in ("equal", "monotone")


NATURAL = np.array(sorted(range(60), key=lambda n: int(OURS.ids[n].split("/")[1].split(".")[0])))
BOTH = np.concatenate([NATURAL, 60 + NATURAL])


def moved(to: np.ndarray, source: np.ndarray) -> Scores:
    """The score of image ``source[k]`` under the id of image ``to[k]``."""
    given: Scores = OURS.scores.copy()
    given[to] = OURS.scores[source]
    return np.asarray(given)


HERE = np.arange(120)
PLANTED: dict[str, Scores] = {
    "shifted by one in the order of the ids: the next image's": np.roll(OURS.scores, -1),
    "shifted by one in the order of the ids: the one before's": np.roll(OURS.scores, 1),
    "shifted by one in the order 1, 2, 10: the next image's": moved(BOTH[:-1], BOTH[1:]),
    "scored in the order 1, 10, 2, named in the order 1, 2, 10": moved(BOTH, HERE),
    "scored in the order 1, 2, 10, named in the order 1, 10, 2": moved(HERE, BOTH),
    "in reverse": OURS.scores[::-1],
    "in reverse within each class": np.concatenate([OURS.scores[59::-1], OURS.scores[:59:-1]]),
    "scored reals first, named fakes first": np.roll(OURS.scores, 60),
    "in some other order within each class": np.concatenate(
        [np.random.default_rng(0).permutation(half) for half in np.split(OURS.scores, 2)]
    ),
    "in some other order": np.random.default_rng(0).permutation(OURS.scores),
}


@pytest.mark.parametrize("words", PLANTED)
def test_scores_under_other_ids(words: str) -> None:
    same = found(OURS, sigmoid(PLANTED[words]), decimals=6)
    assert (same.kind, same.verdict) == ("permuted", "explains")
    assert same.words.endswith(f": {words}")
    assert same.share >= 118 / 120


def test_a_shift_in_the_order_of_the_file() -> None:
    order = np.random.default_rng(3).permutation(120)
    file = Theirs(
        ids=tuple(OURS.ids[place] for place in order), scores=np.roll(OURS.scores[order], 1)
    )
    same = match(OURS, file, "logit")
    assert same.words.endswith("shifted by one in the order of the file: the one before's")


def keep(mask: np.ndarray) -> Scores:
    """Ours where the mask holds, elsewhere those of another run."""
    return np.where(mask, OURS.scores, np.random.default_rng(9).normal(0, 2, 120))


PARTS: dict[str, np.ndarray] = {
    "the fakes": OURS.labels == 1,
    "the reals": OURS.labels == 0,
    "the files .jpg": np.array([name.endswith("jpg") for name in OURS.ids]),
    "the first 90": HERE < 90,
    "the last 70": HERE >= 50,
    "the first 25 of each class": HERE % 60 < 25,
    "the last 40 of each class": HERE % 60 >= 20,
    "images that nothing in their ids sets apart": np.random.default_rng(2).random(120) < 0.8,
}


@pytest.mark.parametrize("words", PARTS)
def test_a_part_of_the_images(words: str) -> None:
    mask = PARTS[words]
    same = found(OURS, keep(mask))
    assert (same.kind, same.verdict) == ("part", "possible")
    assert same.share == pytest.approx(mask.mean(), abs=0.01)
    assert same.words.endswith(f": {words}")
    assert same.words.startswith(f"equal on {mask.sum()} of 120 images")
    assert same.largest == same.median == 0  # of those that fit
    assert 0 < len(same.misfits) <= MISFITS
    apart = [abs(each.ours - each.theirs) for each in same.misfits]
    assert apart == sorted(apart, reverse=True)
    assert not {each.id for each in same.misfits} & {OURS.ids[n] for n in np.flatnonzero(mask)}


def test_a_part_in_a_folder_and_through_a_map() -> None:
    ids = tuple(f"{'cat' if n % 4 else 'dog'}/{n:03d}.png" for n in range(120))
    ours = replace(OURS, ids=ids)
    mask = np.arange(120) % 4 > 0
    same = found(ours, sigmoid(keep(mask)))
    assert same.kind == "part"
    assert same.words.endswith(": the folder cat")
    assert "theirs are the sigmoid of ours" in same.words


def test_other_scores_are_excluded_and_the_worst_images_are_named() -> None:
    other = found(OURS, OURS.scores + np.random.default_rng(5).normal(0, 0.5, 120))
    assert (other.kind, other.verdict) == ("none", "excluded")
    assert len(other.misfits) == MISFITS
    differences = [abs(each.ours - each.theirs) for each in other.misfits]
    assert differences == sorted(differences, reverse=True)
    assert other.median == pytest.approx(0.34, abs=0.1)
    assert other.words.startswith("no match: 0 of 120 images fit ours, by lot ")


@pytest.mark.parametrize(
    "scores",
    [
        (OURS.scores > 0).astype(float),  # decisions: all but everything has these
        np.round(sigmoid(OURS.scores), 0),
    ],
)
def test_few_scores_that_can_be_told_apart_decide_nothing(scores: Scores) -> None:
    same = found(OURS, scores)
    assert same.verdict == "possible"
    assert same.distinct < 5
    assert "can be told apart, which decides little" in same.words


def test_saturated_scores_in_another_order_are_not_said_to_be_permuted() -> None:
    """All but a few stand at 0 and 1, and fit in reverse within their class as well."""
    scores = np.where(OURS.labels == 1, 30.0, -30.0)
    scores[[5, 20, 70, 90]] = (-1.0, 0.3, 0.8, 2.0)
    ours = replace(OURS, scores=scores)
    given = sigmoid(scores)
    given[[5, 20, 70, 90]] = (0.91, 0.18, 0.33, 0.44)
    other = found(ours, given)
    assert other.kind == "none"
    assert "no match: 116 of 120 images fit the sigmoid of ours" in other.words
    assert "by lot 112" in other.words


def test_a_rounded_probability_of_a_scaled_logit_is_found() -> None:
    wide = replace(OURS, scores=3 * OURS.scores)
    same = found(wide, sigmoid(0.9 * wide.scores - 1), decimals=6)
    assert same.verdict in ("explains", "possible")
    assert same.kind == "monotone"


def test_three_images_are_no_map() -> None:
    ours = OURS.take([0, 50, 100])
    assert found(ours, np.array([1.0, 4.0, 9.0])).verdict == "excluded"
    same = found(ours, ours.scores)
    assert (same.kind, same.verdict) == ("equal", "possible")


def rename(change: Callable[[str], str], labels: tuple[int | None, ...] = ()) -> Theirs:
    return Theirs(ids=tuple(map(change, OURS.ids)), scores=OURS.scores, labels=labels)


NAMES: dict[str, Callable[[str], str]] = {
    "full": lambda name: f"began/{name}",
    "in the subset": lambda name: name,
    "path": lambda name: f"/data/gangen/began/{name}",
    "windows": lambda name: f"C:\\data\\began\\{name}".replace("/", "\\"),
    "here": lambda name: f"./{name}",
    "another ending": lambda name: f"x/{name.rpartition('.')[0]}.webp",
}


@pytest.mark.parametrize("how", NAMES)
def test_images_are_found_by_their_ids(how: str) -> None:
    same = match(OURS, rename(NAMES[how]), "logit")
    assert (same.kind, same.images) == ("equal", 120)


def test_base_names_that_come_twice_need_a_label() -> None:
    def base(name: str) -> str:
        return name.rpartition("/")[2]

    assert match(OURS, rename(base), "logit").images == 0
    assert "no row of the file" in match(OURS, rename(base), "logit").words
    labelled = rename(base, labels=tuple(OURS.labels.tolist()))
    assert match(OURS, labelled, "logit").kind == "equal"


def test_a_row_about_an_absent_image_is_not_given_to_another_of_its_name() -> None:
    ours = OURS.take(OURS.labels == 0)
    here, there = common(ours, rename(lambda name: f"began/{name}"))
    assert len(here) == 60
    assert [OURS.ids[place] for place in there] == list(ours.ids)


def test_several_subsets_pooled() -> None:
    sets = {"began": OURS, "cramer": images(subset="cramer", seed=1)}
    both = pooled(sets.values())
    assert both.ids[0] == f"began/{OURS.ids[0]}"
    file = Theirs(ids=both.ids[::-1], scores=both.scores[::-1])
    same = match(both, file, "logit")
    assert (same.kind, same.images) == ("equal", 240)
    assert match(sets["cramer"], file, "logit").images == 120


def test_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = ["a.png,began,0,0.25", "b.png,began,1,0.7501", "c.png,began,1,"]
    path.write_text("\n".join(["id,subset,label,prob", *rows]), encoding="utf-8")
    file = read_theirs(str(path), ScoreColumns())
    assert file.ids == ("began/a.png", "began/b.png")
    assert file.labels == (0, 1)
    assert file.scores.tolist() == [0.25, 0.7501]
    assert file.half == pytest.approx(0.5e-4)
    path.write_text("id,a,b\nx,1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="2 columns of scores"):
        read_theirs(str(path), ScoreColumns(scores=("a", "b")))


def test_full_precision_rounds_nothing() -> None:
    assert half_unit(OURS.scores) == 0
    assert half_unit(OURS.scores.astype(np.float32).astype(np.float64)) == 0
    assert half_unit(np.array([0.5, 3.0, -2.25])) == pytest.approx(0.005)
    assert half_unit(np.array([1.0, 0.0])) == 0.5
