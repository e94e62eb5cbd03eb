"""What kept scores show on a detector's page: one pool of images, its metrics, words, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.metrics.classification import Rule
from harness.metrics.interval import interval
from harness.metrics.points import Histogram, OperatingPoint, most_wrong
from harness.metrics.replicates import replicates
from harness.metrics.values import Floats, Labels
from harness.report.layout import between
from harness.results.predictions import Predictions
from harness.results.records import Metric, Resampling

_PROBABILITY = {
    "logit": "The sigmoid of the logit as the probability of fake",
    "probability": "The probability of fake",
}


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The images of several subsets together, every image once.

    Args:
        ids: (N,) names; those of different subsets may be alike.
        subsets: (N,) where each image stands first.
        fake: (N,) whether it is fake.
        scores: (N,) raw scores.
        units: (N,) the independent unit of each image.
        repeated: repetitions of shared reals that are left out.
    """

    ids: tuple[str, ...]
    subsets: tuple[str, ...]
    fake: Labels
    scores: Floats
    units: tuple[str, ...]
    repeated: int

    @property
    def fakes(self) -> int:
        """Number of fake images."""
        return int(self.fake.sum())

    @property
    def reals(self) -> int:
        """Number of real images."""
        return len(self.ids) - self.fakes


@dataclass(frozen=True, kw_only=True)
class WrongImage:
    """One of the most wrong images.

    Args:
        id, subset: which one.
        score: raw.
        called: ``real`` or ``fake``, at the declared threshold.
        mistaken: whether that is wrong.
        thumbnail: its address, "" where there is none.
    """

    id: str
    subset: str
    score: float
    called: str
    mistaken: bool
    thumbnail: str = ""


def pool(parts: Sequence[Predictions]) -> Pool:
    """All images of some subsets of one run, in their order.

    A real that several subsets share counts once, under the first of them: it has one id, one unit
    (a photo, else the digest of its content) and one score in all of them. An id alone shows
    nothing: it is a path below the subset's folder, where unrelated photographs may be called
    alike. A unit alone does not either: crops of one photo share it.

    Args:
        parts: kept scores of each subset, at least one.
    """
    ids, subsets, fake, scores, units = [], [], [], [], []
    seen: set[tuple[str, str, float]] = set()
    repeated = 0
    for part in parts:
        labels, values = part.labels.tolist(), part.scores.tolist()
        for name, label, score, unit in zip(part.ids, labels, values, part.units, strict=True):
            image = (name, unit, score)
            if label == 0 and image in seen:
                repeated += 1
                continue
            if label == 0:
                seen.add(image)
            ids.append(name)
            subsets.append(part.key.subset)
            fake.append(label == 1)
            scores.append(score)
            units.append(unit)
    return Pool(
        ids=tuple(ids),
        subsets=tuple(subsets),
        fake=np.array(fake, dtype=bool),
        scores=np.array(scores, dtype=np.float64),
        units=tuple(units),
        repeated=repeated,
    )


def pooled_metrics(images: Pool, rule: Rule, resampling: Resampling | None) -> dict[str, Metric]:
    """Every metric of the pool, with 95 % intervals like those of subsets.

    Args:
        images: the pool.
        rule: how its scores are judged. A threshold of another set is not used: that set may be
            among the pool's.
        resampling: how intervals are made; None = no intervals. Images alone are resampled.
    """
    rule = replace(rule, calibrated=None)
    edges = {}
    if resampling is not None:
        resamples, seed = resampling.resamples, resampling.seed
        draws = replicates(images.fake, images.scores, images.units, rule, resamples, seed)
        edges = {name: interval(found) for name, found in draws.items()}
    metrics = {}
    for name, metric in rule.evaluate(images.fake, images.scores).items():
        low, high = edges.get(name) or (None, None)
        metrics[name] = Metric(value=metric.value, low=low, high=high, note=metric.note)
    return metrics


