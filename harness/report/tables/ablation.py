"""Records of an ablation -> two tables: means over seeds, and differences to a reference row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.errors import SchemaError
from harness.metrics.verdict import Verdict, adjusted, hopeless
from harness.report.measured import METRICS, Measured, subset_value
from harness.report.table import Cell, Column, Row, Table, ranked
from harness.report.tables.paper import over_seeds
from harness.report.words import Tell, no_verdict, say
from harness.results.records import RunRecord
from harness.results.reservations import joined
from harness.results.rows import seed_group, told_apart

BLOCKS = ("AP", "ACC")
CONTROLS = "controls"


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """One test set.

    Args:
        suite, name: as in the records.
        group: its column; sets without one are in the column of their suite.
        seen: its generator made training images.
    """

    suite: str
    name: str
    group: str = ""
    seen: bool = False

    @property
    def fakes(self) -> bool:
        """False for controls, which hold real images only."""
        return self.group != CONTROLS


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One row with all of its seeds.

    Args:
        label: as printed.
        options: what was built, in words.
        records: seed -> one record a suite; empty where that seed was not trained.
    """

    label: str
    options: str
    records: Mapping[int, Sequence[RunRecord]]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Everything that the tables show.

    Args:
        name, title, caption: texts.
        detector: registered name.
        rows: in print order, all with the same seeds.
        reference: label of the row that the others are compared with.
        sets: the test sets, in order.
        statements: sentences below both tables (how it was made, what it is not).
        tell: judges differences; from the kept scores.
    """

    name: str
    title: str
    caption: str
    detector: str
    rows: tuple[AblationRow, ...]
    reference: str
    sets: tuple[ScoredSet, ...]
    statements: tuple[str, ...] = ()
    tell: Tell = no_verdict

    @property
    def fakes(self) -> tuple[ScoredSet, ...]:
        """The sets that hold fakes: what "all" and every test is over."""
        return tuple(entry for entry in self.sets if entry.fakes)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of every row."""
        return tuple(self.rows[0].records)


def build_ablation_tables(ablation: Ablation) -> tuple[Table, Table]:
    """The table of means, and the table of differences to the reference row with their tests.

    Raises:
        SchemaError: records of one row differ in more than the seed.
    """
    for row in ablation.rows:
        groups = {
            seed_group(record): (record,) for found in row.records.values() for record in found
        }
        if len(groups) > 1:
            apart = "; ".join(", ".join(texts) for texts in told_apart(groups).values())
            raise SchemaError(
                f"row {row.label!r} holds trainings that differ in more than the seed: {apart}",
                hint="give the ablation another --out, or delete its folder and run again",
            )
    return _means(ablation), _differences(ablation)


# --- means ----------------------------------------------------------------------------------------


def _means(ablation: Ablation) -> Table:
    columns = [(title, sets, block) for block in BLOCKS for title, sets in _columns(ablation)]
    rows = tuple(
        _row(ablation, row, [_mean_cell(row, sets, block) for _, sets, block in columns])
        for row in ablation.rows
    )
    table = Table(
        name=ablation.name,
        title=ablation.title,
        caption=ablation.caption,
        by_metric=True,
        columns=tuple(_column(title, sets, block) for title, sets, block in columns),
        rows=rows,
        statements=(_counts(ablation), *ablation.statements),
    )
    return ranked(table)


def _columns(ablation: Ablation) -> list[tuple[str, tuple[ScoredSet, ...]]]:
    """Each group of fakes, all of them, the unseen ones where some are seen, then controls."""
    groups: dict[str, tuple[ScoredSet, ...]] = {}
    for entry in ablation.sets:
        title = entry.group or entry.suite
        groups[title] = (*groups.get(title, ()), entry)
    controls = groups.pop(CONTROLS, ())
    unseen = tuple(entry for entry in ablation.fakes if not entry.seen)
    columns = list(groups.items())
    if len(groups) > 1:
        columns.append(("all fakes", ablation.fakes))
    if 0 < len(unseen) < len(ablation.fakes):
        columns.append(("unseen fakes", unseen))
    return [*columns, (CONTROLS, controls)] if controls else columns


