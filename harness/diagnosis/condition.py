"""What a condition is: one known way in which a number comes out differently, as data.

For example ``resize(256)``: the detector's images were brought to 256 pixels first, which its
published geometry does not do. A condition changes one of three things: the score of every image
(:class:`View`), which scores are counted and under which label (:class:`RowsChange`), or what is
computed from them (:class:`MetricChange`). So that conditions of different kinds can be combined,
a number is always made in this order: view, rows, metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from harness.api import DetectorSpec
from harness.metrics.digits import Digits
from harness.report.references import MEAN as MEAN  # the plain mean over the subsets asked for

Family = Literal[
    "as published", "metric", "labels", "images", "geometry", "decoding", "codec",
    "normalisation", "network", "weights", "table",
]  # fmt: skip
Cost = Literal["free", "forward", "weights"]

Labels = np.ndarray[Any, np.dtype[np.int8]]
Scores = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, order=True)
class MetricCell:
    """Which number: a metric of a subset.

    Args:
        subset: its name, or :data:`MEAN`.
        metric: as records name it: ``acc``, ``ap``, ``auc``, ``real_acc``, ``fake_acc``,
            ``balanced_acc``.
    """

    subset: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """A number that is to be explained.

    Args:
        cell: what it is of.
        name: as it was typed or printed: ``ACC``, ``gaugan.ACC``.
        digits: the number.
        n: images that it is said to be over, 0 where that is not said.
    """

    cell: MetricCell
    name: str
    digits: Digits
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class ScoreRule:
    """How the detector's scores are judged, as its release does.

    Args:
        kind: ``logit``, ``probability`` or ``uncalibrated``.
        threshold: fake above it, on the scale of the scores.
        published_ap: ``ap`` or ``ap_sigmoid32``: what "AP" means of this detector.
    """

    kind: str
    threshold: float
    published_ap: str = "ap"


@dataclass(frozen=True, kw_only=True)
class ScoredSubset:
    """The scored images of one subset.

    Args:
        subset: its name.
        ids: (N,) as in the manifest: POSIX paths below the subset's folder, by label, then id.
        labels: (N,) 0 real, 1 fake.
        scores: (N,) raw, larger = more fake.
        sha256: (N,) of the files, () where they are not known.
    """

    subset: str
    ids: tuple[str, ...]
    labels: Labels
    scores: Scores
    sha256: tuple[str, ...] = ()

    def take(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> ScoredSubset:
        """Some of its images, in the order given: (K,) integer places, or (N,) booleans."""
        places = np.arange(len(self.ids))[np.asarray(rows)].tolist()
        return ScoredSubset(
            subset=self.subset,
            ids=tuple(self.ids[place] for place in places),
            labels=self.labels[places],
            scores=self.scores[places],
            sha256=tuple(self.sha256[place] for place in places) if self.sha256 else (),
        )


def pooled(sets: Iterable[ScoredSubset]) -> ScoredSubset:
    """All images of several subsets as one set, whose ids begin with the subset."""
    parts = list(sets)
    known = all(part.sha256 for part in parts)
    return ScoredSubset(
        subset="",
        ids=tuple(f"{part.subset}/{name}" for part in parts for name in part.ids),
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        sha256=tuple(digest for part in parts for digest in part.sha256) if known else (),
    )


Sets = Mapping[str, ScoredSubset]
"""Subset -> its scored images, in the order of the suite."""


@dataclass(frozen=True, kw_only=True)
class RowsChange:
    """Which images count, and with which label and score.

    Args:
        of: the sets -> the sets under the condition; None where it does not apply to these sets
            (no file has the ending, no other subset has reals). What it gives equal to what it got
            is found to have no effect by its numbers.
    """

    of: Callable[[Sets, ScoreRule], Sets | None]


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """What is computed from the scores.

    Args:
        of: ``of(sets, rule, given)`` -> the given cell's number as a fraction; None where the
            condition does not touch this cell (its metric, say), which then has its usual number.
    """

    of: Callable[[Sets, ScoreRule, Given], float | None]


Change = Callable[[Any], Any]
"""A built detector with its weights -> the detector that scores under the condition."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How every image gets its score. A field that is empty leaves the published way.

    Args:
        preprocess: text in place of the published geometry.
        perturbation: text of what happens to the decoded image before.
        decoding: name of another way to decode files (:mod:`harness.data.decodings`).
        variation: what is changed in the detector, as a name that is part of the scores' key:
            ``normalise(clip)``, ``batch_norm(32)``. Equal names, equal change.
        change: does it to a built detector; None where ``variation`` is "".
        options: for the spec's ``build``, in place of the variant's; None = as the variant has it.
        weights: token of another checkpoint, "" for the one that is asked for.
        batch: images in a forward pass, in manifest order, where scores hang on it; 0 = they do
            not, and every image is scored by itself.
        precision: ``fp32``, ``bf16``, or others that ``change`` sets up.
    """

    preprocess: str = ""
    perturbation: str = ""
    decoding: str = ""
    variation: str = ""
    change: Change | None = None
    options: Mapping[str, object] | None = None
    weights: str = ""
    batch: int = 0
    precision: str = "fp32"


Act = View | RowsChange | MetricChange


@dataclass(frozen=True, kw_only=True)
class Condition:
    """An entry of the catalogue.

    Args:
        name: unique in the catalogue, short, as people say it: ``resize(256) bilinear``.
        family: which part of the way from file to printed number it is about.
        changes: what is done differently, one sentence.
        seen: where it was met in public: a repository's code or thread, a paper; "" where it is
            here for completeness.
        do: what to do about it, one sentence.
        act: what it does.
        kin: conditions of one kin are readings of one fault (``resize to 256`` by two arithmetics):
            that two of them give nearly one number is no accident. "" = its own name.
        random: it draws: its numbers are those of one draw and never exact.
        applies: to which detectors, in words; "" = all.
    """

    name: str
    family: Family
    changes: str
    act: Act
    do: str
    seen: str = ""
    kin: str = ""
    random: bool = False
    applies: str = ""

    @property
    def cost(self) -> Cost:
        """``free``: from kept scores; ``forward``: the images again; ``weights``: another file."""
        if not isinstance(self.act, View):
            return "free"
        return "weights" if self.act.weights else "forward"

    @property
    def group(self) -> str:
        """Its kin, or itself."""
        return self.kin or self.name


@dataclass(frozen=True, kw_only=True)
class Absent:
    """An entry of the catalogue that cannot be tried here.

    Args:
        name, family: as of a condition.
        why: not, and what it takes: ``no reals of the training set: --training-reals PLACE``.
    """

    name: str
    family: Family
    why: str


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What a family is asked about: which conditions can be tried on this row?

    Args:
        spec: the detector.
        rule: how its scores are judged.
        geometry: canonical preprocess text of the published way on this suite.
        variant: of the weights, "" where the detector has none.
        label: of the weights.
        sets: the images that are asked about, scored the published way.
        other_sets: those of the suite's other subsets of which scores are known.
        pools: name -> scored reals from elsewhere, such as those of the training set.
        rows: other detectors -> their numbers on this suite, as fractions.
        orders: subset -> ids in the order of a stored list (``os.listdir``).
        tokens: labels of the method's other registered weights -> "" where the file is at hand,
            else why it cannot be used.
        skipped: subset -> ids of unreadable images that have no score.
    """

    spec: DetectorSpec
    rule: ScoreRule
    geometry: str
    variant: str = ""
    label: str = ""
    sets: Sets
    other_sets: Sets = field(default_factory=dict)
    pools: Sets = field(default_factory=dict)
    rows: Mapping[str, Mapping[MetricCell, float]] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


AS_PUBLISHED = Condition(
    name="as published",
    family="as published",
    changes="nothing: the published geometry, weights, labels and metrics.",
    act=View(),
    do="nothing: this is what `python -m harness run` gives.",
)
