"""Run records of the embedded suite -> the mini tables."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from harness.errors import SchemaError
from harness.report.measured import (
    PLAIN,
    about_resampling,
    about_units,
    about_weights,
    conditions,
    is_scored,
    newest,
)
from harness.report.spec import SetSpec, TableSpec
from harness.report.table import Cell, Column, Row, RowKind, Table, fill, finished
from harness.report.tables.means import Measure, over_seeds
from harness.report.tables.paper import Sources
from harness.report.words import say
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart, weights_kind

BLOCKS = {
    "AP": "ap",
    "ACC": "acc",
    "flagged as fake": "fake_acc",
}
"""Block of rows -> record metric of a set that holds fakes."""
_SEEN = "In-domain: holds the generator that the mini weights were trained on."
_MINI_WEIGHTS = "mini-train"
_LEARNED = 0.6  # validation AP of a set that is half fake
UNLEARNED = (
    "Learned nothing, or next to it, from the embedded training data (validation AP below "
    f"{_LEARNED:.0%}): its numbers here say nothing about the method."
)

Runs = Mapping[Hashable, Sequence[RunRecord]]
"""Row (see :func:`harness.results.rows.seed_group`) -> one record a seed."""


def build_mini_table(spec: TableSpec, sources: Sources) -> Table:
    """A table of kind ``mini``: mean and standard deviation over training seeds.

    Only records of ``spec.suite`` as published enter: no twin's geometry, no perturbation, fp32.
    One row for each detector and kind of weights. Partial runs show, marked, only in a table for
    which nothing was run whole (a smoke run's).
    """
    runs = _runs(spec, sources.records)
    apart = told_apart(runs)
    rows = [
        (_row(spec, records, (*_variant(records, runs), *apart[group])), records)
        for group, records in runs.items()
    ]
    run = {row.detector for row, _ in rows}
    rows += [
        (Row(key=name, title=name, detector=name, kind=_kind(spec, name)), [])
        for name in (row.detector for row in spec.rows)
        if name not in run
    ]
    rows.sort(key=lambda pair: _order(spec, pair[0]))
    columns = [
        (_column(entry, block), _measure(spec.suite, entry, block))
        for block in BLOCKS
        for entry in spec.sets
    ]

    def cell(of: tuple[str, Sequence[RunRecord]], measure: Measure) -> Cell:
        detector, records = of
        known = detector in sources.published
        absent = f"not run on {spec.suite}" if known else "detector not implemented yet"
        return measure.cell([[record] for record in records], sources.interval, absent)

    table = Table(
        name=spec.name,
        title=spec.title,
        caption=spec.caption,
        statements=(*_comparison(spec, runs, sources), *spec.footnotes),
    )
    table = fill(table, [(row, (row.detector, found)) for row, found in rows], columns, cell)
    return finished(table, about_units(record for found in runs.values() for record in found))


# --- rows -----------------------------------------------------------------------------------------


def _runs(spec: TableSpec, records: Sequence[RunRecord]) -> dict[Hashable, list[RunRecord]]:
    named = {row.detector for row in spec.rows}
    runs: dict[Hashable, list[RunRecord]] = {}
    for record in sorted(shown_records(spec.suite, records), key=_row_name):
        if spec.others or record.detector in named:
            _check_sets(spec, record)
            runs.setdefault(seed_group(record), []).append(record)
    return runs


def shown_records(suite: str, records: Sequence[RunRecord]) -> list[RunRecord]:
    """The newest records as published; the partial ones only where there is nothing else."""
    plain = [
        record
        for record in records
        if record.suite == suite and {**conditions(record), "limit": PLAIN["limit"]} == PLAIN
    ]
    whole = [record for record in plain if not record.limit]
    return newest(whole if any(map(is_scored, whole)) else plain)


def _row_name(record: RunRecord) -> tuple[str, str, str, int]:
    return (record.detector, record.variant, weights_kind(record), record.limit)


def row_key(record: RunRecord) -> str:
    """The name of the record's row in files: equal for the seeds of one row, and for them alone."""
    digest = hashlib.sha256(repr(seed_group(record)).encode("utf-8", "surrogatepass")).hexdigest()
    return "|".join([*(str(part) for part in _row_name(record) if part), digest[:8]])


def _check_sets(spec: TableSpec, record: RunRecord) -> None:
    known = {name for entry in spec.sets for name in entry.sets}
    unknown = [result.subset for result in record.subsets if result.subset not in known]
    if unknown:
        raise SchemaError(
            f"the record of {record.detector} on {record.suite} has the set {unknown[0]!r}, "
            f"which the table {spec.name!r} does not show",
            hint=f"add it to tables/specs/{spec.name}.toml",
        )


def _variant(records: Sequence[RunRecord], runs: Runs) -> tuple[str, ...]:
    """The variant, where it must be named to tell the row from another."""
    first = records[0]
    for other in (others[0] for others in runs.values()):
        alike = (other.detector, *_row_name(other)[2:]) == (first.detector, *_row_name(first)[2:])
        if alike and other.variant != first.variant:
            return (first.variant,) if first.variant else ()
    return ()


def _row(spec: TableSpec, records: Sequence[RunRecord], apart: Sequence[str]) -> Row:
    detector, _, weights, limit = _row_name(records[0])
    kind = _kind(spec, detector)
    about = list(apart)
    if weights == _MINI_WEIGHTS:
        about.append(f"{len(records)} seed{'s' if len(records) > 1 else ''}")
    elif weights:
        about.append(weights)
    notes = []
    if limit:
        notes.append(f"Partial: at most {limit} images of each class.")
    if kind == "method" and not all(map(_learned, records)):
        notes.append(UNLEARNED)
    labels = {record.weights.label for record in records}
    if len(labels) < len(records):
        notes.append(f"{len(records)} checkpoints share {len(labels)} labels; all are counted.")
    title = records[0].title
    return Row(
        key=row_key(records[0]),
        title=f"{title} ({', '.join(about)})" if about else title,
        detector=detector,
        kind=kind,
        notes=(*about_weights(records), *notes, *about_resampling(records)),
    )


def _learned(record: RunRecord) -> bool:
    """False for a training that stayed near chance on its own validation images."""
    value = record.weights.recipe.get("val_ap")
    return not isinstance(value, float) or value >= _LEARNED


def _order(spec: TableSpec, row: Row) -> tuple[int, str]:
    names = [entry.detector for entry in spec.rows]
    return (names.index(row.detector) if row.detector in names else len(names), row.key)


def _kind(spec: TableSpec, detector: str) -> RowKind:
    roles = (row.role for row in spec.rows if row.detector == detector and row.role)
    return next(roles, "method")


# --- columns --------------------------------------------------------------------------------------


def _column(entry: SetSpec, block: str) -> Column:
    return Column(
        key=entry.title,
        title=entry.title,
        metric=block,
        group=entry.group,
        # A detector that calls nothing fake is no better for being right about every real.
        ranked=block != "flagged as fake" and entry.fakes and not entry.reals,
        note=_SEEN if entry.seen else "",
    )


def _measure(suite: str, entry: SetSpec, block: str) -> Measure:
    """What a block shows of a set. AP needs both classes: reals alone and controls have none."""
    places = tuple((suite, name) for name in entry.sets)
    if entry.fakes and not entry.reals:
        return Measure(places=places, metric=BLOCKS[block])
    if block == "AP":
        return Measure(places=places, metric="")
    return Measure(places=places, metric="real_acc", complement=block == "flagged as fake")


# --- the two compared detectors -------------------------------------------------------------------


def _comparison(spec: TableSpec, runs: Runs, sources: Sources) -> tuple[str, ...]:
    """A sentence for each metric about the two detectors of ``spec.compare``, as it came out."""
    if len(spec.compare) != 2:
        return ()
    sides = [_trained(runs, detector) for detector in spec.compare]
    if not all(sides):
        names = " and ".join(spec.compare)
        return (f"{names} cannot be compared: not both were run with mini weights.",)
    fakes = tuple(dict.fromkeys(s for e in spec.sets if e.fakes and not e.reals for s in e.sets))
    sentences = []
    for block in ("AP", "ACC"):
        measure = _measure(spec.suite, SetSpec(title="all", sets=fakes), block)
        cells = [over_seeds([measure.of(each) for each in side]) for side in sides]
        head = f"{block} over {len(fakes)} sets of fakes, {' against '.join(spec.compare)}"
        first, second = (cell.value for cell in cells)
        if first is None or second is None:
            sentences.append(f"{head}: not told apart, as a set has no value.")
            continue
        verdict = measure.verdict(sides[0], sides[1], sources.tell)
        shown = " against ".join(map(_over_seeds, cells))
        sentences.append(f"{head}: {shown}; {say(replace(verdict, value=(first - second) / 100))}.")
    return tuple(sentences)


def _over_seeds(cell: Cell) -> str:
    """``62.1 (sd 1.0, 3 seeds)``."""
    spread = "1 seed" if cell.spread is None else f"sd {cell.spread:.1f}, {cell.seeds} seeds"
    return f"{cell.value:.1f} ({spread})"


def _trained(runs: Runs, detector: str) -> list[list[RunRecord]]:
    """The full records of a detector's first row with weights trained on mini."""
    for records in runs.values():
        name = _row_name(records[0])
        if name[0] == detector and name[2:] == (_MINI_WEIGHTS, 0):
            return [[record] for record in records]
    return []
