"""What one run of a detector over a suite leaves on disk, schema-versioned.

Rates are fractions in [0, 1]; tables print percent. A value that is not defined is ``None`` with a
note, never 0 or NaN.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

SCHEMA = 4
"""Raised when what a record holds changes. 2: intervals, and metrics beside the declared threshold.
3: a result carries the digest of its scores and what made them; intervals draw units.
4: a set of one class has no accuracy.
Older ones load; `python -m harness rescore` brings them up to date from their kept scores."""
PREDICTIONS_SCHEMA = 2
"""2: the unit of every image. Files of schema 1 load; their images count as independent."""

NOT_KNOWN = "not known"
"""Stands in an environment for what no session recorded."""

Status = Literal["ok", "partial", "failed", "missing"]


def row_name(detector: str, weights: str) -> str:
    """``lfm:released``, as typed after ``--method``: a detector with its weights' label, if any."""
    return f"{detector}:{weights}" if weights else detector


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
        origin: sha256 of what makes the scores and is no part of this project (a function's file,
            a graph, imported scores); "" for a detector of ours.
        condition: what was changed in decoding or network, as ``why`` names it; "" in a record's
            key, always: scores under a condition are no record's.
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
    origin: str = ""
    condition: str = ""

    def fields(self) -> dict[str, object]:
        """As it is written. A field that came later is absent where it says nothing: what was
        named before has the name that it had."""
        later = ("origin", "condition")
        return {n: v for n, v in dataclasses.asdict(self).items() if v or n not in later}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.fields().items())
        return f"{type(self).__name__}({shown})"  # rows of tables are named after it, too


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a detector comes from that is no part of this project.

    Args:
        kind: ``spec`` and ``function`` are Python files or modules, ``imported`` scores were made
            elsewhere, and nothing here has seen the detector.
        place: as it was given: ``mine.py:predict``, ``hf:OWNER/NAME@REVISION``, a file of scores.
        sha256: of the code, the graph or the scores, 64 hex digits; part of every result's key.
        facts: what else decides its scores or must be known of them, in words by name.
    """

    kind: Literal["spec", "function", "hf", "onnx", "timm", "imported"]
    place: str
    sha256: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Made:
    """Where and how scores were made: one session of scoring.

    Args:
        environment: versions, CPU, threads, device, batch size.
        settings: the resolved configuration of the command.
    """

    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """A short name: equal sessions have one name. Asked for with every score."""
        text = json.dumps([self.environment, self.settings], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


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
        verified: True for a published file with the published sha256; False for a file under a
            published name whose sha256 is another or is not known here; None where no published
            file is meant (trained here, a local file, no weights).
        not_papers: why these published weights cannot give the paper's row, "" where they can.
    """

    label: str = ""
    sha256: str = ""
    trained_on: str = ""
    licence: str = ""
    note: str = ""
    seed: int | None = None
    recipe: dict[str, object] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    verified: bool | None = None
    not_papers: str = ""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How a record's intervals were made: a bootstrap of units, each class by itself.

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
        predictions, scores: the prediction file that gave it, and its sha256.
        shared: the threshold also judges sets that share images with that one.
    """

    on: str
    threshold: float
    predictions: str = ""
    scores: str = ""
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class SubsetResult:
    """One cell: a detector on a subset.

    Args:
        subset: its name.
        status: ``ok``; ``partial`` (a limit was set); ``failed`` (``error`` says why);
            ``missing`` (no data, ``error`` says where it was looked for).
        n_real, n_fake: scored images.
        expected_real, expected_fake: the data set's published counts, None when unknown.
        also: other pairs of counts, (real, fake), that releases of the set are said to have.
        counts: how sure these are: ``documented``, ``third party``, ``inferred``, ``unknown``.
        manifest: digest of the images, "" when missing.
        predictions: path of the prediction file, relative to the output folder. It follows from
            the record (see :meth:`RunRecord.key`): a result under another key is no result of it.
        scores: sha256 of the prediction file that the metrics were made from.
        unit: what images are drawn by in resamples, in words: ``photo``, ``video``; "" when images
            are taken as independent.
        made: names of the sessions that made the scores, see :attr:`RunRecord.made`.
        metrics: name -> Metric.
        skipped: ids of unreadable images left out (``--on-bad-image skip``).
        left_out: files in its folders that are of no kind that is read.
        group: the subset's group (mini), "" otherwise.
        source: what its images were read from, in words (``zip biggan.zip``, ``DF-arrow``); "" for
            plain files and the embedded suite.
        seen: what of it was in the training data, as far as that is known: ``generator progan``,
            ``12 images``; "" for a subset of which nothing was.
    """

    subset: str
    status: Status
    n_real: int = 0
    n_fake: int = 0
    expected_real: int | None = None
    expected_fake: int | None = None
    also: tuple[tuple[int, int], ...] = ()
    counts: str = "unknown"
    manifest: str = ""
    predictions: str = ""
    scores: str = ""
    unit: str = ""
    made: tuple[str, ...] = ()
    metrics: dict[str, Metric] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    error: str = ""
    group: str = ""
    seen: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A detector with one checkpoint over one suite.

    Args:
        detector, title, version, variant: which detector.
        suite: which test set.
        weights: which checkpoint.
        preprocess, published_preprocess: as run, and as the method publishes it for this suite.
        protocol: the published way of comparing that it follows, "" for LFM's. It decides no score
            that the other fields do not decide.
        perturbation, precision, decode, threshold, score_kind, limit: how it was scored.
        published_ap: the metric that is the release's AP: ``ap`` or ``ap_sigmoid32``.
        subsets: one result for every declared subset, in order.
        mean: plain mean over the declared subsets; undefined (None, with a note naming the holes)
            while one of them is not ``ok``.
        made: name -> session, of all sessions that made scores behind its results.
        resampling: how the intervals were made; None without intervals.
        calibration: behind ``acc_calibrated``, where it was asked for.
        origin: of a detector that is no part of this project; None for one that is.
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
    decode: int = 1
    threshold: float = 0.0
    score_kind: str = "logit"
    published_ap: str = "ap"
    limit: int = 0
    subsets: tuple[SubsetResult, ...] = ()
    mean: dict[str, Metric] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    resampling: Resampling | None = None
    calibration: Calibration | None = None
    origin: Origin | None = None
    schema: int = SCHEMA
    protocol: str = ""

    def fields(self) -> dict[str, object]:
        """As it is written. A field that came later is absent where it says nothing."""
        return {n: v for n, v in dataclasses.asdict(self).items() if v or n != "protocol"}

    def result(self, subset: str) -> SubsetResult | None:
        """The result of a subset, or None where the record does not know it."""
        return next((result for result in self.subsets if result.subset == subset), None)

    def key(self, subset: str, manifest: str) -> PredictionKey:
        """What decides the scores of a subset's images under this record's conditions."""
        return PredictionKey(
            suite=self.suite,
            subset=subset,
            manifest=manifest,
            detector=self.detector,
            version=self.version,
            variant=self.variant,
            weights=self.weights.sha256,
            preprocess=self.preprocess,
            perturbation=self.perturbation,
            precision=self.precision,
            decode=self.decode,
            limit=self.limit,
            origin=self.origin.sha256 if self.origin else "",
        )

    @property
    def is_imported(self) -> bool:
        """Whether its scores were made elsewhere, by what nothing here has seen."""
        return self.origin is not None and self.origin.kind == "imported"

    def scorer(self) -> PredictionKey:
        """What decides scores, whatever the set. The digest of imported scores is that of one
        file about one set, and says nothing of what made them: they have their name alone.
        """
        key = dataclasses.replace(self.key("", ""), suite="")
        return dataclasses.replace(key, origin="") if self.is_imported else key

    @property
    def environment(self) -> dict[str, str]:
        """Everything around the code that made its scores; several values of one thing are joined
        by `` | ``, in the order of the subsets. Empty where nothing is known.
        """
        return self.environment_of(self.subsets)

    def environment_of(self, results: Iterable[SubsetResult]) -> dict[str, str]:
        """As :attr:`environment`, of some of its results."""
        names = dict.fromkeys(name for result in results for name in result.made)
        sessions = [self.made[name].environment for name in names if name in self.made]
        things = dict.fromkeys(thing for session in sessions for thing in session)
        return {
            thing: " | ".join(dict.fromkeys(session.get(thing, NOT_KNOWN) for session in sessions))
            for thing in things
        }
