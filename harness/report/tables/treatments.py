"""Detectors under several treatments of the same images -> one table, differences beside values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from harness.report.layout import signed
from harness.report.measured import (
    Measured,
    about_resampling,
    about_units,
    about_weights,
    subset_value,
)
from harness.report.table import Cell, Column, Row, RowKind, Table
from harness.report.tables.paper import Edges, no_interval, over_seeds
from harness.results.records import RunRecord
from harness.results.reservations import joined
from harness.results.rows import weights_kind

FIRST = "first"
"""Key of the treatment that the others are compared with."""
REALS, FAKES, CONTROLS = "reals called fake", "fakes called fake", "controls called fake"
# Block of rows -> metric of the records, and whether the block shows what is missing to 100.
_BLOCKS = {
    "AP": ("ap", False),
    "ACC": ("acc", False),
    REALS: ("real_acc", True),
    FAKES: ("fake_acc", False),
    CONTROLS: ("real_acc", True),
}
_STRIKING = 10.0  # points of real photographs newly called fake that deserve a sentence
_ABOUT = (
    "Percent, means over {sets} sets. Brackets: 95 % interval over resampled images ({drawn}); of "
    "a difference, over the same resamples of the same images on both sides. AP ranks the scores "
    "as they are."
)

Interval = Callable[[Sequence[RunRecord], Sequence[str], str], "Edges | None"]
Gap = Callable[[Sequence[RunRecord], Sequence[RunRecord], Sequence[str], str], "Edges | None"]


def no_gap(
    second: Sequence[RunRecord], first: Sequence[RunRecord], subsets: Sequence[str], metric: str
) -> Edges | None:
    """What stands for a difference's interval where the scores are not at hand."""
    return None


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """One way of treating all images.

    Args:
        key: its name in files; :data:`FIRST` for the one that the others are compared with.
        title: as printed.
        group: header above it.
    """

    key: str
    title: str
    group: str = ""


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


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a table is about.

    Args:
        name, title, caption: texts.
        treatments: columns, the first of key :data:`FIRST`.
        subsets: sets that hold both classes; their plain mean is shown.
        controls: sets of real photographs alone.
        differences: a column of differences after every treatment but the first.
        interval, gap: of a mean, and of a difference of two, as fractions.
    """

    name: str
    title: str
    caption: str
    treatments: tuple[Treatment, ...]
    subsets: tuple[str, ...]
    controls: tuple[str, ...] = ()
    differences: bool = False
    interval: Interval = no_interval
    gap: Gap = no_gap

    def sets(self, block: str) -> tuple[str, ...]:
        """The sets that a block is over."""
        return self.controls if block == CONTROLS else self.subsets


def build_treatment_table(question: Question, rows: Sequence[Treated]) -> Table:
    """Blocks AP, ACC and what is called fake; a row a detector, a column a treatment."""
    blocks = [block for block in _BLOCKS if question.sets(block)]
    columns: list[Column] = []
    cells: list[list[Cell]] = [[] for _ in rows]
    for block in blocks:
        for treatment in question.treatments:
            columns.append(_column(treatment, block))
            for row, line in zip(rows, cells, strict=True):
                line.append(_value(question, row, treatment, block))
            if not question.differences or treatment.key == FIRST:
                continue
            columns.append(_column(treatment, block, difference=True))
            for row, line in zip(rows, cells, strict=True):
                line.append(_difference(question, row, treatment, block))
    shown = [record for row in rows for record in row.records[FIRST]]
    drawn = about_units(shown) or "none were made"
    about = _ABOUT.format(sets=len(question.subsets or question.controls), drawn=drawn)
    table = Table(
        name=question.name,
        title=question.title,
        caption=f"{question.caption} {about}",
        by_metric=True,
        columns=tuple(columns),
        rows=tuple(
            Row(
                key=row.title,
                title=row.title,
                detector=row.records[FIRST][0].detector,
                kind=row.kind,
                cells=tuple(line),
                notes=_notes(row),
            )
            for row, line in zip(rows, cells, strict=True)
        ),
    )
    return replace(table, statements=_striking(table))


def _striking(table: Table) -> tuple[str, ...]:
    """A sentence for each treatment that makes a detector call real photographs fake.

    From ten percentage points on, where the difference's interval does not reach zero.
    """
    found = []
    for row in table.rows:
        before: Cell | None = None
        for i, column in enumerate(table.columns):
            if column.metric not in (REALS, CONTROLS):
                continue
            if column.key == FIRST:
                before = row.cells[i]
            gap = row.cells[i]
            if not column.signed or before is None or gap.value is None or before.value is None:
                continue
            if gap.value >= _STRIKING and (gap.low is None or gap.low > 0):
                what = "real photographs" if column.metric == REALS else "controls"
                found.append(
                    f"{row.title} calls {before.value + gap.value:.1f} % of the {what} fake under "
                    f"{column.group}, {before.value:.1f} % without "
                    f"({signed(gap.value, 1)} points)."
                )
    return tuple(found)


def _column(treatment: Treatment, block: str, *, difference: bool = False) -> Column:
    return Column(
        key=f"{treatment.key} difference" if difference else treatment.key,
        title=f"{treatment.title}, difference" if difference else treatment.title,
        metric=block,
        group=treatment.group,
        ranked=False,
        signed=difference,
    )


def _notes(row: Treated) -> tuple[str, ...]:
    records = row.records[FIRST]
    limits = sorted({record.limit for record in records if record.limit})
    partial = [f"Partial: at most {limit} images of each class." for limit in limits]
    return (*about_weights(records), *partial, *about_resampling(records))


def _value(question: Question, row: Treated, treatment: Treatment, block: str) -> Cell:
    records = row.records.get(treatment.key, ())
    means = [_mean(record, question.sets(block), block) for record in records]
    metric, flip = _BLOCKS[block]

    def edges() -> Edges | None:
        return _percent(question.interval(records, question.sets(block), metric), flip)

    cell = over_seeds(means, edges) if means else Cell(reason="not run")
    if cell.value is None:
        return Cell(reason=row.reasons.get(treatment.key) or cell.reason)
    return cell


def _difference(question: Question, row: Treated, treatment: Treatment, block: str) -> Cell:
    first = _value(question, row, question.treatments[0], block)
    second = _value(question, row, treatment, block)
    if first.value is None or second.value is None:
        return Cell(reason=second.reason or first.reason)
    metric, flip = _BLOCKS[block]
    edges = question.gap(
        row.records[treatment.key], row.records[FIRST], question.sets(block), metric
    )
    low, high = (None, None) if edges is None else (100 * edges[0], 100 * edges[1])
    if flip and low is not None and high is not None:
        low, high = -high, -low
    value = second.value - first.value
    return Cell(value=value, status="measured", seeds=second.seeds, low=low, high=high)


def _percent(edges: Edges | None, flip: bool) -> Edges | None:
    if edges is None:
        return None
    low, high = (100 * edge for edge in edges)
    return (100 - high, 100 - low) if flip else (low, high)


def _mean(record: RunRecord, subsets: Sequence[str], block: str) -> Measured:
    """The plain mean over sets in percent, or the first hole."""
    metric, flip = _BLOCKS[block]
    values, said = [], []
    for name in subsets:
        found = subset_value(record, name, metric)
        if found.value is None:
            return Measured(reason=f"{name}: {found.reason}")
        values.append(100 - found.value if flip else found.value)
        said.append((name, found.said))
    return Measured(value=fmean(values), said=joined(said))
