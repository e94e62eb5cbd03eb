"""Detectors under several treatments of the same images -> one table, differences beside values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.report.layout import signed
from harness.report.measured import about_resampling, about_units, about_weights
from harness.report.table import Cell, Column, Row, RowKind, Table, fill
from harness.report.tables.means import Interval, Measure, Trainings, difference, no_interval
from harness.report.words import Tell, no_verdict
from harness.results.records import RunRecord
from harness.results.rows import weights_kind

FIRST = "first"
"""Key of the treatment that the others are compared with."""
REALS, FAKES, CONTROLS, ALONE = (
    "reals flagged as fake",
    "fakes flagged as fake",
    "controls flagged as fake",
    "fakes without reals flagged as fake",
)
# Block of rows -> metric of the records, and whether the block shows what is missing to 100.
_BLOCKS = {
    "AP": ("ap", False),
    "ACC": ("acc", False),
    REALS: ("real_acc", True),
    FAKES: ("fake_acc", False),
    CONTROLS: ("real_acc", True),
    ALONE: ("fake_acc", False),
}
_STRIKING = 10.0  # points of real photographs newly flagged as fake that deserve a sentence
_ABOUT = (
    "Percent, means over {sets} sets{of}. Brackets: 95 % interval over resampled images ({drawn}); "
    "of a difference, over the same resamples of the same images on both sides. AP ranks the "
    "scores as they are."
)


@dataclass(frozen=True, kw_only=True)
class Treated:
    """A row: one detector with one kind of weights.

    Args:
        records: treatment -> its records, one for each training seed.
        reasons: treatment -> why there are none.
        kind: ``control`` for a control of the benchmark.
        apart: what tells it from a row that would read alike.
    """

    records: Mapping[str, Sequence[RunRecord]]
    reasons: Mapping[str, str] = field(default_factory=dict)
    kind: RowKind = "method"
    apart: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """``LFM (mini-train, 3 seeds)``."""
        records = self.records[FIRST]
        about = [weights_kind(records[0])] if records[0].weights.label else []
        about += self.apart
        if len(records) > 1:
            about.append(f"{len(records)} seeds")
        return f"{records[0].title} ({', '.join(about)})" if about else records[0].title

    def trainings(self, treatment: str) -> Trainings:
        """Its records under a treatment."""
        return [[record] for record in self.records.get(treatment, ())]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a table is about.

    Args:
        about: its name, title and caption.
        treatments: the columns of each block, the first of key :data:`FIRST`.
        suite: whose images.
        subsets: sets that hold both classes; their plain mean is shown.
        controls: sets of real photographs alone.
        alone: sets of fakes alone.
        differences: a column of differences after every treatment but the first.
        interval: of a mean.
        tell: judges the difference of two.
    """

    about: Table
    treatments: tuple[Column, ...]
    suite: str
    subsets: tuple[str, ...]
    controls: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    differences: bool = False
    interval: Interval = no_interval
    tell: Tell = no_verdict


@dataclass(frozen=True, kw_only=True)
class _By:
    """What a column shows of a row; ``apart``: as the difference to the first treatment."""

    treatment: str
    measure: Measure
    apart: bool


def build_treatment_table(question: Question, rows: Sequence[Treated]) -> Table:
    """Blocks AP, ACC and what is flagged as fake; a row a detector, a column a treatment."""

    def cell(row: Treated, by: _By) -> Cell:
        if by.apart:
            return _difference(question, row, by)
        return _value(question, row, by.treatment, by.measure)

    shown = [record for row in rows for record in row.records[FIRST]]
    drawn = about_units(shown) or "none were made"
    both, alone = question.subsets, question.alone
    sets = len(both or alone or question.controls)
    of = f" of {len(both) + len(alone)}, the others having fakes alone" if both and alone else ""
    caption = f"{question.about.caption} {_ABOUT.format(sets=sets, of=of, drawn=drawn)}"
    about = replace(question.about, caption=caption)
    table = fill(about, [(_row(row), row) for row in rows], _columns(question), cell)
    return replace(table, statements=_striking(table))


def _columns(question: Question) -> list[tuple[Column, _By]]:
    columns = []
    for block, (metric, complement) in _BLOCKS.items():
        own = {CONTROLS: question.controls, ALONE: question.alone}
        sets = own.get(block, question.subsets)
        places = tuple((question.suite, name) for name in sets)
        measure = Measure(places=places, metric=metric, complement=complement)
        for column in question.treatments if sets else ():
            column, key = replace(column, metric=block, ranked=False), column.key
            columns.append((column, _By(treatment=key, measure=measure, apart=False)))
            if question.differences and key != FIRST:
                apart = replace(
                    column,
                    key=f"{key} difference",
                    title=f"{column.title}, difference",
                    signed=True,
                )
                columns.append((apart, _By(treatment=key, measure=measure, apart=True)))
    return columns


def _row(row: Treated) -> Row:
    records = row.records[FIRST]
    limits = sorted({record.limit for record in records if record.limit})
    partial = [f"Partial: at most {limit} images of each class." for limit in limits]
    return Row(
        key=row.title,
        title=row.title,
        detector=records[0].detector,
        kind=row.kind,
        notes=(*about_weights(records), *partial, *about_resampling(records)),
    )


def _value(question: Question, row: Treated, treatment: str, measure: Measure) -> Cell:
    absent = row.reasons.get(treatment, "not run")
    return measure.cell(row.trainings(treatment), question.interval, absent)


def _difference(question: Question, row: Treated, by: _By) -> Cell:
    first = _value(question, row, FIRST, by.measure)
    second = _value(question, row, by.treatment, by.measure)
    if first.value is None or second.value is None:
        return Cell(reason=second.reason or first.reason)
    verdict = by.measure.verdict(row.trainings(by.treatment), row.trainings(FIRST), question.tell)
    return difference(second.value - first.value, verdict, second.seeds)


def _striking(table: Table) -> tuple[str, ...]:
    """A sentence for each treatment that makes a detector call real photographs fake.

    From ten percentage points on, where the difference's interval does not reach zero.
    """
    found = []
    for row in table.rows:
        before: float | None = None
        for cell, column in zip(row.cells, table.columns, strict=True):
            if column.metric not in (REALS, CONTROLS):
                continue
            if column.key == FIRST:
                before = cell.value
            if not column.signed or before is None or cell.value is None:
                continue
            if cell.value >= _STRIKING and (cell.low is None or cell.low > 0):
                what = "real photographs" if column.metric == REALS else "controls"
                found.append(
                    f"{row.title} calls {before + cell.value:.1f} % of the {what} fake under "
                    f"{column.group}, {before:.1f} % without ({signed(cell.value, 1)} points)."
                )
    return tuple(found)
