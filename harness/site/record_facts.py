"""What a detector's page says of one record: names, facts, the recipe, the table of subsets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.data.score_sets import NO_IMAGES
from harness.metrics.values import NO_FAKES, NO_REALS
from harness.report.layout import HOLE, between
from harness.report.measured import (
    PLAIN,
    RULES,
    Measured,
    about_resampling,
    about_units,
    conditions,
    departures,
    run_identity,
    subset_value,
    suite_value,
)
from harness.report.words import say_rate
from harness.results.rates import HITS, one_class_rate
from harness.results.records import SCHEMA, Origin, RunRecord, SubsetResult, WeightsRef
from harness.results.reservations import of_mean, reservations
from harness.site.grid import Entry, Grid, counted, said

Facts = tuple[tuple[str, str], ...]

_PART = 60
"""Characters of a file name that one part may take."""
_RECIPE = {
    "optimiser": "optimiser",
    "lr": "learning rate",
    "schedule": "schedule",
    "epochs": "epochs",
    "batch_size": "batch size",
    "train_preprocess": "preprocess of training images",
    "val_preprocess": "preprocess of validation images",
    "weights_epoch": "epoch of these weights",
    "val_ap": "AP on the validation images",
    "generators": "generators of the fakes",
    "started_from": "started from",
    "scaling": "scaled by the rule",
    "source": "published in",
}


@dataclass(frozen=True, kw_only=True)
class SubsetTable:
    """Every metric of every subset.

    Args:
        heads: metric -> meaning, one for each column of numbers.
        grid: the subsets with a number in the suite's order, and the mean below them.
        without: reason -> the subsets without any number.
        left_out: metric -> why no subset has a value.
    """

    heads: Mapping[str, str]
    grid: Grid
    without: Mapping[str, Sequence[str]]
    left_out: Mapping[str, str]


def file_name(record: RunRecord) -> str:
    """Name of the record's page: readable, then a digest of what sets the row apart.

    Letters, digits and ``._-`` alone. Like the record's own file it stays the same when the row is
    scored anew.
    """
    identity = json.dumps([record.suite, *run_identity(record)])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    parts = (record.suite, record.detector, record.weights.label)
    words = [re.sub(r"[^A-Za-z0-9._]+", "-", part)[-_PART:].strip("-.") for part in parts]
    return "-".join([*filter(None, words), digest]) + ".html"


def title_of(record: RunRecord) -> str:
    """``LFM, mini-train/seed0, on mini``, and what is not plain of how it was scored."""
    label = record.weights.label
    names = [record.title, label, "" if record.variant == label else record.variant]
    title = f"{', '.join(filter(None, names))}, on {record.suite}"
    own = [f"{name} {text}" for name, text in conditions(record).items() if text != PLAIN[name]]
    return f"{title} ({'; '.join(own)})" if own else title


def facts(record: RunRecord, published: str) -> Facts:
    """What was run, as terms and texts.

    Args:
        record: the record.
        published: label of the detector's default published checkpoint, "" when it has none.
    """
    away = departures(record, published)
    pairs = [
        ("Detector", f"{record.title} ({record.detector}), version {record.version}"),
        ("Variant", record.variant),
        ("Suite", record.suite),
        *_origin(record.origin),
        *(() if record.is_imported else _weights(record.weights, published)),
        ("Preprocess", _preprocess(record)),
        ("Perturbation", record.perturbation or PLAIN["perturbation"]),
        ("Precision", record.precision),
        ("Threshold", f"{record.threshold:g}: an image is flagged as fake above it"),
        ("Scores", record.score_kind),
        ("AP beside the paper's numbers", f"{record.published_ap}: {RULES[record.published_ap]}"),
        ("Threshold of another set", _calibration(record)),
        ("Images", _images(record)),
        ("Limit", f"at most {record.limit:,} images of each class" if record.limit else ""),
        ("Intervals", _intervals(record)),
        ("Departs from the published conditions", "; ".join(away) or "in nothing"),
        ("Metrics", _schema(record)),
    ]
    return tuple((term, text) for term, text in pairs if text)


def recipe(record: RunRecord) -> Facts:
    """How the weights were trained, where this project trained them; else empty."""
    known = record.weights.recipe
    named = [name for name in _RECIPE if name in known]
    others = sorted(known.keys() - _RECIPE.keys())
    pairs = [
        (_RECIPE.get(name, name.replace("_", " ")), _said(name, known[name]))
        for name in (*named, *others)
    ]
    return tuple((term, text) for term, text in pairs if text)


def subset_table(record: RunRecord, meanings: Mapping[str, str]) -> SubsetTable:
    """Every metric of every subset and of the suite, in percent.

    Args:
        record: the record.
        meanings: metric -> what it is, in the order of the columns.
    """
    found = {
        name: [_of_subset(record, result, name) for result in record.subsets] for name in meanings
    }
    names = [name for name, values in found.items() if any(v.value is not None for v in values)]
    rows: list[list[Entry]] = []
    without: dict[str, list[str]] = {}
    for i, result in enumerate(record.subsets):
        values = [found[name][i] for name in names]
        notes = "; ".join(_notes(record, result, values))
        if any(value.value is not None for value in values):
            rows.append(_row(result, values, notes))
        else:
            without.setdefault(notes or result.status, []).append(result.subset)
    return SubsetTable(
        heads={name: _meaning(record, name, meanings[name]) for name in names},
        grid=Grid(
            caption="Metrics of every subset: percent, with 95 % intervals in brackets. The names "
            "are explained under the table.",
            header=("subset", "group", "reals", "fakes", *names, "status", "notes"),
            rows=rows,
            foot=_mean(record, names),
        ),
        without=without,
        left_out={
            name: _why_nowhere(record, values)
            for name, values in found.items()
            if name not in names
        },
    )


def _of_subset(record: RunRecord, result: SubsetResult, name: str) -> Measured:
    """A metric of a subset; the rate of one class alone is said once, by :func:`_notes`."""
    found, rate = subset_value(record, result.subset, name), one_class_rate(result)
    if rate is None:
        return found
    return replace(found, reason=found.reason.removesuffix(f": {say_rate(rate)}"))


def _notes(record: RunRecord, result: SubsetResult, values: Sequence[Measured]) -> list[str]:
    """Why a row lacks numbers, what it has instead, and what must be said of it."""
    reasons, rate = list(_reasons(values)), one_class_rate(result)
    said = reservations(record, result)
    if rate is not None:  # that a class is absent is said with the rate of the other one
        absent = NO_REALS if rate.name == HITS else NO_FAKES
        reasons = [f"{absent}: {say_rate(rate)}", *(each for each in reasons if each != absent)]
        said = tuple(each for each in said if each.kind != "classes")
    return [*reasons, *(each.text for each in said)]


def _weights(weights: WeightsRef, published: str) -> Iterator[tuple[str, str]]:
    """What is known of a checkpoint."""
    if not weights.label:
        yield "Weights", "none"
        return
    if weights.label == published:
        standing = {
            True: "the published ones, by their sha256",
            False: "under a published name, not verified",
            None: "the published ones",
        }[weights.verified]
    elif published:
        standing = f"not the published: {published}"
    else:
        standing = "none are published"
    yield "Weights", f"{weights.label} ({standing})"
    yield "SHA-256 of the weights", weights.sha256 or "not known: they were not loaded"
    files = (f"{name} {digest}" for name, digest in sorted(weights.files.items()))
    yield "SHA-256 of their files", "; ".join(files)
    yield "Trained on", weights.trained_on
    yield "Training seed", "" if weights.seed is None else str(weights.seed)
    yield "Licence of the weights", weights.licence
    yield "Note on the weights", weights.note
    yield "Not the paper's weights", weights.not_papers


def _origin(origin: Origin | None) -> Iterator[tuple[str, str]]:
    """Where a detector or scores come from that are no part of this project."""
    if origin is None:
        return
    kinds = {"imported": "imported: these scores were made elsewhere"}
    yield "Origin", f"{kinds.get(origin.kind, origin.kind)} ({origin.place})"
    yield "SHA-256 of the origin", origin.sha256
    for name, text in origin.facts.items():
        yield f"Origin: {name}", text


def _preprocess(record: RunRecord) -> str:
    if record.is_imported:
        return "not known: the images were prepared where the scores were made"
    if record.preprocess == record.published_preprocess:
        return f"{record.preprocess}, as published"
    return f"{record.preprocess}, not as published: {record.published_preprocess}"


def _calibration(record: RunRecord) -> str:
    other = record.calibration
    return "" if other is None else f"{other.threshold:g}, the best on {other.on}"


def _images(record: RunRecord) -> str:
    scored = [result for result in record.subsets if result.metrics]
    reals, fakes = sum(r.n_real for r in scored), sum(r.n_fake for r in scored)
    subsets = f"{len(scored)} of {len(record.subsets)} subsets, shared ones in each"
    sources = ", ".join(dict.fromkeys(result.source or "files" for result in scored))
    read = "" if sources in ("", "files") else f"; read from {sources}"
    if sources == NO_IMAGES:
        read = f"; {NO_IMAGES}"
    return f"{reals:,} real and {fakes:,} fake in {subsets}{read}"


def _intervals(record: RunRecord) -> str:
    how = record.resampling
    if how is None:
        return "none: python -m harness rescore makes them"
    means = ", in means the subsets as well" if how.unit == "subsets" else ""
    drawn = about_units([record])
    return f"95 %, {how.resamples:,} resamples ({drawn}){means}, seed {how.seed}"


def _schema(record: RunRecord) -> str:
    if record.schema == SCHEMA:
        return ""
    return f"of schema {record.schema}: python -m harness rescore brings them up to date"


def _said(name: str, value: object) -> str:
    """A value of a recipe in words; "" for one that says nothing."""
    if value is None or value in ("", [], {}, ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{100 * value:.1f} %" if name == "val_ap" else f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_said("", each) for each in value)
    if isinstance(value, dict):
        inside = {key: _said("", each) for key, each in value.items()}
        return ", ".join(f"{key} {text}" for key, text in inside.items() if text)
    return str(value)


def _row(result: SubsetResult, values: Sequence[Measured], notes: str) -> list[Entry]:
    return [
        *map(said, (result.subset, result.group)),
        *map(counted, (result.n_real, result.n_fake)),
        *map(_cell, values),
        said(result.status),
        Entry(text=notes, kind="prose"),
    ]


def _mean(record: RunRecord, names: Sequence[str]) -> list[Entry]:
    values = [suite_value(record, name) for name in names]
    notes = list(_reasons(values)) if record.mean else ["no subset was scored whole"]
    notes += _averaged(dict(zip(names, values, strict=True)))
    if any(result.group == "controls" for result in record.subsets):
        notes.append("without the controls")
    notes += [each.text for each in of_mean(record)]
    notes += [note.removesuffix(".") for note in about_resampling([record])]
    prose = Entry(text="; ".join(notes), kind="prose")
    return [said("mean"), *[Entry()] * 3, *map(_cell, values), Entry(), prose]


def _averaged(means: Mapping[str, Measured]) -> list[str]:
    """What means over fewer sets than there are are over, each once with the metrics."""
    found: dict[str, list[str]] = {}
    for name, mean in means.items():
        if mean.over:
            found.setdefault(mean.over, []).append(name)
    return [f"{', '.join(names)} {over}" for over, names in found.items()]


def _cell(measured: Measured) -> Entry:
    if measured.value is None:
        return Entry(text=HOLE, hole=True)
    return Entry(
        value=measured.value,
        text=f"{measured.value:.1f}",
        spread=between(measured.low, measured.high),
    )


def _reasons(values: Iterable[Measured]) -> tuple[str, ...]:
    """Why some have no number, each reason once."""
    return tuple(dict.fromkeys(value.reason for value in values if value.value is None))


def _why_nowhere(record: RunRecord, values: Sequence[Measured]) -> str:
    """Why no subset has a number: what the scored ones say, where there are any."""
    pairs = list(zip(record.subsets, values, strict=True))
    scored = [value for result, value in pairs if result.metrics]
    return "; ".join(_reasons(scored or values)) or "no subsets"


def _meaning(record: RunRecord, name: str, meaning: str) -> str:
    if name == "acc":
        return f"{meaning}, {record.threshold:g}"
    if name == "acc_calibrated" and record.calibration is not None:
        return f"{meaning}: {_calibration(record)}"
    return meaning


def sessions(record: RunRecord) -> list[tuple[str, Facts, Facts]]:
    """Where and how its scores were made: (subsets, environment, settings) of each session."""
    found = []
    for name, made in record.made.items():
        subsets = [result.subset for result in record.subsets if name in result.made]
        found.append(
            (
                ", ".join(subsets),
                tuple(sorted(made.environment.items())),
                tuple(sorted(made.settings.items())),
            )
        )
    return found
