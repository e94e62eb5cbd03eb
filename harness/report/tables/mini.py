"""Run records of the embedded suite -> the mini tables."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from harness.errors import SchemaError
from harness.report.measured import (
    PLAIN,
    Measured,
    about_resampling,
    about_units,
    about_weights,
    conditions,
    is_scored,
    newest,
    subset_value,
)
from harness.report.spec import SetSpec, TableSpec
from harness.report.table import Cell, Column, Row, RowKind, Table, finished
from harness.report.tables.paper import Edges, Sources, over_seeds
from harness.report.words import say
from harness.results.records import RunRecord
from harness.results.reservations import joined
from harness.results.rows import seed_group, told_apart, weights_kind

BLOCKS = {
    "AP": "ap",
    "ACC": "acc",
    "called fake": "fake_acc",
}
"""Block of rows -> record metric of a set that holds fakes."""
_SEEN = "In-domain: holds the generator that the mini weights were trained on."
_MINI_WEIGHTS = "mini-train"
_LEARNED = 0.6  # validation AP of a set that is half fake
UNLEARNED = (
    "Learned nothing, or next to it, from the embedded training data (validation AP below "
    f"{_LEARNED:.0%}): its numbers here say nothing about the method."
)


def build_mini_table(spec: TableSpec, sources: Sources) -> Table:
    """A table of kind ``mini``: mean and standard deviation over training seeds.

    Only records of ``spec.suite`` as published enter: no twin's geometry, no perturbation, fp32.
    One row for each detector and kind of weights. Partial runs show, marked, only in a table for
    which nothing was run whole (a smoke run's).
    """
    runs = _runs(spec, sources.records)
    apart = told_apart(runs)
    columns = [(entry, block) for block in BLOCKS for entry in spec.sets]
    rows = [
        _row(
            spec,
            records,
            tuple(_cell(entry, block, records, sources) for entry, block in columns),
            (*_variant(records, runs), *apart[group]),
        )
        for group, records in runs.items()
    ]
    run = {records[0].detector for records in runs.values()}
    for row in spec.rows:
        if row.detector not in run:
            rows.append(_absent_row(spec, row.detector, columns, sources))
    rows.sort(key=lambda row: _order(spec, row))
    table = Table(
        name=spec.name,
        title=spec.title,
        caption=spec.caption,
        by_metric=True,
        columns=tuple(_column(entry, block) for entry, block in columns),
        rows=tuple(rows),
        statements=(*_comparison(spec, runs, sources), *spec.footnotes),
    )
    shown = [record for records in runs.values() for record in records]
    return finished(table, about_units(shown))


Runs = Mapping[Hashable, Sequence[RunRecord]]
"""Row (see :func:`harness.results.rows.seed_group`) -> one record a seed."""


def _runs(spec: TableSpec, records: Sequence[RunRecord]) -> dict[Hashable, list[RunRecord]]:
    named = {row.detector for row in spec.rows}
    runs: dict[Hashable, list[RunRecord]] = {}
    for record in sorted(shown_records(spec.suite, records), key=_row_name):
        if not spec.others and record.detector not in named:
            continue
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


def _row(
    spec: TableSpec, records: Sequence[RunRecord], cells: tuple[Cell, ...], apart: Sequence[str]
) -> Row:
    detector, _, kind, limit = _row_name(records[0])
    about = list(apart)
    if kind == _MINI_WEIGHTS:
        about.append(f"{len(records)} seed{'s' if len(records) > 1 else ''}")
    elif kind:
        about.append(kind)
    notes = []
    if limit:
        notes.append(f"Partial: at most {limit} images of each class.")
    if _kind(spec, detector) == "method" and not all(map(_learned, records)):
        notes.append(UNLEARNED)
    labels = {record.weights.label for record in records}
    if len(labels) < len(records):
        notes.append(f"{len(records)} checkpoints share {len(labels)} labels; all are counted.")
    title = records[0].title
    return Row(
        key=row_key(records[0]),
        title=f"{title} ({', '.join(about)})" if about else title,
        detector=detector,
        kind=_kind(spec, detector),
        cells=cells,
        notes=(*about_weights(records), *notes, *about_resampling(records)),
    )


def _learned(record: RunRecord) -> bool:
    """False for a training that stayed near chance on its own validation images."""
    value = record.weights.recipe.get("val_ap")
    return not isinstance(value, float) or value >= _LEARNED


def _absent_row(
    spec: TableSpec, detector: str, columns: Sequence[tuple[SetSpec, str]], sources: Sources
) -> Row:
    known = detector in sources.published
    reason = f"not run on {spec.suite}" if known else "detector not implemented yet"
    cells = tuple(
        Cell(status="hole", reason=reason) if _defined(entry, block) else Cell(status="undefined")
        for entry, block in columns
    )
    kind = _kind(spec, detector)
    return Row(key=detector, title=detector, detector=detector, kind=kind, cells=cells)


def _order(spec: TableSpec, row: Row) -> tuple[int, str]:
    names = [entry.detector for entry in spec.rows]
    return (names.index(row.detector) if row.detector in names else len(names), row.key)


def _kind(spec: TableSpec, detector: str) -> RowKind:
    for row in spec.rows:
        if row.detector == detector and row.role:
            return row.role
    return "method"


def _column(entry: SetSpec, block: str) -> Column:
    return Column(
        key=entry.title,
        title=entry.title,
        metric=block,
        group=entry.group,
        # A detector that calls nothing fake is no better for being right about every real.
        ranked=block != "called fake" and entry.fakes and not entry.reals,
        note=_SEEN if entry.seen else "",
    )


def _defined(entry: SetSpec, block: str) -> bool:
    """AP needs both classes: neither the reals alone nor a control set has one."""
    return block != "AP" or (entry.fakes and not entry.reals)


def _cell(entry: SetSpec, block: str, records: Sequence[RunRecord], sources: Sources) -> Cell:
    if not _defined(entry, block):
        return Cell(status="undefined")
    found = [_value(entry, block, record) for record in records]
    return over_seeds(found, lambda: _interval(entry, block, records, sources))


def _interval(
    entry: SetSpec, block: str, records: Sequence[RunRecord], sources: Sources
) -> Edges | None:
    """95 % interval in percent, over images, of the mean over the column's sets and the seeds."""
    metric, flip = _metric(entry, block)
    edges = sources.interval(records, entry.sets, metric)
    if edges is None:
        return None
    low, high = (100 * edge for edge in edges)
    return (100 - high, 100 - low) if flip else (low, high)


def _metric(entry: SetSpec, block: str) -> tuple[str, bool]:
    """Name in records of what a block shows of a set, and whether as its complement."""
    if entry.reals or not entry.fakes:
        return "real_acc", block == "called fake"
    return BLOCKS[block], False


def _value(entry: SetSpec, block: str, record: RunRecord) -> Measured:
    """The plain mean over the column's sets for one record, or the first hole in it."""
    metric, flip = _metric(entry, block)
    values, said = [], []
    for name in entry.sets:
        found = subset_value(record, name, metric)
        if found.value is None:
            whole = found.reason.startswith("weights missing")  # and not only this set's
            return Measured(reason=found.reason if whole else f"{name}: {found.reason}")
        values.append(100 - found.value if flip else found.value)
        said.append((name, found.said))
    return Measured(value=fmean(values), said=joined(said))


def _comparison(spec: TableSpec, runs: Runs, sources: Sources) -> tuple[str, ...]:
    """A sentence for each metric about the two detectors of ``spec.compare``, as it came out."""
    if len(spec.compare) != 2:
        return ()
    fakes = tuple(dict.fromkeys(s for e in spec.sets if e.fakes and not e.reals for s in e.sets))
    everything = SetSpec(title="all", sets=fakes)
    names = " and ".join(spec.compare)
    sides = [_trained(runs, detector) for detector in spec.compare]
    if not all(sides):
        return (f"{names} cannot be compared: not both were run with mini weights.",)
    sentences = []
    for block in ("AP", "ACC"):
        values = [
            [v for r in side if (v := _value(everything, block, r).value) is not None]
            for side in sides
        ]
        head = f"{block} over {len(fakes)} sets of fakes, {' against '.join(spec.compare)}"
        if any(len(v) < len(side) for v, side in zip(values, sides, strict=True)):
            sentences.append(f"{head}: not told apart, as a set has no value.")
            continue
        places = [(spec.suite, name) for name in fakes]
        verdict = sources.tell(sides[0], sides[1], places, BLOCKS[block])
        gap = (fmean(values[0]) - fmean(values[1])) / 100
        shown = " against ".join(map(_over_seeds, values))
        sentences.append(f"{head}: {shown}; {say(replace(verdict, value=gap))}.")
    return tuple(sentences)


def _over_seeds(values: Sequence[float]) -> str:
    """``62.1 (sd 1.0, 3 seeds)``."""
    spread = f"sd {stdev(values):.1f}, {len(values)} seeds" if len(values) > 1 else "1 seed"
    return f"{fmean(values):.1f} ({spread})"


def _trained(runs: Runs, detector: str) -> Sequence[RunRecord]:
    """The full records of a detector's first row with weights trained on mini."""
    for records in runs.values():
        name = _row_name(records[0])
        if name[0] == detector and name[2:] == (_MINI_WEIGHTS, 0):
            return records
    return ()
