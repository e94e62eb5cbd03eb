"""The pool of a detector's page: every image once, its metrics, its sentences, its mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.metrics.classification import Rule
from harness.metrics.points import OperatingPoint, histogram, operating_point
from harness.results.predictions import Predictions
from harness.results.records import Metric, PredictionKey, Resampling
from harness.site.pool import (
    Pool,
    furthest_wrong,
    pool,
    pooled_metrics,
    say_histogram,
    say_precision_recall,
    say_reliability,
    say_roc,
)

from ..evidence import FAKES, REALS, labels_of, scores_of

RULE = Rule(threshold=0.0, kind="logit")


def key_of(subset: str) -> PredictionKey:
    return PredictionKey(
        suite="own", subset=subset, manifest="", detector="lfm", version=1, variant="", weights="",
        preprocess="native",
    )  # fmt: skip


def part(
    subset: str, reals: dict[str, float], fakes: dict[str, float], content: str = ""
) -> Predictions:
    """Reals of one name are one image in all subsets, but for those whose ``content`` differs."""
    values = [*reals.values(), *fakes.values()]
    return Predictions(
        key=key_of(subset),
        ids=(*reals, *fakes),
        units=tuple(f"{content}{name}" for name in (*reals, *fakes)),
        labels=np.array([0] * len(reals) + [1] * len(fakes), dtype=np.int8),
        scores=np.array(values, dtype=np.float64),
    )


def drawn(subset: str, seed: int, strength: float, reals_seed: int = 0) -> Predictions:
    """Scores as `tests.evidence` keeps them: every subset calls its reals ``real/0`` onwards."""
    ids = [f"real/{i}" for i in range(REALS)] + [f"{subset}/{i}" for i in range(FAKES)]
    return Predictions(
        key=key_of(subset),
        ids=tuple(ids),
        labels=labels_of(),
        scores=scores_of(seed, strength, reals_seed),
    )


def test_shared_reals_count_once_under_their_first_subset() -> None:
    a = part("a", {"r1": -1.0, "r2": 0.5}, {"f1": 2.0})
    b = part("b", {"r2": 0.5, "r3": -3.0}, {"f2": 1.0})
    found = pool([a, b])
    assert found.ids == ("r1", "r2", "f1", "r3", "f2")
    assert found.subsets == ("a", "a", "a", "b", "b")
    assert found.fake.tolist() == [False, False, True, False, True]
    assert found.scores.tolist() == [-1.0, 0.5, 2.0, -3.0, 1.0]
    assert (found.reals, found.fakes, found.repeated) == (3, 2, 1)


def test_other_photographs_of_the_same_file_names_are_no_repetition() -> None:
    """Ids are paths below a subset's folder: ``0_real/1.png`` is another picture in each."""
    a = part("a", {"1": 0.0, "2": -1.0}, {})
    # Every score agrees by chance, as saturated ones do; the contents do not.
    b = part("b", {"1": 0.0, "2": -1.0}, {}, content="another ")
    assert pool([a, b]).repeated == 0
    assert pool([a, b]).reals == 4


def test_crops_of_one_photo_are_different_images() -> None:
    """A unit is a photo where that is known: its crops share it, and may be called alike."""
    a, b = (part(subset, {"1": score}, {}) for subset, score in (("a", 0.5), ("b", 0.7)))
    assert pool([a, b]).repeated == 0


def test_fakes_of_one_name_are_different_images() -> None:
    found = pool([part("a", {}, {"1": 1.0}), part("b", {}, {"1": 1.0})])
    assert (found.fakes, found.repeated) == (2, 0)
    found = pool([part("a", {"1": 1.0}, {}), part("b", {}, {"1": 1.0})])
    assert (found.reals, found.fakes, found.repeated) == (1, 1, 0)


def test_pooled_metrics_are_those_of_the_images_without_repetitions() -> None:
    parts = [drawn("a", 1, 0.5), drawn("b", 2, 1.0), drawn("c", 3, 0.0, reals_seed=5)]
    images = pool(parts)
    assert images.repeated == REALS  # b has a's, c has its own
    labels = np.concatenate([labels_of(), np.ones(FAKES), labels_of()])
    scores = np.concatenate([parts[0].scores, parts[1].scores[REALS:], parts[2].scores])
    metrics = pooled_metrics(images, RULE, None)
    assert metrics["auc"].value == pytest.approx(roc_auc_score(labels, scores))
    assert metrics["ap"].value == pytest.approx(average_precision_score(labels, scores))
    assert metrics["fake_share"].value == pytest.approx(labels.mean())
    assert metrics["acc"].value == pytest.approx(((scores > 0) == labels).mean())
    assert {(metric.low, metric.high) for metric in metrics.values()} == {(None, None)}
    repeated = np.concatenate([each.scores for each in parts])
    doubled = roc_auc_score(np.tile(labels_of(), 3), repeated)
    assert metrics["auc"].value != pytest.approx(doubled)


def test_pooled_intervals_hold_the_value_and_follow_the_resampling() -> None:
    images = pool([drawn("a", 1, 0.5), drawn("b", 2, 1.0)])
    metrics = pooled_metrics(images, RULE, Resampling(resamples=200))
    for name in ("auc", "ap", "brier", "acc"):
        metric = metrics[name]
        assert metric.value is not None and metric.low is not None and metric.high is not None
        assert metric.low < metric.value < metric.high
    assert pooled_metrics(images, RULE, Resampling(resamples=200)) == metrics
    assert pooled_metrics(images, RULE, Resampling(resamples=200, seed=1)) != metrics
    assert metrics["fake_share"].low is None