def furthest_wrong(images: Pool, threshold: float, *, fake: bool, count: int) -> list[WrongImage]:
    """The images of one class with the most wrong scores, the worst first.

    Args:
        images: the pool.
        threshold: the declared one; an image is flagged as fake above it.
        fake: which class.
        count: how many at most.
    """
    members = np.flatnonzero(images.fake == fake)
    ids = [images.ids[i] for i in members.tolist()]
    found = []
    for i in members[most_wrong(ids, images.scores[members], fake=fake, count=count)].tolist():
        score = float(images.scores[i])
        called_fake = score > threshold
        found.append(
            WrongImage(
                id=images.ids[i],
                subset=images.subsets[i],
                score=score,
                called="fake" if called_fake else "real",
                mistaken=called_fake != fake,
            )
        )
    return found


def say_roc(metrics: Mapping[str, Metric], point: OperatingPoint) -> str:
    """The ROC curve in words."""
    return f"{_named('AUC', metrics.get('auc'))}. {_decisions(point)}"


def say_precision_recall(metrics: Mapping[str, Metric], point: OperatingPoint) -> str:
    """The curve of precision and recall in words."""
    ap = _named("AP", metrics.get("ap"))
    chance = metrics.get("ap_chance")
    if chance is not None and chance.value is not None:
        ap += f"; random scores get {_percent(chance.value)} on average"
    at = f"At the declared threshold {point.threshold:g}"
    if point.precision is None:
        return f"{ap}. {at} nothing is flagged as fake, so there is no precision."
    found = f"{_percent(point.precision)} % of what is flagged as fake is fake"
    if point.tpr is not None:
        found += f" (precision), and {_percent(point.tpr)} % of the fakes are found (recall)"
    return f"{ap}. {at}, {found}."


def say_histogram(bins: Histogram, images: Pool, threshold: float) -> str:
    """The histogram of both classes in words.

    Args:
        bins: what is drawn.
        images: the pool that it is drawn of.
        threshold: the declared one.
    """
    medians = [
        f"{count:,} {name} (median {np.median(images.scores[images.fake == fake]):.3g})"
        for name, count, fake in (("reals", images.reals, False), ("fakes", images.fakes, True))
        if count
    ]
    text = f"Scores of {' and '.join(medians)}; the declared threshold is {threshold:g}."
    beyond = [
        f"{count:,} beyond the {side} end"
        for count, side in ((bins.below, "left"), (bins.above, "right"))
        if count
    ]
    if beyond:
        text += f" The last bins hold those further out: {' and '.join(beyond)}."
    return text


def say_reliability(metrics: Mapping[str, Metric], images: Pool, kind: str) -> str:
    """The reliability diagram in words.

    Args:
        metrics: of the pool.
        images: the pool.
        kind: of the scores, ``logit`` or ``probability``.
    """
    subject = _PROBABILITY.get(kind, "The score")
    ece = _named("expected calibration error", metrics.get("ece"))
    brier = _named("Brier score", metrics.get("brier"))
    text = f"{subject}: {ece}, {brier}; for both, lower is better."
    if not images.ids:
        return text
    share = _percent(images.fakes / len(images.ids))
    return f"{text} {share} % of these images are fake: another share gives other numbers."


def _named(name: str, metric: Metric | None) -> str:
    """``AUC 93.1 [90.2, 95.4]``, or why there is none."""
    if metric is None:
        return f"{name} not in the record"
    if metric.value is None:
        return f"{name} not defined ({metric.note or 'no reason recorded'})"
    low, high = (None if edge is None else 100 * edge for edge in (metric.low, metric.high))
    return f"{name} {_percent(metric.value)} {between(low, high)}".rstrip()


def _decisions(point: OperatingPoint) -> str:
    """The shares that one threshold calls fake."""
    shares = [
        f"{_percent(rate)} % of {name}"
        for rate, name in ((point.tpr, "fakes"), (point.fpr, "reals"))
        if rate is not None
    ]
    if not shares:
        return "No images."
    flagged = " and ".join(shares)
    return f"At the declared threshold {point.threshold:g}, {flagged} are flagged as fake."


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