def _column(title: str, sets: Sequence[ScoredSet], block: str) -> Column:
    seen = any(entry.seen for entry in sets)
    note = "Holds a generator that made training images." if seen else ""
    return Column(key=title, title=title, metric=block, ranked=sets[0].fakes, note=note)


def _row(ablation: Ablation, row: AblationRow, cells: Sequence[Cell]) -> Row:
    reference = " (reference)" if row.label == ablation.reference else ""
    return Row(
        key=row.label,
        title=row.label + reference,
        detector=ablation.detector,
        kind="method",
        cells=tuple(cells),
        notes=(f"{row.label}: {row.options}",),
    )


def _mean_cell(row: AblationRow, sets: Sequence[ScoredSet], block: str) -> Cell:
    if block == "AP" and not sets[0].fakes:
        return Cell(status="undefined")
    found = []
    for seed in row.records:
        means = {entry.name: _value(row, seed, entry, block) for entry in sets}
        hole = next((each.reason for each in means.values() if each.value is None), "")
        if hole:
            return Cell(status="hole", reason=f"seed {seed}: {hole}")
        found.append(
            Measured(
                value=fmean(each.value for each in means.values() if each.value is not None),
                said=joined((name, each.said) for name, each in means.items()),
            )
        )
    return over_seeds(found, lambda: None)


def _value(row: AblationRow, seed: int, entry: ScoredSet, block: str) -> Measured:
    """A metric of one row and seed on one set, in percent."""
    records = [record for record in row.records[seed] if record.suite == entry.suite]
    if not records:
        return Measured(reason="not trained")
    found = subset_value(records[0], entry.name, METRICS[block])
    if found.value is None:
        return Measured(reason=f"{entry.name}: {found.reason}")
    return found


def _counts(ablation: Ablation) -> str:
    first = ablation.rows[0]
    images = 0
    for entry in ablation.fakes:
        known = (_value(row, seed, entry, "ACC") for row in ablation.rows for seed in first.records)
        images += next((found.images for found in known if found.value is not None), 0)
    return (
        f"Mean and sample standard deviation over {_seeds(ablation)}; a column is the plain mean "
        f"over its sets. All fakes: {len(ablation.fakes)} sets, {images} scores each time "
        "(a real photograph counts in each set that it is part of). The deviation is that of "
        "training again, not of other test images."
    )


def _seeds(ablation: Ablation) -> str:
    seeds = ablation.seeds
    return (
        f"{len(seeds)} training seed{'s' if len(seeds) > 1 else ''} ({', '.join(map(str, seeds))})"
    )


# --- differences ----------------------------------------------------------------------------------


_DIGITS = 9  # of percentage points: what lies below is rounding, not a difference


@dataclass(frozen=True, kw_only=True)
class _Differences:
    """A row minus the reference row, percentage points.

    Args:
        pairs: one for each seed and set.
        by_seed: one for each seed, of the means over the sets.
        hole: why there are none.
    """

    pairs: tuple[float, ...] = ()
    by_seed: tuple[float, ...] = ()
    hole: str = ""


