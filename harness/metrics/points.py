"""What a picture of scores is drawn from: the curves' corners, the bins, one threshold's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.curve import Curve, Positions
from harness.metrics.values import Floats, Labels, checked

BINS = 40
CENTRAL = (0.5, 99.5)
"""Percentiles between which the central 99 % of a class lie."""


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """Where one threshold lies; a rate is None where it has nothing to be a share of.

    Args:
        threshold: on the scale of the scores.
        fpr: share of the reals that are flagged as fake.
        tpr: share of the fakes that are flagged as fake (recall).
        precision: share of fakes among what is flagged as fake.
    """

    threshold: float
    fpr: float | None
    tpr: float | None
    precision: float | None


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Scores of both classes in the same bins.

    Args:
        edges: (B + 1,) rising; bin i holds ``edges[i] < score <= edges[i + 1]``, so that one that
            ends at the threshold holds only what is called real.
        reals, fakes: (B,) images in each bin.
        below, above: images beyond the edges; they are counted in the first and the last bin.
    """

    edges: Floats
    reals: Floats
    fakes: Floats
    below: int
    above: int


def roc_points(curve: Curve) -> tuple[Floats, Floats]:
    """(C,) false and true positive rates of the ROC curve's corners, from (0, 0) to (1, 1).

    Points inside a straight run are left out: the line through the corners is the whole curve.
    """
    hits = np.concatenate(([0.0], curve.hits))
    alarms = np.concatenate(([0.0], curve.false_alarms))
    # Counts are integers, so a turn is exactly zero where the curve goes straight on.
    turn = np.diff(alarms)[:-1] * np.diff(hits)[1:] - np.diff(alarms)[1:] * np.diff(hits)[:-1]
    corner = np.concatenate(([True], turn != 0, [True]))
    return alarms[corner] / curve.reals, hits[corner] / curve.fakes


def precision_recall_points(curve: Curve) -> tuple[Floats, Floats]:
    """(C,) recall and precision, rising in recall, for a line of steps that lead up to each point.

    Only thresholds that add a fake, and a first point at recall 0 as high as the next: the area
    under these steps is average precision, nothing interpolated.
    """
    gained = np.diff(curve.hits, prepend=0.0) > 0
    hits = curve.hits[gained]
    precision = hits / (hits + curve.false_alarms[gained])
    recall = hits / curve.fakes
    return np.concatenate(([0.0], recall)), np.concatenate((precision[:1], precision))


def operating_point(labels: ArrayLike, scores: ArrayLike, threshold: float) -> OperatingPoint:
    """Where a threshold lies on the curves; fake is called what scores above it.

    Example:
        >>> operating_point([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], 0.5)
        OperatingPoint(threshold=0.5, fpr=0.5, tpr=0.5, precision=0.5)
    """
    fake, values = checked(labels, scores)
    called = values > threshold
    return OperatingPoint(
        threshold=threshold,
        fpr=float(called[~fake].mean()) if not fake.all() else None,
        tpr=float(called[fake].mean()) if fake.any() else None,
        precision=float(fake[called].mean()) if called.any() else None,
    )


def histogram(
    labels: ArrayLike, scores: ArrayLike, threshold: float, bins: int = BINS
) -> Histogram:
    """Both classes in about ``bins`` bins of one width, the threshold on an edge.

    They span the threshold and all images, but no further than half as far again as the central
    99 % of each class reach, so that a few far values do not flatten all others.

    Raises:
        ValueError: no images.
    """
    fake, values = checked(labels, scores)
    if not fake.size:
        raise ValueError("no images to draw a histogram of")
    low, high = _span(fake, values, threshold)
    width = (high - low) / bins
    # A bin on either side of the threshold, even where all scores lie on one.
    first = min(np.floor((low - threshold) / width), -1)
    last = max(np.ceil((high - threshold) / width), 1)
    edges = threshold + width * np.arange(first, last + 1)
    place = np.searchsorted(edges, values, side="left") - 1
    inside = np.clip(place, 0, edges.size - 2)
    return Histogram(
        edges=edges,
        reals=np.bincount(inside[~fake], minlength=edges.size - 1).astype(np.float64),
        fakes=np.bincount(inside[fake], minlength=edges.size - 1).astype(np.float64),
        below=int(np.sum(values < edges[0])),
        above=int(np.sum(values > edges[-1])),
    )


def _span(fake: Labels, values: Floats, threshold: float) -> tuple[float, float]:
    classes = [values[members] for members in (fake, ~fake) if members.any()]
    central = np.array([np.percentile(each, CENTRAL) for each in classes])
    first, last = central.min(), central.max()
    reach = (last - first) / 2
    low = float(min(threshold, max(values.min(), first - reach)))
    high = float(max(threshold, min(values.max(), last + reach)))
    scale = max(abs(low), abs(high))
    if high - low > max(1e-9 * scale, 1e-300):
        return low, high
    room = max(0.5, 0.01 * scale)  # one single score still has a place, in the middle of an axis
    return low - room, high + room


def most_wrong(ids: Sequence[str], scores: ArrayLike, *, fake: bool, count: int) -> Positions:
    """(at most count,) positions of one class's images, the furthest on the wrong side first.

    Reals with the highest, fakes with the lowest score; equal scores in the order of their ids,
    whatever the order of the images.

    Args:
        ids: (N,) of the images of the class.
        scores: (N,) raw scores.
        fake: which class it is.
        count: how many.
    """
    values = np.asarray(scores, dtype=np.float64)
    # Not numpy text: it drops trailing zero bytes and cannot hold undecodable names.
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    ranked = by_id[np.argsort(values[by_id] if fake else -values[by_id], kind="stable")]
    return ranked[:count]
