"""How far a classifier gets that sees facts of the files and nothing of what they show."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.api import FileHeader
from harness.metrics.classification import Rule
from harness.metrics.interval import interval
from harness.metrics.replicates import replicates

FOLDS = 5
SEED = 0
RESAMPLES = 1000
JUDGED = 100_000
"""Images that are judged at most: of more a seeded draw is."""
MARGIN = 0.05
"""A classifier is far above chance when its interval begins this far above one half."""

_RULE = Rule(threshold=0.5, kind="probability")
_MISSING = -1.0

_Facts = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """Balanced accuracy of file facts alone; chance is one half.

    Args:
        accuracy: over five folds, each judged by a forest fitted on the other four; None where a
            class has fewer images than folds.
        low, high: 95 % interval over resampled images.
        flagged: the interval begins more than :data:`MARGIN` above one half.
        facts: what it went by, largest first: fact -> share of the forest's gain.
        note: why there is no number, or that it is of a draw.
    """

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    flagged: bool = False
    facts: Mapping[str, float] | None = None
    note: str = ""


def table_name(header: FileHeader) -> str:
    """``quality 92, 4:2:0, 1a2b3c4d``: equal for equal quantisation tables and subsampling."""
    digest = hashlib.sha256(repr(header.quantization).encode()).hexdigest()[:8]
    about = f", {header.subsampling}" if header.subsampling else ""
    return f"quality {header.jpeg_quality}{about}, {digest}"


def file_facts(header: FileHeader) -> dict[str, float | str]:
    """Fact -> number, or text where only equality counts."""
    return {
        "format": header.format,
        "width": float(header.width),
        "height": float(header.height),
        "aspect": header.width / header.height,
        "colour mode": header.mode,
        "JPEG quality": _MISSING if header.jpeg_quality is None else float(header.jpeg_quality),
        "quantisation tables": table_name(header) if header.quantization else "",
        "EXIF": float(header.has_exif),
        "ICC": float(header.has_icc),
        "frames": float(header.frames),
    }


def judge(
    ids: Sequence[str],
    labels: Sequence[int],
    facts: Sequence[Mapping[str, float | str]],
    more: Mapping[str, Sequence[float]] | None = None,
) -> Shortcut:
    """A random forest on file facts, judged by five-fold cross-validation.

    Seeded and, as a forest looks at orders and splits only, blind to units. Balanced, so that one
    half is chance whatever the share of fakes.

    Args:
        ids: (N,) of the images; the resamples follow from them.
        labels: (N,) 0 real, 1 fake.
        facts: (N,) the same facts for every image; files of one header may share one mapping.
        more: further facts, each (N,) numbers.
    """
    from sklearn.ensemble import RandomForestClassifier  # here: it takes a while to import
    from sklearn.model_selection import StratifiedKFold

    fake = np.asarray(labels, dtype=np.int64)
    if len(fake) > JUDGED:
        drawn = np.sort(np.random.default_rng(SEED).choice(len(fake), JUDGED, replace=False))
        some = judge(
            [ids[i] for i in drawn],
            fake[drawn].tolist(),
            [facts[i] for i in drawn],
            {name: [values[i] for i in drawn] for name, values in (more or {}).items()},
        )
        return replace(some, note=some.note or f"by {JUDGED:,} images drawn from {len(fake):,}")
    if min(int(fake.sum()), int((fake == 0).sum())) < FOLDS:
        return Shortcut(note=f"fewer than {FOLDS} readable images of a class")
    further = more or {}
    names = [*facts[0], *further]
    matrix = np.column_stack([_matrix(facts), *further.values()])
    scores = np.zeros(len(fake))
    gains: dict[str, float] = defaultdict(float)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(matrix, fake):
        forest = RandomForestClassifier(
            n_estimators=50, min_samples_leaf=5, class_weight="balanced", random_state=SEED
        ).fit(matrix[train], fake[train])
        scores[test] = np.round(forest.predict_proba(matrix[test])[:, 1], 9)
        for name, gain in zip(names, forest.feature_importances_, strict=True):
            gains[name] += float(gain) / FOLDS
    draws = replicates(fake, scores, ids, _RULE, RESAMPLES, SEED)["balanced_acc"]
    low, high = interval(draws) or (0.0, 1.0)
    ranked = sorted(gains.items(), key=lambda item: (-item[1], item[0]))
    return Shortcut(
        accuracy=draws.value,
        low=low,
        high=high,
        flagged=low > 0.5 + MARGIN,
        facts={name: gain for name, gain in ranked if gain > 0},
    )


def _matrix(facts: Sequence[Mapping[str, float | str]]) -> _Facts:
    """(N, D): numbers as they are, texts as their rank among all."""
    place_of: dict[int, int] = {}
    kinds: list[Mapping[str, float | str]] = []  # a mapping that many images share, once
    for each in facts:
        if place_of.setdefault(id(each), len(kinds)) == len(kinds):
            kinds.append(each)
    columns = []
    for name in facts[0]:
        values = [each[name] for each in kinds]
        ranks = {text: float(rank) for rank, text in enumerate(sorted(map(str, set(values))))}
        columns.append([ranks[v] if isinstance(v, str) else v for v in values])
    matrix = np.array(columns, dtype=np.float64).T[[place_of[id(each)] for each in facts]]
    if not math.isfinite(float(matrix.sum())):
        raise ValueError("a fact is not a finite number")
    return np.asarray(matrix)
