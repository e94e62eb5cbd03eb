"""What one run of a detector over a suite leaves on disk, schema-versioned.

Rates are fractions in [0, 1]; tables print percent. A value that is not defined is ``None`` with a
note, never 0 or NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCHEMA = 2
"""Raised when what a record holds changes. 2: intervals, and metrics beside the declared threshold.
Older ones load; `python -m harness rescore` brings them up to date from their kept scores."""
PREDICTIONS_SCHEMA = 1

Status = Literal["ok", "partial", "failed", "missing"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number: value, 95 % interval where one was computed, and why it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictionKey:
    """Everything that decides a subset's scores: equal keys, equal scores.

    Args:
        suite, subset: names.
        manifest: digest of the scored images (before ``limit``).
        detector, version: registered name and the spec's version.
        variant: training behaviour, "" where the detector has none.
        weights: sha256 of the checkpoint, "" for a detector without weights.
        preprocess: canonical preprocess text.
        perturbation: canonical perturbation text, "" for none.
        precision: ``fp32``, ``bf16``, ...
        decode: version of the decoding policy.
        limit: images per class that were scored, 0 = all.
        on_bad_image: ``error`` or ``skip``.
    """

    suite: str
    subset: str
    manifest: str
    detector: str
    version: int
    variant: str
    weights: str
    preprocess: str
    perturbation: str = ""
    precision: str = "fp32"
    decode: int = 1
    limit: int = 0
    on_bad_image: str = "error"


@dataclass(frozen=True, kw_only=True)
class WeightsRef:
    """Which checkpoint made a result.

    Args:
        label: ``released``, ``mini-train/seed0``, a file name, or "" (none needed).
        sha256: of the file, "" when none; of several, the sha256 of their digests joined.
        files: name -> sha256 of each of several files, empty for one.
        trained_on, licence, note: as known.
        seed: training seed, where it is known.
        recipe: resolved training recipe, where the harness trained it.
    """

    label: str = ""
    sha256: str = ""
    trained_on: str = ""
    licence: str = ""
    note: str = ""
    seed: int | None = None
    recipe: dict[str, object] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How a record's intervals were made: percentiles of a stratified bootstrap.

    Args:
        resamples: how many.
        seed: of the draws.
        unit: what suite means resample: ``images`` inside the subsets, or the ``subsets`` as well.
    """

    resamples: int = 1000
    seed: int = 0
    unit: Literal["images", "subsets"] = "images"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold from another set: of the largest accuracy there.

    Args:
        on: that set, ``suite:subset``.
        threshold: on the scale of the scores.
    """

    on: str
    threshold: float


@dataclass(frozen=True, kw_only=True)
class SubsetResult:
    """One cell: a detector on a subset.

    Args:
        subset: its name.
        status: ``ok``; ``partial`` (a limit was set); ``failed`` (``error`` says why);
            ``missing`` (no data, ``error`` says where it was looked for).
        n_real, n_fake: scored images.
        expected_real, expected_fake: the data set's published counts, None when unknown.
        manifest: digest of the images, "" when missing.
        predictions: path of the prediction file, relative to the output folder.
        metrics: name -> Metric.
        skipped: ids of unreadable images left out (``--on-bad-image skip``).
        group: the subset's group (mini), "" otherwise.
        seen: what of it was in the training data, as far as that is known: ``generator progan``,
            ``12 images``; "" for a subset of which nothing was.
    """

    subset: str
    status: Status
    n_real: int = 0
    n_fake: int = 0
    expected_real: int | None = None
    expected_fake: int | None = None
    manifest: str = ""
    predictions: str = ""
    metrics: dict[str, Metric] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    error: str = ""
    group: str = ""
    seen: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A detector with one checkpoint over one suite.

    Args:
        detector, title, version, variant: which detector.
        suite: which test set.
        weights: which checkpoint.
        preprocess, published_preprocess: as run, and as the method publishes it for this suite.
        perturbation, precision, threshold, score_kind, limit: how it was scored.
        subsets: one result for every declared subset, in order.
        mean: plain mean over the declared subsets; undefined (None, with a note naming the holes)
            while one of them is not ``ok``.
        environment: versions, CPU, threads, device.
        config: the resolved configuration.
        resampling: how the intervals were made; None without intervals.
        calibration: behind ``acc_calibrated``, where it was asked for.
        schema: of the metrics that it holds.
    """

    detector: str
    title: str
    version: int
    variant: str
    suite: str
    weights: WeightsRef
    preprocess: str
    published_preprocess: str
    perturbation: str = ""
    precision: str = "fp32"
    threshold: float = 0.0
    score_kind: str = "logit"
    limit: int = 0
    subsets: tuple[SubsetResult, ...] = ()
    mean: dict[str, Metric] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)
    resampling: Resampling | None = None
    calibration: Calibration | None = None
    schema: int = SCHEMA