def _differences(ablation: Ablation) -> Table:
    reference = next(row for row in ablation.rows if row.label == ablation.reference)
    others = [row for row in ablation.rows if row is not reference]
    cells: dict[str, list[Cell]] = {row.label: [] for row in others}
    said: list[str] = []
    for block in BLOCKS:
        found = [_compare(row, reference, ablation.fakes, block) for row in others]
        verdicts = _verdicts(ablation, reference, others, found, block)
        for row, differences, verdict in zip(others, found, verdicts, strict=True):
            cells[row.label] += _cells(differences, verdict)
            said.append(f"{block}, {row.label}: {differences.hole or say(verdict)}.")
        if reason := hopeless(verdicts):
            said.append(f"{block}: {reason}")
    return Table(
        name=f"{ablation.name}-tests",
        title=f"{ablation.title}: differences to {ablation.reference}",
        caption=(
            f"Row minus {ablation.reference}, percentage points, mean over all sets of fakes. "
            "Two-sided p-values, and the same after Holm's correction over the rows."
        ),
        by_metric=True,
        columns=tuple(
            Column(
                key=title,
                title=title,
                metric=block,
                decimals=decimals,
                ranked=False,
                signed=decimals == 1,
            )
            for block in BLOCKS
            for title, decimals in _TEST_COLUMNS
        ),
        rows=tuple(_row(ablation, row, cells[row.label]) for row in others),
        statements=(*said, _ABOUT, *ablation.statements),
    )


_TEST_COLUMNS = (
    ("difference", 1),
    ("pairs better", 0),
    ("pairs worse", 0),
    ("p", 4),
    ("p, Holm", 4),
)
_ABOUT = (
    "A p is that of Student's t of the mean difference over its standard error, for which images "
    "and training seeds are both drawn, seeds in pairs; Holm is over the rows that have one, for "
    "each metric by itself. With 3 seeds only differences of some 2.5 of their standard deviations "
    "over seeds are told apart: a row that is not told apart is not shown to be equal. Pairs: sets "
    "and seeds in which the row is better, and worse. 0.0000 is a p below 0.00005."
)


def _verdicts(
    ablation: Ablation,
    reference: AblationRow,
    others: Sequence[AblationRow],
    found: Sequence[_Differences],
    block: str,
) -> list[Verdict]:
    places = [(entry.suite, entry.name) for entry in ablation.fakes]
    against = [record for records in reference.records.values() for record in records]
    verdicts = []
    for row, differences in zip(others, found, strict=True):
        if differences.hole:
            verdicts.append(Verdict(reason=differences.hole))
            continue
        own = [record for records in row.records.values() for record in records]
        verdict = ablation.tell(own, against, places, METRICS[block])
        verdicts.append(replace(verdict, value=fmean(differences.by_seed) / 100))
    return adjusted(verdicts)


def _compare(
    row: AblationRow, reference: AblationRow, sets: Sequence[ScoredSet], block: str
) -> _Differences:
    pairs, by_seed = [], []
    for seed in row.records:
        of_seed = []
        for entry in sets:
            own, other = (_value(side, seed, entry, block) for side in (row, reference))
            if own.value is None or other.value is None:
                label, reason = (
                    (row.label, own.reason)
                    if own.value is None
                    else (reference.label, other.reason)
                )
                return _Differences(hole=f"{label}, seed {seed}: {reason}")
            of_seed.append(round(own.value - other.value, _DIGITS))
        pairs += of_seed
        by_seed.append(round(fmean(of_seed), _DIGITS))
    return _Differences(pairs=tuple(pairs), by_seed=tuple(by_seed))


def _cells(found: _Differences, verdict: Verdict) -> list[Cell]:
    """The columns of differences of one row."""
    if found.hole:
        return [Cell(status="hole", reason=found.hole)] * len(_TEST_COLUMNS)
    seeds = len(found.by_seed)
    counts = (sum(d > 0 for d in found.pairs), sum(d < 0 for d in found.pairs))
    difference = Cell(
        value=fmean(found.by_seed),
        status="measured",
        spread=stdev(found.by_seed) if seeds > 1 else None,
        seeds=seeds,
        low=None if verdict.low is None else 100 * verdict.low,
        high=None if verdict.high is None else 100 * verdict.high,
    )
    return [
        difference,
        *(Cell(value=float(count), status="measured", seeds=seeds) for count in counts),
        *(
            Cell(status="hole", reason=verdict.reason)
            if p is None
            else Cell(value=p, status="measured")
            for p in (verdict.p, verdict.p_holm)
        ),
    ]