def test_pooled_metrics_of_one_class_say_why_and_use_no_other_sets_threshold() -> None:
    images = pool([part("ctl", {"r1": -1.0, "r2": 1.0}, {})])
    rule = Rule(threshold=0.0, kind="logit", calibrated=2.0)
    metrics = pooled_metrics(images, rule, Resampling(resamples=50))
    assert metrics["auc"] == Metric(value=None, note="no fake images")
    assert metrics["real_acc"].value == 0.5
    assert "acc_calibrated" not in metrics


IMAGES = pool(
    [
        part("a", {"r1": -1.0, "r2": 3.0, "r3": 0.0}, {"f1": 2.0, "f2": -2.0}),
        part("b", {"r1": -1.0, "r4": 1.0}, {"f1": -2.0, "f3": 0.0}),
    ]
)


def test_furthest_wrong_reals_are_the_highest() -> None:
    found = furthest_wrong(IMAGES, 0.0, fake=False, count=3)
    told = [(w.id, w.subset, w.score, w.called, w.mistaken, w.thumbnail) for w in found]
    assert told == [
        ("r2", "a", 3.0, "fake", True, ""),
        ("r4", "b", 1.0, "fake", True, ""),
        ("r3", "a", 0.0, "real", False, ""),  # on the threshold: real
    ]


def test_furthest_wrong_fakes_are_the_lowest_ties_by_id() -> None:
    found = furthest_wrong(IMAGES, 0.0, fake=True, count=10)
    assert [(w.id, w.subset, w.called, w.mistaken) for w in found] == [
        ("f1", "b", "real", True),
        ("f2", "a", "real", True),
        ("f3", "b", "real", True),
        ("f1", "a", "fake", False),
    ]
    assert furthest_wrong(pool([part("a", {"r": 1.0}, {})]), 0.0, fake=True, count=3) == []


def test_roc_in_words() -> None:
    metrics = {"auc": Metric(value=0.931, low=0.9023, high=0.9541)}
    point = OperatingPoint(threshold=0.0, fpr=0.05, tpr=0.87, precision=0.9)
    text = (
        "AUC 93.1 [90.2, 95.4]. "
        "At the declared threshold 0, 87.0 % of fakes and 5.0 % of reals are flagged as fake."
    )
    assert say_roc(metrics, point) == text


def test_roc_in_words_without_interval_class_or_record() -> None:
    point = OperatingPoint(threshold=0.5, fpr=0.25, tpr=None, precision=0.0)
    undefined = {"auc": Metric(value=None, note="no fake images")}
    assert say_roc(undefined, point) == (
        "AUC not defined (no fake images). "
        "At the declared threshold 0.5, 25.0 % of reals are flagged as fake."
    )
    assert say_roc({}, point).startswith("AUC not in the record. ")
    no_width = {"auc": Metric(value=1.0, low=1.0, high=1.0)}
    assert say_roc(no_width, point).startswith("AUC 100.0. ")
    nothing = OperatingPoint(threshold=0.5, fpr=None, tpr=None, precision=None)
    assert say_roc({}, nothing).endswith("No images.")


def test_precision_and_recall_in_words() -> None:
    metrics = {"ap": Metric(value=0.5, low=0.4, high=0.6), "ap_chance": Metric(value=0.4)}
    point = OperatingPoint(threshold=0.0, fpr=0.05, tpr=0.87, precision=0.9)
    assert say_precision_recall(metrics, point) == (
        "AP 50.0 [40.0, 60.0]; random scores get 40.0 on average. "
        "At the declared threshold 0, 90.0 % of what is flagged as fake is fake (precision), "
        "and 87.0 % of the fakes are found (recall)."
    )
    silent = OperatingPoint(threshold=0.0, fpr=0.0, tpr=0.0, precision=None)
    assert say_precision_recall(metrics, silent).endswith(
        "At the declared threshold 0 nothing is flagged as fake, so there is no precision."
    )


def test_histogram_in_words() -> None:
    bins = histogram(IMAGES.fake, IMAGES.scores, 0.0)
    assert say_histogram(bins, IMAGES, 0.0) == (
        "Scores of 4 reals (median 0.5) and 4 fakes (median -1); the declared threshold is 0."
    )
    reals = pool([part("ctl", {str(i): float(i % 7) for i in range(1000)} | {"far": 500.0}, {})])
    bins = histogram(reals.fake, reals.scores, 0.0)
    text = say_histogram(bins, reals, 0.0)
    assert text.startswith("Scores of 1,001 reals (median 3); ")
    assert text.endswith("The last bins hold those further out: 1 beyond the right end.")


def test_reliability_in_words() -> None:
    metrics = {"ece": Metric(value=0.046, low=0.02, high=0.07), "brier": Metric(value=0.041)}
    assert say_reliability(metrics, IMAGES, "logit") == (
        "The sigmoid of the logit as the probability of fake: expected calibration error 4.6 "
        "[2.0, 7.0], Brier score 4.1; for both, lower is better. "
        "50.0 % of these images are fake: another share gives other numbers."
    )
    assert say_reliability(metrics, IMAGES, "probability").startswith("The probability of fake: ")


def test_words_and_metrics_agree_on_a_pool() -> None:
    images: Pool = pool([drawn("a", 1, 1.0)])
    metrics = pooled_metrics(images, RULE, None)
    point = operating_point(images.fake, images.scores, 0.0)
    auc = roc_auc_score(labels_of(), scores_of(1, 1.0))
    missed = (scores_of(1, 1.0)[:REALS] > 0).mean()
    assert say_roc(metrics, point).startswith(f"AUC {100 * auc:.1f}. ")
    assert f" and {100 * missed:.1f} % of reals are flagged as fake." in say_roc(metrics, point)
