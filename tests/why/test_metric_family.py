"""Every condition on metrics against scikit-learn, torch or plain loops."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from sklearn import metrics as sk

from harness.diagnosis.condition import MEAN, Absent, ScoredSubset, ScoreRule
from harness.diagnosis.metric_family import conditions
from tests.why.free_sets import (
    DISTANCE,
    LOGIT,
    PROBABILITY,
    about,
    by_name,
    given,
    scored,
    value_of,
)

BATCHES = (16, 32, 64, 128, 256)


def drawn(subset: str, seed: int, reals: int, fakes: int, rule: ScoreRule = LOGIT) -> ScoredSubset:
    """Scores on a coarse grid: many ties, some at the threshold, some where a sigmoid is 1."""
    draw = np.random.default_rng(seed)
    rows = []
    for label, count in ((0, reals), (1, fakes)):
        for n in range(count):
            logit = round(float(draw.normal(6 * label - 1, 9)) * 4) / 4
            score = {
                "logit": logit,
                "probability": round(1 / (1 + np.exp(-logit)), 7),
                "uncalibrated": logit / 16 - 0.25,
            }[rule.kind]
            folder = ("0_real", "1_fake")[label]
            rows.append((f"{('car', 'horse')[n % 2]}/{folder}/{n:03}.png", label, score))
    return scored(subset, *rows)


SETS = {each.subset: each for each in (drawn("a", 1, 150, 171), drawn("b", 2, 61, 40))}
CATALOGUE = by_name(conditions(about(*SETS.values())))

Labels = np.ndarray
Expected = Callable[[Labels, np.ndarray], float]


def sigmoid(scores: np.ndarray) -> np.ndarray:
    return torch.sigmoid(torch.tensor(scores, dtype=torch.float32)).numpy()


def sk_ap(labels: Labels, scores: ArrayLike) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a batch without fakes
        return float(sk.average_precision_score(labels, scores))


def printed(decimals: int) -> Expected:
    return lambda y, x: sk_ap(y, [float(f"{p:.{decimals}f}") for p in sigmoid(x).tolist()])


def trapezoids(labels: Labels, scores: np.ndarray) -> float:
    precision, recall, _ = sk.precision_recall_curve(labels, sigmoid(scores))
    return float(sk.auc(recall, precision))


def eleven_points(labels: Labels, scores: np.ndarray) -> float:
    values, best = sigmoid(scores), [0.0] * 11
    for threshold in set(values.tolist()):
        called = values >= threshold
        hits = int(np.sum(labels[called]))
        for tenth in range(11):
            if 10 * hits >= tenth * int(labels.sum()):
                best[tenth] = max(best[tenth], hits / int(called.sum()))
    return sum(best) / 11


def batches(labels: Labels, size: int) -> list[slice]:
    return [slice(at, at + size) for at in range(0, len(labels), size)]


def mean_ap(size: int) -> Expected:
    return lambda y, x: float(
        np.mean([sk_ap(y[part], sigmoid(x)[part]) for part in batches(y, size)])
    )


def mean_accuracy(size: int) -> Expected:
    return lambda y, x: float(
        np.mean([sk.accuracy_score(y[part], x[part] > 0) for part in batches(y, size)])
    )


def full_batches(size: int) -> Expected:
    return lambda y, x: float(np.sum((x > 0) == y) / (len(batches(y, size)) * size))


def best_accuracy(labels: Labels, scores: np.ndarray) -> float:
    return max(
        float(sk.accuracy_score(labels, scores >= threshold))
        for threshold in [*scores.tolist(), scores.max() + 1]
    )


AP: dict[str, Expected] = {
    "AP of logits": sk_ap,
    "AP of float32 probabilities": lambda y, x: sk_ap(y, sigmoid(x)),
    "AP of float16 probabilities": lambda y, x: sk_ap(y, torch.tensor(sigmoid(x)).half().numpy()),
    **{f"AP of scores with {n} decimals": printed(n) for n in (2, 3, 4, 5, 6)},
    "AP of decisions": lambda y, x: sk_ap(y, x > 0),
    "AUC in place of AP": sk.roc_auc_score,
    "AP of reals": lambda y, x: sk_ap(1 - y, sigmoid(-x)),
    "AP by trapezoids": trapezoids,
    "AP at 11 points": eleven_points,
    **{f"mean AP of batches of {size}": mean_ap(size) for size in BATCHES},
}
ACC: dict[str, Expected] = {
    "ACC with >=": lambda y, x: sk.accuracy_score(y, x >= 0),
    "ACC at logit 0.5": lambda y, x: sk.accuracy_score(y, x > 0.5),
    "ACC at probability 0.5": lambda y, x: sk.accuracy_score(y, sigmoid(x) > 0.5),
    "ACC at probability 0": lambda y, x: float(np.mean(y)),
    "ACC at the best threshold": best_accuracy,
    "balanced ACC": lambda y, x: sk.balanced_accuracy_score(y, x > 0),
    "ACC of fakes only": lambda y, x: sk.recall_score(y, x > 0),
    "ACC of reals only": lambda y, x: sk.recall_score(y, x > 0, pos_label=0),
    "error in place of ACC": lambda y, x: sk.zero_one_loss(y, x > 0),
    "right reals over all images": lambda y, x: float(np.sum((y == 0) & (x <= 0)) / len(y)),
    "right fakes over all images": lambda y, x: float(np.sum((y == 1) & (x > 0)) / len(y)),
    **{f"mean ACC of batches of {size}": mean_accuracy(size) for size in BATCHES},
    **{f"ACC over full batches of {size}": full_batches(size) for size in BATCHES},
}
OTHERS = {
    "AP in place of AUC",
    "ACC at the best threshold of all sets",
    "reals' ACC printed for fakes",
    "fakes' ACC printed for reals",
    "over the stated number of images",
    "pooled over all images",
    "mean weighted by size",
    "mean over scenes",
    "every scene as a subset",
}


def test_the_catalogue_is_what_is_tested_here() -> None:
    assert set(CATALOGUE) == {*AP, *ACC, *OTHERS}
    assert {each.family for each in CATALOGUE.values()} == {"metric"}


@pytest.mark.parametrize(("metric", "name"), [("ap", n) for n in AP] + [("acc", n) for n in ACC])
def test_a_set_and_the_mean_over_sets(metric: str, name: str) -> None:
    expected = (AP if metric == "ap" else ACC)[name]
    parts = {key: float(expected(each.labels, each.scores)) for key, each in SETS.items()}
    entry = CATALOGUE[name]
    for subset, value in parts.items():
        assert value_of(entry, SETS, given(subset, metric)) == pytest.approx(value, abs=1e-12)
    mean = sum(parts.values()) / len(parts)
    assert value_of(entry, SETS, given(MEAN, metric)) == pytest.approx(mean, abs=1e-12)
    other = "acc" if metric == "ap" else "ap"
    assert value_of(entry, SETS, given("a", other)) is None  # not touched
    assert value_of(entry, SETS, given(MEAN, other)) is None


def test_a_threshold_moves_the_classes_accuracies_too() -> None:
    labels, scores = SETS["a"].labels, SETS["a"].scores
    for name, called in (("ACC with >=", scores >= 0), ("ACC at logit 0.5", scores > 0.5)):
        for metric, value in (
            ("fake_acc", sk.recall_score(labels, called)),
            ("real_acc", sk.recall_score(labels, called, pos_label=0)),
            ("balanced_acc", sk.balanced_accuracy_score(labels, called)),
        ):
            found = value_of(CATALOGUE[name], SETS, given("a", metric))
            assert found == pytest.approx(value, abs=1e-12)
    error = CATALOGUE["error in place of ACC"]
    wrong = float(np.mean(scores[labels == 1] <= 0))
    assert value_of(error, SETS, given("a", "fake_acc")) == pytest.approx(wrong)


def test_the_best_threshold_of_all_sets() -> None:
    """0 and 2 are the sets' own best ones; over all images 0, at the cost of b's real."""
    sets = {
        "a": scored("a", ("r", 0, -1.0), ("f", 1, 1.0), ("g", 1, 1.1), ("h", 1, 1.6)),
        "b": scored("b", ("r", 0, 1.2), ("f", 1, 3.0)),
    }
    entry = CATALOGUE["ACC at the best threshold of all sets"]
    assert value_of(entry, sets, given("a", "acc")) == 1.0
    assert value_of(entry, sets, given("b", "acc")) == 0.5
    assert value_of(entry, sets, given(MEAN, "acc")) == 0.75
    own = CATALOGUE["ACC at the best threshold"]
    assert value_of(own, sets, given("b", "acc")) == 1.0


def test_a_number_printed_under_another_name() -> None:
    labels, scores = SETS["a"].labels, SETS["a"].scores
    for name, metric, value in (
        ("AP in place of AUC", "auc", sk_ap(labels, sigmoid(scores))),
        ("reals' ACC printed for fakes", "fake_acc", np.mean(scores[labels == 0] <= 0)),
        ("fakes' ACC printed for reals", "real_acc", np.mean(scores[labels == 1] > 0)),
    ):
        assert value_of(CATALOGUE[name], SETS, given("a", metric)) == pytest.approx(value)
        assert value_of(CATALOGUE[name], SETS, given("a", "acc")) is None


def test_right_ones_over_the_number_that_is_stated() -> None:
    entry = CATALOGUE["over the stated number of images"]
    right = int(np.sum((SETS["a"].scores > 0) == SETS["a"].labels))
    assert value_of(entry, SETS, given("a", "acc", n=400)) == right / 400
    assert value_of(entry, SETS, given("a", "acc")) is None
    assert value_of(entry, SETS, given(MEAN, "acc", n=400)) is None
    assert value_of(entry, SETS, given("a", "ap", n=400)) is None


@pytest.mark.parametrize("metric", ["acc", "ap", "auc", "fake_acc"])
def test_means_by_images(metric: str) -> None:
    measure = {
        "acc": lambda y, x: sk.accuracy_score(y, x > 0),
        "ap": lambda y, x: sk_ap(y, sigmoid(x)),
        "auc": sk.roc_auc_score,
        "fake_acc": lambda y, x: sk.recall_score(y, x > 0),
    }[metric]
    a, b = SETS.values()
    labels = np.concatenate([a.labels, b.labels])
    pooled = measure(labels, np.concatenate([a.scores, b.scores]))
    found = value_of(CATALOGUE["pooled over all images"], SETS, given(MEAN, metric))
    assert found == pytest.approx(pooled, abs=1e-12)
    parts = [measure(each.labels, each.scores) for each in (a, b)]
    weighted = (parts[0] * 321 + parts[1] * 101) / 422
    found = value_of(CATALOGUE["mean weighted by size"], SETS, given(MEAN, metric))
    assert found == pytest.approx(weighted, abs=1e-12)
    for name in ("pooled over all images", "mean weighted by size", "every scene as a subset"):
        assert value_of(CATALOGUE[name], SETS, given("a", metric)) is None


def test_means_by_scenes() -> None:
    rows = {
        "car": [(0, -1.0), (1, 1.0)],
        "horse": [(0, 1.0), (1, 1.0), (0, -2.0), (1, -3.0)],
    }
    names = ("0_real", "1_fake")
    a = scored(
        "a", *((f"{s}/{names[y]}/{n}", y, x) for s in rows for n, (y, x) in enumerate(rows[s]))
    )
    sets = {"a": a, "b": scored("b", ("0_real/x", 0, 1.0), ("1_fake/x", 1, 1.0))}
    over, every = CATALOGUE["mean over scenes"], CATALOGUE["every scene as a subset"]
    assert value_of(over, sets, given("a", "acc")) == (1.0 + 0.5) / 2
    assert value_of(over, sets, given("b", "acc")) == 0.5
    assert value_of(over, sets, given(MEAN, "acc")) == (0.75 + 0.5) / 2
    assert value_of(every, sets, given(MEAN, "acc")) == pytest.approx((1.0 + 0.5 + 0.5) / 3)


def test_probabilities_are_not_put_through_a_sigmoid() -> None:
    one = drawn("a", 3, 70, 50, PROBABILITY)
    sets, labels, scores = {"a": one}, one.labels, one.scores
    found = by_name(conditions(about(one, rule=PROBABILITY)))
    for name, metric, value in (
        ("AP of float32 probabilities", "ap", sk_ap(labels, scores.astype(np.float32))),
        ("AP of float16 probabilities", "ap", sk_ap(labels, scores.astype(np.float16))),
        ("AP of scores with 2 decimals", "ap", sk_ap(labels, np.round(scores, 2))),
        ("AP of reals", "ap", sk_ap(1 - labels, 1 - scores)),
        ("ACC at probability 0.5", "acc", sk.accuracy_score(labels, scores > 0.5)),
        ("ACC with >=", "acc", sk.accuracy_score(labels, scores >= 0.5)),
    ):
        value_found = value_of(found[name], sets, given("a", metric), PROBABILITY)
        assert value_found == pytest.approx(value, abs=1e-12)
    absent = {name for name, each in found.items() if isinstance(each, Absent)}
    assert absent == {"AP of logits", "ACC at logit 0.5"}


def test_scores_that_are_no_probabilities_stay_on_their_scale() -> None:
    one = drawn("a", 4, 70, 50, DISTANCE)
    sets, labels, scores = {"a": one}, one.labels, one.scores
    found = by_name(conditions(about(one, rule=DISTANCE)))
    for name, value in (
        ("AP of float16 probabilities", sk_ap(labels, scores.astype(np.float16))),
        ("AP of scores with 2 decimals", sk_ap(labels, [float(f"{x:.2f}") for x in scores])),
        ("AP of reals", sk_ap(1 - labels, -scores)),
    ):
        assert value_of(found[name], sets, given("a", "ap"), DISTANCE) == pytest.approx(value)
    absent = {name for name, each in found.items() if isinstance(each, Absent)}
    assert absent == {
        "AP of logits",
        "AP of float32 probabilities",
        "ACC at logit 0.5",
        "ACC at probability 0.5",
        "ACC at probability 0",
    }
    far = {"a": scored("a", ("r", 0, -1e6), ("f", 1, 1e6))}  # no float16 holds it
    wanted = given("a", "ap")
    assert value_of(found["AP of float16 probabilities"], far, wanted, DISTANCE) is None


def test_a_class_alone_has_no_area() -> None:
    sets = {"a": scored("a", ("f", 1, 1.0), ("g", 1, 2.0))}
    for name in set(AP) - {f"mean AP of batches of {size}" for size in BATCHES}:
        assert value_of(CATALOGUE[name], sets, given("a", "ap")) is None
    assert value_of(CATALOGUE["mean AP of batches of 16"], sets, given("a", "ap")) == 1.0
