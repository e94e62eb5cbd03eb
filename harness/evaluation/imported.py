"""Scores that something else made become predictions and records, as a detector's of ours do."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.score_sets import ScoredImages, ScoredSuite
from harness.data.scores import Floats, ScoreFile
from harness.data.suite import Suite
from harness.errors import DataError, UsageError
from harness.evaluation.recorder import Recorder, not_scored
from harness.outside.declared import turned
from harness.results.predictions import Predictions, prediction_path, write_predictions
from harness.results.records import Made, Origin, RunRecord, SubsetResult, WeightsRef
from harness.results.reservations import names
from harness.results.store import load_records, record_path, save_record

LABEL = "imported"
"""Stands for the weights' label, so that a row says what it is wherever its weights are named."""
_GEOMETRY = "native"
"""Only holds the place of a geometry: ``Origin.facts`` say that it is not known."""
PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What somebody's scores are, as they say it.

    Args:
        kind: ``logit``, ``probability`` (of fake) or ``uncalibrated``.
        threshold: on the scale of the file.
        lower_is_fake: a smaller score is more fake: scores are turned round here.
    """

    kind: str
    threshold: float
    lower_is_fake: bool = False

    def turned(self, scores: Floats) -> Floats:
        """Scores of which the larger is more fake: negated, or one less a probability."""
        return turned(scores, self.kind, self.lower_is_fake)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """One detector whose scores are imported.

    Args:
        name: as a registered detector's, fit for a file's name.
        title: as printed.
        column: of its scores.
    """

    name: str
    title: str
    column: str


def refuse_values(file: ScoreFile, column: str, kind: str) -> None:
    """Raises DataError for a column of probabilities that holds something else."""
    scores = file.scores[column]
    if kind != "probability":
        return
    outside = np.flatnonzero((scores < 0) | (scores > 1)).tolist()
    if not outside:
        return
    first = scores[outside[0]]
    percent = not np.any(scores < 0) and not np.any(scores > PERCENT)
    raise DataError(
        f"{file.at(outside)}: {column} {first:g} is no probability, which lies in 0 to 1"
        + ("; it looks like percent" if percent else ""),
        hint="divide by 100" if percent else "--kind logit, or --kind uncalibrated --threshold T",
    )


def refuse_missing(file: ScoreFile, found: ScoredSuite, *, whole: bool) -> None:
    """Raises DataError for an image without a score; names the first ones.

    Args:
        file: the scores.
        found: its rows by subset.
        whole: whether every subset of the suite is asked for.
    """
    for column, scores in file.scores.items():
        empty = np.flatnonzero(np.isnan(scores)).tolist()
        if empty:
            raise DataError(
                f"{file.at(empty)}: no {column} in {len(empty)} of {len(scores)} rows",
                hint="--missing skip leaves these images out, counted and listed",
            )
    for each in found.sets:
        absent = [name for name, row in zip(each.ids, each.rows, strict=True) if row < 0]
        if absent:
            raise DataError(
                f"{file.place}: {len(absent)} of {len(each.ids)} images of "
                f"{found.suite.name}:{each.subset.name} have no row: {names(absent)}",
                hint="--missing skip leaves these images out, counted and listed",
            )
    there = {each.subset.name for each in found.sets}
    absent = [subset.name for subset in found.suite.subsets if subset.name not in there]
    if whole and absent:
        raise DataError(
            f"{file.place}: no row is about {names(absent)} of {found.suite.name}",
            hint=f"--suite {found.suite.name}:SUBSET, or --missing skip",
        )


def refuse_taken(
    out: Path, suite: str, origins: dict[str, Origin], *, overwrite: bool
) -> list[tuple[Path, RunRecord]]:
    """The records that detectors of these names have on a suite already.

    Args:
        out: output folder.
        suite: name.
        origins: name -> what is to be imported under it.
        overwrite: whether other scores of the name are replaced.

    Raises:
        UsageError: a name has other scores there, or is that of a detector that was run.
    """
    found = []
    for record in load_records(out):
        if record.suite != suite or record.detector not in origins:
            continue
        path, origin = record_path(out, record), origins[record.detector]
        if record.origin is None or not record.is_imported:
            raise UsageError(
                f"{record.detector} is a detector that was run: {path}", hint="another --name"
            )
        if record.origin.sha256 != origin.sha256 and not overwrite:
            raise UsageError(
                f"{record.detector} has other scores on {suite}, from {record.origin.place}",
                hint="--overwrite replaces them; or another --name",
            )
        found.append((path, record))
    return found


def origin_of(file: ScoreFile, detector: Imported, meaning: Meaning, images: str) -> Origin:
    """Where a detector's scores come from.

    Its digest is over ids, groups and scores in the order of their ids: two files with the same
    scores are the same.

    Args:
        file, detector, meaning: what is imported.
        images: what is known of the images, in words.
    """
    groups = file.groups or [""] * len(file.ids)
    scores = file.scores[detector.column].tolist()
    lines = sorted(
        f"{group}\t{name}\t{'' if math.isnan(score) else score.hex()}\n"
        for group, name, score in zip(groups, file.ids, scores, strict=True)
    )
    facts = {
        "column": detector.column,
        "geometry": "not known: images were prepared where the scores were made",
        "images": images,
    }
    if meaning.lower_is_fake:
        how = "1 less the file's" if meaning.kind == "probability" else "the file's, negated"
        facts["direction"] = (
            f"in the file a smaller score is more fake, below {meaning.threshold:g}; kept is {how}"
        )
    return Origin(
        kind="imported",
        place=file.place,
        sha256=hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest(),
        facts=facts,
    )


def import_record(
    recorder: Recorder,
    detector: Imported,
    origin: Origin,
    meaning: Meaning,
    scored: tuple[ScoreFile, ScoredSuite],
    settings: dict[str, str],
) -> RunRecord:
    """Keeps a detector's scores, and the record that follows from them.

    Args:
        recorder: of the output folder.
        detector, origin, meaning: whose scores, where from, and what they are.
        scored: the file, and its rows by subset.
        settings: the resolved configuration of the command, kept with the scores.
    """
    file, found = scored
    scores = file.scores[detector.column]
    record = _blank(recorder, detector, origin, meaning, found.suite)
    made = Made(environment={"scores": "imported, made elsewhere"}, settings=settings)
    for each in found.sets:
        result, sessions = _kept(recorder, record, each, meaning.turned(scores), made)
        record = recorder.with_result(record, result, sessions)
    return record


def replaced(out: Path, record: RunRecord, old: Iterable[tuple[Path, RunRecord]]) -> Path:
    """Saves a record and removes those that it stands in for; returns its path."""
    path = save_record(out, record)
    for other, theirs in old:
        if theirs.detector == record.detector and other != path:
            other.unlink(missing_ok=True)
    return path


def taken_over(
    recorder: Recorder, record: RunRecord, old: Sequence[tuple[Path, RunRecord]]
) -> RunRecord:
    """A record with the subsets that an earlier import of the same scores has and it has not."""
    own = [result.subset for result in record.subsets if result.predictions]
    for _, theirs in old:
        if theirs.detector == record.detector:
            record = recorder.taken_over(record, theirs, but=own)
    return record


def _blank(
    recorder: Recorder, detector: Imported, origin: Origin, meaning: Meaning, suite: Suite
) -> RunRecord:
    (threshold,) = meaning.turned(np.array([meaning.threshold])).tolist()
    return RunRecord(
        detector=detector.name,
        title=detector.title,
        version=1,
        variant="",
        suite=suite.name,
        weights=WeightsRef(label=LABEL),
        preprocess=_GEOMETRY,
        published_preprocess=_GEOMETRY,
        threshold=threshold,
        score_kind=meaning.kind,
        published_ap="ap",
        subsets=tuple(not_scored(subset) for subset in suite.subsets),
        resampling=recorder.resampling,
        origin=origin,
    )


def _kept(
    recorder: Recorder, record: RunRecord, images: ScoredImages, scores: Floats, made: Made
) -> tuple[SubsetResult, tuple[Made, ...]]:
    """Writes one subset's scores; its result."""
    blank = not_scored(images.subset)
    skipped = images.without(scores)
    if len(skipped) == len(images.ids):
        error = f"none of its {len(skipped)} images has a score"
        return dataclasses.replace(blank, error=error, manifest=images.manifest), ()
    at = [i for i, row in enumerate(images.rows) if row >= 0 and not math.isnan(scores[row])]
    key = record.key(images.subset.name, images.manifest)
    predictions = Predictions(
        key=key,
        ids=tuple(images.ids[i] for i in at),
        labels=np.array([images.labels[i] for i in at], dtype=np.int8),
        scores=scores[[images.rows[i] for i in at]],
        units=tuple(images.units[i] for i in at),
        unit=images.unit,
        skipped=skipped,
    )
    digest = write_predictions(prediction_path(recorder.out, key), predictions, [made])
    predictions = dataclasses.replace(predictions, digest=digest)
    result, sessions = recorder.scored(record, blank, predictions)
    result = dataclasses.replace(result, source=images.source, left_out=images.left_out)
    return result, sessions
